//! `[[auth.keys]]`, or the only `[auth.keys]`.

use std::{collections::HashMap, hash::Hash};

use jiff::Timestamp;

use super::KEYS;
use crate::{
    auth::{ApiKey, Globs, KeyHash},
    config::reader::Reader,
    route::RouteTable,
};

/// What a hash may be.
const HASH: &str = "40 hex digits, as Moose writes them, or \"sha256:\" and 64 hex digits";

impl Reader {
    /// Keys that are good as far as can be told.
    pub(super) fn api_keys(&mut self) -> Vec<ApiKey> {
        let (mut names, mut hashes) = (HashMap::new(), HashMap::new());
        let mut keys = Vec::new();
        for table in self.tables(KEYS) {
            let name = self.key_name(&format!("{table}.name"), &mut names);
            let hash = self.hash(&format!("{table}.hash"), &mut hashes);
            let routes = self.globs(&table);
            let expires_ms = self.expiry(&format!("{table}.expires"));
            if let (Some(name), Some(hash)) = (name, hash) {
                keys.push(ApiKey {
                    name: name.into(),
                    hash,
                    routes: Globs::new(routes.iter().map(String::as_str)),
                    expires_ms,
                });
            }
        }
        keys
    }

    fn key_name(&mut self, key: &str, names: &mut HashMap<String, String>) -> Option<String> {
        let allowed = format!(
            "a text of 1 to {} bytes, without control characters",
            ApiKey::NAME_BYTES_MAX
        );
        let name = self.value(key, &allowed, |value| {
            let name = value.text().filter(|it| ApiKey::is_name(it))?;
            Some(name.to_owned())
        })?;
        self.refuse_second(key, name.clone(), names);
        Some(name)
    }

    fn hash(&mut self, key: &str, hashes: &mut HashMap<KeyHash, String>) -> Option<KeyHash> {
        let Some(text) = self.entry(key).and_then(|entry| entry.value.text()) else {
            self.refuse(key, HASH);
            return None;
        };
        match KeyHash::parse(text) {
            Ok(hash) => {
                self.refuse_second(key, hash, hashes);
                Some(hash)
            }
            Err(error) => {
                self.refuse(key, &format!("{HASH}; {error}"));
                None
            }
        }
    }

    /// Notes an error if the value of a key is that of one before.
    pub(super) fn refuse_second<T: Eq + Hash>(
        &mut self,
        key: &str,
        value: T,
        seen: &mut HashMap<T, String>,
    ) {
        let Some(before) = seen.insert(value, key.to_owned()) else {
            return;
        };
        if let Some(before) = self.entry(&before) {
            let message = format!("the same as {} at {}", before.key, before.origin);
            self.fail(key, message);
        }
    }

    /// Where the key of a table may send.
    fn globs(&mut self, table: &str) -> Vec<String> {
        const ALLOWED: &str = "an array of globs over <name>/<version>, such as [\"Order/*\"]; all \
                               routes are [\"*\"]";
        let globs = self.value(&format!("{table}.routes"), ALLOWED, |value| {
            value.list().filter(|globs| !globs.is_empty())
        });
        globs.unwrap_or_default()
    }

    /// Warns of globs that match none of the routes.
    pub(in crate::config) fn warn_of_idle_globs(&mut self, routes: &RouteTable) {
        for table in self.tables(KEYS) {
            for glob in self.globs(&table) {
                let globs = Globs::new([glob.as_str()]);
                if !routes.routes().iter().any(|route| globs.matches(route)) {
                    let message = format!("{glob:?} matches no route");
                    self.warn(&format!("{table}.routes"), message);
                }
            }
        }
    }

    /// In milliseconds since 1970; `None`: never.
    fn expiry(&mut self, key: &str) -> Option<u64> {
        const ALLOWED: &str = "a time with its distance from UTC, such as \"2027-01-01T00:00:00Z\" \
                               (RFC 3339), or \"\" for never";
        let expires_ms = self.value(key, ALLOWED, |value| match value.moment()? {
            "" => Some(None),
            moment => Some(Some(ApiKey::expiry_ms(moment)?)),
        })??;
        let now = Timestamp::now().as_millisecond();
        if i128::from(expires_ms) <= i128::from(now) {
            let message = "is past: the key opens nothing any more".to_owned();
            self.warn(key, message);
        }
        Some(expires_ms)
    }
}
