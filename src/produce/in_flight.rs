//! The in-flight table: every request whose records librdkafka has, and the memory they are in.
//!
//! librdkafka hands a word back with each delivery report. It is an index into this table and a
//! generation, never a pointer, so that a report can be late, twice or wrong without harm.

use std::{ffi::c_void, ptr, task::Waker, time::Instant};

use slab::Slab;

use super::fault::{Failure, Fault, Persisted};
use crate::{admission::Permit, buffer::Frozen};

/// Records of one request at most: what the opaque word has room for.
pub const RECORDS_MAX: usize = 1 << RECORD_BITS;

const RECORD_BITS: u32 = 20;
const INDEX_BITS: u32 = 20;
const GENERATION_BITS: u32 = 24;
const _: () = assert!(RECORD_BITS + INDEX_BITS + GENERATION_BITS == usize::BITS);

/// Names a request in the table, and only that one: the slot may be used again, the generation not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    index: usize,
    generation: usize,
}

impl Key {
    /// The word for one record of the request.
    pub(super) fn opaque(self, record: usize) -> *mut c_void {
        debug_assert!(record < RECORDS_MAX);
        let word =
            (self.generation << (RECORD_BITS + INDEX_BITS)) | (self.index << RECORD_BITS) | record;
        ptr::without_provenance_mut(word)
    }

    fn from_opaque(opaque: *mut c_void) -> (Self, usize) {
        let word = opaque.addr();
        let index = (word >> RECORD_BITS) & ((1 << INDEX_BITS) - 1);
        let generation = word >> (RECORD_BITS + INDEX_BITS);
        (Self { index, generation }, word & (RECORDS_MAX - 1))
    }
}

/// How one record that was not delivered ended.
struct Miss {
    record: u32,
    fault: Fault,
    maybe_persisted: bool,
}

/// One request whose records are with librdkafka.
struct Request {
    generation: usize,
    records: usize,
    /// Records without a delivery report.
    pending: usize,
    misses: Vec<Miss>,
    deadline: Instant,
    timed_out: bool,
    /// The topic whose partition its records find out.
    scouts_for: Option<usize>,
    /// Who waits for the end; nobody once the client was answered or has gone.
    waiting: bool,
    waker: Option<Waker>,
    /// Released with the entry, and so never before the last delivery report.
    _memory: (Frozen, Permit),
}

/// What a delivery report, or its absence, means for the request it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Taken down.
    Known,
    /// Taken down, and the first to tell which partition the topic's partitioner has chosen.
    Scouted {
        /// The topic's index.
        topic: usize,
    },
    /// No such request: it must not happen, and is counted.
    Stray,
}

/// The table of one worker.
#[derive(Default)]
pub(super) struct InFlight {
    requests: Slab<Request>,
    generation: usize,
    /// Records with librdkafka, over all requests.
    records: usize,
}

impl InFlight {
    /// Records that have been enqueued and not reported.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    pub(super) fn has_room(&self) -> bool {
        self.requests.len() < 1 << INDEX_BITS
    }

    /// Enters a request before its records are enqueued, `records` of them pending.
    pub(super) fn enter(
        &mut self,
        records: usize,
        memory: Frozen,
        permit: Permit,
        deadline: Instant,
        scouts_for: Option<usize>,
    ) -> Key {
        self.generation = (self.generation + 1) & ((1 << GENERATION_BITS) - 1);
        self.records += records;
        let generation = self.generation;
        let index = self.requests.insert(Request {
            generation,
            records,
            pending: records,
            misses: Vec::new(),
            deadline,
            timed_out: false,
            scouts_for,
            waiting: true,
            waker: None,
            _memory: (memory, permit),
        });
        Key { index, generation }
    }

    fn find(&mut self, key: Key) -> Option<&mut Request> {
        self.requests
            .get_mut(key.index)
            .filter(|request| request.generation == key.generation)
    }

    /// Takes down how one record ended: `Ok` delivered, else the fault and whether the brokers
    /// may have it nevertheless.
    pub(super) fn report(&mut self, opaque: *mut c_void, end: Result<(), (Fault, bool)>) -> Report {
        let (key, record) = Key::from_opaque(opaque);
        let Some(request) = self.find(key) else {
            return Report::Stray;
        };
        if request.pending == 0 {
            return Report::Stray;
        }
        let scouted = request.scouts_for.take_if(|_| end.is_ok());
        if let Err((fault, maybe_persisted)) = end {
            let record = u32::try_from(record).unwrap_or(u32::MAX);
            request.misses.push(Miss {
                record,
                fault,
                maybe_persisted,
            });
        }
        request.pending -= 1;
        let ended = request.pending == 0;
        let waiting = request.waiting;
        if ended && let Some(waker) = request.waker.take() {
            waker.wake();
        }
        self.records -= 1;
        if ended && !waiting {
            self.requests.remove(key.index);
        }
        scouted.map_or(Report::Known, |topic| Report::Scouted { topic })
    }

    /// How the request ended, if it has: then the entry is gone, or stays without anyone waiting
    /// until its last report is in. Else `waker` is woken when it ends.
    pub(super) fn end(&mut self, key: Key, waker: &Waker) -> Option<Result<usize, Failure>> {
        let request = self.find(key)?;
        if request.pending == 0 {
            let request = self.requests.remove(key.index);
            return Some(request.into_end());
        }
        if request.timed_out {
            request.waiting = false;
            return Some(Err(request.timed_out_end()));
        }
        match &mut request.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        None
    }

    /// Nobody waits for the request any more. Its memory stays until its last report.
    pub(super) fn abandon(&mut self, key: Key) {
        if let Some(request) = self.find(key) {
            request.waiting = false;
            request.waker = None;
            if request.pending == 0 {
                self.requests.remove(key.index);
            }
        }
    }

    /// Ends the wait for requests whose deadline has passed without all reports.
    pub(super) fn expire(&mut self, now: Instant) {
        for (_, request) in &mut self.requests {
            if request.waiting && request.pending > 0 && request.deadline <= now {
                request.timed_out = true;
                if let Some(waker) = request.waker.take() {
                    waker.wake();
                }
            }
        }
    }
}

