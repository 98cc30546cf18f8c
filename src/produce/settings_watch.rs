//! Reads the configurations of topics, on a thread of its own: however slow an answer is, nobody else
//! waits for it.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use rdkafka::error::KafkaError;

use super::{
    access::BrokerAccess,
    admin::{Admin, is_unsupported},
    fit::Expected,
    kafka::OpenError,
    topic_settings::Settings,
};
use crate::{published::Published, sync::locked};

/// Between two times that they are read.
const INTERVAL: Duration = Duration::from_mins(5);
/// The same after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// What topics are configured to, shared by the process.
#[derive(Debug, Default)]
pub(super) struct SettingsWatch {
    stopping: AtomicBool,
    thread: OnceLock<Thread>,
    /// Topics to ask about: those that exist.
    topics: Mutex<Vec<Arc<str>>>,
    expected: Mutex<Option<Arc<Expected>>>,
    settings: Published<Settings>,
    /// Whether they were asked for once, with or without success.
    has_asked: AtomicBool,
}

/// What the log has, so that it does not have it again and again.
#[derive(Default)]
struct Logged {
    failure: Option<String>,
    expected: Option<Arc<Expected>>,
    misfits: Vec<String>,
}

impl SettingsWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(self: &Arc<Self>, access: &Arc<BrokerAccess>) -> Result<(), OpenError> {
        let (watch, access) = (Arc::clone(self), Arc::clone(access));
        let handle = thread::Builder::new()
            .name("ringest-topics".to_owned())
            .spawn(move || watch.run(&access))
            .map_err(|error| OpenError(error.to_string()))?;
        let _ = self.thread.set(handle.thread().clone());
        Ok(())
    }

    fn run(&self, access: &BrokerAccess) {
        let mut logged = Logged::default();
        while !self.stopping.load(Ordering::Relaxed) {
            let topics = locked(&self.topics).clone();
            let mut pause = INTERVAL;
            if !topics.is_empty() {
                // Closed when the answer is there: it is asked too rarely to keep connections and threads, and
                // what a client reports of an outage would pile up in it. rdkafka's `Client::new` forgets a
                // queue of each: 220 bytes, 63 KB a day.
                let read = Admin::open(access).and_then(|admin| {
                    let settings = admin.describe(&topics)?;
                    self.publish(settings);
                    Ok(())
                });
                pause = self.note(&topics, read, &mut logged);
                self.has_asked.store(true, Ordering::Relaxed);
            }
            thread::park_timeout(pause);
        }
    }

    fn publish(&self, settings: Settings) {
        self.settings.publish(settings);
        self.has_asked.store(true, Ordering::Relaxed);
    }

    /// Logs what is new to an operator. How long to wait until they are read again.
    fn note(
        &self,
        topics: &[Arc<str>],
        read: Result<(), KafkaError>,
        logged: &mut Logged,
    ) -> Duration {
        let settings = self.settings.latest();
        let (failure, pause) = match read {
            Ok(()) => (hidden(topics, &settings), INTERVAL),
            Err(error) if is_unsupported(&error) => {
                tracing::debug!("can't get the configurations of topics: {error}");
                (None, INTERVAL)
            }
            Err(error) => {
                let failure = format!("can't read the configurations of the topics: {error}");
                (Some(failure), RETRY_INTERVAL)
            }
        };
        if let Some(failure) = &failure
            && logged.failure.as_ref() != Some(failure)
        {
            tracing::warn!(
                "{failure}; the limits of topics are unknown until a broker rejects a record"
            );
        }
        logged.failure = failure;
        let Some(expected) = locked(&self.expected).clone() else {
            return pause;
        };
        if logged
            .expected
            .as_ref()
            .is_none_or(|it| !Arc::ptr_eq(it, &expected))
        {
            logged.misfits.clear();
        }
        let misfits = expected.misfits(&settings);
        for line in misfits.iter().filter(|line| !logged.misfits.contains(line)) {
            tracing::warn!("{line}");
        }
        logged.misfits = misfits;
        logged.expected = Some(expected);
        pause
    }

    /// Asks about these topics from now on.
    pub(super) fn set_topics(&self, topics: Vec<Arc<str>>) {
        let mut known = locked(&self.topics);
        if *known != topics {
            *known = topics;
            drop(known);
            self.refresh();
        }
    }

    /// What the topics are expected to take. They are read again now.
    pub(super) fn expect(&self, expected: Arc<Expected>) {
        *locked(&self.expected) = Some(expected);
        self.refresh();
    }

    /// The last that was set.
    pub(super) fn expected(&self) -> Option<Arc<Expected>> {
        locked(&self.expected).clone()
    }

    fn refresh(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The latest configurations, if they are not of this generation, and their own.
    pub(super) fn newer_than(&self, generation: u64) -> Option<(u64, Arc<Settings>)> {
        self.settings.newer_than(generation)
    }

    /// Whether nothing is to be asked, or was asked once.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed) || locked(&self.topics).is_empty()
    }

    /// Ends the watch, within seconds.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.refresh();
    }
}

/// Why some of the topics are without a configuration.
pub(super) fn hidden(topics: &[Arc<str>], settings: &Settings) -> Option<String> {
    let hidden = topics.iter().filter(|topic| !settings.contains_key(*topic));
    let hidden: Vec<_> = hidden.map(ToString::to_string).collect();
    (!hidden.is_empty()).then(|| {
        format!(
            "the brokers do not let ringest read the configurations of topics (it needs the right to \
             DescribeConfigs): {}",
            super::fit::listed(&hidden)
        )
    })
}
