//! The end of the process: workers drain, and the process ends in time whatever blocks.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    EXIT_NOT_DRAINED, EXIT_WORKER_LOST, Ending, Event, Message, Supervisor, workers::WATCH_INTERVAL,
};
use crate::worker::Drained;

/// A second signal within this time is the same request: some supervisors signal the process and its group.
const SIGNAL_GRACE: Duration = Duration::from_secs(1);

/// How long drained workers may take to close their producers: librdkafka can take seconds for it, which
/// would not change any result.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long the traces of the last requests may take to be exported.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Time beyond `drain_timeout_ms` for the last log lines and the exit itself.
const EXIT_GRACE: Duration = Duration::from_millis(500);

/// Ends the process at a time, unless it is dropped before, whatever the control thread waits for then: a
/// log, a destructor, an exit handler of a library.
pub(super) struct ExitDeadline {
    code: Arc<AtomicU8>,
    /// Dropped with this.
    _armed: mpsc::Sender<()>,
}

impl ExitDeadline {
    fn at(deadline: Instant) -> Self {
        let code = Arc::new(AtomicU8::new(EXIT_NOT_DRAINED));
        let (armed, dropped) = mpsc::channel();
        let spawned = thread::Builder::new()
            .name("ringest-exit".to_owned())
            .spawn({
                let code = Arc::clone(&code);
                move || {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if dropped.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                        signal_hook::low_level::exit(code.load(Relaxed).into());
                    }
                }
            });
        if let Err(error) = spawned {
            tracing::warn!("can't start a thread that bounds the time of the exit: {error}");
        }
        Self {
            code,
            _armed: armed,
        }
    }

    /// Stays armed until the process ends, with this exit code.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

/// The time after the first signal in which everything is served.
pub(super) struct Delay {
    signalled: Instant,
    until: Instant,
}

/// How far a worker is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Draining,
    /// Its results are in, and its producer is being closed.
    Drained,
    /// Its thread has ended, or is not waited for.
    Ended,
}

/// The results so far.
struct Drain {
    ending: Ending,
    workers: Vec<Progress>,
    total: Drained,
    /// Whether no worker has failed.
    complete: bool,
    /// When the first signal arrived.
    signalled: Option<Instant>,
}

impl Drain {
    fn all(&self, are: impl Fn(Progress) -> bool) -> bool {
        self.workers.iter().all(|progress| are(*progress))
    }

    fn code(&self) -> u8 {
        let drained = self.complete && self.all(|it| it != Progress::Draining);
        match self.ending {
            Ending::WorkerLost => EXIT_WORKER_LOST,
            _ if drained && self.total.connections_cut == 0 => 0,
            _ => EXIT_NOT_DRAINED,
        }
    }

    /// `false` if the process is to end at once.
    fn handle(&mut self, message: Message) -> bool {
        match message {
            Message::Drained(index, drained) => {
                self.total.records_undelivered += drained.records_undelivered;
                self.total.connections_cut += drained.connections_cut;
                self.workers[index] = Progress::Drained;
            }
            Message::WorkerEnded(index, ended) => {
                self.workers[index] = Progress::Ended;
                if let Err(error) = ended {
                    tracing::error!("worker {index} failed during the drain: {error}");
                    self.complete = false;
                }
            }
            Message::Terminate => match self.signalled {
                Some(first) => return first.elapsed() < SIGNAL_GRACE,
                None => self.signalled = Some(Instant::now()),
            },
            Message::Reload | Message::Loaded(_) | Message::KeysFetched => {}
        }
        true
    }
}

impl Supervisor {
    /// A signal asks to end: after `drain_delay_ms`, and at once if another one did before.
    pub(super) fn terminate(&mut self) -> Option<Ending> {
        let (now, delay) = (Instant::now(), self.config.timeouts.drain_delay);
        match &self.delay {
            Some(delay) if now < delay.signalled + SIGNAL_GRACE => None,
            None if !delay.is_zero() => {
                tracing::info!("not ready; still serving until timeouts.drain_delay_ms is over");
                self.readiness.start_draining();
                self.delay = Some(Delay {
                    signalled: now,
                    until: now + delay,
                });
                None
            }
            Some(_) | None => Some(Ending::Signal),
        }
    }

    /// The end of the time in which everything is served after a signal.
    pub(super) fn end_of_delay(&self) -> Option<Ending> {
        let delay = self.delay.as_ref()?;
        (Instant::now() >= delay.until).then_some(Ending::Signal)
    }

    /// Drains the workers, for `drain_timeout_ms` at most.
    pub(super) fn drain(&mut self, ending: Ending) -> ExitCode {
        tracing::info!("draining");
        self.service_manager.notify(Event::Stopping);
        let now = Instant::now();
        let deadline = now + self.config.timeouts.drain;
        let exit = self
            .exit_deadline
            .insert(ExitDeadline::at(deadline + EXIT_GRACE));
        let exit_code = Arc::clone(&exit.code);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.stop();
        }
        self.readiness.begin_drain();
        self.watch.stop();
        let progress = |runs| {
            if runs {
                Progress::Draining
            } else {
                Progress::Ended
            }
        };
        let mut drain = Drain {
            ending,
            workers: self.workers.iter().map(|it| progress(it.runs())).collect(),
            total: Drained::default(),
            complete: true,
            signalled: (ending == Ending::Signal).then_some(now),
        };
        if !self.await_workers(&mut drain, deadline) {
            tracing::error!("received a second signal; exiting without draining");
            self.exit_deadline = Some(ExitDeadline::at(Instant::now() + EXIT_GRACE));
            return ExitCode::from(EXIT_NOT_DRAINED);
        }
        for (index, progress) in drain.workers.iter().enumerate() {
            if *progress == Progress::Draining {
                tracing::error!("worker {index} has not drained in time");
            }
        }
        if let Some((tracer, last_export)) = &self.traces {
            tracer.stop();
            let left = deadline.saturating_duration_since(Instant::now());
            last_export.wait(left.min(EXPORT_TIMEOUT));
        }
        if let Some(admin) = self.admin.take() {
            admin.stop();
        }
        tracing::info!(
            records_undelivered = drain.total.records_undelivered,
            connections_cut = drain.total.connections_cut,
            "drained"
        );
        let code = drain.code();
        exit_code.store(code, Relaxed);
        ExitCode::from(code)
    }

    /// Waits for the workers, until their threads have ended or the time is up; `false` if the process is to
    /// end at once.
    fn await_workers(&mut self, drain: &mut Drain, deadline: Instant) -> bool {
        let mut closing_since = None;
        while !drain.all(|it| it == Progress::Ended) {
            let now = Instant::now();
            let mut until = deadline;
            if drain.all(|it| it != Progress::Draining) {
                until = until.min(*closing_since.get_or_insert(now) + CLOSE_TIMEOUT);
            }
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                break;
            }
            let message = self.messages.recv_timeout(left.min(WATCH_INTERVAL));
            if message.is_ok_and(|message| !drain.handle(message)) {
                return false;
            }
            self.watch_draining(drain);
        }
        true
    }

    /// Closes the listener of a worker that is stuck, as it can't do so itself.
    fn watch_draining(&mut self, drain: &mut Drain) {
        let step = self.step();
        for (worker, progress) in self.workers.iter_mut().zip(&mut drain.workers) {
            if *progress == Progress::Draining {
                worker.look(step);
                if worker.is_stuck() {
                    worker.stop_listening();
                    if drain.ending == Ending::WorkerLost {
                        *progress = Progress::Ended;
                    }
                }
            }
        }
        self.notify_alive();
    }
}
