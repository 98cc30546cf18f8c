//! One producer handle of a worker through its life: opened, replaced after a fatal error, or by one with other
//! topics or credentials.
#![expect(
    unsafe_code,
    reason = "the scheduling policy of a thread has no safe binding here"
)]

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    os::unix::net::UnixStream,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{sched::CpuSet, unistd::Pid};
use tracing::Level;

use super::{
    access::BrokerAccess,
    event::Event,
    kafka::{Handle, OpenError},
};
use crate::log::{Kind, Line};

/// Between two attempts to open a handle.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What a handle is opened with.
#[derive(Clone)]
pub(super) struct LaneSettings {
    pub(super) access: Arc<BrokerAccess>,
    /// Whether each of its batches has one record.
    pub(super) alone: bool,
    /// Where librdkafka's threads may run: they inherit what their creator has, and a worker is
    /// pinned.
    pub(super) cores: CpuSet,
}

enum State {
    /// Not needed so far.
    Idle,
    Serving(Handle),
    /// It serves; a thread opens the handle that replaces it.
    Renewing(Handle, Opening),
    /// After a fatal error: only the last reports are fetched.
    Closing(Handle),
    /// A thread destroys the old handle, which blocks, and opens the next.
    Opening(Opening),
    /// The last attempt failed; the next is due then.
    Waiting(Instant),
}

/// Opens a handle, and says whether each broker that it was to connect to has answered.
type Opening = JoinHandle<Result<(Handle, bool), OpenError>>;

/// Which of a lane's handles it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The one that takes records, or has a fatal error.
    Current,
    /// The one before it.
    Retired,
}

/// A place for one handle.
pub(super) struct Lane {
    state: RefCell<State>,
    /// The handle that was replaced, until its last report is in. The batcher keeps the order of records
    /// whatever handle they go to: a partition has one batch out.
    retired: RefCell<Option<Handle>>,
    /// The next attempt to replace an outdated handle.
    renewal_due: Cell<Option<Instant>>,
    settings: LaneSettings,
    wake: UnixStream,
    /// Whether events were waiting at the last check, and none was fetched since.
    unannounced: Cell<bool>,
}

impl Lane {
    /// A lane without a handle, whose events will wake the other end of `wake`.
    pub(super) fn new(settings: LaneSettings, wake: UnixStream) -> Self {
        Self {
            state: RefCell::new(State::Idle),
            retired: RefCell::default(),
            renewal_due: Cell::default(),
            settings,
            wake,
            unannounced: Cell::new(false),
        }
    }

    /// Opens the handle and waits for it.
    ///
    /// # Errors
    /// What librdkafka says of the configuration.
    pub(super) fn open_now(&self) -> Result<(), OpenError> {
        let opened = self.open_elsewhere(None, None)?.join();
        let (handle, _) =
            opened.map_err(|_| OpenError("the opening thread panicked".to_owned()))??;
        self.state.replace(State::Serving(handle));
        Ok(())
    }

    /// Begins to open the handle, if that has not begun.
    pub(super) fn open(&self, now: Instant) {
        let mut state = self.state.borrow_mut();
        if matches!(*state, State::Idle) {
            *state = self.reopen(None, now);
        }
    }

    /// Whether it takes batches now.
    pub(super) fn is_serving(&self) -> bool {
        matches!(
            *self.state.borrow(),
            State::Serving(_) | State::Renewing(..)
        )
    }

    /// Whether the handle serves and has a topic open that is not among those.
    pub(super) fn has_topic_outside(&self, used: &HashSet<usize>) -> bool {
        match &*self.state.borrow() {
            State::Serving(handle) => handle.open_topics().any(|it| !used.contains(&it)),
            State::Idle
            | State::Renewing(..)
            | State::Closing(_)
            | State::Opening(_)
            | State::Waiting(_) => false,
        }
    }

    /// Whether the handle serves, has properties that have been replaced meanwhile, and may be renewed now.
    pub(super) fn is_outdated(&self, now: Instant) -> bool {
        let state = self.state.borrow();
        matches!(&*state, State::Serving(handle) if handle.is_outdated(&self.settings.access))
            && self.retired.borrow().is_none()
            && self.renewal_due.get().is_none_or(|due| due <= now)
    }

    /// Gives the handles the latest token, if they do not have it yet.
    pub(super) fn take_token(&self) {
        self.with_live(|handle| handle.take_token(&self.settings.access));
        if let Some(handle) = &*self.retired.borrow() {
            handle.take_token(&self.settings.access);
        }
    }

