//! What a file or the environment sets: a value with its key, its text and its position. Tables and
//! arrays stay a tree, so that whatever is wrong with a part of it can be reported where it is.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigError, Origin, Value, nearest, unknown_key};

/// A value, and where it was set.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Its name in the table around it.
    pub(crate) name: String,
    /// The whole key as errors show it: tables before it, separated by dots.
    pub(crate) key: String,
    /// Where its key is.
    pub(crate) origin: Origin,
    /// The value's text as written, for errors.
    pub(crate) written: String,
    /// The value.
    pub(crate) value: Value,
    /// The keys of a table or the elements of an array, in the order of the file.
    pub(crate) inner: Vec<Setting>,
}

/// A text that is being read, and the positions in it.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// All of it.
    pub(crate) text: &'a str,
    /// Where a span of it is.
    pub(crate) origin: &'a dyn Fn(&Range<usize>) -> Origin,
}

impl Setting {
    /// Reads the value of `key`, the last part of which is `name`.
    pub(crate) fn new(
        source: Source<'_>,
        (name, key): (&str, String),
        origin: Origin,
        value: &Spanned<DeValue<'_>>,
    ) -> Self {
        let inner = match value.get_ref() {
            DeValue::Table(table) => Self::of_table(source, &key, table),
            DeValue::Array(array) => {
                let elements = array.iter().enumerate().map(|(index, element)| {
                    let name = format!("[{index}]");
                    let key = format!("{key}{name}");
                    Self::new(
                        source,
                        (&name, key),
                        (source.origin)(&element.span()),
                        element,
                    )
                });
                elements.collect()
            }
            _ => Vec::new(),
        };
        Self {
            name: name.to_owned(),
            origin,
            written: source.text.get(value.span()).unwrap_or_default().to_owned(),
            value: Value::new(value.get_ref()),
            inner,
            key,
        }
    }

    /// Reads the keys of a table, which is itself called `within`.
    pub(super) fn of_table(source: Source<'_>, within: &str, table: &DeTable<'_>) -> Vec<Self> {
        let mut entries: Vec<_> = table.iter().collect();
        // The table is sorted by name; a person's order is that of the file.
        entries.sort_by_key(|(name, _)| name.span().start);
        let settings = entries.into_iter().map(|(name, value)| {
            let key = match within {
                "" => name.get_ref().to_string(),
                within => format!("{within}.{}", name.get_ref()),
            };
            let origin = (source.origin)(&name.span());
            Self::new(source, (name.get_ref(), key), origin, value)
        });
        settings.collect()
    }

    /// A text that was set elsewhere than in a TOML file: it may stand for a value of any type.
    pub(crate) fn untyped(key: &str, origin: Origin, text: String) -> Self {
        Self {
            name: key.rsplit('.').next().unwrap_or_default().to_owned(),
            key: key.to_owned(),
            origin,
            written: format!("{text:?}"),
            value: Value::Untyped(text),
            inner: Vec::new(),
        }
    }

    /// The setting of that name in this table.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let is_it = |it: &&Self| it.name == name;
        self.inner.iter().find(|it| self.is_table() && is_it(it))
    }

    /// Whether it is a table, whose keys are [`Setting::inner`].
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value, Value::Table(_))
    }

    /// An error at this position.
    pub(crate) fn error(&self, message: impl Into<String>) -> ConfigError {
        ConfigError {
            origin: self.origin.clone(),
            key: self.key.clone(),
            message: message.into(),
        }
    }

    /// The error that the value is not one that the key may have.
    pub(crate) fn not_allowed(&self, allowed: &str) -> ConfigError {
        self.error(format!("{} is not allowed: {allowed}", self.written))
    }

    /// What `read` makes of the value.
    ///
    /// # Errors
    /// It makes nothing of it: `allowed` says what it may be.
    pub(crate) fn read<T>(
        &self,
        allowed: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<T, ConfigError> {
        read(&self.value).ok_or_else(|| self.not_allowed(allowed))
    }

    /// An error for each key of this table that is none of `known`.
    pub(crate) fn unknown_keys(&self, known: &[&str]) -> Vec<ConfigError> {
        let keys = self.inner.iter().filter(|_| self.is_table());
        let unknown = keys.filter(|it| !known.contains(&it.name.as_str()));
        let errors =
            unknown.map(|it| it.error(unknown_key(nearest(&it.name, known.iter().copied()))));
        errors.collect()
    }
}
