//! TOML files as text, tree and positions, so that every error can name its line; and the errors
//! themselves.

mod error;
mod file;
mod setting;
mod value;

use std::{fmt::Display, ops::Range};

use memchr::memchr_iter;
use toml::de::DeTable;

pub use error::{ConfigError, ConfigErrors, Origin};
pub(crate) use error::{nearest, unknown_key};
pub use file::{FileError, read_file, read_text};
pub(crate) use setting::{Setting, Source};
pub(crate) use value::Value;

/// A TOML file that is being read.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a> {
    /// As shown in errors.
    pub(crate) path: &'a str,
    /// All of it.
    pub(crate) text: &'a str,
}

impl Document<'_> {
    /// The file as one table, or every error of syntax.
    pub(crate) fn parse(self) -> Result<Setting, Vec<ConfigError>> {
        let (tree, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            let source = Source {
                text: self.text,
                origin: &|span| self.origin(span),
            };
            return Ok(Setting {
                name: String::new(),
                key: String::new(),
                origin: self.whole(),
                written: String::new(),
                value: Value::Table(Vec::new()),
                inner: Setting::of_table(source, "", tree.get_ref()),
            });
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

    /// The position of a span of the text.
    pub(crate) fn origin(self, span: &Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        Origin::File {
            path: self.path.to_owned(),
            line: Some(memchr_iter(b'\n', before.as_bytes()).count() + 1),
        }
    }

    /// The file itself, for what is missing from it.
    pub(crate) fn whole(self) -> Origin {
        Origin::File {
            path: self.path.to_owned(),
            line: None,
        }
    }
}

/// A number as a configuration file may have it, digits in groups of three.
pub(crate) fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped_from_the_right() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1_000");
        assert_eq!(grouped(123_456_789), "123_456_789");
    }
}
