//! Room for another connection where all are in use: an idle one gives way, or the oldest in the reserve.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    os::fd::RawFd,
    rc::Rc,
    time::Instant,
};

use super::{Deadline, Deadlines, Wait, has_arrived};

/// Idle connections that one search finds, at most.
const CANDIDATES_MAX: usize = 256;

/// Connections that the searches of one moment look at, before the last of them: searching all for each new
/// connection would take too long while very many arrive.
const SEARCHED_MAX: usize = 4_096;

/// Where room can be made.
#[derive(Default)]
pub(super) struct Room {
    /// Idle connections, the one whose time is over soonest first. They may be busy or gone meanwhile.
    candidates: RefCell<VecDeque<Candidate>>,
    /// When they were last searched, and how many connections were looked at in that moment.
    searched: Cell<Option<(Instant, usize)>>,
    /// The keys of the connections in the reserve, the oldest first.
    reserve: RefCell<VecDeque<usize>>,
    /// Connections that give way and are not gone yet.
    leaving: Cell<usize>,
}

struct Candidate {
    key: usize,
    owner: Option<u64>,
    idle_until: Instant,
}

impl Room {
    /// A connection is gone.
    pub(super) fn left(&self, key: usize, gave_way: bool) {
        self.reserve.borrow_mut().retain(|it| *it != key);
        if gave_way {
            self.leaving.set(self.leaving.get() - 1);
        }
    }
}

impl Deadlines {
    /// Closes an idle connection, of this owner only if one is given: the one whose time is over soonest.
    /// Of connections that wait for a request like the one before that is the one that has idled longest,
    /// and those that never sent a byte come first, as their time is shorter. `false` if none is found; where
    /// there are very many connections, they are searched once for each `now`.
    pub fn make_room(&self, owner: Option<u64>, now: Instant) -> bool {
        self.close_candidate(owner) || (self.search(now) && self.close_candidate(owner))
    }

    /// Whether idle connections were searched.
    fn search(&self, now: Instant) -> bool {
        let entries = self.entries.borrow();
        let searched = self.room.searched.get().filter(|(at, _)| *at == now);
        let looked_at = searched.map_or(0, |(_, count)| count);
        if looked_at >= SEARCHED_MAX {
            return false;
        }
        (self.room.searched).set(Some((now, looked_at + entries.len())));
        let idle = entries.iter().filter_map(|(key, entry)| match entry.wait {
            Some((Wait::Idle, idle_until)) => Some(Candidate {
                key,
                owner: entry.owner,
                idle_until,
            }),
            _ => None,
        });
        let mut found: Vec<Candidate> = idle.collect();
        if found.len() > CANDIDATES_MAX {
            found.select_nth_unstable_by_key(CANDIDATES_MAX, |it| it.idle_until);
            found.truncate(CANDIDATES_MAX);
        }
        found.sort_unstable_by_key(|it| it.idle_until);
        self.room.candidates.replace(found.into());
        true
    }

    fn close_candidate(&self, owner: Option<u64>) -> bool {
        let mut candidates = self.room.candidates.borrow_mut();
        let mut entries = self.entries.borrow_mut();
        let fits = |it: &Candidate| owner.is_none() || it.owner == owner;
        while let Some(position) = candidates.iter().position(fits) {
            let Some(candidate) = candidates.remove(position) else {
                break;
            };
            if let Some(entry) = entries.get_mut(candidate.key)
                && entry.wait == Some((Wait::Idle, candidate.idle_until))
                && !has_arrived(entry.socket)
            {
                entry.wait = None;
                entry.gives_way = true;
                self.room.leaving.set(self.room.leaving.get() + 1);
                entry.expire(Wait::Idle);
                return true;
            }
        }
        false
    }

    /// As [`watch`](Self::watch), for a connection in the reserve.
    pub fn watch_reserved(self: &Rc<Self>, socket: RawFd) -> Deadline {
        let deadline = self.watch(socket, None);
        self.room.reserve.borrow_mut().push_back(deadline.key);
        deadline
    }

    /// Connections in the reserve that do not give way yet.
    pub fn reserved(&self) -> usize {
        self.room.reserve.borrow().len()
    }

    /// Ends the oldest connection in the reserve. Unless it has its answer, that can still be sent.
    pub fn end_oldest_reserved(&self) {
        let Some(key) = self.room.reserve.borrow_mut().pop_front() else {
            return;
        };
        let mut entries = self.entries.borrow_mut();
        let entry = &mut entries[key];
        let wait = entry.wait.take().map_or(Wait::Idle, |(wait, _)| wait);
        if !std::mem::replace(&mut entry.gives_way, true) {
            self.room.leaving.set(self.room.leaving.get() + 1);
        }
        entry.expire(match wait {
            Wait::Read | Wait::Idle => wait,
            Wait::Write | Wait::Linger => Wait::Write,
        });
    }

