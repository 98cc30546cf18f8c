//! The `OpenAPI` document: whether it is one, whether it has everything, and whether its schemas say
//! what the models mean.
//!
//! `schema-3.1.json` is the `OpenAPI` Initiative's own schema of 3.1 documents (2022-10-07), under
//! the Apache License 2.0, as the package `openapi-spec-validator` 0.9.0 has it.

mod records;

use std::{collections::BTreeSet, sync::Arc};

use jsonschema::{Registry, Validator};
use ringest::{
    model::{Field, Kind, Model, OnInvalid, Type, UnknownFields},
    openapi,
    outcome::TABLE,
    route::RouteTable,
    validate::ErrorCode,
};
use serde_json::{Value, json};

/// The `OpenAPI` schema leaves open what a schema is; here it is one of JSON Schema 2020-12, wherever
/// it stands.
fn validator(registry: &Registry<'_>) -> Validator {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/openapi-with-json-schema",
        "$ref": "https://spec.openapis.org/oas/3.1/schema/2022-10-07",
        "$defs": {
            "schema": {
                "$dynamicAnchor": "meta",
                "$ref": "https://json-schema.org/draft/2020-12/schema",
            },
        },
    });
    let options = jsonschema::options().with_registry(registry);
    options.build(&schema).expect("a schema")
}

fn registry() -> Registry<'static> {
    let schema: Value =
        serde_json::from_str(include_str!("openapi/schema-3.1.json")).expect("JSON");
    let registry = Registry::new().add(
        "https://spec.openapis.org/oas/3.1/schema/2022-10-07",
        schema,
    );
    registry.expect("a URI").prepare().expect("a schema")
}

fn model(name: &str, version: &str, fields: Option<Vec<Field>>) -> Model {
    Model {
        fields,
        ..Model::untyped(name, version.parse().expect("a version"), "topic")
    }
}

fn type_(text: &str, kind: Kind) -> Type {
    Type {
        kind,
        text: text.to_owned(),
    }
}

fn field(name: &str, text: &str, kind: Kind) -> Field {
    Field::declared(name.to_owned(), type_(text, kind), false)
}

fn document(models: Vec<Model>) -> Value {
    let models: Vec<_> = models.into_iter().map(Arc::new).collect();
    openapi::document(RouteTable::new(&models).routes())
}

/// Several versions, a name that is another's with a version, and one model of every kind.
fn several() -> Value {
    let mut partial = model("Order", "1.10", Some(records::every_kind()));
    partial.rules.on_invalid = OnInvalid::AcceptValid;
    let reject = Model {
        unknown_fields: UnknownFields::Reject,
        ..model("Order_1", "10", Some(records::every_kind()))
    };
    let models = vec![model("Order", "1.9", None), partial, reject];
    document(models)
}

#[test]
fn it_is_a_document() {
    let registry = registry();
    let validator = validator(&registry);
    for document in [document(Vec::new()), several()] {
        let errors: Vec<_> = validator
            .iter_errors(&document)
            .map(|it| it.to_string())
            .collect();
        assert_eq!(errors, [""; 0]);
    }
}

/// The test above would notice.
#[test]
fn what_is_no_document_is_refused() {
    let registry = registry();
    let validator = validator(&registry);
    for (pointer, wrong) in [
        ("/openapi", json!("3.0.0")),
        ("/info", json!({})),
        (
            "/paths/~1ingest~1Order/post/responses",
            json!({ "20": { "description": "" } }),
        ),
        ("/components/schemas/Order_1.9/type", json!("objekt")),
        (
            "/components/requestBodies/Order_1.9/content/application~1json/schema/anyOf",
            json!([]),
        ),
        ("/components/responses/400/content", json!([])),
    ] {
        let mut document = several();
        *document.pointer_mut(pointer).expect(pointer) = wrong;
        assert!(!validator.is_valid(&document), "{pointer}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_id_is_unique() {
    let document = several();
    let mut references = Vec::new();
    let mut ids = Vec::new();
    walk(&document, &mut |key, value| match (key, value) {
        ("$ref", Value::String(text)) => references.push(text.clone()),
        ("operationId", Value::String(text)) => ids.push(text.clone()),
        _ => {}
    });
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), unique.len()), (5, 5), "{ids:?}");
}

