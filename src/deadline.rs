//! Deadlines of a worker's connections, checked on every tick instead of one timer for each read.
//!
//! A connection that waits past its deadline has its socket shut down: the pending read or write
//! ends, on `io_uring` as on epoll, without cancelling an operation that may just have completed.

use std::{
    cell::{Cell, RefCell},
    net::Shutdown,
    os::fd::RawFd,
    rc::Rc,
    time::{Duration, Instant},
};

use nix::sys::socket::{MsgFlags, recv};
use slab::Slab;

use room::Room;

mod room;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// More bytes of a request that has begun.
    Read,
    /// The first byte of a request.
    Idle,
    /// That the client receives its answer.
    Write,
    /// That the client stops sending after its last answer.
    Linger,
}

struct Entry {
    socket: RawFd,
    /// Whose connection it is, where that is known.
    owner: Option<u64>,
    wait: Option<(Wait, Instant)>,
    /// What it waited for when its deadline passed.
    expired: Option<Wait>,
    /// It was closed to make room for another one.
    gives_way: bool,
}

impl Entry {
    /// Ends the connection's wait.
    fn expire(&mut self, wait: Wait) {
        self.expired = Some(wait);
        let how = match wait {
            // The answer about the timeout can still be sent.
            Wait::Read | Wait::Idle | Wait::Linger => Shutdown::Read,
            Wait::Write => Shutdown::Both,
        };
        shutdown(self.socket, how);
    }
}

/// The deadlines of one worker.
#[derive(Default)]
pub struct Deadlines {
    entries: RefCell<Slab<Entry>>,
    /// Once a drain has begun: the latest end of idle connections.
    idle_until: Cell<Option<Instant>>,
    room: Room,
}

impl Deadlines {
    /// Watches a socket until the guard is dropped, which must be before the socket closes.
    pub fn watch(self: &Rc<Self>, socket: RawFd, owner: Option<u64>) -> Deadline {
        let entry = Entry {
            socket,
            owner,
            wait: None,
            expired: None,
            gives_way: false,
        };
        let key = self.entries.borrow_mut().insert(entry);
        Deadline {
            deadlines: Rc::clone(self),
            key,
        }
    }

    /// Extends every deadline: the worker was blocked, and what clients sent meanwhile is still to be
    /// read.
    pub fn postpone(&self, by: Duration) {
        self.idle_until
            .set(self.idle_until.get().map(|until| until + by));
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            if let Some((_, deadline)) = &mut entry.wait {
                *deadline += by;
            }
        }
    }

    /// Ends every wait whose deadline has passed. A connection on which a request has begun to arrive is
    /// not idle: its next read sets the deadline of the head.
    pub fn expire(&self, now: Instant) {
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            if let Some((wait, _)) = entry.wait.take_if(|(_, at)| *at <= now)
                && !(wait == Wait::Idle && has_arrived(entry.socket))
            {
                entry.expire(wait);
            }
        }
    }

    /// Ends idle connections at `at`, including those that become idle later: a drain has begun.
    pub fn cap_idle(&self, at: Instant) {
        self.idle_until.set(Some(at));
        self.cap(Wait::Idle, at);
    }

    /// Ends the wait for the rest of requests at `at`: a drain is about to end.
    pub fn cap_reads(&self, at: Instant) {
        self.cap(Wait::Read, at);
    }

    fn cap(&self, wait: Wait, at: Instant) {
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            if let Some((kind, deadline)) = &mut entry.wait
                && *kind == wait
            {
                *deadline = (*deadline).min(at);
            }
        }
    }

    /// Ends every connection now.
    pub fn cut_all(&self) {
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            entry.expire(Wait::Write);
        }
    }

    /// Connections being watched.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Connections that have not got their last answer.
    pub fn unanswered(&self) -> usize {
        let entries = self.entries.borrow();
        let lingers = |entry: &Entry| matches!(entry.wait, Some((Wait::Linger, _)));
        entries.iter().filter(|(_, entry)| !lingers(entry)).count()
    }
}

/// Whether bytes have arrived on the socket that are not read yet.
fn has_arrived(socket: RawFd) -> bool {
    let peeked = recv(
        socket,
        &mut [0],
        MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT,
    );
    peeked.is_ok_and(|bytes| bytes > 0)
}

/// Shuts down a socket that is known to be open. It is no error if the peer was faster.
pub(crate) fn shutdown(socket: RawFd, how: Shutdown) {
    let how = match how {
        Shutdown::Read => nix::sys::socket::Shutdown::Read,
        Shutdown::Write => nix::sys::socket::Shutdown::Write,
        Shutdown::Both => nix::sys::socket::Shutdown::Both,
    };
    let _ = nix::sys::socket::shutdown(socket, how);
}

/// One connection's deadline; none is set at first.
pub struct Deadline {
    deadlines: Rc<Deadlines>,
    key: usize,
}

impl Deadline {
    /// Sets or moves it.
    pub fn set(&self, wait: Wait, at: Instant) {
        let at = match (wait, self.deadlines.idle_until.get()) {
            (Wait::Idle, Some(cap)) => at.min(cap),
            _ => at,
        };
        self.deadlines.entries.borrow_mut()[self.key].wait = Some((wait, at));
    }

    /// Moves it `by` so much, and at most to `latest`; never back.
    pub fn extend(&self, by: Duration, latest: Instant) {
        if let Some((_, at)) = &mut self.deadlines.entries.borrow_mut()[self.key].wait {
            *at = (*at + by).min(latest).max(*at);
        }
    }

    /// Removes it.
    pub fn clear(&self) {
        self.deadlines.entries.borrow_mut()[self.key].wait = None;
    }

