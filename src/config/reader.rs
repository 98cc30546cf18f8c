//! Typed access to what was written: each key gives its value, and what is wrong is gathered.
//! Checking goes on after an error, with the default in place of the bad value.

use std::time::Duration;

use super::{
    keys::{self, Kind},
    raw::{Entry, Raw},
};
use crate::document::{ConfigError, Origin, Value, grouped};

/// What was written, and everything that is wrong with it so far.
pub(super) struct Reader {
    pub(super) raw: Raw,
}

impl Reader {
    /// What was written for a key, or its default.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.raw.entries.get(key)
    }

    /// Whether somebody set a key, be it to its default.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| !entry.is_default)
    }

    /// Whether the value of a key comes from the environment.
    pub(super) fn is_from_environment(&self, key: &str) -> bool {
        self.entry(key)
            .is_some_and(|entry| matches!(entry.origin, Origin::Environment(_)))
    }

    /// The tables of that name, by theirs: `auth.keys[0]`, `auth.keys[1]`.
    pub(super) fn tables(&self, name: &str) -> Vec<String> {
        let place = |table: &str| -> Option<usize> {
            let place = table.strip_prefix(name)?.strip_prefix('[')?;
            let place = place.strip_suffix(']')?;
            // One that has no number is the last.
            Some(place.parse().unwrap_or(usize::MAX))
        };
        let tables = self.raw.entries.keys();
        let mut tables: Vec<_> = tables.filter_map(|it| Some((place(it)?, it))).collect();
        tables.sort();
        tables.into_iter().map(|(_, it)| it.clone()).collect()
    }

    /// What is said about a key, at its place, or where it is missing at that of its table.
    fn said(&self, key: &str, message: String) -> Option<ConfigError> {
        let (origin, key) = if let Some(entry) = self.entry(key) {
            (&entry.origin, entry.key.clone())
        } else {
            let (table, key) = key.rsplit_once('.')?;
            let table = self.entry(table)?;
            (&table.origin, format!("{}.{key}", table.key))
        };
        Some(ConfigError {
            origin: origin.clone(),
            key,
            message,
        })
    }

    /// Notes an error at the place of a key.
    pub(super) fn fail(&mut self, key: &str, message: String) {
        let error = self.said(key, message);
        self.raw.errors.extend(error);
    }

    /// Notes what an operator should know of a key.
    pub(super) fn warn(&mut self, key: &str, message: String) {
        let warning = self.said(key, message);
        let warning = warning.map(|warning| warning.to_string());
        self.raw.warnings.extend(warning);
    }

    /// Notes that a key's value is not what it may be.
    pub(super) fn refuse(&mut self, key: &str, allowed: &str) {
        let message = match self.entry(key) {
            Some(entry) => format!("{} is not allowed: {allowed}", entry.written),
            None => format!("missing: {allowed}"),
        };
        self.fail(key, message);
    }

    /// Whether none of these keys has an error so far: only then does it tell anything new that
    /// they don't go together.
    pub(super) fn are_good(&self, keys: &[&str]) -> bool {
        let errors = &self.raw.errors;
        !errors.iter().any(|error| keys.contains(&&*error.key))
    }

    /// What `read` makes of a key's value, or of its default where nobody set it; else an error, and
    /// what it makes of the default.
    pub(super) fn value<T>(
        &mut self,
        key: &str,
        allowed: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let default = || read(&keys::find(key)?.default_value());
        let value = match self.entry(key) {
            Some(entry) => read(&entry.value),
            None => default(),
        };
        if value.is_none() {
            self.refuse(key, allowed);
            return default();
        }
        value
    }

    /// A whole number within the bounds of its key.
    pub(super) fn integer(&mut self, key: &str) -> usize {
        let Some(Kind::Integer(min, max)) = keys::find(key).map(|key| &key.kind) else {
            return 0;
        };
        let allowed = format!("a whole number from {} to {}", grouped(min), grouped(max));
        let read = |value: &Value| {
            let integer = value.integer().filter(|it| (min..=max).contains(&it))?;
            usize::try_from(integer).ok()
        };
        self.value(key, &allowed, read).unwrap_or_default()
    }

    /// A time in milliseconds, within the bounds of its key.
    pub(super) fn milliseconds(&mut self, key: &str) -> Duration {
        Duration::from_millis(self.integer(key) as u64)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str) -> bool {
        let value = self.value(key, "true or false", Value::boolean);
        value.unwrap_or_default()
    }

    /// One of the strings that its key allows.
    pub(super) fn choice(&mut self, key: &str) -> &'static str {
        let Some(Kind::Choice(choices)) = keys::find(key).map(|key| &key.kind) else {
            return "";
        };
        let quoted: Vec<_> = choices.iter().map(|choice| format!("{choice:?}")).collect();
        let read = |value: &Value| {
            let given = value.text()?;
            choices.iter().find(|choice| **choice == given).copied()
        };
        let value = self.value(key, &quoted.join(" or "), read);
        value.unwrap_or_default()
    }
}