    /// Begins to replace the handle, if it serves and the one before it is gone: librdkafka's threads walk the
    /// partitions of every topic that was opened, and let go of one with the handle only; certificates and
    /// passwords are read when a handle is opened. The new one has its connections before it takes over.
    pub(super) fn renew(&self, connections: &[(Arc<str>, i32)]) {
        if self.retired.borrow().is_some() {
            return;
        }
        self.renewal_due.set(Some(Instant::now() + RETRY_INTERVAL));
        self.state.replace_with(|state| {
            match std::mem::replace(state, State::Waiting(Instant::now())) {
                State::Serving(handle) => {
                    match self.open_elsewhere(None, Some(connections.to_vec())) {
                        Ok(thread) => State::Renewing(handle, thread),
                        Err(error) => {
                            tracing::warn!("can't replace a producer: {error}");
                            State::Serving(handle)
                        }
                    }
                }
                other => other,
            }
        });
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(*self.state.borrow(), State::Idle)
    }

    /// Has the handle do something, if it serves.
    pub(super) fn with_serving<T>(&self, act: impl FnOnce(&mut Handle) -> T) -> Option<T> {
        match &mut *self.state.borrow_mut() {
            State::Serving(handle) | State::Renewing(handle, _) => Some(act(handle)),
            State::Idle | State::Closing(_) | State::Opening(_) | State::Waiting(_) => None,
        }
    }

    fn with_live<T>(&self, act: impl FnOnce(&Handle) -> T) -> Option<T> {
        match &*self.state.borrow() {
            State::Serving(handle) | State::Renewing(handle, _) | State::Closing(handle) => {
                Some(act(handle))
            }
            State::Idle | State::Opening(_) | State::Waiting(_) => None,
        }
    }

    fn with_retired<T>(&self, act: impl FnOnce(&Handle) -> T) -> Option<T> {
        self.retired.borrow().as_ref().map(act)
    }

    /// The next event, if one waits, and the handle that it comes from.
    pub(super) fn poll(&self) -> Option<(Event, Which)> {
        self.unannounced.set(false);
        if let Some(event) = self.with_retired(Handle::poll).flatten() {
            return Some((event, Which::Retired));
        }
        let event = self.with_live(Handle::poll).flatten()?;
        Some((event, Which::Current))
    }

    /// Has the next [`poll`](Self::poll) return this event, which comes from the last one.
    pub(super) fn read_on(&self, (event, which): (Event, Which)) {
        match which {
            Which::Current => self.with_live(|handle| handle.read_on(event)),
            Which::Retired => self.with_retired(|handle| handle.read_on(event)),
        };
    }

    /// Makes the worker fetch events again.
    pub(super) fn wake_again(&self) {
        self.with_live(Handle::wake_again);
        self.with_retired(Handle::wake_again);
    }

    /// Whether events have waited since the last call without being fetched: a wake-up was lost.
    pub(super) fn has_unannounced(&self) -> bool {
        let waiting = self.with_live(Handle::has_events).unwrap_or(false)
            || self.with_retired(Handle::has_events).unwrap_or(false);
        self.unannounced.replace(waiting) && waiting
    }

    /// Records and reports in librdkafka's own queues.
    pub(super) fn queue_depth(&self) -> usize {
        self.with_live(Handle::queue_depth).unwrap_or(0)
            + self.with_retired(Handle::queue_depth).unwrap_or(0)
    }

    /// Gives up on every record that librdkafka has.
    pub(super) fn purge(&self) {
        self.with_live(Handle::purge);
        self.with_retired(Handle::purge);
    }

    /// Gives up the current handle after a fatal error: another one is opened when the last report is in. Of
    /// the one before it only the records are given up.
    pub(super) fn close(&self, which: Which) {
        if which == Which::Retired {
            self.with_retired(Handle::purge);
            return;
        }
        self.state.replace_with(|state| {
            match std::mem::replace(state, State::Waiting(Instant::now())) {
                State::Serving(handle) | State::Renewing(handle, _) => {
                    handle.purge();
                    State::Closing(handle)
                }
                other => other,
            }
        });
    }