impl Request {
    fn into_end(self) -> Result<usize, Failure> {
        match self.misses.iter().map(|miss| miss.fault).max() {
            None => Ok(self.records),
            Some(fault) => Err(Failure {
                fault,
                persisted: self.persisted(),
            }),
        }
    }

    /// What is not reported yet may be anywhere.
    fn timed_out_end(&self) -> Failure {
        Failure {
            fault: Fault::TimedOut,
            persisted: self.persisted(),
        }
    }

    fn persisted(&self) -> Persisted {
        let lost = self.misses.iter().filter(|miss| !miss.maybe_persisted);
        match lost.count() {
            lost if lost == self.records => Persisted::No,
            // What has no report yet may be anywhere, and a good report may have been for any.
            0 if self.pending > 0 || self.misses.len() == self.records => Persisted::Unknown,
            _ => self.by_record(),
        }
    }

    fn by_record(&self) -> Persisted {
        let mut missed = vec![None; self.records];
        for miss in &self.misses {
            if let Some(slot) = missed.get_mut(miss.record as usize) {
                *slot = Some(miss.maybe_persisted);
            }
        }
        let (mut delivered, mut lost, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (record, missed) in (0_u32..).zip(missed) {
            match missed {
                // Good reports are only counted: while some are pending, one without a miss
                // may be either.
                None if self.pending > 0 => unknown.push(record),
                None => delivered.push(record),
                Some(true) => unknown.push(record),
                Some(false) => lost.push(record),
            }
        }
        Persisted::Partial {
            delivered,
            lost,
            unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, sync::Arc, task::Wake, time::Duration};

    use super::*;
    use crate::{admission::Admission, buffer::Pool};

    struct Asleep;
    impl Wake for Asleep {
        fn wake(self: Arc<Self>) {}
    }

    fn waker() -> Waker {
        Arc::new(Asleep).into()
    }

    struct Bench {
        admission: Rc<Admission>,
        table: InFlight,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                admission: Rc::new(Admission::new(1 << 20)),
                table: InFlight::default(),
            }
        }

        fn enter(&mut self, records: usize) -> Key {
            let mut buffer = Rc::new(Pool::default()).take(1);
            buffer.append(b"{}");
            let permit = self
                .admission
                .admit(buffer.capacity())
                .expect("within the budget");
            let deadline = Instant::now() + Duration::from_mins(1);
            self.table
                .enter(records, buffer.freeze(0..2), permit, deadline, None)
        }

        fn end(&mut self, key: Key) -> Option<Result<usize, Failure>> {
            self.table.end(key, &waker())
        }
    }

    #[test]
    fn a_request_ends_with_its_last_report_and_frees_its_memory_then() {
        let mut bench = Bench::new();
        let key = bench.enter(2);
        assert_eq!(bench.table.report(key.opaque(1), Ok(())), Report::Known);
        assert_eq!(bench.end(key), None);
        assert!(bench.admission.in_flight_bytes() > 0);
        assert_eq!(bench.table.report(key.opaque(0), Ok(())), Report::Known);
        assert_eq!(bench.end(key), Some(Ok(2)));
        assert_eq!(
            (bench.admission.in_flight_bytes(), bench.table.records()),
            (0, 0)
        );
    }

