//! Environment variables: their names and the types of their values.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::{HIDDEN, Raw, TABLES, Table};
use crate::{
    config::keys::{self, KEY_HASH, KEY_NAME},
    document::{ConfigError, Origin, Setting, Source, Value},
};

/// The prefix of the environment variables of ringest.
const PREFIX: &str = "RINGEST_";

/// The prefix of variables that control tests and are not configuration.
const TEST_PREFIX: &str = "RINGEST_TEST_";

/// Moose's variable for the hash of its key, which is added as an API key of this name.
const MOOSE_KEY: &str = "MOOSE_INGEST_API_KEY";
const MOOSE_KEY_NAME: &str = "moose";
const MOOSE_TABLES: &str = "auth.keys";

impl Raw {
    /// Reads an environment, which overrides what was read before.
    pub(in crate::config) fn read_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) {
        let ours = variables.filter(|(name, value)| match name.strip_prefix(PREFIX) {
            Some(rest) => !name.starts_with(TEST_PREFIX) && !is_of_kubernetes(rest, value),
            None => name == MOOSE_KEY,
        });
        // Sorted, so that the array of tables comes before the keys of a single one.
        let mut variables: Vec<_> = ours.collect();
        variables.sort();
        self.environment = variables.iter().map(|(name, _)| name.clone()).collect();
        let mut moose_key = None;
        for (name, value) in variables {
            match name.strip_prefix(PREFIX) {
                Some(rest) => {
                    let key = self.key_of_variable(rest);
                    self.read_variable(name, &key, value);
                }
                None => moose_key = Some(value),
            }
        }
        if let Some(hash) = moose_key {
            self.add_moose_key(hash);
        }
    }

    fn read_variable(&mut self, variable: String, key: &str, value: String) {
        let origin = Origin::Environment(variable);
        if let Some(tables) = keys::tables(key) {
            self.read_tables_of_variable(tables, origin, &value);
            return;
        }
        let setting = Setting::untyped(key, origin, value);
        // Indices of tables are not part of keys.
        if key.contains('[') {
            self.refuse_unknown(&setting);
            return;
        }
        let tables = keys::find(key).and_then(|key| key.tables);
        if tables.is_none_or(|tables| self.has_only_table(tables, &setting)) {
            self.admit(setting, key);
        }
    }

    fn read_tables_of_variable(&mut self, tables: &'static str, origin: Origin, text: &str) {
        match DeValue::parse(text) {
            Ok(value) => {
                let source = Source {
                    text,
                    origin: &|_| origin.clone(),
                };
                let name = (tables, tables.to_owned());
                let setting = Setting::new(source, name, origin.clone(), &value);
                self.read_tables(tables, setting);
            }
            Err(error) => self.errors.push(ConfigError {
                origin,
                message: format!("not valid TOML: {}; {TABLES}", error.message()),
                key: tables.to_owned(),
            }),
        }
    }

    /// Makes sure that there is exactly one table, which this setting is a key of; `false` if there
    /// are several.
    fn has_only_table(&mut self, tables: &'static str, setting: &Setting) -> bool {
        let all = self.tables.entry(tables).or_default();
        if all.len() > 1 {
            let message =
                format!("ambiguous, as there are several [[{tables}]]: set it in the file");
            self.errors.push(setting.error(message));
            return false;
        }
        if all.is_empty() {
            all.push(Table::empty(tables, setting.origin.clone()));
        }
        true
    }

    /// Adds Moose's key to the API keys.
    fn add_moose_key(&mut self, hash: String) {
        let origin = Origin::Environment(MOOSE_KEY.to_owned());
        let mut table = Table::empty(MOOSE_TABLES, origin);
        for (key, text) in [
            (KEY_NAME.key().name, MOOSE_KEY_NAME.to_owned()),
            (KEY_HASH.key().name, hash),
        ] {
            let setting = Setting {
                value: Value::Text(text),
                ..table.setting.clone()
            };
            table.keys.insert(key, setting);
        }
        self.tables.entry(MOOSE_TABLES).or_default().push(table);
    }

    /// `LISTEN__ADDRESS` -> `listen.address`; `KAFKA__LINGER_MS` -> `kafka.linger.ms`.
    fn key_of_variable(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        let key = name.replace("__", ".");
        match name
            .strip_prefix("kafka__")
            .filter(|_| keys::find(&key).is_none())
        {
            Some(property)
                if property.contains('.') || self.known_properties.contains(property) =>
            {
                format!("kafka.{property}")
            }
            Some(property) => format!("kafka.{}", property.replace('_', ".")),
            None => key,
        }
    }
}

/// The variable of a key: `listen.address` -> `RINGEST_LISTEN__ADDRESS`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Whether Kubernetes sets this variable, `RINGEST_` and `rest`, in every pod for a Service that is
/// called `ringest` or `ringest-…` (`kubectl explain pod.spec.enableServiceLinks`):
/// `…SERVICE_HOST`, `…SERVICE_PORT`, `…SERVICE_PORT_<name>`, `…PORT` and `…PORT_<number>_<protocol>`
/// with `_PROTO`, `_PORT`, `_ADDR`. The value of `…PORT` is a URL there, so that a number, meant to
/// be ringest's port, is still an unknown key. No key of ringest has such a name.
fn is_of_kubernetes(rest: &str, value: &str) -> bool {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let is_url = || {
        let protocol = value.split_once("://").map(|(protocol, _)| protocol);
        protocol.is_some_and(|it| PROTOCOLS.contains(&it.to_ascii_uppercase().as_str()))
    };
    // Dashes are written as underscores: a section of ringest is followed by two.
    let parts: Vec<_> = rest.split('_').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return false;
    }
    let is_number = |part: &str| part.bytes().all(|it| it.is_ascii_digit());
    (0..parts.len()).any(|at| match parts[at..] {
        ["SERVICE", "HOST"] | ["SERVICE", "PORT", ..] => true,
        ["PORT"] => is_url(),
        ["PORT", number, protocol] | ["PORT", number, protocol, "ADDR" | "PORT" | "PROTO"] => {
            is_number(number) && PROTOCOLS.contains(&protocol)
        }
        _ => false,
    })
}

impl Table {
    /// A table without keys.
    fn empty(name: &str, origin: Origin) -> Self {
        let setting = Setting {
            written: HIDDEN.to_owned(),
            value: Value::Table(Vec::new()),
            ..Setting::untyped(name, origin, String::new())
        };
        Self {
            setting,
            keys: BTreeMap::new(),
        }
    }
}
