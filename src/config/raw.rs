//! What was written: every key with its value and its position, from the file, the flags and the
//! environment, through the same list of known keys.

mod environment;

use std::{collections::BTreeMap, mem::discriminant};

use super::keys::{self, JWKS_URL, KEY_HASH, SECRET_FILE, TOKEN_URL};
use crate::{
    document::{ConfigError, Origin, Setting, Value, nearest, unknown_key},
    produce::properties::KnownProperties,
};

/// Every key that is set, and the errors of reading them.
#[derive(Debug)]
pub(super) struct Raw {
    /// By name.
    pub(super) sections: BTreeMap<&'static str, Setting>,
    /// Repeatable tables, by name.
    pub(super) tables: BTreeMap<&'static str, Vec<Table>>,
    /// Properties of librdkafka, by the name that [`KnownProperties::canonical`] gives them.
    pub(super) properties: BTreeMap<String, Setting>,
    /// Unknown keys, keys set twice.
    pub(super) errors: Vec<ConfigError>,
    /// Warnings for the operator.
    pub(super) warnings: Vec<String>,
    /// Where errors point to for missing keys.
    pub(super) file: Origin,
    /// The names of the environment variables that were read, sorted.
    pub(super) environment: Vec<String>,
    known_properties: KnownProperties,
}

/// One of several tables of the same name.
#[derive(Debug)]
pub(super) struct Table {
    /// The table as a whole.
    pub(super) setting: Setting,
    /// Its keys, by name.
    pub(super) keys: BTreeMap<&'static str, Setting>,
}

impl Raw {
    /// Nothing is set; errors about missing keys point to `file`.
    pub(super) fn new(file: &Origin) -> Self {
        Self {
            sections: BTreeMap::new(),
            tables: BTreeMap::new(),
            properties: BTreeMap::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            file: file.clone(),
            environment: Vec::new(),
            known_properties: KnownProperties::new(),
        }
    }

    /// Reads a file, which overrides what was read before.
    pub(super) fn read_file(&mut self, file: Setting) {
        self.walk(file, "");
    }

    /// Sets one key over what was read before, as a flag of the command line does.
    pub(super) fn read_flag(&mut self, flag: &'static str, key: &str, value: &str) {
        let setting = Setting::untyped(key, Origin::Flag(flag), value.to_owned());
        self.admit(setting, key);
    }

    /// The setting of a librdkafka property, by any of its names.
    pub(super) fn property(&self, name: &str) -> Option<&Setting> {
        self.properties.get(self.known_properties.canonical(name))
    }

    /// The canonical name of a librdkafka property.
    pub(super) fn canonical<'a>(&'a self, property: &'a str) -> &'a str {
        self.known_properties.canonical(property)
    }

    /// Reads the keys of a table. `within` is what it is called in the list of keys, where a table
    /// has no number.
    fn walk(&mut self, table: Setting, within: &str) {
        for setting in table.inner {
            let name = match within {
                "" => setting.name.clone(),
                within => format!("{within}.{}", setting.name),
            };
            // Indices of tables are not part of keys, nor can a quoted key name a table.
            let tables = keys::find(&name).and_then(|key| key.tables);
            let is_within = |tables: &str| match within.strip_prefix(tables) {
                Some(section) => section.is_empty() || section.starts_with('.'),
                None => false,
            };
            if setting.name.contains('[') || tables.is_some_and(|tables| !is_within(tables)) {
                self.refuse_unknown(&setting);
                continue;
            }
            // A property of librdkafka written without quotes is a table in a table to TOML.
            let is_key = keys::find(&name).is_some();
            let is_section = keys::is_section(&name) || !is_key && name.starts_with("kafka.");
            let is_unknown_section = !is_key && !setting.inner.is_empty();
            match keys::tables(&name) {
                Some(tables) => self.read_tables(tables, setting),
                None if setting.is_table() && (is_section || is_unknown_section) => {
                    self.walk(setting, &name);
                }
                None => self.admit(setting, &name),
            }
        }
    }

    /// Reads an array of tables, or the only one, in place of those that were read before.
    fn read_tables(&mut self, name: &'static str, mut setting: Setting) {
        let elements = match setting.value {
            Value::Array(_) => std::mem::take(&mut setting.inner),
            _ => vec![setting],
        };
        self.tables.insert(name, Vec::new());
        for element in elements {
            if element.is_table() {
                self.read_table(name, element);
            } else {
                let message = format!("{HIDDEN} is not allowed: {TABLES}");
                self.errors.push(element.error(message));
            }
        }
    }

