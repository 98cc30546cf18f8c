//! Long work of a worker's requests, such as validating a body of megabytes: done in slices, with other
//! requests served in between. Steps of TLS handshakes are such slices, too.
//!
//! One slice is done at a time, by the request that waits longest for one. Once [`SLICE`] was spent on
//! slices, the next one starts only after the worker has looked for input: so a small request waits for one
//! slice, however many clients send large bodies. Where there is nothing else to do, that look costs some
//! microseconds, and long work has the whole worker.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io::{self, Write},
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use monoio::{io::AsyncReadRent, net::UnixStream, time::sleep};

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
    /// A byte written to the one arrives at the other when the worker looks for input. `None` while a
    /// slice waits for that.
    bell: (std::os::unix::net::UnixStream, Cell<Option<UnixStream>>),
}

/// A request that waits for a slice.
#[derive(Default)]
struct Waiter {
    granted: Cell<Option<Slice>>,
    waker: Cell<Option<Waker>>,
}

/// The right to do long work now; ends on drop.
pub(crate) struct Slice {
    work: Rc<LongWork>,
    start: Instant,
}

impl LongWork {
    /// Call it in the worker's runtime; `nonblocking` as for the runtime's other sockets.
    ///
    /// # Errors
    /// There is no file descriptor left.
    pub(crate) fn new(nonblocking: bool) -> io::Result<Self> {
        let (bell, rung) = std::os::unix::net::UnixStream::pair()?;
        rung.set_nonblocking(nonblocking)?;
        Ok(Self {
            in_use: Cell::default(),
            waiters: RefCell::default(),
            spent: Cell::default(),
            bell: (bell, Cell::new(Some(UnixStream::from_std(rung)?))),
        })
    }

    /// Waits until the caller may do the next slice of its work.
    pub(crate) async fn slice(self: &Rc<Self>) -> Slice {
        let mut slice = if self.in_use.replace(true) {
            self.wait().await
        } else {
            Slice::of(self)
        };
        if self.spent.get() >= SLICE {
            self.look_for_input().await;
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

    async fn wait(&self) -> Slice {
        let waiter = Rc::<Waiter>::default();
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

    /// Lets the worker handle the input that there is. A task that only woke itself would go on before.
    async fn look_for_input(&self) {
        let (bell, rung) = &self.bell;
        let Some(mut reader) = rung.take() else {
            return sleep(SLICE).await;
        };
        {
            let mut read = pin!(reader.read(vec![0_u8]));
            let mut has_rung = false;
            // Only once the read waits: on epoll it would complete at once otherwise.
            poll_fn(|context| {
                let poll = read.as_mut().poll(context).map(|_| ());
                if poll.is_pending() && !std::mem::replace(&mut has_rung, true) {
                    // One byte at a time is in the socket, so that there is room.
                    let _ = (&*bell).write(&[0]);
                }
                poll
            })
            .await;
        }
        rung.set(Some(reader));
    }
}

impl Slice {
    fn of(work: &Rc<LongWork>) -> Self {
        Self {
            work: Rc::clone(work),
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
        let next = work.waiters.borrow_mut().pop_front();
        if let Some(waiter) = next {
            work.in_use.set(true);
            waiter.granted.set(Some(Self::of(work)));
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests;
