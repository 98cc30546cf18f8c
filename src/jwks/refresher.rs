//! The fetch loop of one issuer: schedule, results and log lines.

use std::{
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use ureq::http::HeaderValue;

use super::{
    endpoint::{self, FetchError},
    shared::{FetchRequest, Shared, Source},
};
use crate::{
    auth::{LoadedKeys, VerificationKeys},
    isolation::PanicError,
    metrics::FetchResult,
};

/// Minimum time between two fetches, whatever the response headers say.
pub const FRESH_MIN: Duration = Duration::from_secs(10);

/// Minimum time between two fetches for tokens with unknown keys.
pub const REFETCH_INTERVAL: Duration = Duration::from_mins(1);

/// Maximum delay after a failed fetch.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How often it checks whether a token has named an unknown key.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Delay after the first failed fetch.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Fetches one issuer's keys.
pub(super) struct Refresher {
    source: Arc<Source>,
    host: String,
    shared: Arc<Shared>,
    requests: mpsc::Receiver<FetchRequest>,
    changed: Arc<dyn Fn() + Send + Sync>,
    refresh: Duration,
    last: Option<LastSet>,
    /// Consecutive failures since the last success or request.
    failures: u32,
    last_failure: String,
    /// When unknown keys of tokens may trigger the next fetch.
    refetch_from: Instant,
}

/// The set that the current keys were read from.
struct LastSet {
    set: Vec<u8>,
    tag: Option<HeaderValue>,
}

impl Refresher {
    pub(super) fn new(
        source: &Arc<Source>,
        shared: &Arc<Shared>,
        requests: mpsc::Receiver<FetchRequest>,
        refresh: Duration,
        changed: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            host: endpoint::host(&source.url),
            shared: Arc::clone(shared),
            requests,
            changed,
            refresh,
            last: None,
            failures: 0,
            last_failure: String::new(),
            refetch_from: Instant::now(),
        }
    }

    /// Fetches repeatedly until its owner is dropped.
    pub(super) fn run(mut self) {
        loop {
            // This fetch covers all unknown keys named so far.
            self.shared.unknown_key_seen.store(false, Relaxed);
            // If a panic ended the thread, revoked keys would stay in use.
            let fetched = catch_unwind(AssertUnwindSafe(|| self.fetch()));
            let fetched = fetched.unwrap_or_else(|payload| Err(PanicError::from(payload).into()));
            let delay = match fetched {
                Ok((loaded, freshness)) => {
                    self.succeeded(loaded);
                    delay_after_success(self.refresh, freshness)
                }
                Err(error) => {
                    self.failed(&error);
                    delay_after_failure(self.refresh, self.failures)
                }
            };
            if !self.wait(Instant::now() + delay) {
                return;
            }
        }
    }

    /// The keys if they have changed, and the freshness lifetime if declared.
    fn fetch(&mut self) -> Result<(Option<LoadedKeys>, Option<Duration>), FetchError> {
        let tag = self.last.as_ref().and_then(|last| last.tag.as_ref());
        let response = endpoint::request(&self.source.url, tag)?;
        let Some((set, tag)) = response.set else {
            return Ok((None, response.freshness));
        };
        let mut loaded = None;
        if self.last.as_ref().is_none_or(|last| last.set != set) {
            loaded = Some(VerificationKeys::from_fetched_jwks(
                &set,
                &self.source.algorithms,
            )?);
        }
        self.last = Some(LastSet { set, tag });
        Ok((loaded, response.freshness))
    }

    fn succeeded(&mut self, loaded: Option<LoadedKeys>) {
        let (issuer, host) = (&self.source.issuer, &self.host);
        let counted = &self.shared.fetches;
        match loaded {
            None => {
                counted.count(FetchResult::Unchanged);
                if !self.last_failure.is_empty() {
                    tracing::info!(
                        "issuer {issuer:?}: fetching keys from {host} succeeds again; keys are unchanged"
                    );
                }
            }
            Some(LoadedKeys { keys, skipped }) => {
                *self.shared.keys() = Some(Arc::new(keys));
                counted.count(FetchResult::Changed);
                (self.changed)();
                tracing::info!("issuer {issuer:?}: fetched new keys from {host}");
                for line in skipped {
                    tracing::info!("issuer {issuer:?}: skipped a key of its set: {line}");
                }
            }
        }
        self.failures = 0;
        self.last_failure.clear();
    }

    /// Logs each new reason once.
    fn failed(&mut self, error: &FetchError) {
        self.shared.fetches.count(error.result());
        self.failures = self.failures.saturating_add(1);
        let (issuer, host) = (&self.source.issuer, &self.host);
        let reason = error.to_string();
        if self.last_failure == reason {
            tracing::debug!("issuer {issuer:?}: fetching keys from {host} failed again: {reason}");
            return;
        }
        let meanwhile = match self.shared.fetches.keys_age() {
            Some(age) => format!("keeping the keys of {} s ago", age.as_secs()),
            None => "its tokens get 503 until keys are fetched".to_owned(),
        };
        tracing::warn!(
            "issuer {issuer:?}: fetching keys from {host} failed: {reason}; {meanwhile}"
        );
        self.last_failure = reason;
    }

    /// Waits until `due`, a request, or an unknown key of a token; `false` once the owner is dropped.
    fn wait(&mut self, due: Instant) -> bool {
        loop {
            let now = Instant::now();
            if now >= due {
                return true;
            }
            let mut poll = self.refetch_from;
            if now >= self.refetch_from {
                if self.shared.unknown_key_seen.load(Relaxed) {
                    self.refetch_from = now + REFETCH_INTERVAL;
                    return true;
                }
                poll = now + POLL_INTERVAL;
            }
            match self.requests.recv_timeout(poll.min(due) - now) {
                Ok(request) => {
                    // This fetch covers all pending requests.
                    let requests = iter::once(request).chain(self.requests.try_iter());
                    self.refresh = requests.flatten().last().unwrap_or(self.refresh);
                    // The operator may have fixed the cause of failures.
                    self.failures = 0;
                    return true;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

fn delay_after_success(refresh: Duration, freshness: Option<Duration>) -> Duration {
    freshness.map_or(refresh, |it| refresh.min(it.max(FRESH_MIN)))
}

fn delay_after_failure(refresh: Duration, failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let backoff = BACKOFF_MIN.saturating_mul(doubled).min(BACKOFF_MAX);
    refresh.min(backoff)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn delay_after_success_is_within_bounds() {
        for (refresh, freshness, delay) in [
            (300, None, 300),
            (300, Some(0), 10),
            (300, Some(9), 10),
            (300, Some(11), 11),
            (300, Some(300), 300),
            (300, Some(u64::MAX), 300),
            (5, Some(0), 5),
            (5, Some(20), 5),
        ] {
            let found = delay_after_success(seconds(refresh), freshness.map(seconds));
            assert_eq!(found, seconds(delay), "{refresh} {freshness:?}");
        }
    }

    #[test]
    fn delay_after_failure_backs_off_up_to_refresh() {
        for (refresh, failures, delay) in [
            (300, 1, 1),
            (300, 2, 2),
            (300, 5, 16),
            (300, 6, 30),
            (300, 100, 30),
            (300, u32::MAX, 30),
            (20, 5, 16),
            (20, 6, 20),
            (1, 6, 1),
        ] {
            let found = delay_after_failure(seconds(refresh), failures);
            assert_eq!(found, seconds(delay), "{refresh} {failures}");
        }
    }
}
