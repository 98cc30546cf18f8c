//! Types of models as JSON Schema 2020-12.
//!
//! `format` is an annotation for code generators, as in the dialect of `OpenAPI` 3.1; `pattern`
//! constrains strings. Bounds of integers beyond 64 bits are omitted, as few programs read them
//! exactly.

use serde_json::{Map, Value, json};

use crate::model::{Field, Kind, Model, Object, Type, UnknownFields};

/// Strings accepted for a `Float64`.
const FLOAT: &str = r"^[+-]?([0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?|[iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN])$";

/// Strings accepted for a `Decimal`.
const DECIMAL: &str = r"^-?[0-9]+(\.[0-9]+)?$";

const DATE: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";

/// RFC 3339 section 5.6; letters in either case, a space allowed instead of the `T`.
const DATE_TIME: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// With hyphens, optionally in braces or after `urn:uuid:`, or 32 hex digits.
const UUID: &str = r"^((urn:uuid:)?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}|[0-9A-Fa-f]{32})$";

/// Leading zeros are allowed, with up to three digits a part.
const IPV4: &str =
    r"^(25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})(\.(25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})){3}$";

/// The character set and lengths of RFC 4291 section 2.2, without its grammar.
const IPV6: &str = "^[0-9A-Fa-f:.]{2,45}$";

/// The schema of one record of a model.
pub(super) fn record(model: &Model) -> Value {
    let mut schema = match &model.fields {
        None => json!({ "type": "object" }),
        Some(fields) => object(fields, model.unknown_fields),
    };
    schema["title"] = json!(format!("{} {}", model.name, model.version));
    schema
}

/// `inherited` applies to the undeclared members of objects without a setting of their own.
fn of(type_: &Type, inherited: UnknownFields) -> Value {
    let mut schema = of_kind(&type_.kind, inherited);
    schema["description"] = json!(type_.text);
    schema
}

fn of_kind(kind: &Kind, inherited: UnknownFields) -> Value {
    match kind {
        Kind::Any => json!({}),
        Kind::String => json!({ "type": "string" }),
        // A string has at least as many bytes as characters.
        Kind::FixedString(bytes) => json!({ "type": "string", "maxLength": bytes }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer { signed, bits } => integer(*signed, *bits),
        Kind::Float => number_or(FLOAT),
        Kind::Decimal => number_or(DECIMAL),
        Kind::Date => text("date", DATE),
        Kind::DateTime => text("date-time", DATE_TIME),
        Kind::Uuid => text("uuid", UUID),
        Kind::Ipv4 => text("ipv4", IPV4),
        Kind::Ipv6 => text("ipv6", IPV6),
        Kind::Enum(members) => {
            let names = members.iter().map(|(name, _)| json!(name));
            let numbers = members.iter().map(|(_, number)| json!(number));
            json!({ "enum": names.chain(numbers).collect::<Vec<_>>() })
        }
        Kind::Nullable(inner) => {
            json!({ "anyOf": [of_kind(&inner.kind, inherited), { "type": "null" }] })
        }
        Kind::Array(element) => json!({ "type": "array", "items": of(element, inherited) }),
        Kind::Map(key, value) => json!({
            "type": "object",
            "propertyNames": key_of(key, inherited),
            "additionalProperties": of(value, inherited),
        }),
        Kind::Object(Object {
            fields,
            unknown_fields,
        }) => object(fields, unknown_fields.unwrap_or(inherited)),
        Kind::Tuple(elements) => json!({
            "type": "array",
            "prefixItems": elements.iter().map(|it| of(it, inherited)).collect::<Vec<_>>(),
            "minItems": elements.len(),
            "maxItems": elements.len(),
        }),
        Kind::Json(paths) => json_object(paths),
        Kind::Number => json!({ "type": "number" }),
        Kind::WholeNumber { minimum, maximum } => {
            let mut schema = json!({ "type": "integer" });
            for (name, bound) in [("minimum", minimum), ("maximum", maximum)] {
                if let Some(bound) = bound.and_then(exact) {
                    schema[name] = bound;
                }
            }
            schema
        }
        Kind::Literals(texts) => json!({ "type": "string", "enum": texts }),
    }
}

/// The schema of a map's key, which is always a string: numbers match their string form.
fn key_of(type_: &Type, inherited: UnknownFields) -> Value {
    match type_.kind {
        Kind::Bool => json!({ "enum": ["true", "false"], "description": type_.text }),
        _ => of(type_, inherited),
    }
}

fn text(format: &str, pattern: &str) -> Value {
    json!({ "type": "string", "format": format, "pattern": pattern })
}

fn number_or(pattern: &str) -> Value {
    json!({ "anyOf": [{ "type": "number" }, { "type": "string", "pattern": pattern }] })
}

/// A JSON integer, or a string with at most as many digits as the largest value.
fn integer(signed: bool, bits: u16) -> Value {
    let value_bits = bits - u16::from(signed);
    // 2^n has floor(n log10 2) + 1 decimal digits; the fraction is exact far beyond 256 bits.
    let more_digits = u32::from(value_bits) * 30_103 / 100_000;
    let sign = if signed { "-?" } else { "" };
    let pattern = format!("^{sign}(0|[1-9][0-9]{{0,{more_digits}}})$");
    let mut number = json!({ "type": "integer" });
    if bits <= 64 {
        let end = 1_i128 << value_bits;
        let bounds = [
            ("minimum", if signed { -end } else { 0 }),
            ("maximum", end - 1),
        ];
        for (name, bound) in bounds {
            number[name] = json!(exact(bound));
        }
    } else if !signed {
        number["minimum"] = json!(0);
    }
    json!({ "anyOf": [number, { "type": "string", "pattern": pattern }] })
}

/// A bound as JSON, if it fits in 64 bits.
fn exact(bound: i128) -> Option<Value> {
    let signed = i64::try_from(bound).map(Value::from);
    signed
        .or_else(|_| u64::try_from(bound).map(Value::from))
        .ok()
}

fn object(fields: &[Field], unknown_fields: UnknownFields) -> Value {
    let required = fields.iter().filter(|field| !field.may_be_absent);
    let required: Vec<_> = required.map(|field| &field.name).collect();
    let properties: Map<_, _> = fields
        .iter()
        .map(|field| (field.name.clone(), of(&field.type_, unknown_fields)))
        .collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if unknown_fields == UnknownFields::Reject {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

/// An object in which each path leads to a value of its type. If the type is nullable, any part of the
/// path may be missing or null. Other members may have any value, at every depth.
fn json_object(paths: &[(Vec<String>, Type)]) -> Value {
    let path = |(names, type_): &(Vec<String>, Type)| {
        let is_optional = matches!(type_.kind, Kind::Nullable(_));
        let value = of(type_, UnknownFields::Forward);
        names.iter().rev().fold(value, |inner, name| {
            let properties = json!({ name: inner });
            if is_optional {
                json!({ "type": ["object", "null"], "properties": properties })
            } else {
                json!({ "type": "object", "properties": properties, "required": [name] })
            }
        })
    };
    let mut schema = json!({ "type": "object" });
    if !paths.is_empty() {
        schema["allOf"] = paths.iter().map(path).collect();
    }
    schema
}
