//! Variables: how they are called, and what their texts stand for.

use toml::de::DeValue;

use super::{Entry, HIDDEN, Raw, Source, TABLES, shown};
use crate::{
    config::keys,
    document::{ConfigError, Origin, Value},
};

/// What every environment variable of ringest starts with.
const PREFIX: &str = "RINGEST_";

/// Variables that steer tests and are none of the configuration's business.
const TEST_PREFIX: &str = "RINGEST_TEST_";

/// Moose's name for the hash of its key, which is one more of ours, so called.
const MOOSE_KEY: &str = "MOOSE_INGEST_API_KEY";
const MOOSE_KEY_NAME: &str = "moose";

impl Raw {
    /// Reads an environment, which wins over what was read before.
    pub(in crate::config) fn read_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) {
        let ours = variables.filter(|(name, _)| {
            name == MOOSE_KEY || name.starts_with(PREFIX) && !name.starts_with(TEST_PREFIX)
        });
        // Sorted, so that all tables of a name come before a key of the only one.
        let mut variables: Vec<_> = ours.collect();
        variables.sort();
        let mut layer = Vec::new();
        let mut moose_key = None;
        for (name, value) in variables {
            match name.strip_prefix(PREFIX) {
                Some(rest) => {
                    let key = self.key_of_variable(rest);
                    self.read_variable(name, key, value, &mut layer);
                }
                None => moose_key = Some(value),
            }
        }
        self.lay(layer);
        if let Some(hash) = moose_key {
            self.lay_moose_key(hash);
        }
    }

    fn read_variable(
        &mut self,
        variable: String,
        key: String,
        value: String,
        layer: &mut Vec<Entry>,
    ) {
        // The places of tables are ours to say.
        if key.contains('[') {
            self.refuse_unknown(key, Origin::Environment(variable));
            return;
        }
        if keys::is_tables(&key) {
            let source = Source {
                text: &value,
                origin: &|_| Origin::Environment(variable.clone()),
            };
            match DeValue::parse(&value) {
                Ok(value) => {
                    self.walk_tables(source, &key, &value, (source.origin)(&(0..0)), layer);
                }
                Err(error) => self.errors.push(ConfigError {
                    origin: Origin::Environment(variable),
                    message: format!("not valid TOML: {}; {TABLES}", error.message()),
                    key,
                }),
            }
            return;
        }
        let entry = Entry {
            name: self.name(&key),
            written: shown(&key, &format!("{value:?}")),
            key,
            value: Value::Untyped(value),
            origin: Origin::Environment(variable),
            is_default: false,
        };
        self.admit(entry, layer);
    }

    /// Moose's key beside those that there are.
    fn lay_moose_key(&mut self, hash: String) {
        let entry = |key: &str, value| Entry {
            name: format!("auth.keys[{MOOSE_KEY_NAME}]{key}"),
            key: "auth.keys".to_owned(),
            value,
            written: HIDDEN.to_owned(),
            origin: Origin::Environment(MOOSE_KEY.to_owned()),
            is_default: false,
        };
        self.lay(vec![
            entry("", Value::Table(Vec::new())),
            entry(".name", Value::Text(MOOSE_KEY_NAME.to_owned())),
            entry(".hash", Value::Text(hash)),
        ]);
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
}
