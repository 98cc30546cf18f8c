//! A JSON document as text, so that every value has its position and members keep their order.

use std::{fmt, ops::Range};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::annotations::is_annotation;

/// A value, by its text in the document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'d>(&'d str);

/// A value, one level deep.
pub(super) enum Value<'d> {
    Null,
    Bool(bool),
    Number,
    String(String),
    Array(Vec<Node<'d>>),
    Object(Vec<(String, Node<'d>)>),
}

impl<'d> Node<'d> {
    /// The whole document; else where it is no JSON, or has a key twice, and why.
    pub(super) fn document(text: &'d str) -> Result<Self, (Range<usize>, String)> {
        let root: &RawValue = serde_json::from_str(text).map_err(|error| {
            let line = text
                .split_inclusive('\n')
                .take(error.line().saturating_sub(1));
            let at = line.map(str::len).sum();
            (at..at, error.to_string())
        })?;
        let root = Self(root.get());
        root.check(0)
            .map_err(|(node, message)| (node.span(text), message))?;
        Ok(root)
    }

    /// What a look at the whole does not show: a key that is a duplicate, a surrogate alone.
    fn check(self, depth: usize) -> Result<(), (Self, String)> {
        /// Arrays and objects around one another.
        const DEPTH_MAX: usize = 128;
        if depth > DEPTH_MAX {
            return Err((self, format!("more than {DEPTH_MAX} levels")));
        }
        let wrong = |error: serde_json::Error| (self, error.to_string());
        match self.read().map_err(wrong)? {
            Value::Array(elements) => elements.into_iter().try_for_each(|it| it.check(depth + 1)),
            Value::Object(members) => {
                let mut names = std::collections::HashSet::new();
                for (name, node) in members {
                    node.check(depth + 1)?;
                    if !names.insert(name.clone()) {
                        return Err((node, format!("{name:?} is a duplicate")));
                    }
                }
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number | Value::String(_) => Ok(()),
        }
    }

    fn read(self) -> Result<Value<'d>, serde_json::Error> {
        Ok(match self.0.as_bytes().first() {
            Some(b'n') => Value::Null,
            Some(b't' | b'f') => Value::Bool(self.0 == "true"),
            Some(b'"') => Value::String(serde_json::from_str(self.0)?),
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(self.0)?;
                Value::Array(elements.into_iter().map(|it| Self(it.get())).collect())
            }
            Some(b'{') => Value::Object(serde_json::from_str::<Members<'d>>(self.0)?.0),
            _ => Value::Number,
        })
    }

    /// The value. That it can be read has been checked with the document.
    pub(super) fn value(self) -> Value<'d> {
        self.read().unwrap_or(Value::Null)
    }

    /// As in the document.
    pub(super) fn text(self) -> &'d str {
        self.0
    }

    /// Its position in the document.
    pub(super) fn span(self, document: &str) -> Range<usize> {
        let start = (self.0.as_ptr() as usize).saturating_sub(document.as_ptr() as usize);
        start..start + self.0.len()
    }

    /// The text of a string.
    pub(super) fn string(self) -> Option<String> {
        match self.value() {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The texts of an array of strings, no two the same.
    pub(super) fn strings(self) -> Option<Vec<String>> {
        let Value::Array(nodes) = self.value() else {
            return None;
        };
        let texts: Vec<_> = nodes.into_iter().map(Self::string).collect::<Option<_>>()?;
        let distinct: std::collections::HashSet<_> = texts.iter().collect();
        (distinct.len() == texts.len()).then_some(texts)
    }

    /// A number without a fractional part, as `5`, `5.0` or `5e0`.
    pub(super) fn whole_number(self) -> Option<i128> {
        /// Beyond it a float is no exact number (2^53).
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        if !matches!(self.value(), Value::Number) {
            return None;
        }
        self.0.parse().ok().or_else(|| {
            let number: f64 = self.0.parse().ok()?;
            let is_exact = number.fract() == 0.0 && number.abs() <= EXACT_MAX;
            is_exact.then(|| format!("{number:.0}").parse().ok())?
        })
    }

    /// Whether null is all that it allows.
    pub(super) fn is_null_schema(self) -> bool {
        let Value::Object(mut members) = self.value() else {
            return false;
        };
        members.retain(|(name, _)| !is_annotation(name));
        matches!(&members[..], [(name, node)] if name == "type" && node.0 == "\"null\"")
    }
}

/// An object's members, in their order.
struct Members<'d>(Vec<(String, Node<'d>)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((name, Node(value.get())));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A name as a JSON pointer has it (RFC 6901, section 3).
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name that one part of a JSON pointer in a URI fragment stands for (RFC 6901, section 6).
pub(super) fn unescaped(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                bytes.push(u8::try_from(high << 4 | low).ok()?);
            }
            // Deeper than a definition.
            b'/' => return None,
            other => bytes.push(other),
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    Some(text.replace("~1", "/").replace("~0", "~"))
}
