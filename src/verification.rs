//! Rate limiting of credential verification, so that unauthenticated clients can't slow down clients
//! whose credentials are cached.
//!
//! A verification takes up to 170 µs (PBKDF2; ES384 more than 1,000) on the worker's own thread: a separate
//! thread would take the time from the same cores, in slices of milliseconds. A worker has one
//! verification slot, so verifications run one at a time, and each pauses the worker for less than a
//! client notices. Parsing a JWT is part of it: a long one takes as long as a signature.
//! - No verification starts once 300 µs were spent in the current millisecond (`INTERVAL_TIME_MAX`).
//! - Failed verifications get a twentieth of the worker's time on average (`FAILED_SHARE`), and an eighth of
//!   the time for which it would have nothing else to do (`FAILED_IDLE_SHARE`): enough for a thousand PBKDF2
//!   tokens a second. Successful ones need no such limit, because their credentials are cached afterwards.
//! - A request that can't have the slot at once waits in a bounded queue, for up to `WAIT_MAX`; then it
//!   fails with [`AuthError::Busy`]. Who is next, and who makes room in a full queue, is chosen at random, so
//!   that the fastest client does not have every place.
//! - Peers with repeated failures (`FAILURES_MAX`) wait behind all others, but for one grant in
//!   `FAILING_GRANTS`: many clients may share an address.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use monoio::time::sleep;

use crate::{
    auth::{AuthError, UnverifiedCredential, Verified, VerifyError},
    networks::{ClientAddress, Subnet},
};

use state::{INTERVAL, State};

mod state;

/// The verification slot of one worker, and the queues for it.
pub(crate) struct VerificationQueue(RefCell<State>);

/// A request that waits for the slot.
#[derive(Default)]
struct Waiter {
    granted: Cell<Option<Result<VerificationSlot, AuthError>>>,
    waker: Cell<Option<Waker>>,
}

/// The right to verify one credential; released on drop.
pub(crate) struct VerificationSlot {
    queue: Rc<VerificationQueue>,
    /// Whom a failure is counted for.
    subnet: Option<Subnet>,
    failed: bool,
    /// The thread's CPU time when the verification began: what others use of the core is not charged.
    start: Duration,
}

impl VerificationQueue {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(State::new()))
    }

    /// Waits for the verification slot. `peer` is the client's address; `None` if its failures should not
    /// be counted.
    ///
    /// # Errors
    /// [`AuthError::Busy`] if the wait took too long, or a later one got the place in a full queue.
    pub(crate) async fn acquire(
        self: &Rc<Self>,
        peer: Option<ClientAddress>,
    ) -> Result<VerificationSlot, AuthError> {
        let subnet = peer.map(Subnet::of);
        let waiter = {
            let now = Instant::now();
            let mut state = self.0.borrow_mut();
            let class = state.class(subnet, now);
            if state.acquire_at_once(class, now) {
                None
            } else {
                let evicted = state.make_room(class);
                let waiter = state.enqueue(class, subnet, now);
                drop(state);
                if let Some(evicted) = evicted {
                    evicted.complete(Err(AuthError::Busy));
                }
                Some(waiter)
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
        slot.subnet = subnet;
        slot.start = self.0.borrow().cpu();
        Ok(slot)
    }

    fn slot(self: &Rc<Self>) -> VerificationSlot {
        VerificationSlot {
            queue: Rc::clone(self),
            subnet: None,
            failed: false,
            start: self.0.borrow().cpu(),
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

impl Waiter {
    fn complete(&self, granted: Result<VerificationSlot, AuthError>) {
        self.granted.set(Some(granted));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl VerificationSlot {
    /// Verifies the credential of a request that arrived at `since`.
    ///
    /// # Errors
    /// Why the credential is rejected, or the key that has to be fetched first.
    pub(crate) fn verify(
        mut self,
        check: UnverifiedCredential<'_>,
        now_ms: u64,
        since: Instant,
    ) -> Result<Verified, VerifyError> {
        let verified = check.verify(now_ms);
        let verified = verified.map_err(|error| error.looked_up(since));
        self.failed = match &verified {
            Ok(_) | Err(VerifyError::UnknownKey(_)) => false,
            Err(VerifyError::Rejected(denial)) => denial.reason != AuthError::KeysUnavailable,
        };
        verified
    }
}

impl Drop for VerificationSlot {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.queue.0.borrow_mut();
        let spent = state.cpu().saturating_sub(self.start);
        state.release(spent);
        if self.failed {
            state.count_failure(spent, self.subnet, now);
        }
        drop(state);
        self.queue.grant_next(now);
    }
}

#[cfg(test)]
mod tests;
