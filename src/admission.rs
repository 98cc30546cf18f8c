//! Limits of the memory in use at once, with permits that are returned by being dropped.
//!
//! The memory for data in flight is one budget of the process. Each worker has a part of its own, and takes
//! more from what is left over in chunks. Within a worker a client may hold at most `SHARE` times of what
//! is still free ("dynamic thresholds", Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2),
//! 1998): one that is alone gets four fifths of the budget, two get four ninths each, and there is always
//! some left for one that comes later.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    rc::Rc,
    sync::Arc,
};

use crate::sync::atomic::{AtomicUsize, Ordering};

/// The most that one client may hold, as a multiple of what is free.
pub const SHARE: usize = 4;

/// The part of the budget that may be reserved for bytes that have not arrived: 1 / this.
const ANNOUNCED_SHARE: usize = 4;

/// The most that a connection takes beside the segment that it reads into and what is counted as in flight:
/// its task and state, a small answer, the head of the last request, its places in the worker's tables.
pub const CONNECTION_BYTES: usize = 5 * 1024;

/// What a worker takes from the process's budget at a time, in bytes.
const CHUNK: usize = 1024 * 1024;

/// Clients are distinguished by a hash of this many values. Those with the same one have one share.
const HOLDERS: usize = 4096;

/// The memory of the process that no worker has.
#[derive(Debug)]
pub struct SharedBudget {
    free: AtomicUsize,
    /// What each worker has taken.
    taken: Box<[AtomicUsize]>,
}

impl SharedBudget {
    /// For `workers` workers, with `free` bytes beside what is theirs.
    pub fn new(workers: usize, free: usize) -> Self {
        Self {
            free: AtomicUsize::new(free),
            taken: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed)
    }

    fn take(&self, worker: usize, bytes: usize) -> bool {
        let less = |free: usize| free.checked_sub(bytes);
        let taken = self
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        if taken.is_ok() {
            self.taken[worker].fetch_add(bytes, Ordering::Relaxed);
        }
        taken.is_ok()
    }

    fn give_back(&self, worker: usize, bytes: usize) {
        self.taken[worker].fetch_sub(bytes, Ordering::Relaxed);
        self.free.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes back what the predecessor of a worker had when it failed.
    fn reclaim(&self, worker: usize) {
        let taken = self.taken[worker].swap(0, Ordering::Relaxed);
        self.free.fetch_add(taken, Ordering::Relaxed);
    }
}

/// The client that holds memory: a principal or, where there is none, an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(u16);

impl Holder {
    /// Of memory that no client is known for.
    pub const UNKNOWN: Self = Self(0);

    /// How many there are.
    pub const COUNT: usize = HOLDERS;

    /// Its number, below [`COUNT`](Self::COUNT).
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One worker's budget of memory for bodies being read and records not yet acknowledged.
///
/// A permit covers the capacity retained, not only the bytes used of it.
#[derive(Debug)]
pub struct Admission {
    shared: Arc<SharedBudget>,
    worker: usize,
    /// What is the worker's own in any case.
    own_bytes: usize,
    /// Its own, and what it has taken of the process's.
    granted_bytes: Cell<usize>,
    in_flight_bytes: Cell<usize>,
    /// Those of them for bytes that have not arrived.
    announced_bytes: Cell<usize>,
    /// What each client holds.
    held_bytes: Box<[Cell<usize>]>,
    hasher: RandomState,
}

/// The budget is used up, or the client's share of it. The client may retry: 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory for data in flight is used up")]
pub struct AdmissionError;

impl Admission {
    /// A budget of `in_flight_bytes_max` bytes, all free, that is not shared.
    pub fn new(in_flight_bytes_max: usize) -> Self {
        Self::of_worker(0, in_flight_bytes_max, &Arc::new(SharedBudget::new(1, 0)))
    }

