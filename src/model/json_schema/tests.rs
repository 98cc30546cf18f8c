//! The compilation of JSON Schemas, and errors about those that cannot be validated.

mod faults;

use super::*;

/// The fields of a root with these members.
fn read(members: &str) -> Result<(Vec<Field>, UnknownFields), Vec<String>> {
    let mut errors = Vec::new();
    let text = format!("{{\"type\": \"object\"{members}}}");
    let found = fields("s.json", &text, &mut errors);
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    found.ok_or(errors)
}

/// The type of the property `v`, which these members describe.
fn type_of(members: &str) -> Type {
    let text = format!(", \"properties\": {{\"v\": {{{members}}}}}");
    match read(&text) {
        Ok((mut fields, _)) => fields.remove(0).type_,
        Err(errors) => panic!("{members}: {errors:#?}"),
    }
}

fn whole(minimum: Option<i128>, maximum: Option<i128>) -> Kind {
    Kind::WholeNumber { minimum, maximum }
}

fn literals(texts: &[&str]) -> Kind {
    Kind::Literals(texts.iter().map(|it| (*it).to_owned()).collect())
}

fn typed(kind: Kind, text: &str) -> Type {
    let text = text.to_owned();
    Type { kind, text }
}

fn boxed(kind: Kind, text: &str) -> Box<Type> {
    Box::new(typed(kind, text))
}

