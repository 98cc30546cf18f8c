//! Everything that decides who may send, as one immutable part of a snapshot.

use std::sync::Arc;

use super::{Denial, Grant, VerificationKeys};
use crate::{config::Auth, route::RouteTable};

/// Issuers with their keys, API keys with their scopes.
#[derive(Debug)]
pub struct KeySet {}

/// A credential that may be good: what is left is the expensive part.
#[derive(Debug)]
pub struct Check<'k> {
    _keys: &'k KeySet,
}

/// What was fetched of each issuer, by its place in the configuration; `None`: nothing yet, or its
/// keys are in a file.
pub type Fetched = Vec<Option<Arc<VerificationKeys>>>;

impl KeySet {
    /// For these routes.
    pub fn new(_auth: &Auth, _fetched: &Fetched, _routes: &RouteTable) -> Arc<Self> {
        Arc::new(Self {})
    }

    /// Looks at a token without any cryptography.
    ///
    /// # Errors
    /// What is wrong with it already.
    pub fn check<'k>(&'k self, _token: &'k [u8], _now_ms: u64) -> Result<Check<'k>, Denial> {
        Err(Denial::Malformed)
    }
}

impl Check<'_> {
    /// Verifies signature or hash: takes up to 170 µs.
    ///
    /// # Errors
    /// Why the credential is not taken.
    pub fn verify(self) -> Result<Grant, Denial> {
        Err(Denial::Malformed)
    }
}