    /// The budget of the worker with this index: `own_bytes`, and what is free of the shared ones.
    pub fn of_worker(worker: usize, own_bytes: usize, shared: &Arc<SharedBudget>) -> Self {
        shared.reclaim(worker);
        Self {
            shared: Arc::clone(shared),
            worker,
            own_bytes,
            granted_bytes: Cell::new(own_bytes),
            in_flight_bytes: Cell::new(0),
            announced_bytes: Cell::new(0),
            held_bytes: vec![Cell::new(0); HOLDERS].into(),
            hasher: RandomState::new(),
        }
    }

    /// The client with this name or, if it has none, in the `Subnet` with this
    /// number.
    pub fn holder(&self, principal: Option<&str>, subnet: u64) -> Holder {
        let hash = match principal {
            Some(name) => self.hasher.hash_one(name),
            None => self.hasher.hash_one(subnet),
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the remainder is below HOLDERS"
        )]
        Holder((hash % HOLDERS as u64) as u16)
    }

    /// Bytes of all permits.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes.get()
    }

    /// Bytes that no permit has and that this worker can get.
    pub fn free_bytes(&self) -> usize {
        // What was charged may be more than there was.
        (self.granted_bytes.get() + self.shared.free()).saturating_sub(self.in_flight_bytes.get())
    }

    /// Whether the client would get so many bytes.
    pub fn has_room(&self, holder: Holder, bytes: usize) -> bool {
        bytes <= self.free_bytes() && self.is_within_share(holder, bytes)
    }

    /// Takes `bytes` from the budget for a request until the permit is dropped.
    ///
    /// # Errors
    /// [`AdmissionError`] when less is left, or the client has its share.
    pub fn admit(self: &Rc<Self>, holder: Holder, bytes: usize) -> Result<Permit, AdmissionError> {
        if !self.is_within_share(holder, bytes) {
            return Err(AdmissionError);
        }
        self.take(holder, bytes)
    }

    /// As [`admit`](Self::admit), for a body that has not arrived, and only as long as a part of the
    /// budget is reserved so. Otherwise the memory of a body has to grow with what arrives.
    pub fn announce(self: &Rc<Self>, holder: Holder, bytes: usize) -> Option<Permit> {
        let announced = self.announced_bytes.get() + bytes;
        let all = self.in_flight_bytes.get() + self.free_bytes();
        if announced > all / ANNOUNCED_SHARE {
            return None;
        }
        let mut permit = self.admit(holder, bytes).ok()?;
        self.announced_bytes.set(announced);
        permit.announced = bytes;
        Some(permit)
    }

    /// Takes `bytes` until the permit is dropped, even where there are less: memory that is in use already.
    /// What is too much keeps further requests out.
    pub fn charge(self: &Rc<Self>, holder: Holder, bytes: usize) -> Permit {
        self.take(holder, bytes)
            .unwrap_or_else(|AdmissionError| self.record(holder, bytes))
    }

    /// Whether the client may hold so many bytes more where others want some.
    fn is_within_share(&self, holder: Holder, bytes: usize) -> bool {
        let held = self.held(holder).get() + bytes;
        held <= self.free_bytes().saturating_mul(SHARE)
    }

    fn take(self: &Rc<Self>, holder: Holder, bytes: usize) -> Result<Permit, AdmissionError> {
        let granted = self.granted_bytes.get();
        let taken = self.in_flight_bytes.get() + bytes;
        if let Some(missing) = taken.checked_sub(granted).filter(|missing| *missing > 0) {
            let grant = |bytes| self.shared.take(self.worker, bytes).then_some(bytes);
            let more = grant(missing.next_multiple_of(CHUNK)).or_else(|| grant(missing));
            self.granted_bytes
                .set(granted + more.ok_or(AdmissionError)?);
        }
        Ok(self.record(holder, bytes))
    }

