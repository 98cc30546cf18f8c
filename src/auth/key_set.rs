//! Everything that decides who may send, as one immutable part of a snapshot.

use std::sync::{Arc, atomic::AtomicBool};

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

/// What there is of an issuer's keys at a URL.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// As last fetched; `None`: never yet.
    pub keys: Option<Arc<VerificationKeys>>,
    /// Set when a token names a key that is not among them: whoever fetches looks at it.
    pub wanted: Arc<AtomicBool>,
}

impl KeySet {
    /// For these routes. `fetched` has a place for each issuer, in their order; that of an issuer
    /// whose keys are in a file is not looked at.
    pub fn new(_auth: &Auth, _fetched: &[Fetched], _routes: &RouteTable) -> Arc<Self> {
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
