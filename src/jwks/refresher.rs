//! The life of the thread: when it fetches, what becomes of it, what is said of it.

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
    BACKOFF_MAX, FRESH_MIN, WANTED_INTERVAL,
    endpoint::{self, FetchError},
    task::{Order, Shared, Source},
};
use crate::{
    auth::{Loaded, VerificationKeys},
    isolation::PanicError,
    metrics::FetchResult,
};

/// How often it looks whether a token has named an unknown key.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The pause after the first fetch that failed.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Fetches one issuer's keys.
pub(super) struct Refresher {
    source: Arc<Source>,
    host: String,
    shared: Arc<Shared>,
    orders: mpsc::Receiver<Order>,
    changed: Arc<dyn Fn() + Send + Sync>,
    refresh: Duration,
    known: Option<Known>,
    /// One after another, since a success or an order.
    failures: u32,
    last_failure: String,
    /// When tokens may make it fetch again.
    wanted_from: Instant,
}

/// The set that the keys in use were read from.
struct Known {
    set: Vec<u8>,
    tag: Option<HeaderValue>,
}

impl Refresher {
    pub(super) fn new(
        source: &Arc<Source>,
        shared: &Arc<Shared>,
        orders: mpsc::Receiver<Order>,
        refresh: Duration,
        changed: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            source: Arc::clone(source),
            host: endpoint::host(&source.url),
            shared: Arc::clone(shared),
            orders,
            changed,
            refresh,
            known: None,
            failures: 0,
            last_failure: String::new(),
            wanted_from: Instant::now(),
        }
    }

    /// Fetches again and again, until nobody can order it to any more.
    pub(super) fn run(mut self) {
        loop {
            // What tokens wanted up to here, this fetch brings.
            self.shared.wanted.store(false, Relaxed);
            // A panic that ended the thread would keep removed keys in use for ever.
            let fetched = catch_unwind(AssertUnwindSafe(|| self.fetch()));
            let fetched = fetched.unwrap_or_else(|payload| Err(PanicError::from(payload).into()));
            let pause = match fetched {
                Ok((loaded, freshness)) => {
                    self.succeeded(loaded);
                    pause_after_success(self.refresh, freshness)
                }
                Err(error) => {
                    self.failed(&error);
                    pause_after_failure(self.refresh, self.failures)
                }
            };
            if !self.wait(Instant::now() + pause) {
                return;
            }
        }
    }

    /// Keys if they are others than before, and how long they are good for, if that is said.
    fn fetch(&mut self) -> Result<(Option<Loaded>, Option<Duration>), FetchError> {
        let tag = self.known.as_ref().and_then(|known| known.tag.as_ref());
        let answer = endpoint::ask(&self.source.url, tag)?;
        let Some((set, tag)) = answer.set else {
            return Ok((None, answer.freshness));
        };
        let mut loaded = None;
        if self.known.as_ref().is_none_or(|known| known.set != set) {
            loaded = Some(VerificationKeys::from_fetched_jwks(
                &set,
                &self.source.algorithms,
            )?);
        }
        self.known = Some(Known { set, tag });
        Ok((loaded, answer.freshness))
    }

    fn succeeded(&mut self, loaded: Option<Loaded>) {
        let (issuer, host) = (&self.source.issuer, &self.host);
        let counted = &self.shared.fetches;
        match loaded {
            None => {
                counted.count(FetchResult::Unchanged);
                if !self.last_failure.is_empty() {
                    tracing::info!("issuer {issuer:?}: {host} has its keys again, the same");
                }
            }
            Some(Loaded { keys, left_out }) => {
                *self.shared.keys() = Some(Arc::new(keys));
                counted.count(FetchResult::Changed);
                (self.changed)();
                tracing::info!("issuer {issuer:?}: new keys, fetched from {host}");
                for line in left_out {
                    tracing::info!("issuer {issuer:?}: left out of its set: {line}");
                }
            }
        }
        self.failures = 0;
        self.last_failure.clear();
    }

    /// One line for each new reason.
    fn failed(&mut self, error: &FetchError) {
        self.shared.fetches.count(error.result());
        self.failures = self.failures.saturating_add(1);
        let (issuer, host) = (&self.source.issuer, &self.host);
        let reason = error.to_string();
        if self.last_failure == reason {
            tracing::debug!("issuer {issuer:?}: again no keys from {host}: {reason}");
            return;
        }
        let meanwhile = match self.shared.fetches.keys_age() {
            Some(age) => format!("those of {} s ago stay in use", age.as_secs()),
            None => "until there are, its tokens get 503".to_owned(),
        };
        tracing::warn!("issuer {issuer:?}: no keys from {host}: {reason}; {meanwhile}");
        self.last_failure = reason;
    }

    /// Until it is due, ordered, or wanted by a token; `false` where nobody can order it any more.
    fn wait(&mut self, due: Instant) -> bool {
        loop {
            let now = Instant::now();
            if now >= due {
                return true;
            }
            let mut look = self.wanted_from;
            if now >= self.wanted_from {
                if self.shared.wanted.load(Relaxed) {
                    self.wanted_from = now + WANTED_INTERVAL;
                    return true;
                }
                look = now + LOOK_INTERVAL;
            }
            match self.orders.recv_timeout(look.min(due) - now) {
                Ok(order) => {
                    // Of several, all are for this fetch.
                    let orders = iter::once(order).chain(self.orders.try_iter());
                    self.refresh = orders.flatten().last().unwrap_or(self.refresh);
                    // Who orders it may have mended what failed.
                    self.failures = 0;
                    return true;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

fn pause_after_success(refresh: Duration, freshness: Option<Duration>) -> Duration {
    freshness.map_or(refresh, |it| refresh.min(it.max(FRESH_MIN)))
}

fn pause_after_failure(refresh: Duration, failures: u32) -> Duration {
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
    fn headers_are_heeded_within_bounds() {
        for (refresh, freshness, pause) in [
            (300, None, 300),
            (300, Some(0), 10),
            (300, Some(9), 10),
            (300, Some(11), 11),
            (300, Some(300), 300),
            (300, Some(u64::MAX), 300),
            (5, Some(0), 5),
            (5, Some(20), 5),
        ] {
            let found = pause_after_success(seconds(refresh), freshness.map(seconds));
            assert_eq!(found, seconds(pause), "{refresh} {freshness:?}");
        }
    }

    #[test]
    fn who_fails_is_asked_less_and_less_but_never_less_than_the_refresh_says() {
        for (refresh, failures, pause) in [
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
            let found = pause_after_failure(seconds(refresh), failures);
            assert_eq!(found, seconds(pause), "{refresh} {failures}");
        }
    }
}
