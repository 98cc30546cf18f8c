//! Metrics of the key fetches of one JWT issuer.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use strum::{IntoStaticStr, VariantArray};

use super::Counter;
use crate::sync::locked;

/// Key fetches of one issuer. The fetching thread is the only writer.
#[derive(Debug)]
pub struct KeyFetches {
    issuer: Box<str>,
    results: [Counter; FetchResult::ALL.len()],
    last_success: Mutex<Option<Instant>>,
}

/// The result of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[repr(usize)]
#[strum(serialize_all = "snake_case")]
pub enum FetchResult {
    /// The first keys, or keys that differ from the previous ones.
    Changed,
    /// The same keys as before.
    Unchanged,
    /// No complete response.
    Unreachable,
    /// A status other than 200.
    BadStatus,
    /// Not a key set, or one without a usable key.
    BadSet,
}

impl FetchResult {
    /// All results, in declaration order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl KeyFetches {
    /// No fetches yet.
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.into(),
            results: Default::default(),
            last_success: Mutex::default(),
        }
    }

    /// Counts a fetch.
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

    /// Fetches with this result.
    pub fn count_of(&self, result: FetchResult) -> u64 {
        self.results[result as usize].value()
    }

    /// Whether any fetch was counted.
    pub fn has_any(&self) -> bool {
        self.results.iter().any(|count| count.value() > 0)
    }

    /// Time since the last successful fetch; `None` before the first.
    pub fn keys_age(&self) -> Option<Duration> {
        self.lock().map(|it| it.elapsed())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        locked(&self.last_success)
    }
}
