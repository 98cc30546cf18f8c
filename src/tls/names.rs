//! Which certificate a client gets.

use std::{collections::HashMap, sync::Arc};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::Identity;

/// Certificates by the names that they have.
#[derive(Debug)]
pub(super) struct ByName {
    default: Arc<CertifiedKey>,
    by_name: HashMap<Box<str>, Arc<CertifiedKey>>,
}

impl ByName {
    /// Of several with the same name, the first one.
    pub(super) fn new(default: Identity, others: Vec<Identity>) -> Self {
        let mut by_name = HashMap::new();
        let mut add = |identity: Identity| {
            let (key, names) = identity.into_parts();
            for name in names {
                by_name.entry(name).or_insert_with(|| Arc::clone(&key));
            }
            key
        };
        let default = add(default);
        for identity in others {
            add(identity);
        }
        Self { default, by_name }
    }

    /// A name with a wildcard stands for every name with one label in its place (RFC 6125 section 6.4.3).
    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let exact = self.by_name.get(name);
        exact.or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(format!("*.{parent}").as_str())
        })
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // In lower case: rustls sees to that.
        let found = hello.server_name().and_then(|name| self.find(name));
        Some(Arc::clone(found.unwrap_or(&self.default)))
    }
}