    fn record(self: &Rc<Self>, holder: Holder, bytes: usize) -> Permit {
        self.in_flight_bytes.set(self.in_flight_bytes.get() + bytes);
        let held = self.held(holder);
        held.set(held.get() + bytes);
        Permit {
            admission: Rc::clone(self),
            bytes,
            announced: 0,
            holder,
        }
    }

    fn held(&self, holder: Holder) -> &Cell<usize> {
        &self.held_bytes[holder.index()]
    }

    /// Returns to the process what this worker has too much of.
    fn return_chunks(&self) {
        let granted = self.granted_bytes.get();
        let spare = granted.saturating_sub(self.in_flight_bytes.get());
        if granted > self.own_bytes && spare >= 2 * CHUNK {
            let returned = (granted - self.own_bytes).min(spare - CHUNK);
            self.granted_bytes.set(granted - returned);
            self.shared.give_back(self.worker, returned);
        }
    }
}

/// A permit for bytes of the budget, returned on drop.
#[derive(Debug)]
pub struct Permit {
    admission: Rc<Admission>,
    bytes: usize,
    /// Those of them for bytes that have not arrived.
    announced: usize,
    holder: Holder,
}

impl Permit {
    /// The client that it is charged to.
    pub fn holder(&self) -> Holder {
        self.holder
    }

    /// Takes `more` bytes; none are returned before the drop.
    ///
    /// # Errors
    /// As for [`another`](Self::another); the permit stays as it was.
    pub fn grow_by(&mut self, more: usize) -> Result<(), AdmissionError> {
        let mut extra = self.another(more)?;
        self.bytes += std::mem::take(&mut extra.bytes);
        Ok(())
    }

