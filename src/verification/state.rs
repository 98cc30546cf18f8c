//! Who waits for the verification slot, and when it may be granted: no I/O, the time is given.

use std::{
    hash::BuildHasher,
    num::NonZeroUsize,
    rc::Rc,
    time::{Duration, Instant},
};

use foldhash::quality::RandomState;
use lru::LruCache;
use nix::sys::resource::{UsageWho, getrusage};

use super::Waiter;
use crate::networks::Subnet;

/// Time between two checks of the queues, and the interval of [`INTERVAL_TIME_MAX`].
pub(super) const INTERVAL: Duration = Duration::from_millis(1);

/// No verification starts once this much time was spent in the current interval.
const INTERVAL_TIME_MAX: Duration = Duration::from_micros(300);

/// Failed verifications get one part in this many of the worker's time, on average.
pub(super) const FAILED_SHARE: u32 = 20;

/// Besides, they get one part in this many of the time in which the worker's thread did not run.
pub(super) const FAILED_IDLE_SHARE: u32 = 8;

/// How far failed verifications may exceed their share before verification pauses.
pub(super) const FAILED_EXCESS_MAX: Duration = Duration::from_millis(1);

/// Maximum time in the queue.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Maximum length of each queue: of new peers, and of peers that failed too often. A connection has one
/// place at most, so that fewer connections than this delay each other and exclude nobody.
pub(super) const WAITERS_MAX: usize = 1_024;

/// While others wait, failing peers get one grant in this many.
pub(super) const FAILING_GRANTS: u32 = 8;

/// Maximum failed verifications of a peer in [`FAILURES_PERIOD`]; with more, it waits behind all others.
pub(super) const FAILURES_MAX: u32 = 16;

/// The period in which failures are counted.
const FAILURES_PERIOD: Duration = Duration::from_secs(10);

/// Maximum peers whose failures are counted; least recently used ones are dropped.
const PEERS_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("some");

/// The slot, its use so far, and who waits for it.
pub(super) struct State {
    /// Whether the slot is in use.
    in_use: bool,
    /// Whether the timer task for the queues is running.
    pub(super) timer_running: bool,
    interval_start: Instant,
    /// The thread's CPU time at `interval_start`.
    interval_start_cpu: Duration,
    /// The CPU time that the thread has used so far.
    cpu_clock: fn() -> Duration,
    /// Time spent on verifications in the current interval.
    interval_spent: Duration,
    /// How far failed verifications exceeded their share at `interval_start`.
    pub(super) failed_excess: Duration,
    /// The queues, indexed by [`PeerClass`].
    queues: [Vec<QueueEntry>; 2],
    /// Grants since a failing peer last had one.
    other_grants: u32,
    random: RandomState,
    /// Random numbers drawn so far.
    drawn: u64,
    failures: LruCache<Subnet, Failures, RandomState>,
}

/// The class of a peer by its recent failures, in order of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerClass {
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
    subnet: Option<Subnet>,
    waiter: Rc<Waiter>,
}

impl State {
    /// Nobody has the slot or waits for it.
    pub(super) fn new() -> Self {
        Self {
            in_use: false,
            timer_running: false,
            interval_start: Instant::now(),
            interval_start_cpu: thread_cpu(),
            cpu_clock: thread_cpu,
            interval_spent: Duration::ZERO,
            failed_excess: Duration::ZERO,
            queues: Default::default(),
            other_grants: 0,
            random: RandomState::default(),
            drawn: 0,
            failures: LruCache::with_hasher(PEERS_MAX, RandomState::default()),
        }
    }

    /// Replaces the clock of the thread's CPU time.
    #[cfg(test)]
    pub(super) fn use_cpu_clock(&mut self, clock: fn() -> Duration) {
        self.cpu_clock = clock;
        self.interval_start_cpu = clock();
    }

    /// The CPU time that the thread has used so far.
    pub(super) fn cpu(&self) -> Duration {
        (self.cpu_clock)()
    }

    /// Whether a request of this class can have the slot at once: none of a higher or the same priority
    /// waits, it is free, and the limits allow it. Then it is acquired.
    pub(super) fn acquire_at_once(&mut self, class: PeerClass, now: Instant) -> bool {
        self.queues[..=class as usize].iter().all(Vec::is_empty) && self.try_acquire(now)
    }

