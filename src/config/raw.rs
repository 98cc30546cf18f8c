//! What a person wrote: every key with its value and its place, from the file and from the
//! environment, through the same table of known keys.

mod environment;

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::keys::{self, KEYS, Key};
use crate::{
    document::{ConfigError, Document, Origin, Value, unknown_key},
    produce::properties::KnownProperties,
};

/// One key that somebody set, or its default.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its name in [`Raw::entries`].
    name: String,
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
    /// By name; properties of librdkafka as [`Raw::property_key`] names them. Where there can be
    /// several tables, each is an entry, and its keys are `auth.keys[2].hash`, as they are of an only
    /// table, too.
    pub(super) entries: BTreeMap<String, Entry>,
    /// Unknown keys, keys set twice.
    pub(super) errors: Vec<ConfigError>,
    /// What is allowed but an operator should know of.
    pub(super) warnings: Vec<String>,
    /// Where an error says to set what is missing.
    pub(super) file: Origin,
    properties: KnownProperties,
}

impl Raw {
    /// The defaults; `file` is where an error says to set what is missing.
    pub(super) fn new(file: &Origin) -> Self {
        let is_in_tables = |key: &&Key| {
            keys::tables_around(key.name).is_some_and(|(tables, _)| tables != key.name)
        };
        let entries = KEYS.iter().filter(|key| !is_in_tables(key)).map(|key| {
            let entry = Entry {
                name: key.name.to_owned(),
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
            warnings: Vec::new(),
            file: file.clone(),
            properties: KnownProperties::new(),
        }
    }

    /// Reads a file, which wins over what was read before.
    pub(super) fn read_file(&mut self, document: Document<'_>, tree: &DeTable<'_>) {
        let source = Source {
            text: document.text,
            origin: &|span| document.origin(span),
        };
        let mut layer = Vec::new();
        self.walk(source, "", tree, &mut layer);
        self.lay(layer);
    }

    /// Lays one value over what was read before, as a flag of the command line does.
    pub(super) fn read_flag(&mut self, flag: &'static str, key: &str, value: &str) {
        self.lay(vec![Entry {
            name: self.name(key),
            key: key.to_owned(),
            value: Value::Untyped(value.to_owned()),
            written: shown(key, &format!("{value:?}")),
            origin: Origin::Flag(flag),
            is_default: false,
        }]);
    }

    /// Drops what was read of these tables.
    fn drop_tables(&mut self, tables: &str) {
        self.entries
            .retain(|name, _| match keys::tables_around(name) {
                Some((around, rest)) => around != tables || rest.is_empty(),
                None => true,
            });
    }

    /// The name in [`Raw::entries`] of a property of librdkafka, whichever of its names is given.
    pub(super) fn property_key(&self, property: &str) -> String {
        format!("kafka.{}", self.properties.canonical(property))
    }

    /// What a key is called in [`Raw::entries`].
    fn name(&self, key: &str) -> String {
        if let Some(property) = key.strip_prefix("kafka.") {
            return self.property_key(property);
        }
        match keys::tables_around(key) {
            // Of the only table.
            Some((tables, rest)) if rest.starts_with('.') => format!("{tables}[0]{rest}"),
            _ => key.to_owned(),
        }
    }

    fn walk(
        &mut self,
        source: Source<'_>,
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
            let origin = (source.origin)(&name.span());
            if name.get_ref().contains('[') {
                self.refuse_unknown(key, origin);
                continue;
            }
            // A property of librdkafka written without quotes is a table in a table to TOML.
            let is_section = keys::is_section(&key) || key.starts_with("kafka.");
            let is_unknown_section = keys::find(&key).is_none();
            match value.get_ref() {
                _ if keys::is_tables(&key) => {
                    self.walk_tables(source, &key, value, origin, layer);
                }
                DeValue::Table(inner) if is_section || is_unknown_section && !inner.is_empty() => {
                    self.walk(source, &key, inner, layer);
                }
                _ => {
                    let entry = source.entry(self.name(&key), key, value, origin);
                    self.admit(entry, layer);
                }
            }
        }
    }

    /// An array of tables, or the only one.
    fn walk_tables(
        &mut self,
        source: Source<'_>,
        tables: &str,
        value: &Spanned<DeValue<'_>>,
        origin: Origin,
        layer: &mut Vec<Entry>,
    ) {
        layer.push(source.entry(tables.to_owned(), tables.to_owned(), value, origin));
        let (values, is_only): (Vec<_>, _) = match value.get_ref() {
            DeValue::Array(array) => (array.iter().collect(), false),
            _ => (vec![value], true),
        };
        for (place, value) in values.into_iter().enumerate() {
            let name = format!("{tables}[{place}]");
            let key = if is_only {
                tables.to_owned()
            } else {
                name.clone()
            };
            let origin = (source.origin)(&value.span());
            if let DeValue::Table(table) = value.get_ref() {
                layer.push(source.entry(name, key.clone(), value, origin));
                self.walk(source, &key, table, layer);
            } else {
                self.errors.push(ConfigError {
                    origin,
                    key,
                    message: format!("{HIDDEN} is not allowed: {TABLES}"),
                });
            }
        }
    }

    /// Takes an entry if there is such a key.
    fn admit(&mut self, entry: Entry, layer: &mut Vec<Entry>) {
        if entry.key.starts_with("kafka.") || keys::find(&entry.key).is_some() {
            layer.push(entry);
        } else if keys::is_section(&entry.key) {
            let (given, key) = (&entry.written, &entry.key);
            self.errors.push(ConfigError {
                message: format!("{given} is not allowed: this is a section, [{key}]"),
                origin: entry.origin,
                key: entry.key,
            });
        } else {
            self.refuse_unknown(entry.key, entry.origin);
        }
    }

    fn refuse_unknown(&mut self, key: String, origin: Origin) {
        self.errors.push(ConfigError {
            origin,
            message: unknown_key(keys::meant(&key)),
            key,
        });
    }

    /// Lays one layer over those before it.
    fn lay(&mut self, layer: Vec<Entry>) {
        let mut seen = BTreeMap::new();
        for entry in layer {
            if keys::is_tables(&entry.name) {
                self.drop_tables(&entry.name);
            } else if let Some((tables, rest)) = keys::tables_around(&entry.key)
                && rest.starts_with('.')
                && !self.reach_only_table(tables, &entry)
            {
                continue;
            }
            if let Some(before) = seen.insert(entry.name.clone(), entry.origin.clone()) {
                self.errors.push(ConfigError {
                    origin: entry.origin.clone(),
                    key: entry.key.clone(),
                    message: format!("set twice: also at {before}"),
                });
            }
            self.entries.insert(entry.name.clone(), entry);
        }
    }

    /// Sees to it that there is one table, of which this entry sets a key; whether that could be.
    fn reach_only_table(&mut self, tables: &str, entry: &Entry) -> bool {
        if self.entries.contains_key(&format!("{tables}[1]")) {
            self.errors.push(ConfigError {
                origin: entry.origin.clone(),
                key: entry.key.clone(),
                message: format!(
                    "there are several [[{tables}]], and this does not say of which: set it in \
                     the file"
                ),
            });
            return false;
        }
        let name = format!("{tables}[0]");
        self.entries.entry(name.clone()).or_insert_with(|| Entry {
            name,
            key: tables.to_owned(),
            value: Value::Table(Vec::new()),
            written: HIDDEN.to_owned(),
            origin: entry.origin.clone(),
            is_default: false,
        });
        true
    }
}

/// A text that is being read, and the places in it.
#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    origin: &'a dyn Fn(&Range<usize>) -> Origin,
}