fn walk(value: &Value, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                see(key, value);
                walk(value, see);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| walk(element, see)),
        _ => {}
    }
}

#[test]
fn every_path_is_there_and_the_latest_is_the_highest() {
    let document = several();
    let paths = document["paths"].as_object().expect("paths");
    let body_of = |path: &str| paths[path]["post"]["requestBody"]["$ref"].clone();
    let expected = [
        ("/ingest/Order", "Order_1.10"),
        ("/ingest/Order/1.10", "Order_1.10"),
        ("/ingest/Order/1.9", "Order_1.9"),
        ("/ingest/Order_1", "Order_1_10"),
        ("/ingest/Order_1/10", "Order_1_10"),
    ];
    for (path, body) in expected {
        assert_eq!(
            body_of(path),
            format!("#/components/requestBodies/{body}"),
            "{path}"
        );
    }
    assert_eq!(paths.len(), expected.len());
}

#[test]
fn a_path_of_its_own_has_no_latest() {
    let models = [Arc::new(Model {
        path: Some("/ingest/Order/1.0".to_owned()),
        ..model("Order", "1.0", None)
    })];
    let document = openapi::document(RouteTable::new(&models).routes());
    let paths: Vec<_> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .collect();
    assert_eq!(paths, ["/ingest/Order/1.0"]);
}

#[test]
fn every_answer_of_a_route_is_there() {
    let document = several();
    let answers = |path: &str| -> BTreeSet<String> {
        let responses = &document["paths"][path]["post"]["responses"];
        responses
            .as_object()
            .expect("answers")
            .keys()
            .cloned()
            .collect()
    };
    let strict = answers("/ingest/Order/1.9");
    let partial = answers("/ingest/Order/1.10");
    let mut expected = strict.clone();
    expected.insert("207".to_owned());
    assert_eq!(partial, expected);
    for status in ["200", "400", "408", "413", "415", "431", "500", "503"] {
        assert!(strict.contains(status), "{status}");
    }
    for status in ["207", "404", "405"] {
        assert!(!strict.contains(status), "{status}");
    }
    // Every code that a client can see on a route is under its status.
    let elsewhere = ["unknown_route", "method_not_allowed"];
    for row in TABLE.iter().filter(|row| row.status >= 400) {
        let pointer = format!(
            "/components/responses/{}/content/application~1problem+json/schema/allOf/1/properties/code/enum",
            row.status
        );
        let codes = document.pointer(&pointer).and_then(Value::as_array);
        let is_there = codes.is_some_and(|codes| codes.contains(&json!(row.name)));
        assert_eq!(is_there, !elsewhere.contains(&row.name), "{}", row.name);
    }
    let shed = &document["components"]["responses"]["503"];
    assert!(shed["headers"]["Retry-After"].is_object());
    assert_eq!(
        document["components"]["responses"]["400"]["headers"],
        Value::Null
    );
}

#[test]
fn a_problem_is_as_the_document_has_it() {
    let document = several();
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(
        document["components"]["schemas"]["ValidationError"]["properties"]["code"]["enum"],
        json!(codes)
    );
    let schema = schema(&document, "Problem");
    let error = json!({
        "index": 0, "offset": 1, "line": 1, "column": 2, "path": "$.a", "code": "missing_field",
        "expected": null, "message": "",
    });
    let mut problem = json!({
        "type": "about:blank", "title": "Bad Request", "status": 400, "detail": "",
        "code": "invalid_record", "persisted": "no", "request_id": "a-1", "errors": [error],
        "errors_total": 1,
    });
    assert!(schema.is_valid(&problem));
    problem["errors"][0]["code"] = json!("no_such_code");
    assert!(!schema.is_valid(&problem));
}

/// A component of a document, to validate by.
fn schema(document: &Value, name: &str) -> Validator {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{name}"),
        "components": document["components"],
    });
    jsonschema::validator_for(&schema).expect("a schema")
}
