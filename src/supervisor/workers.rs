//! Watches the workers: takes a stuck one out of service, and restarts one that has failed.

use std::{
    net::{Shutdown, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::SockRef;

use super::{Ending, Supervisor, start::bind};
use crate::{
    readiness::{Heartbeat, WorkerState},
    worker::{Accepted, Handover, WorkerError, WorkerSettings},
};

/// Time between two looks at the workers' heartbeats.
pub(super) const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// A worker without a heartbeat for this long is stuck: fifty ticks.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// Delay before the first restart of a worker; doubled with each further one.
const RESTART_DELAY_MIN: Duration = Duration::from_millis(100);

/// The longest such delay.
const RESTART_DELAY_MAX: Duration = Duration::from_secs(10);

/// A worker that has failed this many times, each time within [`STEADY_AFTER`], is not restarted again:
/// 33 s of delays.
const FAILURES_MAX: u32 = 10;

/// A worker that has run for this long has recovered from its earlier failures.
const STEADY_AFTER: Duration = Duration::from_mins(1);

/// A worker as the control thread sees it.
pub(super) struct Worker {
    pub(super) settings: WorkerSettings,
    /// The worker's own listener, while it accepts from one.
    listener: Option<TcpListener>,
    /// Whether new connections go to it.
    accepts: bool,
    last: Heartbeat,
    /// How long there has been no heartbeat, as far as the control thread was there to see it.
    silent: Duration,
    thread: Thread,
    /// Failures, but for those before it ran for [`STEADY_AFTER`].
    failures: u32,
    /// Whether the last attempt to give it another listener has failed.
    lacks_listener: bool,
}

#[derive(Clone, Copy)]
enum Thread {
    Running {
        since: Instant,
    },
    /// To be started at this time.
    Due(Instant),
}

impl Worker {
    /// One that is started at the next look.
    pub(super) fn new(settings: WorkerSettings) -> Self {
        Self {
            last: settings.readiness.heartbeat(settings.index),
            settings,
            listener: None,
            accepts: false,
            silent: Duration::ZERO,
            thread: Thread::Due(Instant::now()),
            failures: 0,
            lacks_listener: false,
        }
    }

    /// Whether its thread runs.
    pub(super) fn runs(&self) -> bool {
        matches!(self.thread, Thread::Running { .. })
    }

    /// Its thread runs, and accepts from this listener, or what it is given.
    pub(super) fn started(&mut self, listener: Option<TcpListener>) {
        self.listener = listener;
        self.accepts = true;
        self.last = self.settings.readiness.heartbeat(self.settings.index);
        self.silent = Duration::ZERO;
        self.thread = Thread::Running {
            since: Instant::now(),
        };
    }

    /// Its thread has ended.
    pub(super) fn ended(&mut self) {
        self.stop_listening();
        self.settings.handover.end();
        self.thread = Thread::Due(Instant::now());
    }

    /// Closes its listener, whatever the worker does: clients can't connect to it any more.
    pub(super) fn stop_listening(&mut self) {
        self.accepts = false;
        self.settings.handover.set_open(false);
        if let Some(listener) = self.listener.take() {
            // No error to report: where the worker was faster, it is shut down already.
            let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
        }
    }

    /// Takes the connections that the kernel has accepted and the worker has not, which would be reset when
    /// its listener closes, and those that it was given.
    fn take_backlog(&self) -> Vec<Accepted> {
        let listener = self.listener.as_ref();
        let listener = listener.filter(|it| it.set_nonblocking(true).is_ok());
        let accepted = std::iter::from_fn(|| listener?.accept().ok());
        let accepted = accepted.map(|(stream, peer)| (stream, peer.ip().into()));
        self.settings.handover.set_open(false);
        accepted
            .chain(self.settings.handover.take_connections())
            .collect()
    }

    /// Looks at its heartbeat, `step` after the last look, and sets its state if it is stuck.
    pub(super) fn look(&mut self, step: Duration) {
        let index = self.settings.index;
        let readiness = &self.settings.readiness;
        let now = readiness.heartbeat(index);
        if now.at_millis() == self.last.at_millis() {
            self.silent += step;
        } else {
            if self.last.state() == WorkerState::Stuck {
                let millis = self.silent.as_millis();
                tracing::warn!("worker {index} makes progress again, after {millis} ms without");
            }
            self.silent = Duration::ZERO;
        }
        self.last = now;
        // One that is starting is not ready anyway.
        if self.is_stuck()
            && !matches!(now.state(), WorkerState::Starting | WorkerState::Stuck)
            && let Some(stuck) = readiness.set_stuck(index, now)
        {
            self.last = stuck;
            tracing::error!("worker {index} makes no progress");
        }
    }

    /// Whether it makes no progress.
    pub(super) fn is_stuck(&self) -> bool {
        self.silent >= STUCK_AFTER
    }

    /// Whether it accepts connections and makes progress.
    fn serves(&self) -> bool {
        self.runs()
            && self.accepts
            && !self.is_stuck()
            && self.last.state() != WorkerState::Starting
    }

    /// Counts a failure; how long to wait until it is restarted, `None` if it has failed too often.
    fn fail(&mut self) -> Option<Duration> {
        if let Thread::Running { since } = self.thread
            && since.elapsed() >= STEADY_AFTER
        {
            self.failures = 0;
        }
        self.failures += 1;
        let doubled = 2_u32.saturating_pow(self.failures - 1);
        let delay = RESTART_DELAY_MIN.saturating_mul(doubled);
        (self.failures < FAILURES_MAX).then_some(delay.min(RESTART_DELAY_MAX))
    }
}

impl Supervisor {
    /// Looks at every worker, and does what is due.
    pub(super) fn watch_workers(&mut self) -> Option<Ending> {
        let step = self.step();
        let now = self.watched_at;
        for index in 0..self.workers.len() {
            if let Thread::Due(at) = self.workers[index].thread {
                if at <= now {
                    let ending = self.restart(index);
                    if ending.is_some() {
                        return ending;
                    }
                }
                continue;
            }
            self.workers[index].look(step);
            self.steer_connections(index);
            let silent = self.workers[index].silent;
            if self
                .config
                .timeouts
                .worker_stuck
                .is_some_and(|max| silent >= max)
            {
                tracing::error!(
                    "worker {index} has made no progress for timeouts.worker_stuck_ms; ending the process"
                );
                return Some(Ending::WorkerLost);
            }
        }
        self.notify_alive();
        None
    }

    /// Notifies the service manager's watchdog, unless a worker is stuck.
    pub(super) fn notify_alive(&mut self) {
        let is_stuck = |worker: &Worker| worker.runs() && worker.is_stuck();
        if !self.workers.iter().any(is_stuck) {
            self.service_manager.alive(self.watched_at);
        }
    }

    /// Time since the last look at the workers, bounded: where the whole process did not run (SIGSTOP, a
    /// virtual machine that was paused), no worker is stuck.
    pub(super) fn step(&mut self) -> Duration {
        let now = Instant::now();
        let step = now - std::mem::replace(&mut self.watched_at, now);
        step.min(2 * WATCH_INTERVAL)
    }

    /// Has new connections, and those in the kernel's queue, go to the workers that make progress. A stuck
    /// worker keeps its listener where no other serves: the kernel queues connections until it goes on, and
    /// `/ready` says so.
    fn steer_connections(&mut self, index: usize) {
        let others = self.workers.iter().enumerate();
        let others = others.filter(|(other, worker)| *other != index && worker.serves());
        let others = others.map(|(_, worker)| Arc::clone(&worker.settings.handover));
        let others: Vec<Arc<Handover>> = others.collect();
        let worker = &mut self.workers[index];
        if worker.is_stuck() {
            if worker.accepts && !others.is_empty() {
                let waiting = worker.take_backlog();
                worker.stop_listening();
                tracing::warn!("new connections go to the other workers, not to worker {index}");
                for (connection, other) in waiting.into_iter().zip(others.iter().cycle()) {
                    // One that has ended meanwhile takes none.
                    let _ = other.give_connection(connection);
                }
            }
        } else if !worker.accepts {
            let Some(address) = self.address else {
                worker.settings.handover.set_open(true);
                worker.accepts = true;
                return;
            };
            let bound = bind(address, true).and_then(|it| Ok((it.try_clone()?, it)));
            match bound {
                Ok((ours, theirs)) => {
                    worker.settings.handover.give_listener(theirs);
                    worker.settings.handover.set_open(true);
                    worker.listener = Some(ours);
                    worker.accepts = true;
                    worker.lacks_listener = false;
                }
                Err(error) => {
                    if !std::mem::replace(&mut worker.lacks_listener, true) {
                        tracing::error!("worker {index} can't accept connections again: {error}");
                    }
                }
            }
        }
    }

    /// A worker's thread has ended, and no drain has begun: that is a failure.
    pub(super) fn worker_ended(
        &mut self,
        index: usize,
        ended: Result<(), WorkerError>,
    ) -> Option<Ending> {
        let error = match ended {
            Err(error @ (WorkerError::Producer(_) | WorkerError::Io(_)))
                if self.start.is_some() =>
            {
                tracing::error!("worker {index} failed to start: {error}");
                return Some(Ending::StartFailed);
            }
            Err(error) => error.to_string(),
            Ok(()) => "it ended".to_owned(),
        };
        let delay = self.workers[index].fail();
        self.workers[index].ended();
        self.readiness.set_worker(index, WorkerState::Starting);
        let Some(delay) = delay else {
            tracing::error!(
                "worker {index} failed: {error}; it has failed {FAILURES_MAX} times, ending the process"
            );
            return Some(Ending::WorkerLost);
        };
        let millis = delay.as_millis();
        tracing::error!("worker {index} failed and is restarted in {millis} ms: {error}");
        self.workers[index].thread = Thread::Due(Instant::now() + delay);
        None
    }

    /// Restarts a worker: its connections were lost, the port is bound anew, unless the workers share it.
    fn restart(&mut self, index: usize) -> Option<Ending> {
        self.process.worker_restarted();
        let listener = self.address.map(|address| bind(address, true)).transpose();
        let started = listener.and_then(|it| self.spawn_worker(index, it));
        let error = started.err()?;
        self.worker_ended(index, Err(error.into()))
    }
}

#[cfg(test)]
mod tests;