    fn read_table(&mut self, tables: &'static str, mut setting: Setting) {
        HIDDEN.clone_into(&mut setting.written);
        let inner = std::mem::take(&mut setting.inner);
        let keys = Setting {
            inner,
            ..setting.clone()
        };
        let all = self.tables.entry(tables).or_default();
        all.push(Table {
            setting,
            keys: BTreeMap::new(),
        });
        self.walk(keys, tables);
    }

    /// Accepts a setting of a known key; in repeatable tables it belongs to the last one.
    fn admit(&mut self, mut setting: Setting, name: &str) {
        mask(&mut setting, name);
        if let Some(property) = keys::property(name) {
            if self.is_own_misspelt(property) {
                return self.refuse_unknown(&setting);
            }
            let property = self.known_properties.canonical(property).to_owned();
            let before = self.properties.insert(property, setting.clone());
            self.refuse_second(&setting, before);
        } else if let Some(key) = keys::find(name) {
            let settings = match key.tables {
                None => &mut self.sections,
                Some(tables) => match self.tables.get_mut(tables).and_then(|it| it.last_mut()) {
                    Some(table) => &mut table.keys,
                    None => return self.refuse_unknown(&setting),
                },
            };
            let before = settings.insert(key.name, setting.clone());
            self.refuse_second(&setting, before);
        } else if keys::is_section(name) {
            let allowed = format!("this is a section, [{name}]");
            self.errors.push(setting.not_allowed(&allowed));
        } else {
            self.refuse_unknown(&setting);
        }
    }

    /// Reports an error if the same source set the key before.
    fn refuse_second(&mut self, setting: &Setting, before: Option<Setting>) {
        let is_same = |it: &Setting| discriminant(&it.origin) == discriminant(&setting.origin);
        if let Some(before) = before.filter(is_same) {
            let message = format!("set twice: also at {}", before.origin);
            self.errors.push(setting.error(message));
        }
    }

    /// Whether a name is of no property of librdkafka, and most like a key of ringest's own in `[kafka]`.
    fn is_own_misspelt(&self, property: &str) -> bool {
        let own = keys::KEYS
            .iter()
            .filter_map(|key| key.name.strip_prefix("kafka."));
        let known = &self.known_properties;
        let meant = nearest(property, known.names().chain(own.clone()));
        !known.contains(property) && meant.is_some_and(|meant| own.clone().any(|it| it == meant))
    }

    fn refuse_unknown(&mut self, setting: &Setting) {
        let message = match (keys::meant(&setting.key), &setting.origin) {
            // Where a section ends with two underscores.
            (Some(key), Origin::Environment(_)) if key.contains('.') => {
                unknown_key(Some(&environment::variable(key)))
            }
            (meant, _) => unknown_key(meant),
        };
        self.errors.push(setting.error(message));
    }
}

/// The allowed values of repeatable tables.
const TABLES: &str = "a table, or an array of tables: [{ … }, { … }]";

/// Shown instead of a value that may be secret.
const HIDDEN: &str = "the value given";

/// Prepares a value's text for errors: one line, bounded, never a credential.
fn mask(setting: &mut Setting, name: &str) {
    const CHARACTERS_MAX: usize = 60;
    const SECRET: [&str; 8] = [
        "password",
        "passphrase",
        "secret",
        "username",
        "pem",
        "ssl_",
        "oauthbearer",
        "oauth.parameters",
    ];
    let written = &setting.written;
    let is_secret = match keys::find(name) {
        Some(key) if key.tables.is_some() => {
            // The part before the @ of a URL may be a password.
            name == KEY_HASH.key().name
                || name == SECRET_FILE.name
                || name == JWKS_URL.name && written.contains('@')
        }
        _ if name == TOKEN_URL.name => written.contains('@'),
        _ => SECRET.iter().any(|part| name.contains(part)),
    };
    if is_secret {
        HIDDEN.clone_into(&mut setting.written);
        return;
    }
    let line = written.lines().next().unwrap_or_default();
    setting.written = match line.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    };
}
