//! The API as an `OpenAPI` 3.1 document: for generated clients, gateways and people.
//!
//! Everything in it is derived: paths from the routes, schemas from the models, responses from
//! [`crate::outcome::TABLE`] and [`ErrorCode::ALL`]. Where JSON Schema can't express a type exactly
//! (see `schema`), the schema is more permissive than the model: it never rejects a valid record.

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
Records are validated against their data models and forwarded to Kafka byte for byte. A 200 \
response means that every in-sync replica has stored them.

JSON Schema can't express every rule of the models. ringest is stricter than these schemas in that \
integers must be written without fraction and exponent, numbers in strings must be in range, \
FixedString counts bytes, dates must exist, and UTF-8 and nesting depth are also checked in \
undeclared fields.";

/// The document as formatted JSON.
pub fn text(routes: &[Route]) -> String {
    format!("{:#}\n", document(routes))
}

/// The document: a path for each route, and one for each `/ingest/<name>` that leads to a route.
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
    let mut responses: Map<_, _> = error_responses()
        .iter()
        .map(|(status, rows)| (status.to_string(), error_response(*status, rows)))
        .collect();
    responses.insert(
        "200".to_owned(),
        success("All records were delivered.", &accepted_ref()),
    );
    if models().any(accepts_valid) {
        schemas.insert("PartlyAccepted".to_owned(), partly_accepted());
        let description = "The valid records were delivered; `errors` lists the invalid ones.";
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

/// `/ingest/<name>` if it leads to this route.
fn latest_path(route: &Route) -> Option<&str> {
    if !route.latest || route.model.path.is_some() {
        return None;
    }
    let path = route.path.strip_suffix(route.model.version.as_str())?;
    path.strip_suffix('/')
}

/// The name of a model's components. A version has no `_`, so these names are unique and differ from
/// `Accepted` and the like.
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
    statuses.extend(error_responses().into_keys());
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
            "summary": format!("Send records of {name}, {version}, to the topic {topic}"),
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
                    "description": "One record, or an array of records.",
                    "anyOf": [record, { "type": "array", "items": record }],
                },
            },
            "application/x-ndjson": {
                "schema": {
                    "type": "string",
                    "description": format!(
                        "One record per line, each of the schema #/components/schemas/{name}."
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

/// The rows of the outcome table for error responses of a route, by status.
fn error_responses() -> BTreeMap<u16, Vec<&'static Row>> {
    // Excludes responses without a route; a new code is included unless listed here.
    let has_route = |row: &&Row| {
        !matches!(
            row.code,
            Code::Healthy | Code::UnknownRoute | Code::MethodNotAllowed
        )
    };
    let mut by_status: BTreeMap<u16, Vec<&Row>> = BTreeMap::new();
    for row in TABLE
        .iter()
        .filter(has_route)
        .filter(|row| row.status >= 400)
    {
        by_status.entry(row.status).or_default().push(row);
    }
    by_status
}

fn error_response(status: u16, rows: &[&Row]) -> Value {
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
                "description": "Seconds to wait before retrying.",
                "schema": { "type": "integer", "minimum": 0 },
            },
        });
    }
    if status == 429 {
        let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
        response["headers"]["RateLimit-Policy"] = text(
            "The quota: its name, the amount `q`, the seconds `w` that it is for, the unit `qu`.",
        );
        response["headers"]["RateLimit"] =
            text("What is left of it, `r`, and the seconds until there is more, `t`.");
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
        "properties": { "accepted": count("Records delivered.") },
    })
}

fn partly_accepted() -> Value {
    json!({
        "type": "object",
        "required": ["accepted", "rejected", "errors", "errors_total"],
        "properties": {
            "accepted": count("Records delivered."),
            "rejected": count("Invalid records."),
            "errors": errors(),
            "errors_total": count("All errors, including those not listed."),
        },
    })
}

/// A problem document (RFC 9457) with ringest's extension members.
fn problem() -> Value {
    let codes = TABLE.iter().filter(|row| row.status >= 400);
    let codes: Vec<_> = codes.map(|row| row.name).collect();
    let indices = |which: &str| {
        json!({
            "type": "array",
            "description": format!("If `persisted` is \"partial\": indices, from 0, of the records {which}."),
            "items": { "type": "integer", "minimum": 0 },
        })
    };
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "persisted", "request_id"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference" },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string" },
            "code": { "description": "Stable error code, for programs.", "enum": codes },
            "persisted": {
                "description": "Whether the brokers stored the records: \"no\", \"unknown\", or \
                                \"partial\" (some of them).",
                "enum": ["no", "unknown", "partial"],
            },
            "request_id": {
                "type": "string",
                "description": "Identifies the request, as the header field X-Request-Id does.",
            },
            "delivered": indices("that were delivered"),
            "not_delivered": indices("that were not delivered"),
            "unknown": indices("of which it is unknown whether they were delivered"),
            "records": count("Records in the request, if they could be counted."),
            "rejected": count("Invalid records."),
            "errors": errors(),
            "errors_total": count("All errors, including those not listed."),
            "counting_ended_early": {
                "description": "Present if the body had so many errors that the rest of it was not \
                                validated: `records`, `rejected` and `errors_total` count up to there.",
                "const": true,
            },
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
            "index": count("Index of the record in the request, from 0."),
            "offset": count("Byte offset in the body, from 0."),
            "line": { "type": "integer", "minimum": 1 },
            "column": {
                "type": "integer",
                "minimum": 1,
                "description": "Byte position in the line, from 1.",
            },
            "path": { "type": "string", "description": "JSONPath of the value (RFC 9535)." },
            "code": { "description": "Stable error code, for programs.", "enum": codes },
            "expected": {
                "type": ["string", "null"],
                "description": "The type that the model declares.",
            },
            "message": { "type": "string", "description": "Explanation, for people." },
        },
    })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}
