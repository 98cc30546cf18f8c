//! Whether records can be taken now, and if not, why: a few atomics that the workers and the
//! control thread write and the management thread reads.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};

/// Shared by the whole process.
#[derive(Debug)]
pub struct Readiness {
    draining: AtomicBool,
    workers: Box<[AtomicU8]>,
}

/// How far a worker is, in order of how bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum WorkerState {
    /// Its producer has seen a broker: records can be taken.
    Ready,
    /// It is not serving yet, or is being started again.
    Starting,
    /// It serves, but its producer has no broker.
    NoBroker,
    /// Its producer failed for good and is being replaced.
    ProducerFatal,
}

/// Why records can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// A shutdown has begun.
    Draining,
    /// The producer of at least one worker failed for good and is being replaced.
    ProducerFatal,
    /// At least one worker has no broker.
    NoBroker,
    /// At least one worker is not serving yet.
    Starting,
}

impl Readiness {
    /// All of `workers` are starting.
    pub fn new(workers: usize) -> Self {
        let starting = || AtomicU8::new(WorkerState::Starting as u8);
        Self {
            draining: AtomicBool::new(false),
            workers: std::iter::repeat_with(starting).take(workers).collect(),
        }
    }

    /// Says how far a worker is; cheap, and may be said again without a change.
    ///
    /// # Panics
    /// A worker that was not announced to [`Readiness::new`] is a fault of ours.
    pub fn set_worker(&self, worker: usize, state: WorkerState) {
        self.workers[worker].store(state as u8, Relaxed);
    }

    /// Says that a shutdown has begun; there is no way back.
    pub fn start_draining(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether a shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// `None` if records can be taken by **every** worker, as a client can't choose its worker;
    /// else the worst reason.
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
    /// Stable, for machines.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::ProducerFatal => "producer_fatal",
            Self::NoBroker => "no_broker",
            Self::Starting => "starting",
        }
    }

    /// One sentence for a person.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Draining => "ringest is shutting down",
            Self::ProducerFatal => "a producer failed for good and is being replaced",
            Self::NoBroker => "no Kafka broker has been reached by every worker yet",
            Self::Starting => "not every worker is serving yet",
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