    /// The next step of opening and replacing the handle. `is_empty`: no record of it is without a report.
    pub(super) fn tick(&self, now: Instant, is_empty: bool) {
        let has_ended = self.with_retired(|it| it.queue_depth() == 0) == Some(true);
        if has_ended && let Some(handle) = self.retired.take() {
            close_elsewhere(handle);
        }
        let mut state = self.state.borrow_mut();
        let is_due = match &*state {
            State::Idle | State::Serving(_) => false,
            State::Closing(_) => is_empty,
            State::Opening(thread) | State::Renewing(_, thread) => thread.is_finished(),
            State::Waiting(at) => *at <= now,
        };
        if !is_due {
            return;
        }
        let waiting = State::Waiting(now + RETRY_INTERVAL);
        *state = match std::mem::replace(&mut *state, waiting) {
            State::Closing(old) => self.reopen(Some(old), now),
            State::Waiting(_) => self.reopen(None, now),
            State::Opening(thread) => match opened(thread) {
                Some((handle, _)) => State::Serving(handle),
                None => return,
            },
            State::Renewing(old, thread) => match opened(thread) {
                // Its first records would wait for as many answers as opening takes.
                Some((new, false)) if !old.is_outdated(&self.settings.access) => {
                    tracing::info!(
                        "a producer keeps topics of removed routes until the next reload: brokers are late"
                    );
                    close_elsewhere(new);
                    State::Serving(old)
                }
                Some((new, _)) => {
                    // It may have announced events before anyone fetched them.
                    new.wake_again();
                    self.unannounced.set(false);
                    self.retired.replace(Some(old));
                    State::Serving(new)
                }
                None => State::Serving(old),
            },
            same @ (State::Idle | State::Serving(_)) => same,
        };
    }

    fn reopen(&self, old: Option<Handle>, now: Instant) -> State {
        match self.open_elsewhere(old, None) {
            Ok(thread) => State::Opening(thread),
            Err(error) => {
                log_failure(&error);
                State::Waiting(now + RETRY_INTERVAL)
            }
        }
    }

    /// Opens a handle on a thread of its own: librdkafka's threads inherit the affinity of the one
    /// that opens it, and the worker's is one core. What is `old` is destroyed there first, and
    /// `connections` to the leaders of these partitions, and to a first broker, are made.
    fn open_elsewhere(
        &self,
        old: Option<Handle>,
        connections: Option<Vec<(Arc<str>, i32)>>,
    ) -> Result<Opening, OpenError> {
        let LaneSettings {
            access,
            alone,
            cores,
        } = self.settings.clone();
        let wake = self.wake.try_clone();
        let wake = wake.map_err(|error| OpenError(error.to_string()))?;
        thread::Builder::new()
            .name("ringest-open".to_owned())
            .spawn(move || {
                drop(old);
                let _ = nix::sched::sched_setaffinity(Pid::from_raw(0), &cores);
                let_wakers_finish();
                let handle = Handle::open(&access, alone, wake)?;
                let Some(connections) = connections else {
                    return Ok((handle, false));
                };
                let mut all_answered = handle.has_answer();
                for (topic, partition) in connections {
                    all_answered &= handle.connect_to(&topic, partition);
                }
                Ok((handle, all_answered))
            })
            .map_err(|error| OpenError(error.to_string()))
    }

    /// Ends the wait for a handle that is being opened.
    pub(super) fn join(&self) {
        if let State::Opening(thread) | State::Renewing(_, thread) =
            self.state.replace(State::Waiting(Instant::now()))
        {
            let _ = thread.join();
        }
    }
}

/// Closes a handle, which blocks until librdkafka's threads have ended.
fn close_elsewhere(handle: Handle) {
    let closing = thread::Builder::new().name("ringest-close".to_owned());
    if let Err(error) = closing.spawn(move || drop(handle)) {
        tracing::warn!("can't close a producer elsewhere: {error}");
    }
}

/// What a thread that has finished has opened.
fn opened(thread: Opening) -> Option<(Handle, bool)> {
    match thread.join() {
        Ok(Ok(opened)) => Some(opened),
        Ok(Err(error)) => {
            log_failure(&error);
            None
        }
        Err(_) => None,
    }
}

/// Every lane of every worker tries again each second.
fn log_failure(error: &OpenError) {
    static FAILURES: Kind = Kind::new("can't create a producer", Level::ERROR);
    if let Some(Line { count }) = FAILURES.admit() {
        tracing::error!(count, "can't create a producer: {error}");
    }
}

/// Has this thread, and those that it creates, not interrupt the one that wakes it (`SCHED_BATCH`, sched(7)).
/// librdkafka's thread is woken by the first record of a batch: were it to run at once, on the worker's own
/// core, it would send that record alone, and the others had to wait for a whole round trip.
fn let_wakers_finish() {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread; the parameters live until the call returns. Where it fails, the
    // policy stays as it was.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
}