    pub(super) fn class(&self, subnet: Option<Subnet>, now: Instant) -> PeerClass {
        match subnet.and_then(|subnet| self.failures.peek(&subnet)) {
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
            let cpu = self.cpu();
            let busy = cpu.saturating_sub(self.interval_start_cpu);
            let share = elapsed / FAILED_SHARE + elapsed.saturating_sub(busy) / FAILED_IDLE_SHARE;
            self.interval_start = now;
            self.interval_start_cpu = cpu;
            self.interval_spent = Duration::ZERO;
            self.failed_excess = self.failed_excess.saturating_sub(share);
        }
    }

    /// Removes a waiter at random if its queue is full.
    pub(super) fn make_room(&mut self, class: PeerClass) -> Option<Rc<Waiter>> {
        let is_full = self.queues[class as usize].len() >= WAITERS_MAX;
        let evicted = is_full.then(|| self.take_any(class))?;
        evicted.map(|entry| entry.waiter)
    }

    pub(super) fn enqueue(
        &mut self,
        class: PeerClass,
        subnet: Option<Subnet>,
        now: Instant,
    ) -> Rc<Waiter> {
        let waiter = Rc::default();
        self.queues[class as usize].push(QueueEntry {
            since: now,
            subnet,
            waiter: Rc::clone(&waiter),
        });
        waiter
    }

    /// Removes a waiter of this class, chosen at random.
    fn take_any(&mut self, class: PeerClass) -> Option<QueueEntry> {
        let waiters = self.queues[class as usize].len();
        self.drawn += 1;
        let drawn = self.random.hash_one(self.drawn);
        let index = drawn.checked_rem(waiters as u64)?;
        let index = usize::try_from(index).ok()?;
        Some(self.queues[class as usize].swap_remove(index))
    }

    pub(super) fn has_waiters(&self) -> bool {
        self.queues.iter().any(|queue| !queue.is_empty())
    }

    /// Removes the waiters whose wait took too long.
    pub(super) fn remove_expired(&mut self, now: Instant) -> Vec<Rc<Waiter>> {
        let mut expired = Vec::new();
        for queue in &mut self.queues {
            let is_expired =
                |it: &mut QueueEntry| now.saturating_duration_since(it.since) > WAIT_MAX;
            expired.extend(queue.extract_if(.., is_expired).map(|entry| entry.waiter));
        }
        expired
    }

    /// Acquires the slot for the next waiter, if possible, and removes it from its queue.
    pub(super) fn next(&mut self, now: Instant) -> Option<Rc<Waiter>> {
        if !self.has_waiters() || !self.try_acquire(now) {
            return None;
        }
        let failing_is_due = self.other_grants >= FAILING_GRANTS - 1;
        if failing_is_due && !self.queues[PeerClass::Failing as usize].is_empty() {
            return self.next_failing();
        }
        // Peers may have failed too often since they were queued, above all when a flood starts.
        while let Some(next) = self.take_any(PeerClass::New) {
            if self.class(next.subnet, now) == PeerClass::New {
                self.other_grants = self.other_grants.saturating_add(1);
                return Some(next.waiter);
            }
            self.queues[PeerClass::Failing as usize].push(next);
        }
        self.next_failing()
    }

    fn next_failing(&mut self) -> Option<Rc<Waiter>> {
        self.other_grants = 0;
        let next = self.take_any(PeerClass::Failing);
        next.map(|entry| entry.waiter)
    }

    /// Releases the slot and charges the time spent.
    pub(super) fn release(&mut self, spent: Duration) {
        self.in_use = false;
        self.interval_spent += spent;
    }

    /// Counts a failed verification.
    pub(super) fn count_failure(&mut self, spent: Duration, subnet: Option<Subnet>, now: Instant) {
        self.failed_excess += spent;
        if let Some(subnet) = subnet {
            let new = || Failures {
                count: 0,
                since: now,
            };
            let failures = self.failures.get_or_insert_mut(subnet, new);
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

/// The CPU time that this thread has used so far; zero if the system does not say.
fn thread_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD);
    usage.map_or(Duration::ZERO, |usage| {
        [usage.user_time(), usage.system_time()]
            .into_iter()
            .map(|time| {
                let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
                let micros = u64::try_from(time.tv_usec()).unwrap_or(0);
                Duration::from_secs(seconds) + Duration::from_micros(micros)
            })
            .sum()
    })
}
