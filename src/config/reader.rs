//! Typed access to the settings: each key gives its value, and errors are collected. Reading
//! continues after an error, with the default instead of the invalid value.

use std::{fmt::Display, marker::PhantomData, str::FromStr};

use super::{
    key::{Key, Place, RequiredKey, Sections},
    raw::{self, Raw},
};
use crate::document::{ConfigError, Origin, Setting};

/// The settings, and all errors so far.
pub(super) struct Reader {
    pub(super) raw: Raw,
}

/// One of the tables of a [`Place`].
pub(super) struct Table<P> {
    index: usize,
    place: PhantomData<P>,
}

impl<P> Clone for Table<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Table<P> {}

/// The position of a setting, present or missing, for errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// The table by name and number, if it is in one of several.
    table: Option<(&'static str, usize)>,
    /// The key; `None` for the table itself.
    key: Option<&'static str>,
}

impl<T> Key<T, Sections> {
    /// Its position.
    pub(super) fn at(&self) -> At {
        At {
            table: None,
            key: Some(self.name),
        }
    }
}

impl<P: Place> Table<P> {
    /// The table itself.
    pub(super) fn itself(self) -> At {
        At {
            table: P::TABLES.map(|name| (name, self.index)),
            key: None,
        }
    }

    /// The position of a key in the table.
    pub(super) fn at<T>(self, key: &Key<T, P>) -> At {
        At {
            key: Some(key.name),
            ..self.itself()
        }
    }
}

impl Reader {
    /// The setting at a position, if any.
    pub(super) fn setting(&self, at: At) -> Option<&Setting> {
        match (at.table, at.key) {
            (None, key) => self.raw.sections.get(key?),
            (Some(table), None) => Some(&self.table(table)?.setting),
            (Some(table), Some(key)) => self.table(table)?.keys.get(key),
        }
    }

    fn table(&self, (name, index): (&str, usize)) -> Option<&raw::Table> {
        self.raw.tables.get(name)?.get(index)
    }

    /// Whether a key is set, even if to its default.
    pub(super) fn is_set<T>(&self, key: &Key<T>) -> bool {
        self.setting(key.at()).is_some()
    }

    /// The tables of a place, in their order.
    pub(super) fn tables<P: Place>(&self) -> Vec<Table<P>> {
        let tables = P::TABLES.and_then(|name| self.raw.tables.get(name));
        let indices = 0..tables.map_or(0, Vec::len);
        let tables = indices.map(|index| Table {
            index,
            place: PhantomData,
        });
        tables.collect()
    }

    /// An error at a position; that of a missing key is at its table or at the file.
    pub(super) fn error(&self, at: At, message: impl Into<String>) -> ConfigError {
        let message = message.into();
        if let Some(setting) = self.setting(at) {
            return setting.error(message);
        }
        let key = at.key.unwrap_or_default();
        let table = at
            .table
            .and_then(|table| Some((table.0, self.table(table)?)));
        let (origin, key) = match table {
            Some((name, raw::Table { setting, .. })) => {
                let rest = key.strip_prefix(name).unwrap_or(key);
                (&setting.origin, format!("{}{rest}", setting.key))
            }
            None => (&self.raw.file, key.to_owned()),
        };
        ConfigError {
            origin: origin.clone(),
            key,
            message,
        }
    }

    /// Reports an error.
    pub(super) fn fail(&mut self, at: At, message: impl Into<String>) {
        let error = self.error(at, message);
        self.raw.errors.push(error);
    }

    /// Adds a warning about a key.
    pub(super) fn warn(&mut self, at: At, message: impl Into<String>) {
        let warning = self.error(at, message).to_string();
        self.raw.warnings.push(warning);
    }

    /// Reports that a value is not allowed or missing.
    pub(super) fn refuse(&mut self, at: At, allowed: &str) {
        let error = match self.setting(at) {
            Some(setting) => setting.not_allowed(allowed),
            None => self.error(at, format!("missing: {allowed}")),
        };
        self.raw.errors.push(error);
    }

    /// Whether none of these keys, as errors show them, has an error so far: only then is an error
    /// about their combination useful.
    pub(super) fn are_good(&self, keys: &[&str]) -> bool {
        let errors = &self.raw.errors;
        !errors.iter().any(|error| keys.contains(&&*error.key))
    }

    /// The value of a key, or its default where it is not set or not allowed.
    pub(super) fn get<T: Clone>(&mut self, key: &Key<T>) -> T {
        self.read(key.at(), key).unwrap_or_else(|| key.default())
    }

    /// The value of a key in a table, or its default where it is not set or not allowed.
    pub(super) fn get_in<T: Clone, P: Place>(&mut self, table: Table<P>, key: &Key<T, P>) -> T {
        self.read(table.at(key), key)
            .unwrap_or_else(|| key.default())
    }

    /// The value of a key that must be set.
    pub(super) fn require<T: Clone, P: Place>(
        &mut self,
        table: Table<P>,
        key: &RequiredKey<T, P>,
    ) -> Option<T> {
        let at = table.at(key.key());
        if self.setting(at).is_none() {
            self.refuse(at, &key.key().allowed());
        }
        self.read(at, key.key())
    }

    /// The value of a key if it is set; one that is not allowed is an error.
    fn read<T: Clone, P: Place>(&mut self, at: At, key: &Key<T, P>) -> Option<T> {
        let setting = self.setting(at)?;
        match setting.read(&key.allowed(), |value| key.read(value)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.raw.errors.push(error);
                None
            }
        }
    }

    /// What the texts of a list stand for. Others are errors, each at its place in the list.
    pub(super) fn parse_each<T: FromStr<Err: Display>>(
        &mut self,
        at: At,
        texts: &[String],
    ) -> Vec<T> {
        let mut parsed = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(value) => parsed.push(value),
                Err(error) => {
                    self.refuse_element(at, index, &format!("{text:?} is not allowed: {error}"));
                }
            }
        }
        parsed
    }

    /// Reports an error of an element of a list. In the file each has a place of its own.
    pub(super) fn refuse_element(&mut self, at: At, index: usize, message: &str) {
        let element = self.setting(at).and_then(|all| all.inner.get(index));
        let error = match element {
            Some(element) => element.error(message),
            None => self.error(at, message),
        };
        self.raw.errors.push(error);
    }

    /// Whether a setting comes from the environment.
    pub(super) fn is_from_environment(setting: Option<&Setting>) -> bool {
        setting.is_some_and(|setting| matches!(setting.origin, Origin::Environment(_)))
    }
}
