//! What a person wrote: every key with its value and its place, from the file and from the
//! environment, through the same table of known keys.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{
    document::{Document, Value},
    error::{ConfigError, Origin, unknown_key},
    keys::{self, KEYS},
};
use crate::produce::properties::KnownProperties;

/// What every environment variable of ringest starts with.
const PREFIX: &str = "RINGEST_";

/// Variables that steer tests and are none of the configuration's business.
const TEST_PREFIX: &str = "RINGEST_TEST_";

/// Moose's name for the hash of its key.
const MOOSE_KEY: &str = "MOOSE_INGEST_API_KEY";

/// One key that somebody set, or its default.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// As written, sections before it.
    pub(super) key: String,
    /// What it was set to.
    pub(super) value: Value,
    /// The value's text as written, for errors; shortened, and masked where it may be secret.
    pub(super) written: String,
    /// Where.
    pub(super) origin: Origin,
    /// Whether it is the default and nobody set it.
    pub(super) is_default: bool,
}

/// Every key, set or not, and what was wrong with reading them.
#[derive(Debug)]
pub(super) struct Raw {
    /// By name; properties of librdkafka as [`Raw::property_key`] names them.
    pub(super) entries: BTreeMap<String, Entry>,
    /// Unknown keys, keys set twice.
    pub(super) errors: Vec<ConfigError>,
    /// Where an error says to set what is missing.
    pub(super) file: Origin,
    properties: KnownProperties,
}

impl Raw {
    /// The defaults; `file` is where an error says to set what is missing.
    pub(super) fn new(file: &Origin) -> Self {
        let entries = KEYS.iter().map(|key| {
            let entry = Entry {
                key: key.name.to_owned(),
                value: key.default_value(),
                written: key.default.to_owned(),
                origin: file.clone(),
                is_default: true,
            };
            (key.name.to_owned(), entry)
        });
        Self {
            entries: entries.collect(),
            errors: Vec::new(),
            file: file.clone(),
            properties: KnownProperties::new(),
        }
    }

    /// Reads a file, which wins over what was read before.
    pub(super) fn read_file(&mut self, document: Document<'_>, tree: &DeTable<'_>) {
        let mut layer = Vec::new();
        self.walk(document, "", tree, &mut layer);
        self.lay(layer);
    }

    /// Reads an environment, which wins over what was read before.
    pub(super) fn read_environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let mut layer = Vec::new();
        for (name, value) in variables {
            if name.starts_with(TEST_PREFIX) {
                continue;
            }
            let key = if name == MOOSE_KEY {
                "auth.keys".to_owned()
            } else if let Some(rest) = name.strip_prefix(PREFIX) {
                self.key_of_variable(rest)
            } else {
                continue;
            };
            let entry = Entry {
                written: shown(&key, &format!("{value:?}")),
                key,
                value: Value::Untyped(value),
                origin: Origin::Environment(name),
                is_default: false,
            };
            self.admit(entry, &mut layer);
        }
        self.lay(layer);
    }

    /// Lays one value over what was read before, as a flag of the command line does.
    pub(super) fn read_flag(&mut self, flag: &'static str, key: &str, value: &str) {
        self.lay(vec![Entry {
            key: key.to_owned(),
            value: Value::Untyped(value.to_owned()),
            written: shown(key, &format!("{value:?}")),
            origin: Origin::Flag(flag),
            is_default: false,
        }]);
    }

    /// `LISTEN__ADDRESS` -> `listen.address`; `KAFKA__LINGER_MS` -> `kafka.linger.ms`.
    fn key_of_variable(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("kafka__") {
            Some(property) if property.contains('.') || self.properties.contains(property) => {
                format!("kafka.{property}")
            }
            Some(property) => format!("kafka.{}", property.replace('_', ".")),
            None => name.replace("__", "."),
        }
    }

    /// The name in [`Raw::entries`] of a property of librdkafka, whichever of its names is given.
    pub(super) fn property_key(&self, property: &str) -> String {
        format!("kafka.{}", self.properties.canonical(property))
    }

    fn walk(
        &mut self,
        document: Document<'_>,
        section: &str,
        table: &DeTable<'_>,
        layer: &mut Vec<Entry>,
    ) {
        for (name, value) in table {
            let key = if section.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{section}.{}", name.get_ref())
            };
            // A property of librdkafka written without quotes is a table in a table to TOML.
            let is_section = keys::is_section(&key) || key.starts_with("kafka.");
            let is_unknown_section = keys::find(&key).is_none();
            match value.get_ref() {
                DeValue::Table(inner) if is_section || is_unknown_section && !inner.is_empty() => {
                    self.walk(document, &key, inner, layer);
                }
                other => {
                    let entry = Entry {
                        written: shown(&key, document.written(value.span())),
                        value: Value::new(other),
                        origin: document.origin(&name.span()),
                        key,
                        is_default: false,
                    };
                    self.admit(entry, layer);
                }
            }
        }
    }

    /// Takes an entry if there is such a key.
    fn admit(&mut self, entry: Entry, layer: &mut Vec<Entry>) {
        let message = if entry.key.starts_with("kafka.") || keys::find(&entry.key).is_some() {
            layer.push(entry);
            return;
        } else if keys::is_section(&entry.key) {
            let given = entry.written.as_str();
            format!("{given} is not allowed: this is a section, [{}]", entry.key)
        } else {
            unknown_key(keys::meant(&entry.key))
        };
        self.errors.push(ConfigError {
            origin: entry.origin,
            key: entry.key,
            message,
        });
    }

    /// Lays one layer over those before it.
    fn lay(&mut self, layer: Vec<Entry>) {
        let mut seen = BTreeMap::new();
        for entry in layer {
            let name = match entry.key.strip_prefix("kafka.") {
                Some(property) => self.property_key(property),
                None => entry.key.clone(),
            };
            if let Some(before) = seen.insert(name.clone(), entry.origin.clone()) {
                self.errors.push(ConfigError {
                    origin: entry.origin.clone(),
                    key: entry.key.clone(),
                    message: format!("set twice: also at {before}"),
                });
            }
            self.entries.insert(name, entry);
        }
    }
}

/// A value for an error: one line, bounded, and never a credential.
fn shown(key: &str, written: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    const SECRET: [&str; 8] = [
        "auth.",
        "password",
        "passphrase",
        "secret",
        "username",
        "pem",
        "ssl_",
        "oauthbearer",
    ];
    if key != "auth.mode" && SECRET.iter().any(|part| key.contains(part)) {
        return "the value given".to_owned();
    }
    let line = written.lines().next().unwrap_or_default();
    match line.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