    /// Connections that give way and are not gone yet.
    pub fn leaving(&self) -> usize {
        self.room.leaving.get()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        os::{fd::AsRawFd, unix::net::UnixStream},
        time::Duration,
    };

    use super::*;

    /// A connection of this owner that idles for so many more seconds; the client's side and its deadline.
    fn idle(
        deadlines: &Rc<Deadlines>,
        now: Instant,
        owner: u64,
        seconds: u64,
    ) -> (UnixStream, UnixStream, Deadline) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let deadline = deadlines.watch(ours.as_raw_fd(), Some(owner));
        deadline.set(Wait::Idle, now + Duration::from_secs(seconds));
        (ours, theirs, deadline)
    }

    #[test]
    fn idle_connections_give_way_in_order_and_no_other() {
        let deadlines = Rc::new(Deadlines::default());
        let now = Instant::now();
        let [first, last, busy, mut begun] =
            [1, 9, 2, 0].map(|seconds| idle(&deadlines, now, 1, seconds));
        busy.2.clear();
        begun.1.write_all(b"P").expect("writable");
        let gone = idle(&deadlines, now, 1, 0);
        drop(gone.2);
        for expected in [&first, &last] {
            assert!(!expected.2.gives_way());
            assert!(deadlines.make_room(None, now));
            assert!(expected.2.gives_way());
            assert_eq!(expected.2.expired(), Some(Wait::Idle));
        }
        assert!(!deadlines.make_room(None, now + Duration::from_millis(1)));
        assert!(!busy.2.has_expired() && !begun.2.has_expired());
        assert_eq!(deadlines.leaving(), 2);
        drop((first.2, last.2));
        assert_eq!(deadlines.leaving(), 0);
    }

    #[test]
    fn connections_of_one_owner_give_way_to_it() {
        let deadlines = Rc::new(Deadlines::default());
        let now = Instant::now();
        let [others, own] = [(1, 1), (2, 5)].map(|(net, idles)| idle(&deadlines, now, net, idles));
        let owner = 2;
        assert!(deadlines.make_room(Some(owner), now));
        assert!(own.2.gives_way() && !others.2.gives_way());
        assert!(!deadlines.make_room(Some(owner), now + Duration::from_millis(1)));
    }

    /// One search serves many new connections; a connection that has been used meanwhile stays.
    #[test]
    fn searches_of_one_moment_are_bounded() {
        let deadlines = Rc::new(Deadlines::default());
        let now = Instant::now();
        let count = CANDIDATES_MAX as u64 + 10;
        let connections: Vec<_> = (0..count)
            .map(|it| idle(&deadlines, now, 1, count - it))
            .collect();
        deadlines.room.searched.set(Some((now, SEARCHED_MAX - 1)));
        assert!(deadlines.make_room(None, now));
        connections[20]
            .2
            .set(Wait::Idle, now + Duration::from_mins(9));
        let closed = std::iter::repeat_with(|| deadlines.make_room(None, now));
        assert_eq!(closed.take_while(|it| *it).count(), CANDIDATES_MAX - 2);
        let left: Vec<usize> = (0..connections.len())
            .filter(|it| !connections[*it].2.gives_way())
            .collect();
        assert_eq!(left, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20]);
        assert!(deadlines.make_room(None, now + Duration::from_millis(1)));
    }

    #[test]
    fn the_oldest_of_the_reserve_gives_way() {
        let deadlines = Rc::new(Deadlines::default());
        let pairs = [(); 3].map(|()| UnixStream::pair().expect("a socket pair"));
        let [silent, lingering, newest] =
            [0, 1, 2].map(|it: usize| deadlines.watch_reserved(pairs[it].0.as_raw_fd()));
        lingering.set(Wait::Linger, Instant::now());
        assert_eq!(deadlines.reserved(), 3);
        deadlines.end_oldest_reserved();
        deadlines.end_oldest_reserved();
        let expired = [&silent, &lingering, &newest].map(Deadline::expired);
        assert_eq!(expired, [Some(Wait::Idle), Some(Wait::Write), None]);
        assert_eq!((deadlines.reserved(), deadlines.leaving()), (1, 2));
        drop((silent, lingering, newest));
        assert_eq!((deadlines.reserved(), deadlines.leaving()), (0, 0));
    }
}
