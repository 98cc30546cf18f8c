//! A value that one thread replaces and others read: for a reader that has the latest, one atomic load.

use std::{
    mem,
    sync::{Arc, PoisonError},
};

use crate::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

/// The latest value and its generation: 0 at first, one more with each value that is published.
#[derive(Debug, Default)]
pub struct Published<T> {
    generation: AtomicU64,
    latest: Mutex<(u64, Arc<T>)>,
}

impl<T> Published<T> {
    /// Publishes the first value.
    pub fn new(first: T) -> Self {
        Self {
            generation: AtomicU64::new(0),
            latest: Mutex::new((0, Arc::new(first))),
        }
    }

    /// Replaces the value. Returns its generation.
    pub fn publish(&self, value: T) -> u64 {
        let value = Arc::new(value);
        let mut latest = self.lock();
        let generation = latest.0 + 1;
        let before = mem::replace(&mut *latest, (generation, value));
        self.generation.store(generation, Ordering::Release);
        drop(latest);
        // Freeing it may take a while, for which nobody waits.
        drop(before);
        generation
    }

    /// The latest value and its generation, unless it is of this one: then only one atomic load.
    pub fn newer_than(&self, generation: u64) -> Option<(u64, Arc<T>)> {
        self.is_newer_than(generation)
            .then(|| self.latest_with_generation())
    }

    /// Whether there is another value than that of this generation: one atomic load.
    pub fn is_newer_than(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) != generation
    }

    /// The latest value and its generation.
    pub fn latest_with_generation(&self) -> (u64, Arc<T>) {
        self.lock().clone()
    }

    /// The latest value.
    pub fn latest(&self) -> Arc<T> {
        Arc::clone(&self.lock().1)
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Arc<T>)> {
        // No code panics while it holds the lock.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
