//! What can be posted, as an `OpenAPI` 3.1 document: for generated clients, gateways and people.
//!
//! Everything in it is derived: paths from the routes, schemas from the models, answers from
//! [`crate::outcome::TABLE`] and [`ErrorCode::ALL`]. Where JSON Schema can't say what a type means
//! (see `schema`), the schema is the wider of the two, so that no good record is one that it refuses.

mod schema;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    model::{Model, OnInvalid},
    outcome::{Code, Row, TABLE},
    route::Route,
    validate::{ERRORS_MAX, ErrorCode},
};

const DESCRIPTION: &str = "\
Records are judged by their data models, and forwarded to Kafka byte for byte. A 200 means that \
every in-sync replica has them.

JSON Schema can't say all that the models do, and there ringest is stricter than the schemas: a \
whole number is written without fraction and exponent, a number in a string must be in range as \
well, FixedString counts bytes, a date must exist, and UTF-8 and nesting are checked in fields \
that are not declared, too.";

/// The document as it is served and printed.
pub fn text(routes: &[Route]) -> String {
    format!("{:#}\n", document(routes))
}

/// The document: a path for each route, and for `/ingest/<name>` where it leads to one.
pub fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        paths.insert(route.path.clone(), path_item(&route.model, false));
        if let Some(path) = latest_path(route) {
            paths.insert(path.to_owned(), path_item(&route.model, true));
        }
    }
    let models = || routes.iter().map(|route| &*route.model);
    let mut schemas: Map<_, _> = models()
        .map(|model| (component(model), schema::record(model)))
        .collect();
    schemas.insert("Accepted".to_owned(), accepted());
    schemas.insert("Problem".to_owned(), problem());
    schemas.insert("ValidationError".to_owned(), validation_error());
    let bodies: Map<_, _> = models()
        .map(|model| (component(model), request_body(model)))
        .collect();
    let mut responses: Map<_, _> = refusals()
        .iter()
        .map(|(status, rows)| (status.to_string(), refusal(*status, rows)))
        .collect();
    responses.insert(
        "200".to_owned(),
        success("Every record is in its topic.", &accepted_ref()),
    );
    if models().any(accepts_valid) {
        schemas.insert("PartlyAccepted".to_owned(), partly_accepted());
        let description = "The valid records are in their topic; the others are named.";
        let schema = reference("schemas", "PartlyAccepted");
        responses.insert("207".to_owned(), success(description, &schema));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ringest",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
        },
        "paths": paths,
        "components": { "schemas": schemas, "requestBodies": bodies, "responses": responses },
    })
}

/// `/ingest/<name>` where it leads to this route.
fn latest_path(route: &Route) -> Option<&str> {
    if !route.latest || route.model.path.is_some() {
        return None;
    }
    let path = route.path.strip_suffix(route.model.version.as_str())?;
    path.strip_suffix('/')
}

/// A model's name among the components. A version has no `_`, so no two models have the same, and
/// none has that of a component of ours.
fn component(model: &Model) -> String {
    format!("{}_{}", model.name, model.version)
}

fn reference(section: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{section}/{name}") })
}

fn accepts_valid(model: &Model) -> bool {
    model.rules.on_invalid == OnInvalid::AcceptValid
}

fn path_item(model: &Model, is_latest: bool) -> Value {
    let Model {
        name,
        version,
        topic,
        ..
    } = model;
    let mut statuses = vec![200];
    if accepts_valid(model) {
        statuses.push(207);
    }
    statuses.extend(refusals().into_keys());
    let responses: Map<_, _> = statuses
        .iter()
        .map(ToString::to_string)
        .map(|status| (status.clone(), reference("responses", &status)))
        .collect();
    let (id, version) = if is_latest {
        (
            format!("ingest_{name}_latest"),
            format!("highest version, {version}"),
        )
    } else {
        (
            format!("ingest_{name}_{version}"),
            format!("version {version}"),
        )
    };
    json!({
        "post": {
            "operationId": id,
            "summary": format!("Records of {name}, {version}, to the topic {topic}"),
            "tags": [name],
            "requestBody": reference("requestBodies", &component(model)),
            "responses": responses,
        }
    })
}

