//! The thread that gets tokens: schedule, results and log lines.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{TokenError, TokenSettings, TokenSource, file};
use crate::{
    https::backoff,
    isolation::PanicError,
    log::Reminder,
    metrics::ProcessMetrics,
    produce::{BrokerAccess, Token},
};

/// The least between two requests.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Between two readings of a file.
const FILE_INTERVAL: Duration = Duration::from_secs(1);

/// Until the next request where the response does not say how long the token lives.
const INTERVAL_UNKNOWN: Duration = Duration::from_mins(5);

/// Keeps the token of the process up to date. When dropped, that ends.
#[derive(Debug)]
pub struct TokenRefresher {
    settings: Option<Sender<TokenSettings>>,
    access: Arc<BrokerAccess>,
    metrics: Arc<ProcessMetrics>,
}

impl TokenRefresher {
    /// One without settings, for clients with this access.
    pub fn new(access: &Arc<BrokerAccess>, metrics: &Arc<ProcessMetrics>) -> Self {
        Self {
            settings: None,
            access: Arc::clone(access),
            metrics: Arc::clone(metrics),
        }
    }

    /// Gets tokens with these settings from now on, or tries again if the last attempt failed. `changed` is
    /// called from another thread when there is another token; only the first one counts.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn follow(
        &mut self,
        settings: Option<&TokenSettings>,
        changed: impl Fn() + Send + 'static,
    ) -> io::Result<()> {
        let Some(settings) = settings else {
            return Ok(());
        };
        if let Some(sender) = &self.settings {
            // The thread lives as long as this does.
            let _ = sender.send(settings.clone());
            return Ok(());
        }
        self.access.set_needs_token(true);
        let (sender, received) = mpsc::channel();
        let thread = Thread {
            settings: settings.clone(),
            received,
            access: Arc::clone(&self.access),
            metrics: Arc::clone(&self.metrics),
            changed: Box::new(changed),
            file: String::new(),
            ends: None,
            has_token: false,
            failures: 0,
            reminder: Reminder::new(),
        };
        thread::Builder::new()
            .name("ringest-oauth".to_owned())
            .spawn(move || thread.run())?;
        self.settings = Some(sender);
        Ok(())
    }
}

struct Thread {
    settings: TokenSettings,
    received: Receiver<TokenSettings>,
    access: Arc<BrokerAccess>,
    metrics: Arc<ProcessMetrics>,
    changed: Box<dyn Fn() + Send>,
    /// The content of the file that the token is from.
    file: String,
    has_token: bool,
    /// When the token in use ends, if that is known.
    ends: Option<SystemTime>,
    /// Consecutive failures.
    failures: u32,
    /// For the last one: the reason, and whether there was a token.
    reminder: Reminder<(String, bool)>,
}

impl Thread {
    /// Gets tokens until the owner is dropped.
    fn run(mut self) {
        loop {
            // Without this thread the token would end, and with it every connection.
            let fetched = catch_unwind(AssertUnwindSafe(|| self.fetch()));
            let fetched = fetched.unwrap_or_else(|payload| Err(PanicError::from(payload).into()));
            let pause = match fetched {
                Ok(token) => self.succeeded(token),
                Err(error) => self.failed(&error),
            };
            if !self.wait(pause) {
                return;
            }
        }
    }

    /// A token, unless it is the one that is in use.
    fn fetch(&mut self) -> Result<Option<Token>, TokenError> {
        let TokenSource::File(path) = &self.settings.source else {
            return self.settings.fetch().map(Some);
        };
        let content = file::read(path)?;
        if self.has_token && content == self.file {
            return Ok(None);
        }
        let token = file::token(&content, &self.settings.extensions)?;
        self.file = content;
        Ok(Some(token))
    }

    /// How long to wait until the next request.
    fn succeeded(&mut self, token: Option<Token>) -> Duration {
        let source = self.settings.shown();
        let ends = match token {
            Some(token) => {
                let ends = token.ends();
                self.metrics.tokens.succeeded(ends);
                self.access.set_token(token);
                (self.changed)();
                let lifetime = ends.map_or_else(
                    || "of unknown lifetime".to_owned(),
                    |at| format!("valid for {} s", left(at).as_secs()),
                );
                if self.failures > 0 || !self.has_token {
                    tracing::info!("kafka.oauth: a token from {source}, {lifetime}");
                } else {
                    tracing::debug!("kafka.oauth: another token from {source}, {lifetime}");
                }
                (self.has_token, self.ends) = (true, ends);
                ends
            }
            None => self.ends,
        };
        self.failures = 0;
        self.reminder.clear();
        match self.settings.source {
            TokenSource::File(_) => FILE_INTERVAL,
            TokenSource::Endpoint(_) => ends.map_or(INTERVAL_UNKNOWN, |at| {
                left(at).mul_f64(between(0.7, 0.8)).max(INTERVAL_MIN)
            }),
        }
    }

    /// Logs each new reason, and repeats one that lasts. How long to wait until the next request.
    fn failed(&mut self, error: &TokenError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.metrics.tokens.failed(error.result());
        let has_token = self.has_token && self.ends.is_none_or(|at| !left(at).is_zero());
        let reason = error.to_string();
        let failure = (reason.clone(), has_token);
        if self.reminder.is_due(failure, Instant::now()) {
            let source = self.settings.shown();
            if has_token {
                let ends = self.ends.map_or_else(String::new, |at| {
                    format!(", which ends in {} s", left(at).as_secs())
                });
                tracing::warn!(
                    "kafka.oauth: no new token from {source}: {reason}; keeping the current one{ends}"
                );
            } else {
                tracing::error!(
                    "kafka.oauth: no token from {source}: {reason}; no broker can be used without one"
                );
            }
        }
        match self.settings.source {
            TokenSource::File(_) => FILE_INTERVAL,
            TokenSource::Endpoint(_) => backoff(self.failures).mul_f64(between(0.8, 1.0)),
        }
    }

    /// Waits for so long, or until there is reason to try now; `false` once the owner is dropped.
    fn wait(&mut self, pause: Duration) -> bool {
        let due = Instant::now() + pause;
        loop {
            match self
                .received
                .recv_timeout(due.saturating_duration_since(Instant::now()))
            {
                Ok(settings) if settings == self.settings && self.failures == 0 => {}
                Ok(settings) => {
                    if settings != self.settings {
                        self.file.clear();
                    }
                    self.settings = settings;
                    self.failures = 0;
                    return true;
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

/// The time until then; zero if it has passed.
fn left(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::now()).unwrap_or_default()
}

/// A random number, so that many processes do not ask at the same time.
fn between(low: f64, high: f64) -> f64 {
    let random = RandomState::new().hash_one(()) >> 32;
    let fraction = f64::from(u32::try_from(random).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    low + (high - low) * fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_within_their_bounds() {
        for _ in 0..1_000 {
            let random = between(0.7, 0.8);
            assert!((0.7..=0.8).contains(&random), "{random}");
        }
    }
}
