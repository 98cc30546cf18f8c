//! The fetch loop of one issuer: schedule, results and log lines.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use ureq::http::HeaderValue;

use super::{
    endpoint::{self, FetchError},
    shared::{Request, Schedule, Shared, Source},
};
use crate::{
    auth::{LoadedKeys, VerificationKeys},
    https::{self, backoff},
    isolation::PanicError,
    metrics::FetchResult,
};

/// Minimum time between two fetches, whatever the response headers say.
pub const FRESH_MIN: Duration = Duration::from_secs(10);

/// Fetches one issuer's keys.
pub(super) struct Refresher {
    source: Arc<Source>,
    host: String,
    shared: Shared,
    requests: mpsc::Receiver<Request>,
    changed: Arc<dyn Fn() + Send + Sync>,
    schedule: Schedule,
    /// The set in use.
    last: Option<LastSet>,
    /// Consecutive failures since the last success or request.
    failures: u32,
    last_failure: String,
}

/// The set that the current keys were read from.
struct LastSet {
    set: Vec<u8>,
    tag: Option<HeaderValue>,
    /// When the last fetch began that confirmed it.
    confirmed: Instant,
}

impl Refresher {
    pub(super) fn new(
        source: &Arc<Source>,
        shared: Shared,
        requests: mpsc::Receiver<Request>,
        schedule: Schedule,
        changed: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            host: https::host(&source.url),
            shared,
            requests,
            changed,
            schedule,
            last: None,
            failures: 0,
            last_failure: String::new(),
        }
    }

    /// Fetches repeatedly until its owner is dropped.
    pub(super) fn run(mut self) {
        loop {
            let begun = Instant::now();
            self.shared.keys.begin(begun);
            // If a panic ended the thread, revoked keys would stay in use.
            let fetched = catch_unwind(AssertUnwindSafe(|| self.fetch(begun)));
            let fetched = fetched.unwrap_or_else(|payload| Err(PanicError::from(payload).into()));
            let due = match fetched {
                Ok((loaded, freshness)) => self.succeeded(loaded, freshness),
                Err(error) => self.failed(&error),
            };
            if !self.wait(due) {
                return;
            }
        }
    }

    /// The keys if they have changed, and the freshness lifetime if declared.
    fn fetch(
        &mut self,
        begun: Instant,
    ) -> Result<(Option<LoadedKeys>, Option<Duration>), FetchError> {
        let tag = self.last.as_ref().and_then(|last| last.tag.as_ref());
        let response = endpoint::request(&self.source.url, tag)?;
        let mut loaded = None;
        match (response.set, &mut self.last) {
            (None, last) => {
                if let Some(last) = last {
                    last.confirmed = begun;
                }
            }
            (Some((set, tag)), last) => {
                if last.as_ref().is_none_or(|last| last.set != set) {
                    let algorithms = &self.source.algorithms;
                    loaded = Some(VerificationKeys::from_fetched_jwks(&set, algorithms)?);
                }
                *last = Some(LastSet {
                    set,
                    tag,
                    confirmed: begun,
                });
            }
        }
        Ok((loaded, response.freshness))
    }

    /// Returns when the next fetch is due.
    fn succeeded(&mut self, loaded: Option<LoadedKeys>, freshness: Option<Duration>) -> Instant {
        let due = Instant::now() + delay_after_success(self.schedule.refresh, freshness);
        let (issuer, host) = (&self.source.issuer, &self.host);
        let counted = &self.shared.fetches;
        match loaded {
            None => {
                self.shared.keys.succeeded(None, due);
                counted.count(FetchResult::Unchanged);
                if !self.last_failure.is_empty() {
                    tracing::info!(
                        "issuer {issuer:?}: fetching keys from {host} succeeds again; keys are unchanged"
                    );
                }
            }
            Some(LoadedKeys { keys, skipped }) => {
                self.shared.keys.succeeded(Some(keys), due);
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
        due
    }

    /// Logs each new reason once. Returns when the next fetch is due.
    fn failed(&mut self, error: &FetchError) -> Instant {
        self.failures = self.failures.saturating_add(1);
        let due = Instant::now() + delay_after_failure(self.schedule.refresh, self.failures);
        self.shared.keys.failed(due);
        self.shared.fetches.count(error.result());
        let (issuer, host) = (&self.source.issuer, &self.host);
        let reason = error.to_string();
        if self.last_failure == reason {
            tracing::debug!("issuer {issuer:?}: fetching keys from {host} failed again: {reason}");
            return due;
        }
        let meanwhile = match (&self.last, self.shared.fetches.keys_age()) {
            (Some(_), Some(age)) => format!("keeping the keys of {} s ago", age.as_secs()),
            _ => "its tokens get 503 until keys are fetched".to_owned(),
        };
        tracing::warn!(
            "issuer {issuer:?}: fetching keys from {host} failed: {reason}; {meanwhile}"
        );
        self.last_failure = reason;
        due
    }

    /// Waits until `due`, a request, or a token that causes a fetch; `false` once the owner is dropped.
    fn wait(&mut self, due: Instant) -> bool {
        loop {
            let now = Instant::now();
            self.drop_stale(now);
            let due = self.shared.keys.wanted().map_or(due, |it| it.min(due));
            if now >= due {
                return true;
            }
            let wake = self.stale().map_or(due, |it| it.min(due));
            match self.requests.recv_timeout(wake - now) {
                Ok(Request::Fetch(schedule)) => {
                    self.schedule = schedule.unwrap_or(self.schedule);
                    // The operator may have fixed the cause of failures.
                    self.failures = 0;
                    return self.accept_pending();
                }
                Ok(Request::Wanted) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// The next fetch covers all pending requests; `false` once the owner is dropped.
    fn accept_pending(&mut self) -> bool {
        for request in self.requests.try_iter() {
            match request {
                Request::Fetch(schedule) => self.schedule = schedule.unwrap_or(self.schedule),
                Request::Wanted => {}
                Request::Stop => return false,
            }
        }
        true
    }

    /// When the keys in use become stale.
    fn stale(&self) -> Option<Instant> {
        Some(self.last.as_ref()?.confirmed + self.schedule.stale_max?)
    }

    /// Ends the use of keys that could not be fetched again for too long.
    fn drop_stale(&mut self, now: Instant) {
        if self.stale().is_some_and(|at| at <= now) {
            self.last = None;
            self.shared.keys.expire();
            (self.changed)();
            let issuer = &self.source.issuer;
            tracing::error!(
                "issuer {issuer:?}: its keys are older than jwks_stale_max_ms; its tokens get 503 until \
                 keys are fetched"
            );
        }
    }
}

fn delay_after_success(refresh: Duration, freshness: Option<Duration>) -> Duration {
    freshness.map_or(refresh, |it| refresh.min(it.max(FRESH_MIN)))
}

fn delay_after_failure(refresh: Duration, failures: u32) -> Duration {
    refresh.min(backoff(failures))
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
