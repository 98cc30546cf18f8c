//! The order of the drain, from the first SIGTERM to the worker's end:
//!
//! 1. requests whose head arrives from now on are answered 503, and every answer ends its connection;
//! 2. what the kernel has already accepted is accepted, then the listener closes;
//! 3. connections that stay idle for a moment are closed;
//! 4. requests that were accepted wait for their delivery reports;
//! 5. shortly before the time is over, what is not delivered and what has not arrived whole is given
//!    up: answered 503;
//! 6. when the time is over, connections that are left are cut.

use std::time::{Duration, Instant};

use super::tasks::Tasks;
use crate::context::Context;

/// How long an idle connection may still bring a request, which is answered, after the drain's
/// beginning: without it a request that is on the way would be cut.
const IDLE_GRACE: Duration = Duration::from_millis(500);

/// What is left of the time when unfinished requests are given up.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How a worker ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Records that were accepted and not delivered since the drain began: their requests were
    /// answered 5xx.
    pub(crate) records_undelivered: usize,
    /// Connections that were cut with something still to be said.
    pub(crate) connections_cut: usize,
}

/// One worker's drain.
pub(crate) struct Drain {
    timeout: Duration,
    progress: Option<Progress>,
}

struct Progress {
    began: Instant,
    listening: bool,
}

impl Drain {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            progress: None,
        }
    }

    /// What is due now; the end when there is nothing left to do, or no time left to do it.
    pub(crate) fn step(
        &mut self,
        context: &Context,
        tasks: &Tasks,
        now: Instant,
    ) -> Option<Drained> {
        let Some(progress) = &mut self.progress else {
            context.begin_drain();
            context
                .deadlines
                .cap_idle(now + IDLE_GRACE.min(self.timeout / 4));
            self.progress = Some(Progress {
                began: now,
                listening: true,
            });
            return None;
        };
        // One tick after the beginning: the kernel's queue has been emptied meanwhile.
        if std::mem::take(&mut progress.listening) {
            tasks.stop_accepting();
        }
        let elapsed = now - progress.began;
        let records = context.producer.queued_records();
        let nothing_left = records == 0 && context.deadlines.is_empty() && !tasks.accept();
        if nothing_left || elapsed >= self.timeout {
            return Some(Drained {
                records_undelivered: context.records_undelivered() + records,
                connections_cut: context.deadlines.unanswered(),
            });
        }
        if elapsed + LAST_ANSWERS.min(self.timeout / 4) >= self.timeout {
            context.deadlines.cap_reads(now);
            context.producer.purge();
        }
        None
    }
}
