//! Who may verify a credential, and when: a worker that verified whatever strangers send would
//! have no time for those who are known.
//!
//! Verifying takes up to 170 µs (PBKDF2; ES384 more than 1,000), on the worker's own thread: another thread
//! would take the time from the same cores, in slices of milliseconds instead. So it is done in turns, one
//! at a time, each of them a pause of the worker that is shorter than what a client notices. To read a JWT is
//! part of it: a long one takes as long as a signature.
//! - None begins when a third of a millisecond was spent in this one ([`STEP_TIME_MAX`]).
//! - Those that fail get a twentieth of the worker's time in the long run ([`FAILED_SHARE`]). Those that
//!   succeed need no such bound: the cache knows them from then on.
//! - Whoever gets no turn at once waits, up to [`WAIT_MAX`], in a queue with an end; then it is
//!   told that we are busy.
//! - Peers whose credentials failed again and again wait behind all others ([`FAILURES_MAX`]).

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

use crate::auth::{Check, Denial, Grant};

/// Between two looks at those who wait.
const STEP: Duration = Duration::from_millis(1);

/// How much of a step may be spent before the next verification begins.
const STEP_TIME_MAX: Duration = Duration::from_micros(300);

/// Failed verifications get one part of so many of the worker's time, in the long run.
const FAILED_SHARE: u32 = 20;

/// How far they may get ahead of their share.
const FAILED_AHEAD_MAX: Duration = Duration::from_millis(1);

/// What one turn counts at most: what goes beyond was not the credential's, but of whoever else had the
/// core meanwhile.
const TURN_TIME_MAX: Duration = Duration::from_millis(2);

/// How long a turn is waited for.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Waiting at a time, of peers that are new and of those that failed too often.
const WAITING_MAX: [usize; 2] = [1_024, 64];

/// Failed verifications of a peer in [`FAILURES_PERIOD`]; with more, it waits behind all others.
const FAILURES_MAX: u32 = 16;

/// How long failures count.
const FAILURES_PERIOD: Duration = Duration::from_secs(10);

/// Peers whose failures are counted, the latest ones.
const PEERS_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("some");

/// One worker's turns.
pub(crate) struct Verifications(RefCell<State>);

struct State {
    /// Whether somebody has the turn.
    taken: bool,
    /// Whether somebody looks after those who wait.
    attended: bool,
    step_began: Instant,
    step_spent: Duration,
    /// How far failed verifications are ahead of their share, at `step_began`.
    failed_ahead: Duration,
    /// By [`Peer`].
    waiting: [VecDeque<Waiting>; 2],
    failures: LruCache<IpAddr, Failures, RandomState>,
}

/// What a peer has done so far; the order is that of turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    New = 0,
    Failing = 1,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

struct Waiting {
    since: Instant,
    address: Option<IpAddr>,
    place: Rc<Place>,
}

/// Where one who waits finds what it waited for.
#[derive(Default)]
struct Place {
    called: Cell<Option<Result<Turn, Denial>>>,
    waker: Cell<Option<Waker>>,
}

/// The right to verify one credential.
pub(crate) struct Turn {
    verifications: Rc<Verifications>,
    /// Whose failure it would be.
    peer: Option<IpAddr>,
    failed: bool,
    began: Instant,
}

impl Verifications {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(State {
            taken: false,
            attended: false,
            step_began: Instant::now(),
            step_spent: Duration::ZERO,
            failed_ahead: Duration::ZERO,
            waiting: Default::default(),
            failures: LruCache::with_hasher(PEERS_MAX, RandomState::default()),
        }))
    }

    /// Waits for the turn of a credential that a peer presents; `None` for one whose failures do not
    /// matter.
    ///
    /// # Errors
    /// [`Denial::Busy`] where too many wait, or it took too long.
    pub(crate) async fn turn(self: &Rc<Self>, peer: Option<IpAddr>) -> Result<Turn, Denial> {
        let address = peer.map(network);
        let place = {
            let now = Instant::now();
            let mut state = self.0.borrow_mut();
            let peer = state.peer(address, now);
            let first = peer == Peer::New && state.waiting[Peer::New as usize].is_empty();
            if first && state.take(now) {
                None
            } else {
                Some(state.enqueue(peer, address, now)?)
            }
        };
        let mut turn = match place {
            None => self.begin(),
            Some(place) => {
                self.attend();
                poll_fn(|context| {
                    if let Some(called) = place.called.take() {
                        return Poll::Ready(called);
                    }
                    place.waker.set(Some(context.waker().clone()));
                    Poll::Pending
                })
                .await?
            }
        };
        turn.peer = address;
        turn.began = Instant::now();
        Ok(turn)
    }

    fn begin(self: &Rc<Self>) -> Turn {
        Turn {
            verifications: Rc::clone(self),
            peer: None,
            failed: false,
            began: Instant::now(),
        }
    }

    /// Sees to it that somebody looks after those who wait.
    fn attend(self: &Rc<Self>) {
        if !std::mem::replace(&mut self.0.borrow_mut().attended, true) {
            let this = Rc::clone(self);
            monoio::spawn(async move {
                while this.0.borrow().is_awaited() {
                    sleep(STEP).await;
                    let now = Instant::now();
                    let overdue = this.0.borrow_mut().overdue(now);
                    for place in overdue {
                        place.call(Err(Denial::Busy));
                    }
                    this.call_next(now);
                }
                this.0.borrow_mut().attended = false;
            });
        }
    }

    /// Gives the turn to the next one who waits, if it is free and there is time.
    fn call_next(self: &Rc<Self>, now: Instant) {
        let next = self.0.borrow_mut().next(now);
        if let Some(place) = next {
            place.call(Ok(self.begin()));
        }
    }
}

