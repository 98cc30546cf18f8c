//! The keys of one issuer, and the handle of the thread that fetches them.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool, mpsc},
    thread,
    time::Duration,
};

use jsonwebtoken::Algorithm;

use super::refresher::Refresher;
use crate::{
    auth::{FetchedKeys, Issuer, KeySource, VerificationKeys},
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
    /// The keys as last fetched.
    pub(super) fn keys(&self) -> MutexGuard<'_, Option<Arc<VerificationKeys>>> {
        // Nothing panics while the lock is held.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle; the thread ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) source: Arc<Source>,
    shared: Arc<Shared>,
    requests: mpsc::Sender<FetchRequest>,
}

/// A request to fetch at once; with a duration, also the new maximum time between two fetches.
pub(super) type FetchRequest = Option<Duration>;

impl Task {
    /// Starts the thread. `changed` is called whenever the keys have changed.
    pub(super) fn start(
        source: Source,
        refresh: Duration,
        changed: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<Self> {
        let (requests, received) = mpsc::channel();
        let source = Arc::new(source);
        let shared = Arc::new(Shared {
            keys: Mutex::default(),
            unknown_key_seen: Arc::default(),
            fetches: Arc::new(KeyFetches::new(&source.issuer)),
        });
        let refresher = Refresher::new(&source, &shared, received, refresh, changed);
        thread::Builder::new()
            .name("ringest-jwks".to_owned())
            .spawn(move || refresher.run())?;
        Ok(Self {
            source,
            shared,
            requests,
        })
    }

    /// Fetches at once.
    pub(super) fn fetch(&self, request: FetchRequest) {
        // The thread lives as long as this does.
        let _ = self.requests.send(request);
    }

    /// The current keys.
    pub(super) fn fetched(&self) -> FetchedKeys {
        FetchedKeys {
            keys: self.shared.keys().clone(),
            unknown_key_seen: Arc::clone(&self.shared.unknown_key_seen),
        }
    }

    /// Its metrics.
    pub(super) fn counted(&self) -> Arc<KeyFetches> {
        Arc::clone(&self.shared.fetches)
    }
}
