//! A record that a model accepts, made from its types, for a first request.

use std::fmt::Write as _;

use super::{Field, Kind, Model, Type};

/// A day of the past, so that no topic refuses it as a time to come.
const DATE: &str = "2026-11-23";
const DATE_TIME: &str = "2026-11-23T08:00:00.123Z";
/// The same in milliseconds since 1970.
const TIMESTAMP_MS: u64 = 1_795_420_800_123;

impl Model {
    /// A valid record: each declared field once, also those that may be absent. The same for the same model.
    pub fn example(&self) -> String {
        let mut text = String::new();
        match &self.fields {
            Some(fields) => {
                let timestamp = self.rules.timestamp_field.as_deref();
                object(&mut text, fields, timestamp.unwrap_or_default());
            }
            None => untyped(&mut text, self.rules.partition_key.as_deref()),
        }
        text
    }
}

/// Anything is valid; with a partition key if there is one.
fn untyped(text: &mut String, key: Option<&[String]>) {
    let Some((last, parents)) = key.and_then(|key| key.split_last()) else {
        *text += r#"{"hello":"ringest"}"#;
        return;
    };
    for name in parents {
        let _ = write!(text, "{{{}:", quoted(name));
    }
    let _ = write!(
        text,
        "{{{}:{}}}",
        quoted(last),
        quoted(&format!("{last}-1"))
    );
    text.extend(parents.iter().map(|_| '}'));
}

/// Writes to a String never fail.
fn object(text: &mut String, fields: &[Field], timestamp: &[String]) {
    members(text, fields, |text, field| {
        let inner = match timestamp.split_first() {
            Some((name, rest)) if *name == field.name => Some(rest),
            _ => None,
        };
        let _ = write!(text, "{}:", quoted(&field.name));
        value(text, &field.type_.kind, &field.name, inner);
    });
}

fn members<T>(text: &mut String, items: &[T], mut member: impl FnMut(&mut String, &T)) {
    text.push('{');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        member(text, item);
    }
    text.push('}');
}

/// A value for a field of this name. `timestamp`: the rest of the path to the record's timestamp, if it is in
/// this value.
fn value(text: &mut String, kind: &Kind, name: &str, timestamp: Option<&[String]>) {
    match kind {
        Kind::Nullable(inner) => value(text, &inner.kind, name, timestamp),
        Kind::Array(element) => {
            text.push('[');
            value(text, &element.kind, name, None);
            text.push(']');
        }
        Kind::Tuple(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                value(text, &element.kind, name, None);
            }
            text.push(']');
        }
        Kind::Object(inner) => object(text, &inner.fields, timestamp.unwrap_or_default()),
        Kind::Map(key, of) => {
            let key = scalar(&key.kind, "key", None);
            let key = if key.starts_with('"') {
                key
            } else {
                quoted(&key)
            };
            let _ = write!(text, "{{{key}:");
            value(text, &of.kind, name, None);
            text.push('}');
        }
        Kind::Json(paths) => {
            let paths: Vec<_> = paths
                .iter()
                .map(|(path, type_)| (&path[..], type_))
                .collect();
            typed_paths(text, &paths);
        }
        Kind::Any => *text += "{}",
        kind => *text += &scalar(kind, name, timestamp),
    }
}

/// The object that has these paths, of which none is the beginning of another.
fn typed_paths(text: &mut String, paths: &[(&[String], &Type)]) {
    let mut names: Vec<&String> = Vec::new();
    names.extend(paths.iter().filter_map(|(path, _)| path.first()));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    members(text, &names, |text, name| {
        let _ = write!(text, "{}:", quoted(name));
        let inside: Vec<_> = paths
            .iter()
            .filter_map(|(path, type_)| match path.split_first() {
                Some((first, rest)) if first == *name => Some((rest, *type_)),
                _ => None,
            })
            .collect();
        match inside[..] {
            [([], type_)] => value(text, &type_.kind, name, None),
            _ => typed_paths(text, &inside),
        }
    });
}

/// A value without parts, as JSON.
fn scalar(kind: &Kind, name: &str, timestamp: Option<&[String]>) -> String {
    match kind {
        Kind::String => quoted(&format!("{name}-1")),
        Kind::FixedString(bytes) => {
            let text = format!("{name}-1");
            quoted(&text[..text.floor_char_boundary(*bytes)])
        }
        Kind::Bool => "true".to_owned(),
        Kind::Integer { bits, .. } if timestamp.is_some() && *bits == 64 => {
            TIMESTAMP_MS.to_string()
        }
        Kind::WholeNumber { minimum, maximum } => {
            let usual = if timestamp.is_some() {
                TIMESTAMP_MS.into()
            } else {
                1
            };
            let number = usual.max(minimum.unwrap_or(usual));
            number.min(maximum.unwrap_or(number)).to_string()
        }
        Kind::Integer { .. } => "1".to_owned(),
        Kind::Float | Kind::Number => "1.5".to_owned(),
        Kind::Decimal => r#""12.50""#.to_owned(),
        Kind::Date => quoted(DATE),
        Kind::DateTime => quoted(DATE_TIME),
        Kind::Uuid => r#""550e8400-e29b-41d4-a716-446655440000""#.to_owned(),
        Kind::Ipv4 => r#""192.0.2.1""#.to_owned(),
        Kind::Ipv6 => r#""2001:db8::1""#.to_owned(),
        Kind::Enum(members) => members
            .first()
            .map_or_else(|| "null".to_owned(), |(name, _)| quoted(name)),
        Kind::Literals(texts) => texts
            .first()
            .map_or_else(|| "null".to_owned(), |text| quoted(text)),
        Kind::Nullable(inner) => scalar(&inner.kind, name, timestamp),
        Kind::Any
        | Kind::Array(_)
        | Kind::Tuple(_)
        | Kind::Object(_)
        | Kind::Map(..)
        | Kind::Json(_) => "{}".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