impl State {
    fn peer(&self, address: Option<IpAddr>, now: Instant) -> Peer {
        match address.and_then(|address| self.failures.peek(&address)) {
            Some(failures) if failures.are_too_many(now) => Peer::Failing,
            _ => Peer::New,
        }
    }

    /// Takes the turn, if nobody has it and there is time.
    fn take(&mut self, now: Instant) -> bool {
        self.step(now);
        let free =
            !self.taken && self.step_spent < STEP_TIME_MAX && self.failed_ahead < FAILED_AHEAD_MAX;
        self.taken |= free;
        free
    }

    /// Begins a new step, if the last one is over.
    fn step(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.step_began);
        if elapsed >= STEP {
            self.step_began = now;
            self.step_spent = Duration::ZERO;
            self.failed_ahead = self.failed_ahead.saturating_sub(elapsed / FAILED_SHARE);
        }
    }

    fn enqueue(
        &mut self,
        peer: Peer,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<Rc<Place>, Denial> {
        let queue = &mut self.waiting[peer as usize];
        if queue.len() >= WAITING_MAX[peer as usize] {
            return Err(Denial::Busy);
        }
        let place = Rc::default();
        queue.push_back(Waiting {
            since: now,
            address,
            place: Rc::clone(&place),
        });
        Ok(place)
    }

    fn is_awaited(&self) -> bool {
        self.waiting.iter().any(|queue| !queue.is_empty())
    }

    /// Those who have waited too long.
    fn overdue(&mut self, now: Instant) -> Vec<Rc<Place>> {
        let mut overdue = Vec::new();
        for queue in &mut self.waiting {
            let is_overdue = |it: &mut Waiting| now.saturating_duration_since(it.since) > WAIT_MAX;
            while let Some(waiting) = queue.pop_front_if(is_overdue) {
                overdue.push(waiting.place);
            }
        }
        overdue
    }

    /// The next one, who has the turn from now on.
    fn next(&mut self, now: Instant) -> Option<Rc<Place>> {
        if !self.is_awaited() || !self.take(now) {
            return None;
        }
        // Of a flood that has just begun many wait who were new when they came.
        while let Some(next) = self.waiting[Peer::New as usize].pop_front() {
            if self.peer(next.address, now) == Peer::New {
                return Some(next.place);
            }
            self.waiting[Peer::Failing as usize].push_back(next);
        }
        let next = self.waiting[Peer::Failing as usize].pop_front();
        next.map(|waiting| waiting.place)
    }

    /// Takes down what a turn cost.
    fn end(&mut self, spent: Duration) {
        self.taken = false;
        self.step_spent += spent;
    }

    /// Takes down that nothing came of it.
    fn fail(&mut self, spent: Duration, peer: Option<IpAddr>, now: Instant) {
        self.failed_ahead += spent;
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

impl Place {
    fn call(&self, called: Result<Turn, Denial>) {
        self.called.set(Some(called));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Turn {
    /// Verifies the credential.
    ///
    /// # Errors
    /// Why it is not taken.
    pub(crate) fn verify(mut self, check: Check<'_>, now_ms: u64) -> Result<Grant, Denial> {
        let verified = check.verify(now_ms);
        self.failed = verified
            .as_ref()
            .is_err_and(|denial| *denial != Denial::KeysUnavailable);
        verified
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let now = Instant::now();
        let spent = now.saturating_duration_since(self.began).min(TURN_TIME_MAX);
        let mut state = self.verifications.0.borrow_mut();
        state.end(spent);
        if self.failed {
            state.fail(spent, self.peer, now);
        }
        drop(state);
        self.verifications.call_next(now);
    }
}

/// What failures are counted by: one host has all addresses of its IPv6 subnet (RFC 4291
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
