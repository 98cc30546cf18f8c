//! The order of the drain, from the first SIGTERM to the worker's end:
//!
//! 1. every answer closes its connection, and no further connection begins;
//! 2. connections that the kernel has accepted are accepted, then the listener closes;
//! 3. connections that stay idle for a moment are closed, and requests whose head arrives later are
//!    answered 503; time in which the worker was held up is no part of that moment, as what clients sent
//!    meanwhile is still to be accepted and read;
//! 4. requests that were accepted wait for their delivery reports;
//! 5. shortly before the timeout, requests that are not delivered or not received in full are answered
//!    503;
//! 6. at the timeout, the remaining connections are cut.

use std::time::{Duration, Instant};

use super::tasks::Tasks;
use crate::context::{Context, Ending};

/// How long after the start of a drain an idle connection may still send a request, which is served:
/// without it, a request on its way would be cut.
const IDLE_GRACE: Duration = Duration::from_millis(500);

/// How long after the start of a drain the last segment of a handshake may come. Connections of clients that
/// are farther away are reset, if they connected at the very start.
const HANDSHAKES: Duration = Duration::from_millis(200);

/// How long connections may still be waiting to be accepted after that.
const BACKLOG_GRACE: Duration = Duration::from_secs(1);

/// The rest of the timeout in which unfinished requests are answered.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How a worker ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    /// Records enqueued but not delivered since the drain began: their requests were answered 5xx.
    pub(crate) records_undelivered: usize,
    /// Connections that were cut before their last answer.
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
    /// How long the worker was blocked since then, or waited for its core.
    held_up: Duration,
}

impl Progress {
    /// How long the worker could accept and read since then.
    fn awake(&self, now: Instant) -> Duration {
        (now - self.began).saturating_sub(self.held_up)
    }
}

impl Drain {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            progress: None,
        }
    }

    /// The worker was held up for so long.
    pub(crate) fn postpone(&mut self, by: Duration) {
        if let Some(progress) = &mut self.progress {
            progress.held_up += by;
        }
    }

    /// The next step; the result when nothing is left to do, or at the timeout.
    pub(crate) fn step(
        &mut self,
        context: &Context,
        tasks: &Tasks,
        now: Instant,
    ) -> Option<Drained> {
        let moment = |usual: Duration| usual.min(self.timeout / 4);
        let Some(progress) = &mut self.progress else {
            context.advance_to(Ending::Draining);
            context.deadlines.cap_idle(now + moment(IDLE_GRACE));
            tasks.listening().stop_handshakes();
            self.progress = Some(Progress {
                began: now,
                listening: true,
                held_up: Duration::ZERO,
            });
            return None;
        };
        let elapsed = now - progress.began;
        let awake = progress.awake(now);
        if progress.listening && awake >= moment(HANDSHAKES) {
            let must_close = awake >= moment(HANDSHAKES) + moment(BACKLOG_GRACE);
            if must_close || !tasks.listening().has_backlog() {
                progress.listening = false;
                tasks.stop_accepting();
            }
        }
        if awake >= moment(IDLE_GRACE) {
            context.advance_to(Ending::Refusing);
        }
        let records = context.producer.queued_records();
        let nothing_left = records == 0 && context.deadlines.is_empty() && !tasks.accept();
        if nothing_left || elapsed >= self.timeout {
            return Some(Drained {
                records_undelivered: context.records_undelivered() + records,
                connections_cut: context.deadlines.unanswered(),
            });
        }
        if elapsed + moment(LAST_ANSWERS) >= self.timeout {
            context.deadlines.cap_reads(now);
            context.producer.purge();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_the_worker_is_held_up_is_no_part_of_a_moment() {
        let mut drain = Drain::new(Duration::from_secs(30));
        let second = Duration::from_secs(1);
        // Before it has begun that is nothing to it.
        drain.postpone(second);
        let began = Instant::now();
        drain.progress = Some(Progress {
            began,
            listening: true,
            held_up: Duration::ZERO,
        });
        drain.postpone(second);
        drain.postpone(second);
        let progress = drain.progress.expect("it has begun");
        assert_eq!(progress.awake(began + 2 * second + IDLE_GRACE), IDLE_GRACE);
        assert_eq!(progress.awake(began), Duration::ZERO);
    }
}
