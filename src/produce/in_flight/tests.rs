use std::{rc::Rc, sync::Arc, task::Wake, time::Duration};

use super::*;
use crate::{
    admission::{Admission, Holder},
    buffer::Pool,
};

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

    fn enter(&mut self, records: usize) -> RequestKey {
        self.enter_of(Holder::UNKNOWN, records)
    }

    fn enter_of(&mut self, holder: Holder, records: usize) -> RequestKey {
        let mut buffer = Rc::new(Pool::default()).take(1);
        buffer.append(b"{}");
        let permit = self
            .admission
            .admit(holder, buffer.capacity())
            .expect("within the budget");
        let deadline = Instant::now() + Duration::from_mins(1);
        let memory = Memory {
            bytes: buffer.freeze(0..2),
            permit,
            keys: Vec::new(),
            headers: None,
        };
        self.table.enter(records, memory, deadline)
    }

    fn end(&mut self, key: RequestKey) -> Option<Result<usize, Failure>> {
        self.table.end(key, &waker())
    }
}

#[test]
fn no_client_has_all_of_the_queue_while_others_want_some() {
    const MOST: usize = 200_000;
    let mut bench = Bench::new();
    let one = Holder::UNKNOWN;
    let mut others = (0..4).map(|it| bench.admission.holder(None, it));
    let other = others
        .find(|it| *it != one)
        .expect("a hash of another value");
    assert!(
        bench.table.has_room(one, MOST, MOST),
        "nothing else is there"
    );
    let key = bench.enter_of(one, 100_000);
    assert!(!bench.table.has_room(one, 60_001, MOST));
    assert!(bench.table.has_room(one, 60_000, MOST));
    assert!(bench.table.has_room(other, 80_000, MOST));
    assert!(!bench.table.has_room(other, 80_001, MOST));
    bench.enter_of(one, 60_000);
    assert!(!bench.table.has_room(one, 1, MOST));
    assert!(bench.table.has_room(other, 30_000, MOST));
    for _ in 0..100_000 {
        bench.table.settle(key, 1);
    }
    assert!(bench.table.has_room(one, 60_000, MOST));
    // Where there are few, a share would be none.
    let mut few = Bench::new();
    few.enter(1);
    assert!(few.table.has_room(one, 1, 2));
    assert!(!few.table.has_room(one, 2, 2));
}

#[test]
fn a_request_ends_with_its_last_report_and_frees_its_memory_then() {
    let mut bench = Bench::new();
    let key = bench.enter(2);
    assert!(bench.table.settle(key, 1));
    assert_eq!(bench.end(key), None);
    assert!(!bench.table.has_ended(key));
    assert!(bench.admission.in_flight_bytes() > 0);
    assert!(bench.table.settle(key, 1));
    assert!(bench.table.has_ended(key));
    assert_eq!(bench.end(key), Some(Ok(2)));
    assert_eq!(
        (bench.admission.in_flight_bytes(), bench.table.records()),
        (0, 0)
    );
}

#[test]
fn reports_for_a_slot_that_was_used_again_are_unknown() {
    let mut bench = Bench::new();
    let old = bench.enter(1);
    bench.table.settle(old, 1);
    assert_eq!(bench.end(old), Some(Ok(1)));
    let new = bench.enter(1);
    assert_eq!(new.index, old.index);
    assert!(!bench.table.settle(old, 1));
    assert_eq!(
        bench.end(new),
        None,
        "the new request still waits for its own report"
    );
    assert!(bench.table.settle(new, 1));
    assert!(!bench.table.settle(new, 1), "a second report");
}

#[test]
fn an_abandoned_request_keeps_its_memory_until_its_last_report() {
    let mut bench = Bench::new();
    let key = bench.enter(2);
    bench.table.abandon(key);
    bench.table.settle(key, 1);
    assert!(bench.admission.in_flight_bytes() > 0);
    bench.table.failed(key, 1, (Fault::TimedOut, true));
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
    bench.table.settle(key, 1);
    assert!(!bench.table.has_ended(key));
    bench.table.expire(Instant::now() + Duration::from_secs(61));
    assert!(bench.table.has_ended(key));
    let failure = Failure {
        fault: Fault::TimedOut,
        persisted: Persisted::Unknown,
    };
    assert_eq!(bench.end(key), Some(Err(failure)));
    assert!(bench.admission.in_flight_bytes() > 0);
    bench.table.settle(key, 1);
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
        bench.table.failed(key, 1, (Fault::QueueFull, miss));
        bench.table.settle(key, 1);
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
        for (record, end) in (0..).zip(ends) {
            match end {
                None => bench.table.settle(key, 1),
                Some(failure) => bench.table.failed(key, record, *failure),
            };
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

/// Before or behind those that failed.
#[test]
fn records_that_are_settled_together_end_as_one_by_one() {
    const COUNT: u32 = 5;
    let lost = (Fault::QueueFull, false);
    for failed in 0_u32..1 << COUNT {
        let end = |is_together: bool, failures_first: bool| {
            let mut bench = Bench::new();
            let key = bench.enter(COUNT as usize);
            let fail = |bench: &mut Bench| {
                for record in (0..COUNT).filter(|it| failed >> it & 1 == 1) {
                    assert!(bench.table.failed(key, record, lost));
                }
            };
            if failures_first {
                fail(&mut bench);
            }
            let pending = bench.table.records();
            assert!(!bench.table.settle(key, pending + 1), "more than are out");
            assert_eq!(bench.table.records(), pending);
            let delivered = failed.count_zeros() - (u32::BITS - COUNT);
            if is_together {
                assert!(bench.table.settle(key, delivered as usize));
            } else {
                assert!((0..delivered).all(|_| bench.table.settle(key, 1)));
            }
            if !failures_first {
                fail(&mut bench);
            }
            assert_eq!(bench.table.records(), 0);
            bench.end(key).expect("all are reported")
        };
        let expected = end(false, false);
        for (is_together, failures_first) in [(false, true), (true, false), (true, true)] {
            assert_eq!(end(is_together, failures_first), expected, "{failed:b}");
        }
    }
}
