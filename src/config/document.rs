//! A TOML file as text, tree and places, so that every error can name its line.

use std::{borrow::Cow, ops::Range};

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Origin};

/// A TOML file that is being read.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a> {
    /// As shown in errors.
    pub(crate) path: &'a str,
    /// All of it.
    pub(crate) text: &'a str,
}

impl<'a> Document<'a> {
    /// The tree, or every error of syntax.
    pub(crate) fn parse(self) -> Result<DeTable<'a>, Vec<ConfigError>> {
        let (tree, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Ok(tree.into_inner());
        }
        let errors = errors.into_iter().map(|error| ConfigError {
            origin: error
                .span()
                .map_or_else(|| self.whole(), |span| self.origin(&span)),
            key: String::new(),
            message: format!("not valid TOML: {}", error.message()),
        });
        let mut errors: Vec<_> = errors.collect();
        errors.sort_by(|a, b| a.origin.cmp(&b.origin));
        Err(errors)
    }

    /// The place of a span of the text.
    pub(crate) fn origin(self, span: &Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        Origin::File {
            path: self.path.to_owned(),
            line: Some(before.bytes().filter(|byte| *byte == b'\n').count() + 1),
        }
    }

    /// The file itself, for what is missing from it.
    pub(crate) fn whole(self) -> Origin {
        Origin::File {
            path: self.path.to_owned(),
            line: None,
        }
    }

    /// What was written there.
    pub(crate) fn written(self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }
}

/// A value as written, before its key says what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A TOML string.
    Text(String),
    /// A TOML integer; numbers beyond an `i128` are kept at its ends.
    Integer(i128),
    /// A TOML float, without underscores.
    Float(String),
    /// A TOML boolean.
    Boolean(bool),
    /// From the environment: text that may stand for any of the above.
    Untyped(String),
    /// A TOML date, array or table, by the name of its type.
    Other(&'static str),
}

impl Value {
    pub(crate) fn new(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(integer) => Self::Integer(
                i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(
                    if integer.as_str().starts_with('-') {
                        i128::MIN
                    } else {
                        i128::MAX
                    },
                ),
            ),
            DeValue::Float(float) => Self::Float(float.as_str().to_owned()),
            DeValue::Boolean(boolean) => Self::Boolean(*boolean),
            other => Self::Other(other.type_str()),
        }
    }

    /// A string.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Untyped(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, underscores between digits allowed as TOML has them.
    pub(crate) fn integer(&self) -> Option<i128> {
        match self {
            Self::Integer(integer) => Some(*integer),
            Self::Untyped(text) => match DeValue::parse(text.trim()).ok()?.get_ref() {
                value @ DeValue::Integer(_) => Self::new(value).integer(),
                _ => None,
            },
            _ => None,
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            Self::Untyped(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Any value that is not a compound, as librdkafka takes it.
    pub(crate) fn scalar(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) | Self::Float(text) | Self::Untyped(text) => Some(text.into()),
            Self::Integer(integer) => Some(integer.to_string().into()),
            Self::Boolean(boolean) => Some(boolean.to_string().into()),
            Self::Other(_) => None,
        }
    }
}
