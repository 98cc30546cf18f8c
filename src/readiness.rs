//! Whether ringest can accept records now, and if not, why: atomics that the workers and the control
//! thread write and the management thread reads.

use std::time::{Duration, Instant};

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Shared by the whole process.
#[derive(Debug)]
pub struct Readiness {
    draining: AtomicBool,
    drain_begun: AtomicBool,
    created: Instant,
    /// The bits of each worker's [`Heartbeat`].
    workers: Box<[AtomicU64]>,
}

/// The state of a worker, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum WorkerState {
    /// It serves, and its producer has reached a broker.
    Ready,
    /// It does not serve yet, or is being restarted.
    Starting,
    /// It serves, but its producer is connected to no broker.
    NoBroker,
    /// The same, as the brokers have refused its credentials, or there is no token for them.
    Refused,
    /// Its producer had a fatal error and is being replaced.
    ProducerFatal,
    /// It makes no progress: the control thread misses its heartbeats. The next heartbeat ends this state.
    Stuck,
}

impl WorkerState {
    const ALL: [Self; 6] = [
        Self::Ready,
        Self::Starting,
        Self::NoBroker,
        Self::Refused,
        Self::ProducerFatal,
        Self::Stuck,
    ];

    /// A stable code, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::NoBroker => "no_broker",
            Self::Refused => "broker_credentials",
            Self::ProducerFatal => "producer_fatal",
            Self::Stuck => "stuck",
        }
    }
}

/// The state of a worker and the time at which it was set, in one word: milliseconds since the creation of
/// [`Readiness`], and the state in the lowest byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat(u64);

impl Heartbeat {
    fn new(at: Duration, state: WorkerState) -> Self {
        let millis = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        Self(millis << 8 | state as u64)
    }

    /// When it was set: milliseconds since the creation of [`Readiness`].
    pub fn at_millis(self) -> u64 {
        self.0 >> 8
    }

    /// The state.
    pub fn state(self) -> WorkerState {
        let state = WorkerState::ALL.into_iter();
        let mut state = state.filter(|it| *it as u64 == self.0 & 0xff);
        state.next().unwrap_or(WorkerState::Stuck)
    }
}

/// Why ringest can't accept records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// A shutdown has begun.
    Draining,
    /// At least one worker makes no progress.
    WorkerStuck,
    /// The producer of at least one worker had a fatal error and is being replaced.
    ProducerFatal,
    /// At least one worker is connected to no broker.
    NoBroker,
    /// The brokers have refused the credentials of at least one worker, or there is no token for them.
    BrokerCredentials,
    /// At least one worker does not serve yet.
    Starting,
}

impl Readiness {
    /// The initial state: `workers` workers, all starting.
    pub fn new(workers: usize) -> Self {
        let starting = Heartbeat::new(Duration::ZERO, WorkerState::Starting);
        let starting = || AtomicU64::new(starting.0);
        Self {
            draining: AtomicBool::new(false),
            drain_begun: AtomicBool::new(false),
            created: Instant::now(),
            workers: std::iter::repeat_with(starting).take(workers).collect(),
        }
    }

    /// Sets the state of a worker, which is a heartbeat too: one store. May be called without a change.
    ///
    /// # Panics
    /// If `worker` is not below the count given to [`Readiness::new`] (a bug).
    pub fn set_worker(&self, worker: usize, state: WorkerState) {
        let heartbeat = Heartbeat::new(self.created.elapsed(), state);
        self.workers[worker].store(heartbeat.0, Relaxed);
    }

    /// The last heartbeat of a worker.
    ///
    /// # Panics
    /// As for [`Readiness::set_worker`].
    pub fn heartbeat(&self, worker: usize) -> Heartbeat {
        Heartbeat(self.workers[worker].load(Relaxed))
    }

    /// Sets a worker's state to [`WorkerState::Stuck`], unless it had a heartbeat after `last`. The time of
    /// the last heartbeat stays.
    ///
    /// # Panics
    /// As for [`Readiness::set_worker`].
    pub fn set_stuck(&self, worker: usize, last: Heartbeat) -> Option<Heartbeat> {
        let stuck = Heartbeat(last.0 & !0xff | WorkerState::Stuck as u64);
        let set = self.workers[worker].compare_exchange(last.0, stuck.0, Relaxed, Relaxed);
        set.is_ok().then_some(stuck)
    }

    /// Time since each worker's last heartbeat, or, of one that is starting, since that began.
    pub fn heartbeat_ages(&self) -> impl Iterator<Item = Duration> {
        let workers = 0..self.workers.len();
        workers.map(|worker| {
            let last = Duration::from_millis(self.heartbeat(worker).at_millis());
            self.created.elapsed().saturating_sub(last)
        })
    }

