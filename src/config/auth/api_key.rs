//! `[[auth.keys]]`, or a single `[auth.keys]`.

use std::{collections::HashMap, hash::Hash};

use jiff::Timestamp;

use crate::{
    auth::{ApiKey, Globs, KeyHash},
    config::{
        key::{ApiKeyTable, Key, Place},
        keys::{CLIENT_ROUTES, KEY_EXPIRES, KEY_HASH, KEY_NAME, KEY_ROUTES},
        reader::{At, Reader, Table},
    },
    route::RouteTable,
};

impl Reader {
    /// The valid keys; the others are reported as errors.
    pub(super) fn api_keys(&mut self) -> Vec<ApiKey> {
        let (mut names, mut hashes) = (HashMap::new(), HashMap::new());
        let mut keys = Vec::new();
        for table in self.tables() {
            let name = self.key_name(table, &mut names);
            let hash = self.hash(table, &mut hashes);
            let routes = self.get_in(table, &KEY_ROUTES);
            let expires_ms = self.expiry(table);
            let origins = self.key_origins(table);
            if let (Some(KeyHash::Pbkdf2(_)), Some(_)) = (hash, &origins) {
                let message = "a key with origins is public, as pages show it: make one with \
                               `ringest token`, whose hash starts with sha256:";
                self.fail(table.at(KEY_HASH.key()), message);
            }
            let bucket = self.key_bucket(table, origins.is_some());
            if let (Some(name), Some(hash)) = (name, hash) {
                keys.push(ApiKey {
                    name: name.into(),
                    hash,
                    routes: Globs::new(routes.iter().map(String::as_str)),
                    expires_ms,
                    origins,
                    bucket,
                });
            }
        }
        keys
    }

    fn key_name(
        &mut self,
        table: Table<ApiKeyTable>,
        names: &mut HashMap<String, At>,
    ) -> Option<String> {
        let name = self.require(table, &KEY_NAME)?;
        self.refuse_second(table.at(KEY_NAME.key()), name.clone(), names);
        Some(name)
    }

    fn hash(
        &mut self,
        table: Table<ApiKeyTable>,
        hashes: &mut HashMap<KeyHash, At>,
    ) -> Option<KeyHash> {
        let text = self.require(table, &KEY_HASH)?;
        let at = table.at(KEY_HASH.key());
        match KeyHash::parse(&text) {
            Ok(hash) => {
                self.refuse_second(at, hash, hashes);
                Some(hash)
            }
            Err(error) => {
                self.refuse(at, &format!("{}; {error}", KEY_HASH.key().allowed()));
                None
            }
        }
    }

    /// Reports an error if an earlier setting has the same value.
    pub(super) fn refuse_second<T: Eq + Hash>(
        &mut self,
        at: At,
        value: T,
        seen: &mut HashMap<T, At>,
    ) {
        let before = seen.insert(value, at).and_then(|at| self.setting(at));
        if let Some(before) = before {
            let message = format!("the same as {} at {}", before.key, before.origin);
            self.fail(at, message);
        }
    }

    /// Warns of globs that match none of the routes.
    pub(in crate::config) fn warn_of_idle_globs(&mut self, routes: &RouteTable) {
        self.warn_of_idle(&KEY_ROUTES, routes);
        self.warn_of_idle(&CLIENT_ROUTES, routes);
    }

    fn warn_of_idle<P: Place>(&mut self, key: &Key<Vec<String>, P>, routes: &RouteTable) {
        for table in self.tables() {
            for glob in self.get_in(table, key) {
                let globs = Globs::new([glob.as_str()]);
                if !routes.routes().iter().any(|route| globs.matches(route)) {
                    self.warn(table.at(key), format!("{glob:?} matches no route"));
                }
            }
        }
    }

    /// When the key expires, in milliseconds since 1970; `None`: never.
    fn expiry(&mut self, table: Table<ApiKeyTable>) -> Option<u64> {
        let expires_ms = self.get_in(table, &KEY_EXPIRES)?;
        let now = Timestamp::now().as_millisecond();
        if i128::from(expires_ms) <= i128::from(now) {
            let message = "is in the past: the key is rejected";
            self.warn(table.at(&KEY_EXPIRES), message);
        }
        Some(expires_ms)
    }
}
