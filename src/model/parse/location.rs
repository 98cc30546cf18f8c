//! Positions in a record, as a path of fields: its partition key and its timestamp.

use super::{Declared, Reader};
use crate::{
    document::nearest,
    model::{Field, Kind, Type},
};

impl Reader<'_> {
    /// Where the partition key is: a text, a number or a boolean.
    pub(super) fn partition_key(&mut self, declared: &Declared) -> Option<Vec<String>> {
        let allowed = "a partition key is a string, a number or a boolean";
        self.location("partition_key", declared, allowed, Kind::is_scalar)
    }

    /// Where the timestamp is.
    pub(super) fn timestamp_field(&mut self, declared: &Declared) -> Option<Vec<String>> {
        let allowed = "a timestamp is a DateTime, a Date, or an integer of up to 64 bits \
                       (milliseconds since 1970)";
        self.location("timestamp_field", declared, allowed, |kind| match kind {
            Kind::Date | Kind::DateTime | Kind::WholeNumber { .. } => true,
            Kind::Integer { bits, .. } => *bits <= 64,
            _ => false,
        })
    }

    /// A path of fields to one whose type fits, null aside. Each must be declared, even where records
    /// may have others: a misspelt name would leave every record without its key or its time.
    fn location(
        &mut self,
        name: &str,
        declared: &Declared,
        allowed: &str,
        fits: impl Fn(&Kind) -> bool,
    ) -> Option<Vec<String>> {
        let form = "a path of fields such as \"user.id\"; names with dots in double quotes";
        let text = self.text(name, form, |text| path(text).is_some())?;
        let path = path(&text)?;
        let Some(fields) = &declared.fields else {
            return Some(path);
        };
        let wrong = match member(fields, &path) {
            Ok(None) => return Some(path),
            Ok(Some(found)) if fits(not_null(found)) || *not_null(found) == Kind::Any => {
                return Some(path);
            }
            Ok(Some(found)) => format!("{text} is {}, and {allowed}", found.text),
            Err(LocationError { left, message }) => {
                format!("{} {message}", shown(&path[..path.len() - left]))
            }
        };
        let setting = self.tree.get(name)?;
        self.refuse(setting, &wrong);
        None
    }
}

/// Names between dots; one in double quotes may hold dots itself.
fn path(text: &str) -> Option<Vec<String>> {
    let mut path = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if name.is_empty() || path.len() == Type::DEPTH_MAX {
            return None;
        }
        path.push(name.to_owned());
        if after.is_empty() {
            return Some(path);
        }
        rest = after.strip_prefix('.')?;
    }
}

/// A path as [`path`] reads it.
fn shown(path: &[String]) -> String {
    let names = path.iter().map(|name| {
        if name.contains('.') {
            format!("\"{name}\"")
        } else {
            name.clone()
        }
    });
    names.collect::<Vec<_>>().join(".")
}

/// Why a path is invalid.
struct LocationError {
    /// Names of the path after the invalid one.
    left: usize,
    /// The error about that one.
    message: String,
}

/// The type at the end of a path; `None` where anything may be.
fn member<'f>(fields: &'f [Field], path: &[String]) -> Result<Option<&'f Type>, LocationError> {
    let Some((name, rest)) = path.split_first() else {
        return Ok(None);
    };
    if let Some(field) = fields.iter().find(|field| field.name == *name) {
        return inside(&field.type_, rest);
    }
    let meant = nearest(name, fields.iter().map(|field| field.name.as_str()));
    let meant = meant.map_or_else(String::new, |it| format!("; did you mean \"{it}\"?"));
    Err(LocationError {
        left: rest.len(),
        message: format!("is not declared{meant}"),
    })
}

/// What a path leads to from a value of this type.
fn inside<'f>(type_: &'f Type, path: &[String]) -> Result<Option<&'f Type>, LocationError> {
    let Some((_, rest)) = path.split_first() else {
        return Ok(Some(type_));
    };
    match &type_.kind {
        Kind::Any => Ok(None),
        Kind::Nullable(inner) => inside(inner, path),
        Kind::Map(_, value) => inside(value, rest),
        Kind::Object(object) => member(&object.fields, path),
        Kind::Json(places) => {
            for (place, type_) in places {
                if let Some(rest) = path.strip_prefix(place.as_slice()) {
                    return inside(type_, rest);
                }
                if place.starts_with(path) {
                    return Err(LocationError {
                        left: 0,
                        message: format!("is an object that contains {}", shown(place)),
                    });
                }
            }
            Ok(None)
        }
        _ => Err(LocationError {
            left: path.len(),
            message: format!("is {}, which has no fields", type_.text),
        }),
    }
}

/// What a value is if it is not null.
fn not_null(type_: &Type) -> &Kind {
    match &type_.kind {
        Kind::Nullable(inner) => not_null(inner),
        kind => kind,
    }
}
