//! What the thread that fetches one issuer's keys shares with its handle.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use jsonwebtoken::Algorithm;

use crate::{
    auth::{Issuer, KeySource, VerificationKeys},
    metrics::KeyFetches,
};

/// What the fetched keys depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) issuer: Box<str>,
    pub(super) url: String,
    pub(super) algorithms: Vec<Algorithm>,
}

impl Source {
    /// The source, and the maximum time between two fetches; `None` for an issuer whose keys are not at a URL.
    pub(super) fn of(issuer: &Issuer) -> Option<(Self, Duration)> {
        let KeySource::Url(at) = &issuer.keys else {
            return None;
        };
        let source = Self {
            issuer: issuer.issuer.clone(),
            url: at.url.clone(),
            algorithms: issuer.algorithms.clone(),
        };
        Some((source, at.refresh))
    }
}

/// State shared by the thread and its owner.
#[derive(Debug)]
pub(super) struct Shared {
    keys: Mutex<Option<Arc<VerificationKeys>>>,
    /// Set when a token names an unknown key.
    pub(super) unknown_key_seen: Arc<AtomicBool>,
    pub(super) fetches: Arc<KeyFetches>,
}

impl Shared {
    /// Without keys yet.
    pub(super) fn new(issuer: &str) -> Self {
        Self {
            keys: Mutex::default(),
            unknown_key_seen: Arc::default(),
            fetches: Arc::new(KeyFetches::new(issuer)),
        }
    }

    /// The keys as last fetched.
    pub(super) fn keys(&self) -> MutexGuard<'_, Option<Arc<VerificationKeys>>> {
        // Nothing panics while the lock is held.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request to fetch at once; with a duration, also the new maximum time between two fetches.
pub(super) type FetchRequest = Option<Duration>;
