//! What may change while ringest serves: an immutable snapshot, published by the control thread,
//! picked up by each worker between requests.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::{auth::KeySet, route::RouteTable};

/// Routes with their models, and who may send to them.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the snapshots of a process; whatever was derived from another one is void.
    pub generation: u64,
    /// Every route.
    pub routes: Arc<RouteTable>,
    /// Who may send; `None`: everyone.
    pub keys: Option<Arc<KeySet>>,
    /// Verified credentials that each worker remembers at most.
    pub cache_entries: usize,
}

/// The latest snapshot.
#[derive(Debug)]
pub struct Published {
    generation: AtomicU64,
    latest: Mutex<Arc<Snapshot>>,
}

impl Published {
    /// Publishes the first.
    pub fn new(first: Snapshot) -> Self {
        Self {
            generation: AtomicU64::new(first.generation),
            latest: Mutex::new(Arc::new(first)),
        }
    }

    /// Publishes another one, whose generation is another.
    pub fn publish(&self, snapshot: Snapshot) {
        let generation = snapshot.generation;
        *self.lock() = Arc::new(snapshot);
        self.generation.store(generation, Ordering::Release);
    }

    /// The latest, if it is not of this generation: one load of an atomic where it is.
    pub fn newer_than(&self, generation: u64) -> Option<Arc<Snapshot>> {
        (self.generation.load(Ordering::Acquire) != generation).then(|| self.latest())
    }

    /// The latest.
    pub fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<Snapshot>> {
        // Nothing that could panic is done with it.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