fn request_body(model: &Model) -> Value {
    let name = component(model);
    let record = reference("schemas", &name);
    json!({
        "required": true,
        "content": {
            "application/json": {
                "schema": {
                    "description": "One record, or an array of any number of them.",
                    "anyOf": [record, { "type": "array", "items": record }],
                },
            },
            "application/x-ndjson": {
                "schema": {
                    "type": "string",
                    "description": format!(
                        "A record a line, each as #/components/schemas/{name} has it."
                    ),
                },
            },
        },
    })
}

fn success(description: &str, schema: &Value) -> Value {
    json!({
        "description": description,
        "content": { "application/json": { "schema": schema } },
    })
}

/// The lines of the table that a route may answer with and that are refusals, by their status.
fn refusals() -> BTreeMap<u16, Vec<&'static Row>> {
    // What is answered before there is a route, or without one. A code that is new is a route's.
    let is_a_routes = |row: &&Row| {
        !matches!(
            row.code,
            Code::Healthy | Code::IdleTimeout | Code::UnknownRoute | Code::MethodNotAllowed
        )
    };
    let mut by_status: BTreeMap<u16, Vec<&Row>> = BTreeMap::new();
    for row in TABLE
        .iter()
        .filter(is_a_routes)
        .filter(|row| row.status >= 400)
    {
        by_status.entry(row.status).or_default().push(row);
    }
    by_status
}

fn refusal(status: u16, rows: &[&Row]) -> Value {
    let names: Vec<_> = rows.iter().map(|row| row.name).collect();
    let details = rows
        .iter()
        .map(|row| format!("`{}`: {}", row.name, row.detail));
    let particular = json!({
        "properties": { "status": { "const": status }, "code": { "enum": names } },
    });
    let mut response = json!({
        "description": details.collect::<Vec<_>>().join("\n\n"),
        "content": {
            "application/problem+json": {
                "schema": { "allOf": [reference("schemas", "Problem"), particular] },
            },
        },
    });
    if rows.iter().any(|row| row.retry) {
        response["headers"] = json!({
            "Retry-After": {
                "description": "Seconds after which a retry is suggested.",
                "schema": { "type": "integer", "minimum": 0 },
            },
        });
    }
    response
}

fn accepted_ref() -> Value {
    reference("schemas", "Accepted")
}

fn accepted() -> Value {
    json!({
        "type": "object",
        "required": ["accepted"],
        "properties": { "accepted": count("Records acknowledged.") },
    })
}

fn partly_accepted() -> Value {
    json!({
        "type": "object",
        "required": ["accepted", "rejected", "errors", "errors_total"],
        "properties": {
            "accepted": count("Records acknowledged."),
            "rejected": count("Records that are not valid."),
            "errors": errors(),
            "errors_total": count("All errors, including those not listed."),
        },
    })
}

/// RFC 9457, with our members.
fn problem() -> Value {
    let codes = TABLE.iter().filter(|row| row.status >= 400);
    let codes: Vec<_> = codes.map(|row| row.name).collect();
    let indices = |what: &str| {
        json!({
            "type": "array",
            "description": format!("With \"partial\": the records that are {what}, from 0."),
            "items": { "type": "integer", "minimum": 0 },
        })
    };
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "persisted"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string" },
            "code": { "description": "Stable, for programs.", "enum": codes },
            "persisted": {
                "description": "What became of the records.",
                "enum": ["no", "unknown", "partial"],
            },
            "delivered": indices("in their topic"),
            "not_delivered": indices("not in their topic and will not be"),
            "unknown": indices("perhaps in their topic"),
            "records": count("Records of the request, where they can be counted."),
            "rejected": count("Records that are not valid."),
            "errors": errors(),
            "errors_total": count("All errors, including those not listed."),
        },
    })
}

fn errors() -> Value {
    json!({
        "type": "array",
        "description": "The first errors, by offset.",
        "maxItems": ERRORS_MAX,
        "items": reference("schemas", "ValidationError"),
    })
}

fn validation_error() -> Value {
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "required": ["index", "offset", "line", "column", "path", "code", "expected", "message"],
        "properties": {
            "index": count("The record, from 0."),
            "offset": count("Bytes of the body before it."),
            "line": { "type": "integer", "minimum": 1 },
            "column": { "type": "integer", "minimum": 1, "description": "The byte of the line." },
            "path": { "type": "string", "description": "A JSONPath into the record (RFC 9535)." },
            "code": { "description": "Stable, for programs.", "enum": codes },
            "expected": {
                "type": ["string", "null"],
                "description": "The type as the model writes it.",
            },
            "message": { "type": "string", "description": "For people." },
        },
    })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}