    /// Records that a shutdown has begun, though requests may still be served as before. Irreversible.
    pub fn start_draining(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether a shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Lets the workers close their listeners, finish what they have and end. Irreversible.
    pub fn begin_drain(&self) {
        self.start_draining();
        self.drain_begun.store(true, Relaxed);
    }

    /// Whether the workers are to end.
    pub fn has_begun_to_drain(&self) -> bool {
        self.drain_begun.load(Relaxed)
    }

    /// `None` if **every** worker can accept records, as a client can't choose its worker; else the
    /// worst reason.
    pub fn reason(&self) -> Option<NotReady> {
        if self.is_draining() {
            return Some(NotReady::Draining);
        }
        let states = (0..self.workers.len()).map(|worker| self.heartbeat(worker).state());
        match states.max()? {
            WorkerState::Ready => None,
            WorkerState::Starting => Some(NotReady::Starting),
            WorkerState::NoBroker => Some(NotReady::NoBroker),
            WorkerState::Refused => Some(NotReady::BrokerCredentials),
            WorkerState::ProducerFatal => Some(NotReady::ProducerFatal),
            WorkerState::Stuck => Some(NotReady::WorkerStuck),
        }
    }
}

impl NotReady {
    /// All reasons, from worst to best.
    pub const ALL: [Self; 6] = [
        Self::Draining,
        Self::WorkerStuck,
        Self::ProducerFatal,
        Self::BrokerCredentials,
        Self::NoBroker,
        Self::Starting,
    ];

    /// A stable code, for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::WorkerStuck => "worker_stuck",
            Self::ProducerFatal => "producer_fatal",
            Self::NoBroker => "no_broker",
            Self::BrokerCredentials => "broker_credentials",
            Self::Starting => "starting",
        }
    }

    /// A sentence for people.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Draining => "ringest is shutting down",
            Self::WorkerStuck => "at least one worker makes no progress",
            Self::ProducerFatal => "a Kafka producer had a fatal error and is being replaced",
            Self::NoBroker => {
                "at least one worker has no connection to a Kafka broker; `ringest --check --connect` reports why"
            }
            Self::BrokerCredentials => {
                "the Kafka brokers reject the credentials, or there is no token for them; the log has the reason"
            }
            Self::Starting => "at least one worker has not started yet",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_must_be_ready() {
        let readiness = Readiness::new(2);
        assert_eq!(readiness.reason(), Some(NotReady::Starting));
        readiness.set_worker(0, WorkerState::Ready);
        assert_eq!(readiness.reason(), Some(NotReady::Starting));
        readiness.set_worker(1, WorkerState::Ready);
        assert_eq!(readiness.reason(), None);
    }

    #[test]
    fn the_worst_reason_wins() {
        let readiness = Readiness::new(3);
        readiness.set_worker(2, WorkerState::Ready);
        readiness.set_worker(1, WorkerState::NoBroker);
        assert_eq!(readiness.reason(), Some(NotReady::NoBroker));
        readiness.set_worker(1, WorkerState::Refused);
        assert_eq!(readiness.reason(), Some(NotReady::BrokerCredentials));
        readiness.set_worker(0, WorkerState::ProducerFatal);
        assert_eq!(readiness.reason(), Some(NotReady::ProducerFatal));
        assert!(readiness.set_stuck(2, readiness.heartbeat(2)).is_some());
        assert_eq!(readiness.reason(), Some(NotReady::WorkerStuck));
        readiness.start_draining();
        assert_eq!(readiness.reason(), Some(NotReady::Draining));
        assert!(readiness.is_draining());
    }

    #[test]
    fn a_worker_recovers() {
        let readiness = Readiness::new(1);
        for bad in [
            WorkerState::NoBroker,
            WorkerState::ProducerFatal,
            WorkerState::Starting,
        ] {
            readiness.set_worker(0, bad);
            assert!(readiness.reason().is_some(), "{bad:?}");
            readiness.set_worker(0, WorkerState::Ready);
            assert_eq!(readiness.reason(), None);
        }
    }

    #[test]
    fn a_heartbeat_ends_the_stuck_state_and_prevents_it() {
        let readiness = Readiness::new(1);
        readiness.set_worker(0, WorkerState::NoBroker);
        let last = readiness.heartbeat(0);
        assert_eq!(last.state(), WorkerState::NoBroker);
        let stuck = readiness.set_stuck(0, last);
        assert_eq!(stuck, Some(readiness.heartbeat(0)));
        assert_eq!(readiness.heartbeat(0).state(), WorkerState::Stuck);
        assert_eq!(readiness.heartbeat(0).at_millis(), last.at_millis());
        readiness.set_worker(0, WorkerState::Ready);
        assert_eq!(readiness.reason(), None);
        assert_eq!(readiness.set_stuck(0, last), None);
        assert_eq!(readiness.reason(), None);
    }

    #[test]
    fn heartbeats_age() {
        let readiness = Readiness::new(2);
        std::thread::sleep(Duration::from_millis(20));
        readiness.set_worker(1, WorkerState::Ready);
        let ages: Vec<Duration> = readiness.heartbeat_ages().collect();
        assert!(
            ages[0] >= Duration::from_millis(20) && ages[0] > ages[1],
            "{ages:?}"
        );
    }
}
