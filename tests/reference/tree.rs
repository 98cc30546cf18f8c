//! JSON with nothing lost: keys that come twice, and numbers as they are written.
//!
//! `serde_json::Value` would not do. It keeps the last of two members with the same key, and its
//! numbers are 64 bits wide unless `serde_json` is built with `arbitrary_precision`; Cargo would
//! then build it so for the ringest under test as well, and the measure would change what it
//! measures. A `RawValue` is the text of one value, untouched, so the tree is made of these, one
//! level at a time. That reads a text once for each of its levels: slow, and plain to see.

use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Arrays and objects around one another, the default of `json_depth_max`.
pub(crate) const DEPTH_MAX: usize = 128;

/// One JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    Null,
    Bool,
    /// As it is written.
    Number(String),
    /// Unescaped.
    String(String),
    Array(Vec<Tree>),
    /// Keys unescaped, in their order, twice where they come twice.
    Object(Vec<(String, Tree)>),
}

/// Why a text is refused before any type is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Not JSON (RFC 8259), not UTF-8, or a lone surrogate.
    NotJson(String),
    /// Deeper than [`DEPTH_MAX`].
    TooDeep,
    /// A number beyond a 64-bit float. Moose takes it, the table allows both.
    TooLargeNumber(String),
}

impl Tree {
    /// A whole JSON text.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        Self::of(serde_json::from_slice(text)?, 0)
    }

    /// `depth`: arrays and objects around it.
    fn of(raw: &RawValue, depth: usize) -> Result<Self, Unreadable> {
        let text = raw.get();
        match text.as_bytes()[0] {
            b'{' | b'[' if depth == DEPTH_MAX => Err(Unreadable::TooDeep),
            b'{' => {
                let Members(members) = serde_json::from_str(text)?;
                let members = members.into_iter();
                let members = members.map(|(key, raw)| Ok((key, Self::of(raw, depth + 1)?)));
                members.collect::<Result<_, _>>().map(Self::Object)
            }
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(text)?;
                let elements = elements.into_iter().map(|raw| Self::of(raw, depth + 1));
                elements.collect::<Result<_, _>>().map(Self::Array)
            }
            b'"' => Ok(Self::String(serde_json::from_str(text)?)),
            b'n' => Ok(Self::Null),
            b't' | b'f' => Ok(Self::Bool),
            _ if text.parse().is_ok_and(f64::is_finite) => Ok(Self::Number(text.to_owned())),
            _ => Err(Unreadable::TooLargeNumber(text.to_owned())),
        }
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::NotJson(error.to_string())
    }
}

/// An object's members, one level of them.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(All)
    }
}
