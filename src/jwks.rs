//! Issuers' keys at their URLs, fetched while ringest serves: by threads beside the control thread,
//! one an issuer, so that a slow endpoint holds up nobody else's keys, and no request.
//!
//! A set is fetched at once, then again after [`JwksUrl::refresh`](crate::auth::JwksUrl), or sooner
//! where the answer's headers say that it is good for less (RFC 9111 section 4.2), down to
//! [`FRESH_MIN`]; when a token names a key that is not in it, at most once within
//! [`WANTED_INTERVAL`]; and when the operator says so. An endpoint that fails is asked again after a
//! second, then twice as long each time up to [`BACKOFF_MAX`], and never later than `refresh`; the keys
//! that were fetched before stay in use as long as that takes.

mod endpoint;
mod freshness;
mod refresher;
mod task;

use std::{fmt, io, sync::Arc, time::Duration};

use jsonwebtoken::Algorithm;

pub use endpoint::FetchError;
use task::{Source, Task};

use crate::{
    auth::{Fetched, Issuer, Loaded, VerificationKeys},
    metrics::ProcessMetrics,
};

/// No header makes two fetches follow each other sooner.
pub const FRESH_MIN: Duration = Duration::from_secs(10);

/// Within it, tokens that name unknown keys make one fetch at most, however many they are.
pub const WANTED_INTERVAL: Duration = Duration::from_mins(1);

/// The longest pause after a fetch that failed.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Keeps the keys of issuers that have them at URLs.
///
/// When dropped nothing more is fetched; a fetch under way ends by itself and comes to nothing.
pub struct Fetcher {
    tasks: Vec<Task>,
    metrics: Arc<ProcessMetrics>,
    changed: Arc<dyn Fn() + Send + Sync>,
}

impl Fetcher {
    /// Fetches nothing yet. `changed` is called from other threads when [`Fetcher::fetched`] has other
    /// keys than before.
    pub fn new(metrics: Arc<ProcessMetrics>, changed: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            tasks: Vec::new(),
            metrics,
            changed: Arc::new(changed),
        }
    }

    /// Fetches the keys of these issuers from now on, at once to begin with, and no others'. Keys of
    /// an issuer whose name, URL and algorithms are as before stay in use meanwhile.
    ///
    /// # Errors
    /// The system's: no thread. The issuers are then those of before.
    pub fn follow(&mut self, issuers: &[Arc<Issuer>]) -> io::Result<()> {
        let mut tasks = Vec::new();
        for (source, refresh) in issuers.iter().filter_map(|issuer| Source::of(issuer)) {
            tasks.push(match self.task(&source) {
                Some(task) => {
                    task.fetch(Some(refresh));
                    task.clone()
                }
                None => Task::start(source, refresh, Arc::clone(&self.changed))?,
            });
        }
        let counted = tasks.iter().map(Task::counted).collect();
        self.metrics.set_key_fetches(counted);
        self.tasks = tasks;
        Ok(())
    }

    /// Fetches all of them again, at once.
    pub fn refresh_all(&self) {
        for task in &self.tasks {
            task.fetch(None);
        }
    }

    /// Whether every issuer's keys have been asked for, whatever came of it.
    pub fn has_asked(&self) -> bool {
        self.tasks.iter().all(|task| task.counted().has_any())
    }

    /// What there is of each issuer's keys, in their order; nothing where they are not at a URL.
    pub fn fetched(&self, issuers: &[Arc<Issuer>]) -> Vec<Fetched> {
        let of = |issuer: &Arc<Issuer>| {
            let (source, _) = Source::of(issuer)?;
            Some(self.task(&source)?.fetched())
        };
        issuers
            .iter()
            .map(|issuer| of(issuer).unwrap_or_default())
            .collect()
    }

    fn task(&self, source: &Source) -> Option<&Task> {
        self.tasks.iter().find(|task| *task.source == *source)
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

/// Fetches a set once, and reads of it the keys for these algorithms.
///
/// # Errors
/// Why there are none.
pub fn fetch(url: &str, algorithms: &[Algorithm]) -> Result<Loaded, FetchError> {
    let answer = endpoint::ask(url, None)?;
    let (set, _) = answer.set.unwrap_or_default();
    Ok(VerificationKeys::from_fetched_jwks(&set, algorithms)?)
}