    /// Takes what is missing to so many bytes.
    ///
    /// # Errors
    /// As for [`another`](Self::another); the permit stays as it was.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), AdmissionError> {
        match bytes.checked_sub(self.bytes) {
            Some(more @ 1..) => self.grow_by(more),
            Some(0) | None => Ok(()),
        }
    }

    /// Takes `bytes` more for the same request.
    ///
    /// # Errors
    /// [`AdmissionError`] when less is left, or the client has its share. Where no other client holds
    /// memory, all of the worker's own can be taken: it is enough for any request.
    pub fn another(&self, bytes: usize) -> Result<Self, AdmissionError> {
        let (admission, holder) = (&self.admission, self.holder);
        if bytes == 0 {
            return Ok(admission.record(holder, 0));
        }
        let held = admission.held(holder).get();
        let is_alone = held == admission.in_flight_bytes() && held + bytes <= admission.own_bytes;
        if !is_alone && !admission.is_within_share(holder, bytes) {
            return Err(AdmissionError);
        }
        admission.take(holder, bytes)
    }

    /// The bytes that the permit is for have all arrived.
    pub fn arrived(&mut self) {
        let announced = &self.admission.announced_bytes;
        announced.set(announced.get() - std::mem::take(&mut self.announced));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.arrived();
        let Self {
            admission,
            bytes,
            holder,
            ..
        } = self;
        for held in [&admission.in_flight_bytes, admission.held(*holder)] {
            held.set(held.get() - *bytes);
        }
        admission.return_chunks();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Holder = Holder(1);
    const B: Holder = Holder(2);

    #[test]
    fn the_budget_is_exact_and_returned() {
        let admission = Rc::new(Admission::new(100));
        let mut first = admission.admit(A, 60).expect("60 of 100");
        assert_eq!(
            admission.admit(B, 41).expect_err("101 of 100"),
            AdmissionError
        );
        assert_eq!(admission.free_bytes(), 40);
        let second = admission.admit(B, 40).expect("100 of 100");
        assert_eq!(admission.free_bytes(), 0);
        assert_eq!(first.grow_by(1), Err(AdmissionError));
        drop(second);
        first.grow_by(40).expect("100 of 100");
        first.grow_by(0).expect("nothing more");
        assert_eq!(admission.in_flight_bytes(), 100);
        drop(first);
        assert_eq!(admission.in_flight_bytes(), 0);
    }

    /// So many permits of one byte until one is refused.
    fn all_for(admission: &Rc<Admission>, holder: Holder) -> Vec<Permit> {
        std::iter::from_fn(|| admission.admit(holder, 1).ok()).collect()
    }

    #[test]
    fn there_is_always_some_left_for_another_client() {
        let admission = Rc::new(Admission::new(900));
        let first = all_for(&admission, A);
        assert_eq!(first.len(), 720, "four fifths");
        let second = all_for(&admission, B);
        assert_eq!(second.len(), 144, "and of the rest");
        assert!(!all_for(&admission, Holder(3)).is_empty());
        // What the first one gives back goes to both.
        drop(first);
        let more = all_for(&admission, B);
        assert_eq!(second.len() + more.len(), 720);
        assert_eq!(all_for(&admission, A).len(), 144);
    }

    #[test]
    fn a_request_that_is_alone_gets_all_that_it_needs() {
        let admission = Rc::new(Admission::new(100));
        let first = admission.admit(A, 90).expect("90 of 100");
        assert_eq!(
            admission.admit(A, 10).expect_err("beyond its share"),
            AdmissionError
        );
        let more = first.another(10).expect("all of it");
        drop(more);
        let other = admission.admit(B, 1).expect("there is some left");
        assert_eq!(first.another(9).expect_err("not alone"), AdmissionError);
        drop(other);
        assert!(first.another(9).is_ok());
    }

    #[test]
    fn a_part_of_the_budget_is_for_what_has_not_arrived() {
        let admission = Rc::new(Admission::new(100));
        let mut first = admission.announce(A, 20).expect("20 of 25");
        assert!(admission.announce(B, 6).is_none());
        let second = admission.announce(B, 5).expect("25 of 25");
        first.arrived();
        let third = admission.announce(B, 20).expect("25 of 25 again");
        drop((second, third));
        assert!(admission.announce(B, 25).is_some());
        assert_eq!(admission.in_flight_bytes(), 20);
    }

    #[test]
    fn what_is_in_use_is_charged_in_any_case() {
        let admission = Rc::new(Admission::new(100));
        let charged = admission.charge(A, 150);
        assert_eq!(
            (admission.in_flight_bytes(), admission.free_bytes()),
            (150, 0)
        );
        assert!(admission.admit(B, 1).is_err());
        drop(charged);
        assert_eq!(
            (admission.in_flight_bytes(), admission.free_bytes()),
            (0, 100)
        );
    }

    #[test]
    fn workers_share_what_is_left_over() {
        const MIB: usize = 1024 * 1024;
        let shared = Arc::new(SharedBudget::new(2, 10 * MIB));
        let [first, second] =
            [0, 1].map(|worker| Rc::new(Admission::of_worker(worker, MIB, &shared)));
        let most = first.charge(A, 11 * MIB);
        assert_eq!((first.free_bytes(), second.free_bytes()), (0, MIB));
        let own = second.charge(A, MIB);
        assert!(second.admit(B, 1).is_err());
        drop(most);
        assert!(second.free_bytes() >= 9 * MIB, "at most a chunk stays");
        drop(second.admit(B, 5 * MIB).expect("there is some again"));

        // A worker that fails leaves its permits behind.
        let lost = second.charge(B, 5 * MIB);
        let replacement = Admission::of_worker(1, MIB, &shared);
        assert!(replacement.free_bytes() >= 10 * MIB);
        std::mem::forget((second, own, lost));
    }

    #[test]
    fn clients_are_principals_else_subnets() {
        let admission = Admission::new(1);
        assert_eq!(
            admission.holder(Some("a"), 1),
            admission.holder(Some("a"), 2)
        );
        let same = |subnet| admission.holder(None, subnet) == admission.holder(None, 1_000);
        assert!((0..100).filter(|n| same(*n)).count() < 3);
    }
}
