//! Moose's column types (`ColumnType` of its `framework/core/infrastructure/table.rs`), in all
//! spellings that it reads, as `ClickHouse` types.

use super::{
    column,
    node::{MapErrors, Node, all},
};
use crate::{document::ConfigError, model::text};

/// A type as `ClickHouse` writes it; `path` is the name of the field in remarks.
///
/// # Errors
/// Each part of the type that has no counterpart.
pub(super) fn clickhouse(
    node: &Node<'_>,
    path: &str,
    remarks: &mut Vec<String>,
) -> Result<String, MapErrors> {
    if let Some(name) = node.value.as_str() {
        return Ok(scalar(name).map_err(|message| node.error(message))?);
    }
    if !node.value.is_object() {
        let message = "a type is expected: a string or an object".to_owned();
        return Err(node.error(message).into());
    }
    // Moose distinguishes these by their members, too, in this order.
    if let Some(inner) = node.get("nullable") {
        return Ok(nullable(clickhouse(&inner, path, remarks)?));
    }
    if node.get("fields").is_some() {
        let pairs = node.require_items("fields")?;
        return Ok(object(
            "Tuple",
            &pairs_of(&pairs, path, text::name, remarks)?,
        ));
    }
    if let Some(element) = node.get_any(["elementType", "element_type"]) {
        let element = clickhouse(&element, path, remarks)?;
        let spellings = ["elementNullable", "element_nullable"];
        let is_nullable = spellings.iter().any(|key| node.is_true(key));
        let element = if is_nullable {
            nullable(element)
        } else {
            element
        };
        return Ok(format!("Array({element})"));
    }
    if let Some(key) = node.get_any(["keyType", "key_type"]) {
        let Some(value) = node.get_any(["valueType", "value_type"]) else {
            return Err(node.error("\"valueType\" is missing".to_owned()).into());
        };
        let [key, value] = [key, value].map(|it| clickhouse(&it, path, remarks));
        return Ok(format!("Map({}, {})", key?, value?));
    }
    if node.get("values").is_some() {
        return Ok(enumeration(node)?);
    }
    if node.get("columns").is_some() {
        return column::nested(node, path, remarks);
    }
    json(node, path, remarks)
}

