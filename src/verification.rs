//! Rate limiting of credential verification, so that unauthenticated clients can't slow down clients
//! whose credentials are cached.
//!
//! A verification takes up to 170 µs (PBKDF2; ES384 more than 1,000) on the worker's own thread: a separate
//! thread would take the time from the same cores, in slices of milliseconds. A worker has one
//! verification slot, so verifications run one at a time, and each pauses the worker for less than a
//! client notices. Parsing a JWT is part of it: a long one takes as long as a signature.
//! - No verification starts once 300 µs were spent in the current millisecond ([`INTERVAL_TIME_MAX`]).
//! - Failed verifications get a twentieth of the worker's time on average ([`FAILED_SHARE`]). Successful ones
//!   need no such limit, because their credentials are cached afterwards.
//! - A request that can't have the slot at once waits in a bounded queue, for up to [`WAIT_MAX`]; then it
//!   fails with [`AuthError::Busy`].
//! - Peers with repeated failures ([`FAILURES_MAX`]) wait behind all others.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    net::IpAddr,
    num::NonZeroUsize,
    rc::Rc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use foldhash::quality::RandomState;
use lru::LruCache;
use monoio::time::sleep;

use crate::auth::{AuthError, Grant, UnverifiedCredential};

/// Time between two checks of the queues, and the interval of [`INTERVAL_TIME_MAX`].
const INTERVAL: Duration = Duration::from_millis(1);

/// No verification starts once this much time was spent in the current interval.
const INTERVAL_TIME_MAX: Duration = Duration::from_micros(300);

/// Failed verifications get one part in this many of the worker's time, on average.
const FAILED_SHARE: u32 = 20;

/// How far failed verifications may exceed their share before verification pauses.
const FAILED_EXCESS_MAX: Duration = Duration::from_millis(1);

/// Maximum time charged for one verification: a longer one was preempted by another thread.
const CHARGED_TIME_MAX: Duration = Duration::from_millis(2);

/// Maximum time in the queue.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Maximum queue lengths: of new peers, and of peers that failed too often.
const WAITERS_MAX: [usize; 2] = [1_024, 64];

/// Maximum failed verifications of a peer in [`FAILURES_PERIOD`]; with more, it waits behind all others.
const FAILURES_MAX: u32 = 16;

/// The period in which failures are counted.
const FAILURES_PERIOD: Duration = Duration::from_secs(10);

/// Maximum peers whose failures are counted; least recently used ones are dropped.
const PEERS_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("some");

/// The verification slot of one worker, and the queues for it.
pub(crate) struct VerificationQueue(RefCell<State>);

struct State {
    /// Whether the slot is in use.
    in_use: bool,
    /// Whether the timer task for the queues is running.
    timer_running: bool,
    interval_start: Instant,
    /// Time spent on verifications in the current interval.
    interval_spent: Duration,
    /// How far failed verifications exceeded their share at `interval_start`.
    failed_excess: Duration,
    /// The queues, indexed by [`PeerClass`].
    queues: [VecDeque<QueueEntry>; 2],
    failures: LruCache<IpAddr, Failures, RandomState>,
}

/// The class of a peer by its recent failures, in order of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PeerClass {
    New = 0,
    Failing = 1,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

struct QueueEntry {
    since: Instant,
    address: Option<IpAddr>,
    waiter: Rc<Waiter>,
}

/// A request that waits for the slot.
#[derive(Default)]
struct Waiter {
    granted: Cell<Option<Result<VerificationSlot, AuthError>>>,
    waker: Cell<Option<Waker>>,
}

/// The right to verify one credential; released on drop.
pub(crate) struct VerificationSlot {
    queue: Rc<VerificationQueue>,
    /// The peer that a failure is counted for.
    peer: Option<IpAddr>,
    failed: bool,
    start: Instant,
}

impl VerificationQueue {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(State {
            in_use: false,
            timer_running: false,
            interval_start: Instant::now(),
            interval_spent: Duration::ZERO,
            failed_excess: Duration::ZERO,
            queues: Default::default(),
            failures: LruCache::with_hasher(PEERS_MAX, RandomState::default()),
        }))
    }

    /// Waits for the verification slot. `peer` is the client's address; `None` if its failures should not
    /// be counted.
    ///
    /// # Errors
    /// [`AuthError::Busy`] if the queue is full, or the wait took too long.
    pub(crate) async fn acquire(
        self: &Rc<Self>,
        peer: Option<IpAddr>,
    ) -> Result<VerificationSlot, AuthError> {
        let address = peer.map(network);
        let waiter = {
            let now = Instant::now();
            let mut state = self.0.borrow_mut();
            let class = state.class(address, now);
            let is_first =
                class == PeerClass::New && state.queues[PeerClass::New as usize].is_empty();
            if is_first && state.try_acquire(now) {
                None
            } else {
                Some(state.enqueue(class, address, now)?)
            }
        };
        let mut slot = match waiter {
            None => self.slot(),
            Some(waiter) => {
                self.ensure_timer();
                poll_fn(|context| {
                    if let Some(granted) = waiter.granted.take() {
                        return Poll::Ready(granted);
                    }
                    waiter.waker.set(Some(context.waker().clone()));
                    Poll::Pending
                })
                .await?
            }
        };
        slot.peer = address;
        slot.start = Instant::now();
        Ok(slot)
    }

    fn slot(self: &Rc<Self>) -> VerificationSlot {
        VerificationSlot {
            queue: Rc::clone(self),
            peer: None,
            failed: false,
            start: Instant::now(),
        }
    }

    /// Starts the timer task that serves the queues, unless it is running.
    fn ensure_timer(self: &Rc<Self>) {
        if !std::mem::replace(&mut self.0.borrow_mut().timer_running, true) {
            let this = Rc::clone(self);
            monoio::spawn(async move {
                while this.0.borrow().has_waiters() {
                    sleep(INTERVAL).await;
                    let now = Instant::now();
                    let expired = this.0.borrow_mut().remove_expired(now);
                    for waiter in expired {
                        waiter.complete(Err(AuthError::Busy));
                    }
                    this.grant_next(now);
                }
                this.0.borrow_mut().timer_running = false;
            });
        }
    }

    /// Grants the slot to the next waiter, if it is free and the limits allow it.
    fn grant_next(self: &Rc<Self>, now: Instant) {
        let next = self.0.borrow_mut().next(now);
        if let Some(waiter) = next {
            waiter.complete(Ok(self.slot()));
        }
    }
}