impl Source<'_> {
    fn entry(
        self,
        name: String,
        key: String,
        value: &Spanned<DeValue<'_>>,
        origin: Origin,
    ) -> Entry {
        let written = self.text.get(value.span()).unwrap_or_default();
        Entry {
            name,
            written: shown(&key, written),
            key,
            value: Value::new(value.get_ref()),
            origin,
            is_default: false,
        }
    }
}

/// What there is to say where tables are expected.
const TABLES: &str = "a table, or an array of tables: [{ … }, { … }]";

/// Stands for a value that may be secret.
const HIDDEN: &str = "the value given";

/// A value for an error: one line, bounded, and never a credential.
fn shown(key: &str, written: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    const SECRET: [&str; 7] = [
        "password",
        "passphrase",
        "secret",
        "username",
        "pem",
        "ssl_",
        "oauthbearer",
    ];
    // What is before the @ of a URL may be a password.
    let is_secret = match keys::tables_around(key) {
        Some((_, "")) => true,
        Some((_, rest)) => {
            let name = rest.rsplit('.').next().unwrap_or_default();
            ["hash", "secret_file"].contains(&name)
                || name.ends_with("_url") && written.contains('@')
        }
        None => SECRET.iter().any(|part| key.contains(part)),
    };
    if is_secret {
        return HIDDEN.to_owned();
    }
    let line = written.lines().next().unwrap_or_default();
    match line.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