/// `[name, type]` pairs as `name type`.
fn pairs_of(
    pairs: &[Node<'_>],
    path: &str,
    written: fn(&str) -> String,
    remarks: &mut Vec<String>,
) -> Result<Vec<String>, MapErrors> {
    let members = pairs.iter().map(|pair| {
        let mut parts = pair.items();
        let (Some(name), Some(type_), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(pair
                .error("a name and a type are expected".to_owned())
                .into());
        };
        let name = name.text()?;
        let type_ = clickhouse(&type_, &format!("{path}.{name}"), remarks)?;
        Ok(format!("{} {type_}", written(name)))
    });
    all(members)
}

/// A type, or null.
pub(super) fn nullable(type_: String) -> String {
    if type_.starts_with("Nullable(") {
        type_
    } else {
        format!("Nullable({type_})")
    }
}

/// An object with these members; `JSON` if it has none, which `ClickHouse` cannot express.
pub(super) fn object(kind: &str, members: &[String]) -> String {
    if members.is_empty() {
        return "JSON".to_owned();
    }
    format!("{kind}({})", members.join(", "))
}

/// `{"name": …, "values": [{"name": "LOW", "value": {"Int": 1}}, …]}`: members with texts for
/// values are known by those, and numbered from 1 as `ClickHouse` does.
fn enumeration(node: &Node<'_>) -> Result<String, ConfigError> {
    let mut members = Vec::new();
    let mut numbers = Vec::new();
    let values = node.require_items("values")?;
    let is_numbered = values
        .iter()
        .all(|it| it.get("value").is_some_and(|it| it.get("Int").is_some()));
    for (index, member) in values.iter().enumerate() {
        let value = member.require("value")?;
        let (name, number) = if is_numbered {
            let number = value.require("Int")?;
            (member.require_text("name")?, number.value.as_i64())
        } else {
            (value.require_text("String")?, i64::try_from(index + 1).ok())
        };
        let Some(number) = number.and_then(|it| i16::try_from(it).ok()) else {
            return Err(value.error("enum values must be from -32768 to 32767".to_owned()));
        };
        numbers.push(number);
        members.push(format!("{} = {number}", text::literal(name)));
    }
    if members.is_empty() {
        return Err(node.error("an enum without members".to_owned()));
    }
    let is_small = numbers.iter().all(|it| i8::try_from(*it).is_ok());
    let bits = if is_small { 8 } else { 16 };
    Ok(format!("Enum{bits}({})", members.join(", ")))
}

/// Options of a JSON column: an object that has at least one of their keys.
fn json(node: &Node<'_>, path: &str, remarks: &mut Vec<String>) -> Result<String, MapErrors> {
    const TYPES: [&str; 2] = ["max_dynamic_types", "maxDynamicTypes"];
    const PATHS: [&str; 2] = ["max_dynamic_paths", "maxDynamicPaths"];
    const TYPED: [&str; 2] = ["typed_paths", "typedPaths"];
    const SKIP: [&str; 2] = ["skip_paths", "skipPaths"];
    const SKIP_REGEXPS: [&str; 2] = ["skip_regexps", "skipRegexps"];
    let keys = [TYPES, PATHS, TYPED, SKIP, SKIP_REGEXPS];
    // Moose also accepts a null option of a JSON column.
    if !keys
        .iter()
        .flatten()
        .any(|key| node.value.get(key).is_some())
    {
        return Err(node
            .error("not a type that ringest supports".to_owned())
            .into());
    }
    let mut options = Vec::new();
    for key in [TYPES, PATHS] {
        if let Some(option) = node.get_any(key) {
            let Some(number) = option.value.as_u64() else {
                return Err(option.error("a number is expected".to_owned()).into());
            };
            options.push(format!("{}={number}", key[0]));
        }
    }
    if let Some(typed) = node.get_any(TYPED) {
        let pairs: Vec<_> = typed.items().collect();
        options.extend(pairs_of(&pairs, path, text::path, remarks)?);
    }
    for (key, written) in [
        (
            SKIP,
            (|it| format!("SKIP {}", text::path(it))) as fn(&str) -> String,
        ),
        (SKIP_REGEXPS, |it| {
            format!("SKIP REGEXP {}", text::literal(it))
        }),
    ] {
        let skipped = node.get_any(key);
        for skipped in skipped.iter().flat_map(Node::items) {
            options.push(written(skipped.text()?));
        }
    }
    Ok(if options.is_empty() {
        "JSON".to_owned()
    } else {
        format!("JSON({})", options.join(", "))
    })
}

/// A type that the map has as a string.
fn scalar(name: &str) -> Result<String, String> {
    let same = match name {
        "Boolean" => "Bool",
        "Int" => "Int64",
        "Float" => "Float64",
        "Date" => "Date32",
        "Date16" => "Date",
        "Json" => "JSON",
        "String" | "UUID" | "IPv4" | "IPv6" | "DateTime" | "Float32" | "Float64" | "Int8"
        | "Int16" | "Int32" | "Int64" | "Int128" | "Int256" | "UInt8" | "UInt16" | "UInt32"
        | "UInt64" | "UInt128" | "UInt256" | "Point" | "Ring" | "LineString"
        | "MultiLineString" | "Polygon" | "MultiPolygon" => name,
        "Decimal" => "Decimal(10, 0)",
        _ => return sized(name),
    };
    Ok(same.to_owned())
}

/// A type with numbers in parentheses, within `ClickHouse`'s bounds.
fn sized(name: &str) -> Result<String, String> {
    let unknown = || format!("{name:?} is not a type that ringest supports");
    let (base, rest) = name.split_once('(').ok_or_else(unknown)?;
    let numbers = rest.strip_suffix(')').ok_or_else(unknown)?;
    let numbers = numbers.split(',').map(|it| it.trim().parse::<u64>());
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().map_err(|_| unknown())?;
    match (base, &numbers[..]) {
        ("DateTime", [precision @ 0..=9]) => Ok(format!("DateTime64({precision})")),
        ("FixedString", [length @ 1..=u64::MAX]) => Ok(format!("FixedString({length})")),
        ("Decimal", [precision @ 1..=76]) => Ok(format!("Decimal({precision}, 0)")),
        ("Decimal", [precision @ 1..=76, scale]) if scale <= precision => {
            Ok(format!("Decimal({precision}, {scale})"))
        }
        ("DateTime" | "FixedString" | "Decimal", _) => {
            Err(format!("{name:?} exceeds the limits of ClickHouse"))
        }
        _ => Err(unknown()),
    }
}