#[test]
fn values_without_parts() {
    for (members, kind, text) in [
        ("", Kind::Any, "any JSON value"),
        (
            r#""title": "T", "$comment": 3"#,
            Kind::Any,
            "any JSON value",
        ),
        (r#""type": "string""#, Kind::String, "string"),
        (r#""type": ["string"]"#, Kind::String, "string"),
        (
            r#""type": "string", "format": "date-time""#,
            Kind::DateTime,
            "string (date-time)",
        ),
        (
            r#""type": "string", "format": "date""#,
            Kind::Date,
            "string (date)",
        ),
        (
            r#""type": "string", "format": "uuid""#,
            Kind::Uuid,
            "string (uuid)",
        ),
        (
            r#""type": "string", "format": "ipv4""#,
            Kind::Ipv4,
            "string (ipv4)",
        ),
        (
            r#""type": "string", "format": "ipv6""#,
            Kind::Ipv6,
            "string (ipv6)",
        ),
        (
            r#""type": "boolean", "default": true"#,
            Kind::Bool,
            "boolean",
        ),
        (
            r#""type": "number", "examples": [1]"#,
            Kind::Number,
            "number",
        ),
        (r#""type": "integer""#, whole(None, None), "integer"),
        (
            r#""type": "integer", "minimum": 0, "maximum": 150"#,
            whole(Some(0), Some(150)),
            "integer (0 to 150)",
        ),
        (
            r#""type": "integer", "minimum": -5.0"#,
            whole(Some(-5), None),
            "integer (at least -5)",
        ),
        (
            r#""type": "integer", "exclusiveMaximum": 1e3"#,
            whole(None, Some(999)),
            "integer (at most 999)",
        ),
        (
            r#""type": "integer", "minimum": 3, "exclusiveMinimum": 3, "maximum": 4, "exclusiveMaximum": 9"#,
            whole(Some(4), Some(4)),
            "integer (4 to 4)",
        ),
        (
            r#""type": "integer", "maximum": 170141183460469231731687303715884105727"#,
            whole(None, Some(i128::MAX)),
            "integer (at most 170141183460469231731687303715884105727)",
        ),
        (r#""const": "a""#, literals(&["a"]), "\"a\""),
        (
            r#""enum": ["b", "a"]"#,
            literals(&["b", "a"]),
            "\"b\" or \"a\"",
        ),
        (
            r#""type": "string", "enum": ["a", "b", "c"]"#,
            literals(&["a", "b", "c"]),
            "\"a\", \"b\" or \"c\"",
        ),
        // What the type does not allow is not allowed, nor is what the enum does not.
        (
            r#""type": "string", "enum": ["a", null]"#,
            literals(&["a"]),
            "\"a\"",
        ),
        (
            r#""type": ["string", "null"], "enum": ["a"]"#,
            literals(&["a"]),
            "\"a\"",
        ),
    ] {
        assert_eq!(type_of(members), typed(kind, text), "{members}");
    }
    let nine = type_of(r#""enum": ["1", "2", "3", "4", "5", "6", "7", "8", "9"]"#);
    let text = r#"one of 9 strings: "1", "2", "3", "4", "5", "6", "7", "8", …"#;
    assert_eq!(nine.text, text);
}

#[test]
fn null_beside_a_type() {
    for (members, kind, text) in [
        (r#""type": ["string", "null"]"#, Kind::String, "string"),
        (
            r#""type": ["null", "string"], "format": "date""#,
            Kind::Date,
            "string (date)",
        ),
        (r#""enum": [null, "a"]"#, literals(&["a"]), "\"a\""),
        (
            r#""type": ["string", "null"], "enum": ["a", null]"#,
            literals(&["a"]),
            "\"a\"",
        ),
        (
            r#""anyOf": [{"type": "number"}, {"type": "null"}]"#,
            Kind::Number,
            "number",
        ),
        (
            r#""oneOf": [{"type": "null", "title": "none"}, {"type": "boolean"}], "description": "d""#,
            Kind::Bool,
            "boolean",
        ),
    ] {
        let expected = typed(
            Kind::Nullable(boxed(kind, text)),
            &format!("{text} or null"),
        );
        assert_eq!(type_of(members), expected, "{members}");
    }
}

#[test]
fn values_with_parts() {
    let string = || boxed(Kind::String, "string");
    let nothing = |unknown_fields| Object {
        fields: Vec::new(),
        unknown_fields: Some(unknown_fields),
    };
    for (members, kind, text) in [
        (r#""type": "array""#, Kind::Array(Box::new(any())), "array"),
        (
            r#""type": "array", "items": true"#,
            Kind::Array(Box::new(any())),
            "array",
        ),
        (
            r#""type": "array", "items": {"type": "string"}"#,
            Kind::Array(string()),
            "array of string",
        ),
        (
            r#""type": "array", "items": {"type": ["string", "null"]}"#,
            Kind::Array(boxed(Kind::Nullable(string()), "string or null")),
            "array of (string or null)",
        ),
        (
            r#""type": "array", "prefixItems": [{"type": "string"}, true], "items": false, "minItems": 2"#,
            Kind::Tuple(vec![*string(), any()]),
            "array (string, any JSON value)",
        ),
        (
            r#""type": "object""#,
            Kind::Object(nothing(UnknownFields::Forward)),
            "object",
        ),
        (
            r#""type": "object", "additionalProperties": {}"#,
            Kind::Object(nothing(UnknownFields::Forward)),
            "object",
        ),
        (
            r#""type": "object", "additionalProperties": false"#,
            Kind::Object(nothing(UnknownFields::Reject)),
            "object",
        ),
        (
            r#""type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}"#,
            Kind::Map(string(), boxed(Kind::Array(string()), "array of string")),
            "object of array of string",
        ),
    ] {
        assert_eq!(type_of(members), typed(kind, text), "{members}");
    }
}

#[test]
fn the_root_is_the_record() {
    let members = r##", "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x:y",
        "properties": {"z": {"type": "string"}, "a": {"type": "object", "required": ["c"],
        "properties": {"c": true}}, "m": {"$ref": "#/$defs/a~1b%20c"}},
        "required": ["a"], "additionalProperties": false, "readOnly": true,
        "$defs": {"a/b c": {"type": "integer"}, "unused": {"nonsense": 1}}"##;
    let (fields, unknown_fields) = read(members).expect("good");
    assert_eq!(unknown_fields, UnknownFields::Reject);
    let shown: Vec<_> = fields
        .iter()
        .map(|it| (it.name.as_str(), it.type_.text.as_str(), it.may_be_absent))
        .collect();
    let expected = [
        ("z", "string", true),
        ("a", "object", false),
        ("m", "integer", true),
    ];
    assert_eq!(shown, expected);
    let Kind::Object(inner) = &fields[1].type_.kind else {
        panic!("{fields:?}");
    };
    // An object that says nothing of other properties allows them, whatever the root says.
    assert_eq!(inner.unknown_fields, Some(UnknownFields::Forward));
    assert!(!inner.fields[0].may_be_absent);

    let mut errors = Vec::new();
    let text = r##"{"$ref": "#/$defs/r", "$defs": {"r": {"type": "object"}}}"##;
    let found = super::fields("s.json", text, &mut errors);
    assert_eq!(
        found,
        Some((Vec::new(), UnknownFields::Forward)),
        "{errors:?}"
    );
}
