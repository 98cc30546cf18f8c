//! The order of the drain, from the first SIGTERM to the worker's end:
//!
//! 1. requests whose head arrives from now on are answered 503, and every answer ends its connection;
//! 2. what the kernel has already accepted is accepted, then the listener closes;
//! 3. connections that stay idle for a moment are closed;
//! 4. requests that were accepted wait for their delivery reports;
//! 5. shortly before the time is over, what is not delivered is given up: answered 503;
//! 6. when the time is over, connections that are left are cut.

use std::{
    net::Shutdown,
    os::fd::RawFd,
    time::{Duration, Instant},
};

use crate::{deadline::shutdown, worker::Worker};

/// How long an idle connection may still bring a request, which is answered, after the drain's
/// beginning: without it a request that is on the way would be cut.
const IDLE_GRACE: Duration = Duration::from_millis(500);

/// What is left of the time when undelivered records are given up.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How a worker ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Records that were accepted and not delivered: their requests were answered 503.
    pub(crate) records_given_up: usize,
    /// Connections that were cut with something still to be said.
    pub(crate) connections_cut: usize,
}

/// One worker's drain.
pub(crate) struct Drain {
    timeout: Duration,
    listener: RawFd,
    progress: Option<Progress>,
}

struct Progress {
    began: Instant,
    listening: bool,
    given_up: Option<usize>,
}

impl Drain {
    pub(crate) fn new(timeout: Duration, listener: RawFd) -> Self {
        Self {
            timeout,
            listener,
            progress: None,
        }
    }

    /// What is due now; the end when there is nothing left to do, or no time left to do it.
    pub(crate) fn step(&mut self, worker: &Worker, now: Instant) -> Option<Drained> {
        let Some(progress) = &mut self.progress else {
            worker.begin_drain();
            worker
                .deadlines
                .cap_idle(now + IDLE_GRACE.min(self.timeout / 4));
            self.progress = Some(Progress {
                began: now,
                listening: true,
                given_up: None,
            });
            return None;
        };
        // One tick after the beginning: the kernel's queue has been emptied meanwhile.
        if std::mem::take(&mut progress.listening) {
            shutdown(self.listener, Shutdown::Both);
        }
        let elapsed = now - progress.began;
        let (records, connections) = (worker.producer.queued_records(), worker.deadlines.len());
        if records == 0 && connections == 0 {
            let records_given_up = progress.given_up.unwrap_or(0);
            return Some(Drained {
                records_given_up,
                connections_cut: 0,
            });
        }
        let last_answers = LAST_ANSWERS.min(self.timeout / 4);
        if elapsed >= self.timeout {
            let records_given_up = progress.given_up.unwrap_or(records);
            return Some(Drained {
                records_given_up,
                connections_cut: worker.deadlines.unanswered(),
            });
        }
        if elapsed + last_answers >= self.timeout {
            progress.given_up.get_or_insert(records);
            worker.producer.purge();
        }
        None
    }
}
