//! The names of `ClickHouse`'s types: which are supported, and alternatives to the others.

use super::Kind;
use crate::document::nearest;

/// Each supported type, with its syntax.
const FORMS: [(&str, &str); 51] = [
    ("Array", "Array(T)"),
    ("Bool", "Bool"),
    ("Date", "Date"),
    ("Date32", "Date32"),
    ("DateTime", "DateTime or DateTime('UTC')"),
    ("DateTime64", "DateTime64(3) or DateTime64(3, 'UTC')"),
    ("Decimal", "Decimal(18, 4)"),
    ("Decimal128", "Decimal128(4)"),
    ("Decimal256", "Decimal256(4)"),
    ("Decimal32", "Decimal32(4)"),
    ("Decimal64", "Decimal64(4)"),
    ("Enum", "Enum('a' = 1, 'b' = 2)"),
    ("Enum16", "Enum16('a' = 1, 'b' = 2)"),
    ("Enum8", "Enum8('a' = 1, 'b' = 2)"),
    ("FixedString", "FixedString(16)"),
    ("Float32", "Float32"),
    ("Float64", "Float64"),
    ("IPv4", "IPv4"),
    ("IPv6", "IPv6"),
    ("Int128", "Int128"),
    ("Int16", "Int16"),
    ("Int256", "Int256"),
    ("Int32", "Int32"),
    ("Int64", "Int64"),
    ("Int8", "Int8"),
    (
        "JSON",
        "JSON or JSON(max_dynamic_paths=64, a.b String, SKIP c)",
    ),
    ("LineString", "LineString"),
    ("LowCardinality", "LowCardinality(T)"),
    ("Map", "Map(K, V)"),
    ("MultiLineString", "MultiLineString"),
    ("MultiPolygon", "MultiPolygon"),
    ("Nested", "Nested(a T, b U)"),
    ("Nullable", "Nullable(T)"),
    ("Point", "Point"),
    ("Polygon", "Polygon"),
    ("Ring", "Ring"),
    ("SimpleAggregateFunction", "SimpleAggregateFunction(f, T)"),
    ("String", "String"),
    ("Tuple", "Tuple(a T, b U) or Tuple(T, U)"),
    ("UInt128", "UInt128"),
    ("UInt16", "UInt16"),
    ("UInt256", "UInt256"),
    ("UInt32", "UInt32"),
    ("UInt64", "UInt64"),
    ("UInt8", "UInt8"),
    ("UUID", "UUID"),
    // Names from SQL or JSON Schema: suggested, never accepted.
    ("Boolean", "Bool"),
    ("Integer", "Int64"),
    ("Number", "Float64"),
    ("Text", "String"),
    ("Timestamp", "DateTime64(3)"),
];

/// Types of `ClickHouse` whose values have no defined form in JSON, with alternatives.
const UNSUPPORTED: [(&str, &str); 11] = [
    (
        "AggregateFunction",
        "send what it aggregates, as its own type or SimpleAggregateFunction(f, T)",
    ),
    ("BFloat16", "use Float32"),
    ("Dynamic", ANYTHING),
    (
        "Geometry",
        "use Point, Ring, LineString, MultiLineString, Polygon or MultiPolygon",
    ),
    ("Interval", "use Int64"),
    ("Nothing", ANYTHING),
    ("Object", "use JSON"),
    ("QBit", "use Array(Float32)"),
    ("Time", "use String, or Int32 for seconds"),
    ("Time64", "use String, or Decimal64(3) for seconds"),
    ("Variant", ANYTHING),
];

/// For values of unknown type.
const ANYTHING: &str = "use JSON for an object, or do not declare the field: unknown_fields = \
                        \"forward\" (the default) forwards it unchanged";

/// A type that has no parameters, and no parts.
pub(super) fn plain(name: &str) -> Option<Kind> {
    Some(match name {
        "String" => Kind::String,
        "Bool" => Kind::Bool,
        "Float32" | "Float64" => Kind::Float,
        "Date" | "Date32" => Kind::Date,
        "UUID" => Kind::Uuid,
        "IPv4" => Kind::Ipv4,
        "IPv6" => Kind::Ipv6,
        _ => {
            let (signed, bits) = match name.strip_prefix("Int") {
                Some(bits) => (true, bits),
                None => (false, name.strip_prefix("UInt")?),
            };
            let widths = [8, 16, 32, 64, 128, 256];
            let bits = widths.into_iter().find(|it: &u16| it.to_string() == bits)?;
            Kind::Integer { signed, bits }
        }
    })
}

/// How a type is written.
pub(super) fn form(name: &str) -> &str {
    let found = FORMS.iter().find(|(known, _)| *known == name);
    found.map_or(name, |(_, form)| form)
}

/// The error about a name that is not a supported type.
pub(super) fn unknown(name: &str) -> String {
    let is_interval = name.starts_with("Interval");
    let unsupported = UNSUPPORTED
        .iter()
        .find(|(known, _)| *known == name || (is_interval && *known == "Interval"));
    if let Some((_, instead)) = unsupported {
        return format!("\"{name}\" cannot be validated: {instead}");
    }
    let known = || FORMS.iter().map(|(known, _)| *known);
    let meant = known()
        .find(|known| known.eq_ignore_ascii_case(name))
        .or_else(|| nearest(name, known()));
    match meant {
        Some(meant) => format!("unknown type \"{name}\"; did you mean {}?", form(meant)),
        None => format!("unknown type \"{name}\""),
    }
}
