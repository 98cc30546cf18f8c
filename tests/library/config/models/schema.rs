//! `fields_from`: fields of a JSON Schema beside the model.

use std::fs;

use ringest::{
    config::Config,
    model::{Kind, UnknownFields},
    validate::{Format, ValidateLimits, Validator},
};

use super::{LEAST, MODEL, Place};

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["id", "at"],
  "properties": {
    "id": { "type": "string", "format": "uuid" },
    "at": { "type": "string", "format": "date-time" },
    "age": { "type": "integer", "minimum": 0, "maximum": 150 }
  }
}"#;

/// A model with this text after its name and version, and a schema in a directory beside it.
fn place(text: &str, schema: &str) -> Place {
    let place = Place::new(LEAST);
    place.model("event", &format!("{MODEL}{text}"));
    let schemas = place.directory.path().join("models/schemas");
    fs::create_dir(&schemas).expect("a directory");
    fs::write(schemas.join("event.json"), schema).expect("written");
    place
}

fn good(text: &str) -> Config {
    match place(text, SCHEMA).load(&[]) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}"),
    }
}

#[test]
fn a_schema_beside_the_model_declares_its_fields() {
    let text = "fields_from = \"schemas/event.json\"\npartition_key = \"id\"\ntimestamp_field = \
                \"at\"\n";
    let config = good(text);
    let model = &config.models[0];
    assert_eq!(model.unknown_fields, UnknownFields::Reject);
    let fields: Vec<_> = model
        .fields
        .iter()
        .flatten()
        .map(|it| (it.name.as_str(), it.type_.text.as_str(), it.may_be_absent))
        .collect();
    assert_eq!(
        fields,
        [
            ("id", "string (uuid)", false),
            ("at", "string (date-time)", false),
            ("age", "integer (0 to 150)", true),
        ]
    );
    assert_eq!(
        model.fields.as_ref().expect("declared")[1].type_.kind,
        Kind::DateTime
    );
    // A number of the schema is good for milliseconds.
    assert!(
        good("fields_from = \"schemas/event.json\"\ntimestamp_field = \"age\"\n").models[0]
            .rules
            .timestamp_field
            .is_some()
    );
}

#[test]
fn what_is_wrong_is_told_at_the_model_or_at_the_schema() {
    let from = "fields_from = \"schemas/event.json\"\n";
    for (text, expected) in [
        (
            format!("{from}partition_key = \"idd\"\n"),
            "models/event.toml:4: partition_key: \"idd\" is not allowed: idd is not declared; did \
             you mean \"id\"?",
        ),
        (
            format!("{from}[fields]\na = \"String\"\n"),
            "models/event.toml:4: fields: not allowed together with fields_from: the schema uses \
             \"properties\"",
        ),
        (
            format!("unknown_fields = \"reject\"\n{from}"),
            "models/event.toml:3: unknown_fields: not allowed together with fields_from: the \
             schema uses \
             \"additionalProperties\"",
        ),
        (
            "fields_from = \"event.json\"\n".to_owned(),
            "models/event.toml:3: fields_from: models/event.json: No such file or directory (os \
             error 2)",
        ),
        (
            "fields_from = \"\"\n".to_owned(),
            "models/event.toml:3: fields_from: \"\" is not allowed: the path of a JSON Schema, such \
             as \"schema.json\"",
        ),
    ] {
        assert_eq!(place(&text, SCHEMA).errors(&[]), [expected], "{text}");
    }
    let schema = SCHEMA
        .replace("\"minimum\": 0", "\"multipleOf\": 5")
        .replace("uuid", "ulid");
    let errors = place(&format!("{from}topic = \"\"\n"), &schema).errors(&[]);
    let starts = [
        "models/event.toml:4: topic: \"\" is not allowed: ",
        "models/schemas/event.json:7: #/properties/id/format: \"ulid\" is not allowed: ",
        "models/schemas/event.json:9: #/properties/age/multipleOf: \"multipleOf\" is not supported",
    ];
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}\n{start}");
    }
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    assert_eq!(
        place(from, "{\n\"type\": object\n}").errors(&[]),
        ["models/schemas/event.json:2: not valid JSON: expected value at line 2 column 9"]
    );
}

/// Absent and null are two things in JSON Schema, as `required` and `type` are.
#[test]
fn a_record_is_judged_by_its_schema() {
    let schema = r#"{
        "type": "object",
        "required": ["id", "end"],
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "end": {"type": ["string", "null"], "format": "date-time"},
            "note": {"type": "string"},
            "kind": {"enum": ["a", "b", null]}
        },
        "additionalProperties": false
    }"#;
    let config = place("fields_from = \"schemas/event.json\"\n", schema)
        .load(&[])
        .expect("good");
    let mut validator = Validator::new(ValidateLimits::from(&config.limits));
    for (record, is_good) in [
        (r#"{"id":1,"end":null}"#, true),
        (
            r#"{"id":1.0,"end":"2026-11-24T08:00:00Z","kind":"b"}"#,
            true,
        ),
        (r#"{"end":null,"id":1e2,"note":"","kind":null}"#, true),
        (r#"{"id":1}"#, false),
        (r#"{"id":1,"end":null,"note":null}"#, false),
        (r#"{"id":"1","end":null}"#, false),
        (r#"{"id":0,"end":null}"#, false),
        (r#"{"id":1.5,"end":null}"#, false),
        (r#"{"id":1,"end":"tomorrow"}"#, false),
        (r#"{"id":1,"end":null,"kind":"c"}"#, false),
        (r#"{"id":1,"end":null,"other":1}"#, false),
    ] {
        let rules = &config.models[0].rules;
        let outcome = validator.validate(record.as_bytes(), Format::Json, rules);
        assert_eq!(outcome.is_ok(), is_good, "{record}: {outcome:?}");
    }
}
