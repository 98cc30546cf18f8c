//! Random models: what they say as the reference has it, and the text that ringest reads.

use std::fmt::Write as _;

use super::choices::Choices;
use crate::reference::types::{Field, Model, Type};

/// Types within one another, at most, where a scalar is the innermost.
const LEVELS: usize = 4;

/// Names of fields and members: alike but for the case or a byte in the middle, longer than any
/// prefix that one might compare, and such as must be quoted.
const NAMES: [&str; 18] = [
    "a",
    "b",
    "id",
    "value",
    "Value",
    "userId",
    "x1",
    "_",
    "String",
    "customer_one_percentage",
    "customer_two_percentage",
    "a.b",
    "a b",
    "naïve",
    "it`s \"quoted\"",
    "$serde_json::private::Number",
    "$serde_json::private::RawValue",
    "back\\slash",
];

/// Names of enums' members.
const MEMBERS: [&str; 8] = [
    "view",
    "click",
    "View",
    "",
    "deep blue",
    "it's",
    "1",
    "naïve",
];

/// A model, its file but for its name, and what a field or a member may be called in a body.
pub(crate) fn model(choices: &mut Choices<'_>) -> (Model, String) {
    let mut text = String::new();
    let rejects_unknown = choices.once_in(3);
    if rejects_unknown {
        text.push_str("unknown_fields = \"reject\"\n");
    }
    if choices.once_in(3) {
        text.push_str("on_invalid = \"accept_valid\"\n");
    }
    text.push_str("[fields]\n");
    let names = names(choices);
    let fields = names.into_iter().map(|name| {
        let (type_, type_text) = type_(choices, LEVELS);
        let has_default = choices.once_in(5);
        let (key, type_text) = (toml_string(name), toml_string(&type_text));
        let line = if has_default {
            writeln!(text, "{key} = {{ type = {type_text}, default = \"0\" }}")
        } else {
            writeln!(text, "{key} = {type_text}")
        };
        line.expect("a String takes all");
        Field {
            name: name.to_owned(),
            type_,
            has_default,
        }
    });
    let fields = fields.collect();
    let model = Model {
        fields,
        rejects_unknown,
    };
    (model, text)
}