impl State {
    fn class(&self, address: Option<IpAddr>, now: Instant) -> PeerClass {
        match address.and_then(|address| self.failures.peek(&address)) {
            Some(failures) if failures.are_too_many(now) => PeerClass::Failing,
            _ => PeerClass::New,
        }
    }

    /// Acquires the slot, if it is free and the limits allow it.
    fn try_acquire(&mut self, now: Instant) -> bool {
        self.advance(now);
        let is_free = !self.in_use
            && self.interval_spent < INTERVAL_TIME_MAX
            && self.failed_excess < FAILED_EXCESS_MAX;
        self.in_use |= is_free;
        is_free
    }

    /// Starts a new interval, if the current one is over.
    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.interval_start);
        if elapsed >= INTERVAL {
            self.interval_start = now;
            self.interval_spent = Duration::ZERO;
            self.failed_excess = self.failed_excess.saturating_sub(elapsed / FAILED_SHARE);
        }
    }

    fn enqueue(
        &mut self,
        class: PeerClass,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<Rc<Waiter>, AuthError> {
        let queue = &mut self.queues[class as usize];
        if queue.len() >= WAITERS_MAX[class as usize] {
            return Err(AuthError::Busy);
        }
        let waiter = Rc::default();
        queue.push_back(QueueEntry {
            since: now,
            address,
            waiter: Rc::clone(&waiter),
        });
        Ok(waiter)
    }

    fn has_waiters(&self) -> bool {
        self.queues.iter().any(|queue| !queue.is_empty())
    }

    /// Removes the waiters whose wait took too long.
    fn remove_expired(&mut self, now: Instant) -> Vec<Rc<Waiter>> {
        let mut expired = Vec::new();
        for queue in &mut self.queues {
            let is_expired =
                |it: &mut QueueEntry| now.saturating_duration_since(it.since) > WAIT_MAX;
            while let Some(entry) = queue.pop_front_if(is_expired) {
                expired.push(entry.waiter);
            }
        }
        expired
    }

    /// Acquires the slot for the next waiter, if possible, and removes it from its queue.
    fn next(&mut self, now: Instant) -> Option<Rc<Waiter>> {
        if !self.has_waiters() || !self.try_acquire(now) {
            return None;
        }
        // Peers may have failed too often since they were queued, above all when a flood starts.
        while let Some(next) = self.queues[PeerClass::New as usize].pop_front() {
            if self.class(next.address, now) == PeerClass::New {
                return Some(next.waiter);
            }
            self.queues[PeerClass::Failing as usize].push_back(next);
        }
        let next = self.queues[PeerClass::Failing as usize].pop_front();
        next.map(|entry| entry.waiter)
    }

    /// Releases the slot and charges the time spent.
    fn release(&mut self, spent: Duration) {
        self.in_use = false;
        self.interval_spent += spent;
    }

    /// Counts a failed verification.
    fn count_failure(&mut self, spent: Duration, peer: Option<IpAddr>, now: Instant) {
        self.failed_excess += spent;
        if let Some(address) = peer {
            let new = || Failures {
                count: 0,
                since: now,
            };
            let failures = self.failures.get_or_insert_mut(address, new);
            if now.saturating_duration_since(failures.since) > FAILURES_PERIOD {
                *failures = new();
            }
            failures.count += 1;
        }
    }
}

impl Failures {
    fn are_too_many(&self, now: Instant) -> bool {
        self.count > FAILURES_MAX && now.saturating_duration_since(self.since) <= FAILURES_PERIOD
    }
}

impl Waiter {
    fn complete(&self, granted: Result<VerificationSlot, AuthError>) {
        self.granted.set(Some(granted));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl VerificationSlot {
    /// Verifies the credential.
    ///
    /// # Errors
    /// Why the credential is rejected.
    pub(crate) fn verify(
        mut self,
        check: UnverifiedCredential<'_>,
        now_ms: u64,
    ) -> Result<Grant, AuthError> {
        let verified = check.verify(now_ms);
        self.failed = verified
            .as_ref()
            .is_err_and(|error| *error != AuthError::KeysUnavailable);
        verified
    }
}

impl Drop for VerificationSlot {
    fn drop(&mut self) {
        let now = Instant::now();
        let spent = now
            .saturating_duration_since(self.start)
            .min(CHARGED_TIME_MAX);
        let mut state = self.queue.0.borrow_mut();
        state.release(spent);
        if self.failed {
            state.count_failure(spent, self.peer, now);
        }
        drop(state);
        self.queue.grant_next(now);
    }
}

/// The key that failures are counted by: one host can use every address of its IPv6 subnet (RFC 4291
/// section 2.5.4).
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