    /// Whether a deadline has ever passed, or everything was cut: then the socket is shut down, for
    /// reading at least.
    pub fn has_expired(&self) -> bool {
        self.expired().is_some()
    }

    /// What the connection waited for when its deadline passed.
    pub fn expired(&self) -> Option<Wait> {
        self.deadlines.entries.borrow()[self.key].expired
    }

    /// Whether the connection was closed to make room for another one.
    pub fn gives_way(&self) -> bool {
        self.deadlines.entries.borrow()[self.key].gives_way
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let entry = self.deadlines.entries.borrow_mut().remove(self.key);
        self.deadlines.room.left(self.key, entry.gives_way);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::{fd::AsRawFd, unix::net::UnixStream},
    };

    use super::*;

    #[test]
    fn a_passed_deadline_ends_the_read_and_leaves_the_answer_possible() {
        let deadlines = Rc::new(Deadlines::default());
        let (mut ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let deadline = deadlines.watch(ours.as_raw_fd(), None);
        let now = Instant::now();
        deadline.set(Wait::Read, now + Duration::from_secs(1));
        deadlines.expire(now);
        assert!(!deadline.has_expired());
        deadlines.expire(now + Duration::from_secs(1));
        assert!(deadline.has_expired());
        assert_eq!(ours.read(&mut [0; 8]).expect("the end"), 0);
        ours.write_all(b"408").expect("still writable");
        let mut answer = [0; 3];
        theirs.read_exact(&mut answer).expect("the answer");
        assert_eq!(&answer, b"408");
    }

    #[test]
    fn an_idle_connection_on_which_a_request_begins_does_not_expire() {
        let deadlines = Rc::new(Deadlines::default());
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let deadline = deadlines.watch(ours.as_raw_fd(), None);
        let now = Instant::now();
        theirs.write_all(b"P").expect("writable");
        deadline.set(Wait::Idle, now);
        deadlines.expire(now);
        assert!(!deadline.has_expired());
        // The rest of a request that has begun has its own time, whatever arrives.
        deadline.set(Wait::Read, now);
        deadlines.expire(now);
        assert_eq!(deadline.expired(), Some(Wait::Read));
    }

    #[test]
    fn time_that_the_worker_loses_is_not_its_clients_fault() {
        let deadlines = Rc::new(Deadlines::default());
        let (ours, _theirs) = UnixStream::pair().expect("a socket pair");
        let deadline = deadlines.watch(ours.as_raw_fd(), None);
        let now = Instant::now();
        deadline.set(Wait::Read, now + Duration::from_secs(1));
        deadlines.postpone(Duration::from_secs(2));
        deadlines.expire(now + Duration::from_millis(2_999));
        assert!(!deadline.has_expired());
        deadlines.expire(now + Duration::from_secs(3));
        assert!(deadline.has_expired());
    }

    #[test]
    fn a_client_that_takes_nothing_is_cut() {
        let deadlines = Rc::new(Deadlines::default());
        let (mut ours, _theirs) = UnixStream::pair().expect("a socket pair");
        let deadline = deadlines.watch(ours.as_raw_fd(), None);
        deadline.set(Wait::Write, Instant::now());
        deadlines.expire(Instant::now());
        assert!(ours.write_all(b"x").is_err());
    }

    #[test]
    fn progress_extends_a_deadline_within_a_bound() {
        let deadlines = Rc::new(Deadlines::default());
        let (ours, _theirs) = UnixStream::pair().expect("a socket pair");
        let deadline = deadlines.watch(ours.as_raw_fd(), None);
        let second = |n| Instant::now() + Duration::from_secs(n);
        deadline.extend(Duration::from_secs(9), second(9));
        deadline.set(Wait::Read, second(10));
        deadline.extend(Duration::from_secs(2), second(60));
        deadlines.expire(second(11));
        assert!(!deadline.has_expired());
        deadline.extend(Duration::from_mins(1), second(20));
        deadline.extend(Duration::from_secs(1), second(0));
        deadlines.expire(second(19));
        assert!(!deadline.has_expired());
        deadlines.expire(second(21));
        assert!(deadline.has_expired());
    }

    #[test]
    fn one_kind_of_wait_can_be_shortened() {
        let deadlines = Rc::new(Deadlines::default());
        let pair = UnixStream::pair().expect("a socket pair");
        let (idle, reading) = (
            deadlines.watch(pair.0.as_raw_fd(), None),
            deadlines.watch(pair.1.as_raw_fd(), None),
        );
        let now = Instant::now();
        idle.set(Wait::Idle, now + Duration::from_mins(1));
        reading.set(Wait::Read, now + Duration::from_mins(1));
        deadlines.cap_idle(now);
        deadlines.expire(now);
        assert_eq!((idle.has_expired(), reading.has_expired()), (true, false));
        // The kernel had accepted it before the drain, and it is accepted after its beginning.
        let late = deadlines.watch(pair.0.as_raw_fd(), None);
        late.set(Wait::Idle, now + Duration::from_mins(1));
        deadlines.expire(now);
        assert!(late.has_expired());
        // What is accepted after the worker was held up has as much longer.
        let second = Duration::from_secs(1);
        deadlines.postpone(second);
        let later = deadlines.watch(pair.0.as_raw_fd(), None);
        later.set(Wait::Idle, now + Duration::from_mins(1));
        deadlines.expire(now);
        assert!(!later.has_expired());
        deadlines.expire(now + second);
        assert!(later.has_expired());
        drop((idle, reading, late, later));
        assert!(deadlines.is_empty());
    }
}
