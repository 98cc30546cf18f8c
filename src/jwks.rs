//! Fetches issuers' keys from their URLs at run time, in one thread per issuer, so that a slow endpoint
//! delays neither requests nor the keys of other issuers.
//!
//! A set is fetched at start, then again after [`JwksUrl::refresh`](crate::auth::JwksUrl), or sooner
//! if the response headers declare a shorter freshness lifetime (RFC 9111 section 4.2), but no sooner than
//! [`FRESH_MIN`]; when tokens name unknown keys, within the limits of [`FetchedKeys`]; and on request of the
//! operator. After a failure the fetch is retried after a second, with exponential backoff up to
//! 30 s, and no later than `refresh`; meanwhile the previous keys stay in use, if there is a limit
//! no longer than `stale_max`.

mod endpoint;
mod freshness;
mod refresher;
mod shared;
mod task;

use std::{fmt, io, sync::Arc};

use jsonwebtoken::Algorithm;

pub use endpoint::FetchError;
pub use refresher::FRESH_MIN;
use shared::Source;
use task::Task;

use crate::{
    auth::{FetchedKeys, Issuer, LoadedKeys, VerificationKeys},
    metrics::ProcessMetrics,
};

/// Fetches the keys of issuers with a JWK set URL.
///
/// When dropped, fetching stops; the result of a fetch in progress is discarded.
pub struct Fetcher {
    tasks: Vec<Task>,
    metrics: Arc<ProcessMetrics>,
    changed: Arc<dyn Fn() + Send + Sync>,
}

impl Fetcher {
    /// A fetcher without issuers. `changed` is called from other threads when the keys of
    /// [`Fetcher::fetched`] have changed.
    pub fn new(metrics: Arc<ProcessMetrics>, changed: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            tasks: Vec::new(),
            metrics,
            changed: Arc::new(changed),
        }
    }

    /// Replaces the issuers, and starts fetching their keys at once. Keys of an issuer with unchanged name,
    /// URL and algorithms stay in use meanwhile.
    ///
    /// # Errors
    /// A thread could not be started. The previous issuers are kept.
    pub fn follow(&mut self, issuers: &[Arc<Issuer>]) -> io::Result<()> {
        let mut tasks = Vec::new();
        for (source, schedule) in issuers.iter().filter_map(|issuer| Source::of(issuer)) {
            tasks.push(match self.task(&source) {
                Some(task) => {
                    task.fetch(Some(schedule));
                    task.clone()
                }
                None => Task::start(source, schedule, Arc::clone(&self.changed))?,
            });
        }
        let counted = tasks.iter().map(Task::counted).collect();
        self.metrics.set_key_fetches(counted);
        self.tasks = tasks;
        Ok(())
    }

    /// Fetches the keys of all issuers again, at once.
    pub fn refresh_all(&self) {
        for task in &self.tasks {
            task.fetch(None);
        }
    }

    /// Whether at least one fetch has completed for every issuer, successful or not.
    pub fn has_fetched_all(&self) -> bool {
        self.tasks.iter().all(|task| task.counted().has_any())
    }

    /// The fetched keys of each issuer, in order; empty for issuers without a URL.
    pub fn fetched(&self, issuers: &[Arc<Issuer>]) -> Vec<Arc<FetchedKeys>> {
        let of = |issuer: &Arc<Issuer>| {
            let (source, _) = Source::of(issuer)?;
            Some(self.task(&source)?.fetched())
        };
        issuers
            .iter()
            .map(|issuer| of(issuer).unwrap_or_else(|| Arc::new(FetchedKeys::only(None))))
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

/// Fetches a set once; returns its keys for these algorithms.
///
/// # Errors
/// Why there are no keys.
pub fn fetch(url: &str, algorithms: &[Algorithm]) -> Result<LoadedKeys, FetchError> {
    let response = endpoint::request(url, None)?;
    let (set, _) = response.set.unwrap_or_default();
    Ok(VerificationKeys::from_fetched_jwks(&set, algorithms)?)
}