    #[test]
    fn reports_for_a_slot_that_was_used_again_are_strays() {
        let mut bench = Bench::new();
        let old = bench.enter(1);
        bench.table.report(old.opaque(0), Ok(()));
        assert_eq!(bench.end(old), Some(Ok(1)));
        let new = bench.enter(1);
        assert_eq!(new.index, old.index);
        assert_eq!(bench.table.report(old.opaque(0), Ok(())), Report::Stray);
        assert_eq!(
            bench.end(new),
            None,
            "the new request still waits for its own report"
        );
        assert_eq!(bench.table.report(new.opaque(0), Ok(())), Report::Known);
        assert_eq!(
            bench.table.report(new.opaque(0), Ok(())),
            Report::Stray,
            "a second report"
        );
    }

    #[test]
    fn an_abandoned_request_keeps_its_memory_until_its_last_report() {
        let mut bench = Bench::new();
        let key = bench.enter(2);
        bench.table.abandon(key);
        bench.table.report(key.opaque(0), Ok(()));
        assert!(bench.admission.in_flight_bytes() > 0);
        bench
            .table
            .report(key.opaque(1), Err((Fault::TimedOut, true)));
        assert_eq!(
            (
                bench.admission.in_flight_bytes(),
                bench.table.requests.len()
            ),
            (0, 0)
        );
    }

    #[test]
    fn a_deadline_ends_the_wait_but_not_the_hold_on_memory() {
        let mut bench = Bench::new();
        let key = bench.enter(2);
        assert_eq!(bench.end(key), None);
        bench.table.report(key.opaque(0), Ok(()));
        bench.table.expire(Instant::now() + Duration::from_secs(61));
        let failure = Failure {
            fault: Fault::TimedOut,
            persisted: Persisted::Unknown,
        };
        assert_eq!(bench.end(key), Some(Err(failure)));
        assert!(bench.admission.in_flight_bytes() > 0);
        bench.table.report(key.opaque(1), Ok(()));
        assert_eq!(
            (
                bench.admission.in_flight_bytes(),
                bench.table.requests.len()
            ),
            (0, 0)
        );
    }

    #[test]
    fn a_deadline_tells_apart_what_is_known_to_be_lost() {
        let in_time = |miss| {
            let mut bench = Bench::new();
            let key = bench.enter(3);
            bench
                .table
                .report(key.opaque(1), Err((Fault::QueueFull, miss)));
            bench.table.report(key.opaque(0), Ok(()));
            bench.table.expire(Instant::now() + Duration::from_secs(61));
            let end = bench.end(key).expect("its time is over");
            end.expect_err("it was not delivered").persisted
        };
        assert_eq!(in_time(true), Persisted::Unknown);
        let partial = Persisted::Partial {
            delivered: vec![],
            lost: vec![1],
            unknown: vec![0, 2],
        };
        assert_eq!(in_time(false), partial);
    }

    #[test]
    fn what_became_of_each_record_is_told_apart() {
        let ends = |ends: &[Option<(Fault, bool)>]| {
            let mut bench = Bench::new();
            let key = bench.enter(ends.len());
            for (record, end) in ends.iter().enumerate() {
                bench
                    .table
                    .report(key.opaque(record), end.map_or(Ok(()), Err));
            }
            bench
                .end(key)
                .expect("all are reported")
                .expect_err("one has failed")
        };
        let lost = Some((Fault::QueueFull, false));
        let unknown = Some((Fault::TimedOut, true));
        assert_eq!(ends(&[lost, lost]).persisted, Persisted::No);
        assert_eq!(ends(&[unknown]).persisted, Persisted::Unknown);
        let mixed = Persisted::Partial {
            delivered: vec![1],
            lost: vec![0],
            unknown: vec![2],
        };
        assert_eq!(
            ends(&[lost, None, unknown]),
            Failure {
                fault: Fault::QueueFull,
                persisted: mixed
            }
        );
    }

    #[test]
    fn the_opaque_word_carries_the_largest_values_unharmed() {
        let key = Key {
            index: (1 << INDEX_BITS) - 1,
            generation: (1 << GENERATION_BITS) - 1,
        };
        assert_eq!(
            Key::from_opaque(key.opaque(RECORDS_MAX - 1)),
            (key, RECORDS_MAX - 1)
        );
    }
}