/// A name that a model may have used.
pub(crate) fn name(choices: &mut Choices<'_>) -> &'static str {
    choices.of(&NAMES)
}

/// A few different names.
fn names(choices: &mut Choices<'_>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for _ in 0..choices.of(&[1, 2, 3, 3, 4, 6]) {
        let name = name(choices);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A type and its text, with up to so many levels.
pub(crate) fn type_(choices: &mut Choices<'_>, levels: usize) -> (Type, String) {
    if levels <= 1 || choices.below(5) < 2 {
        return scalar(choices);
    }
    let inner = levels - 1;
    match choices.below(8) {
        0 => {
            let (type_, text) = type_(choices, inner);
            (Type::Array(Box::new(type_)), call("Array", &text))
        }
        1 => nullable(choices, inner),
        2 => {
            let (key, key_text) = key(choices);
            let (value, value_text) = type_(choices, inner);
            let parameters = format!("{key_text}, {value_text}");
            let type_ = Type::Map(Box::new(key), Box::new(value));
            (type_, call("Map", &parameters))
        }
        3 => object(choices, "Tuple", inner),
        4 => object(choices, "Nested", inner),
        5 => {
            let count = 1 + choices.below(3);
            let (types, texts) = (0..count).map(|_| type_(choices, inner)).unzip();
            let texts: Vec<String> = texts;
            (Type::Tuple(types), call("Tuple", &texts.join(", ")))
        }
        6 => json(choices, inner),
        _ => {
            let (name, levels) = choices.of(&[
                ("Point", 0),
                ("Ring", 1),
                ("LineString", 1),
                ("Polygon", 2),
                ("MultiLineString", 2),
                ("MultiPolygon", 3),
            ]);
            let point = Type::Tuple(vec![Type::Float, Type::Float]);
            let type_ = (0..levels).fold(point, |inner, _| Type::Array(Box::new(inner)));
            (type_, name.to_owned())
        }
    }
}

/// Of any type but one that is nullable already.
fn nullable(choices: &mut Choices<'_>, levels: usize) -> (Type, String) {
    match type_(choices, levels) {
        already @ (Type::Nullable(_), _) => already,
        (type_, text) => (Type::Nullable(Box::new(type_)), call("Nullable", &text)),
    }
}

fn object(choices: &mut Choices<'_>, name: &str, levels: usize) -> (Type, String) {
    let names = names(choices);
    let mut texts = Vec::new();
    let members = names.into_iter().map(|name| {
        let (type_, text) = type_(choices, levels);
        texts.push(format!("{} {text}", quoted_name(name)));
        (name.to_owned(), type_)
    });
    let type_ = Type::Object(members.collect());
    (type_, call(name, &texts.join(", ")))
}

/// Its typed paths share no beginning, or they share an object.
fn json(choices: &mut Choices<'_>, levels: usize) -> (Type, String) {
    const PATHS: [&[&str]; 6] = [
        &["a"],
        &["b", "c"],
        &["b", "d"],
        &["id"],
        &["b", "e", "f"],
        &["Value"],
    ];
    const OPTIONS: [&str; 4] = [
        "max_dynamic_paths=16",
        "SKIP debug.info",
        "SKIP REGEXP '^tmp_(.*)'",
        "max_dynamic_types = 8",
    ];
    let mut parameters = Vec::new();
    let mut paths = Vec::new();
    for path in PATHS {
        if choices.once_in(3) {
            let (type_, text) = type_(choices, levels);
            parameters.push(format!("{} {text}", path.join(".")));
            paths.push((path.iter().map(|&it| it.to_owned()).collect(), type_));
        }
    }
    for option in OPTIONS {
        if choices.once_in(5) {
            parameters.insert(choices.below(parameters.len() + 1), option.to_owned());
        }
    }
    let text = if parameters.is_empty() {
        "JSON".to_owned()
    } else {
        call("JSON", &parameters.join(", "))
    };
    (Type::Json(paths), text)
}

/// What a map's keys may be.
fn key(choices: &mut Choices<'_>) -> (Type, String) {
    match scalar(choices) {
        (Type::Bool | Type::Decimal | Type::Nullable(_), _) => (Type::String, "String".to_owned()),
        allowed => allowed,
    }
}

fn scalar(choices: &mut Choices<'_>) -> (Type, String) {
    let (type_, text) = plain(choices);
    if choices.once_in(12) && !matches!(type_, Type::Decimal) {
        return (type_, call("LowCardinality", &text));
    }
    if choices.once_in(20) {
        let text = call("LowCardinality", &call("Nullable", &text));
        return (Type::Nullable(Box::new(type_)), text);
    }
    if choices.once_in(20) {
        return (
            type_,
            call("SimpleAggregateFunction", &format!("anyLast, {text}")),
        );
    }
    (type_, text)
}

/// A scalar under its own name.
fn plain(choices: &mut Choices<'_>) -> (Type, String) {
    let (type_, text) = match choices.below(16) {
        0 => (Type::String, "String"),
        1 => {
            let bytes = choices.of(&[1, 2, 3, 8, 16]);
            return (Type::FixedString(bytes), format!("FixedString({bytes})"));
        }
        2 => (Type::Bool, "Bool"),
        3..=6 => {
            let (signed, bits) = (
                choices.below(2) == 0,
                choices.of(&[8, 16, 32, 64, 128, 256]),
            );
            let sign = if signed { "" } else { "U" };
            return (Type::Integer { signed, bits }, format!("{sign}Int{bits}"));
        }
        7 => (Type::Float, choices.of(&["Float64", "Float32"])),
        8 => {
            let texts = [
                "Decimal(18, 4)",
                "Decimal(76,38)",
                "Decimal(5)",
                "Decimal32(2)",
                "Decimal256( 9 )",
            ];
            (Type::Decimal, choices.of(&texts))
        }
        9 => (Type::Date, choices.of(&["Date", "Date32"])),
        10 | 11 => {
            let texts = [
                "DateTime",
                "DateTime('Europe/Vienna')",
                "DateTime64(3)",
                "DateTime64(9, 'UTC')",
            ];
            (Type::DateTime, choices.of(&texts))
        }
        12 => (Type::Uuid, "UUID"),
        13 => (Type::Ipv4, "IPv4"),
        14 => (Type::Ipv6, "IPv6"),
        _ => return enum_(choices),
    };
    (type_, text.to_owned())
}

fn enum_(choices: &mut Choices<'_>) -> (Type, String) {
    let name = choices.of(&["Enum8", "Enum16", "Enum"]);
    let mut number = choices.of(&[1, 1, 0, -3, if name == "Enum8" { 120 } else { 32_760 }]);
    let is_numbered = number != 1 || choices.below(2) == 0;
    let mut members = Vec::new();
    let mut texts = Vec::new();
    for _ in 0..=choices.below(5) {
        let member = choices.of(&MEMBERS);
        if members.iter().any(|(name, _)| name == member) {
            continue;
        }
        let quoted = member.replace('\'', choices.of(&["\\'", "''"]));
        texts.push(if is_numbered {
            format!("'{quoted}' = {number}")
        } else {
            format!("'{quoted}'")
        });
        members.push((member.to_owned(), number));
        number += 1;
    }
    (Type::Enum(members), call(name, &texts.join(", ")))
}

fn call(name: &str, parameters: &str) -> String {
    format!("{name}({parameters})")
}

/// In backquotes, unless it is a word.
fn quoted_name(name: &str) -> String {
    let is_word = name
        .chars()
        .all(|it| it.is_ascii_alphanumeric() || it == '_');
    if is_word {
        name.to_owned()
    } else {
        let escaped = name.replace('\\', "\\\\").replace('`', "\\`");
        format!("`{escaped}`")
    }
}
