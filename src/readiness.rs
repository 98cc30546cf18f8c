//! Whether ringest can accept records now, and if not, why: atomics that the workers and the control
//! thread write and the management thread reads.

use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

/// Shared by the whole process.
#[derive(Debug)]
pub struct Readiness {
    draining: AtomicBool,
    workers: Box<[AtomicU8]>,
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
    /// Its producer had a fatal error and is being replaced.
    ProducerFatal,
}

/// Why ringest can't accept records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// A shutdown has begun.
    Draining,
    /// The producer of at least one worker had a fatal error and is being replaced.
    ProducerFatal,
    /// At least one worker is connected to no broker.
    NoBroker,
    /// At least one worker does not serve yet.
    Starting,
}

impl Readiness {
    /// The initial state: `workers` workers, all starting.
    pub fn new(workers: usize) -> Self {
        let starting = || AtomicU8::new(WorkerState::Starting as u8);
        Self {
            draining: AtomicBool::new(false),
            workers: std::iter::repeat_with(starting).take(workers).collect(),
        }
    }

    /// Sets the state of a worker. Cheap; may be called without a change.
    ///
    /// # Panics
    /// If `worker` is not below the count given to [`Readiness::new`] (a bug).
    pub fn set_worker(&self, worker: usize, state: WorkerState) {
        self.workers[worker].store(state as u8, Relaxed);
    }

    /// Records that a shutdown has begun. Irreversible.
    pub fn start_draining(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether a shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// `None` if **every** worker can accept records, as a client can't choose its worker; else the
    /// worst reason.
    pub fn reason(&self) -> Option<NotReady> {
        if self.is_draining() {
            return Some(NotReady::Draining);
        }
        let worst = self.workers.iter().map(|state| state.load(Relaxed)).max()?;
        [
            (WorkerState::Starting, NotReady::Starting),
            (WorkerState::NoBroker, NotReady::NoBroker),
            (WorkerState::ProducerFatal, NotReady::ProducerFatal),
        ]
        .into_iter()
        .find_map(|(state, reason)| (state as u8 == worst).then_some(reason))
    }
}

impl NotReady {
    /// A stable code, for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::ProducerFatal => "producer_fatal",
            Self::NoBroker => "no_broker",
            Self::Starting => "starting",
        }
    }

    /// A sentence for people.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Draining => "ringest is shutting down",
            Self::ProducerFatal => "a Kafka producer had a fatal error and is being replaced",
            Self::NoBroker => "at least one worker has no connection to a Kafka broker",
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
        readiness.set_worker(0, WorkerState::ProducerFatal);
        assert_eq!(readiness.reason(), Some(NotReady::ProducerFatal));
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
}
