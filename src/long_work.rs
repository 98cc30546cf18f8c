//! Long work of a worker's requests, such as validating a body of megabytes: done in slices, with other
//! requests served in between. Steps of TLS handshakes are such slices, too.
//!
//! One slice is done at a time, by the request that waits longest for one, but by another client's than the
//! last one where there is such a request. Once [`SLICE`] was spent on slices, the next one starts only after
//! the worker has looked for input: so a small request waits for one slice, however many clients send large
//! bodies. Where there is nothing else to do, that look costs some microseconds, and long work has the whole
//! worker.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io,
    rc::Rc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

pub(crate) use round::Round;

mod round;

/// The time of a slice.
const SLICE: Duration = Duration::from_millis(1);

/// The waiters from which on a request with a long body is refused before it is read.
const WAITERS_MAX: usize = 64;

/// The long work of one worker.
pub(crate) struct LongWork {
    /// Whether a slice is being done.
    in_use: Cell<bool>,
    waiters: RefCell<VecDeque<Rc<Waiter>>>,
    /// Time spent since the worker last looked for input.
    spent: Cell<Duration>,
    round: Round,
}

/// A request that waits for a slice.
struct Waiter {
    client: usize,
    granted: Cell<Option<Slice>>,
    waker: Cell<Option<Waker>>,
}

/// The right to do long work now; ends on drop.
pub(crate) struct Slice {
    work: Rc<LongWork>,
    client: usize,
    start: Instant,
}

impl LongWork {
    /// Call it in the worker's runtime; `nonblocking` as for the runtime's other sockets.
    ///
    /// # Errors
    /// There is no file descriptor left.
    pub(crate) fn new(nonblocking: bool) -> io::Result<Self> {
        Ok(Self {
            in_use: Cell::default(),
            waiters: RefCell::default(),
            spent: Cell::default(),
            round: Round::new(nonblocking)?,
        })
    }

    /// Waits until the caller may do the next slice of its work, for the client with this number.
    pub(crate) async fn slice(self: &Rc<Self>, client: usize) -> Slice {
        let mut slice = if self.in_use.replace(true) {
            self.wait(client).await
        } else {
            Slice::of(self, client)
        };
        if self.spent.get() >= SLICE {
            self.round.end().await;
            self.spent.set(Duration::ZERO);
        }
        slice.start = Instant::now();
        slice
    }

    /// Whether so many requests wait that others would wait for too long.
    pub(crate) fn is_full(&self) -> bool {
        self.waiters() >= WAITERS_MAX
    }

    /// How many wait for a slice.
    pub(crate) fn waiters(&self) -> usize {
        self.waiters.borrow().len()
    }

    async fn wait(&self, client: usize) -> Slice {
        let waiter = Rc::new(Waiter {
            client,
            granted: Cell::default(),
            waker: Cell::default(),
        });
        self.waiters.borrow_mut().push_back(Rc::clone(&waiter));
        poll_fn(|context| {
            if let Some(slice) = waiter.granted.take() {
                return Poll::Ready(slice);
            }
            waiter.waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

impl Slice {
    fn of(work: &Rc<LongWork>, client: usize) -> Self {
        Self {
            work: Rc::clone(work),
            client,
            start: Instant::now(),
        }
    }

    /// Whether the caller should leave the rest to its next slice.
    pub(crate) fn is_over(&self) -> bool {
        self.start.elapsed() >= SLICE
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        let work = &self.work;
        work.spent.set(work.spent.get() + self.start.elapsed());
        work.in_use.set(false);
        let mut waiters = work.waiters.borrow_mut();
        let other = waiters.iter().position(|it| it.client != self.client);
        let next = waiters.remove(other.unwrap_or(0));
        drop(waiters);
        if let Some(waiter) = next {
            work.in_use.set(true);
            let slice = Self::of(work, waiter.client);
            waiter.granted.set(Some(slice));
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests;
