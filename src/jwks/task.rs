//! One issuer's keys, and the thread that fetches them.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool, mpsc},
    thread,
    time::Duration,
};

use jsonwebtoken::Algorithm;

use super::refresher::Refresher;
use crate::{
    auth::{Fetched, Issuer, KeySource, VerificationKeys},
    metrics::KeyFetches,
};

/// What decides which keys there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) issuer: Box<str>,
    pub(super) url: String,
    pub(super) algorithms: Vec<Algorithm>,
}

impl Source {
    /// With the longest time between two fetches; `None` for an issuer whose keys are elsewhere.
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

/// What thread and owner share.
#[derive(Debug)]
pub(super) struct Shared {
    keys: Mutex<Option<Arc<VerificationKeys>>>,
    /// A token has named a key that is not among them.
    pub(super) wanted: Arc<AtomicBool>,
    pub(super) fetches: Arc<KeyFetches>,
}

impl Shared {
    /// As last fetched.
    pub(super) fn keys(&self) -> MutexGuard<'_, Option<Arc<VerificationKeys>>> {
        // Nothing that could panic is done with it.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its thread ends with its last clone.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) source: Arc<Source>,
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
}

/// To fetch at once, and from then on within this time, if it is another one.
pub(super) type Order = Option<Duration>;

impl Task {
    /// Starts to fetch. `changed` is called whenever there are other keys than before.
    pub(super) fn start(
        source: Source,
        refresh: Duration,
        changed: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<Self> {
        let (orders, received) = mpsc::channel();
        let source = Arc::new(source);
        let shared = Arc::new(Shared {
            keys: Mutex::default(),
            wanted: Arc::default(),
            fetches: Arc::new(KeyFetches::new(&source.issuer)),
        });
        let refresher = Refresher::new(&source, &shared, received, refresh, changed);
        thread::Builder::new()
            .name("ringest-jwks".to_owned())
            .spawn(move || refresher.run())?;
        Ok(Self {
            source,
            shared,
            orders,
        })
    }

    /// Fetches at once.
    pub(super) fn fetch(&self, order: Order) {
        // The thread lives as long as this does.
        let _ = self.orders.send(order);
    }

    /// As they are now.
    pub(super) fn fetched(&self) -> Fetched {
        Fetched {
            keys: self.shared.keys().clone(),
            wanted: Arc::clone(&self.shared.wanted),
        }
    }

    /// What is counted of it.
    pub(super) fn counted(&self) -> Arc<KeyFetches> {
        Arc::clone(&self.shared.fetches)
    }
}
