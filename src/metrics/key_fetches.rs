//! What is counted of the keys that are fetched for an issuer.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::Counter;

/// Of one issuer. The thread that fetches is the only writer.
#[derive(Debug)]
pub struct KeyFetches {
    issuer: Box<str>,
    results: [Counter; FetchResult::ALL.len()],
    last_good: Mutex<Option<Instant>>,
}

/// What became of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum FetchResult {
    /// The first keys, or other keys than before.
    Changed,
    /// The same keys as before.
    Unchanged,
    /// No whole answer.
    Unreachable,
    /// A status that brings no keys.
    BadStatus,
    /// No set, or none that can be used.
    BadSet,
}

impl FetchResult {
    /// Each of them, in their order.
    pub const ALL: [Self; 5] = [
        Self::Changed,
        Self::Unchanged,
        Self::Unreachable,
        Self::BadStatus,
        Self::BadSet,
    ];

    /// As it stands in the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Unreachable => "unreachable",
            Self::BadStatus => "bad_status",
            Self::BadSet => "bad_set",
        }
    }
}

impl KeyFetches {
    /// None yet.
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.into(),
            results: Default::default(),
            last_good: Mutex::default(),
        }
    }

    /// Counts one.
    pub fn count(&self, result: FetchResult) {
        self.results[result as usize].add(1);
        if matches!(result, FetchResult::Changed | FetchResult::Unchanged) {
            *self.lock() = Some(Instant::now());
        }
    }

    /// The issuer that the keys are fetched for.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How many fetches ended like this.
    pub fn count_of(&self, result: FetchResult) -> u64 {
        self.results[result as usize].value()
    }

    /// Whether anything was counted.
    pub fn has_any(&self) -> bool {
        self.results.iter().any(|count| count.value() > 0)
    }

    /// Since the keys in use were last known to be the issuer's; `None`: there are none.
    pub fn keys_age(&self) -> Option<Duration> {
        self.lock().map(|it| it.elapsed())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // Nothing that could panic is done with it.
        self.last_good
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
