//! What holds of the state that threads share, in every order of steps and for every value that a load may
//! see by the memory model of C11, as loom tries them.

use std::{mem, rc::Rc, sync::Arc, time::Duration};

use loom::{
    model,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
};
use ringest_atomics::{
    admission::{Admission, Holder, SharedBudget},
    cell::{Counter, Gauge, Histogram},
    connections::Connections,
    observed,
    published::Published,
    quota::{ClaimBuckets, Levels, Quota, Unit},
    readiness::{NotReady, Readiness, WorkerState},
};

#[test]
fn connections_are_never_more_than_the_limit_and_all_are_returned() {
    model(|| {
        let connections = Arc::new(Connections::new(1, 0));
        let inside = Arc::new(AtomicUsize::new(0));
        let client = || {
            let (connections, inside) = (Arc::clone(&connections), Arc::clone(&inside));
            move || {
                let entered = connections.enter(None);
                if entered.is_ok() {
                    assert_eq!(inside.fetch_add(1, SeqCst), 0);
                    inside.fetch_sub(1, SeqCst);
                }
                drop(entered);
            }
        };
        let others = [thread::spawn(client()), thread::spawn(client())];
        for other in others {
            other.join().expect("no panic");
        }
        let all_returned = connections.enter(None);
        assert!(all_returned.is_ok());
        assert!(connections.enter(None).is_err());
    });
}

const MIB: usize = 1024 * 1024;

#[test]
fn workers_never_take_more_than_the_shared_budget_and_return_all_of_it() {
    model(|| {
        let shared = Arc::new(SharedBudget::new(2, 3 * MIB));
        let taken = Arc::new(AtomicUsize::new(0));
        let worker = |index| {
            let (shared, taken) = (Arc::clone(&shared), Arc::clone(&taken));
            move || {
                let admission = Rc::new(Admission::of_worker(index, 0, &shared));
                let Ok(permit) = admission.admit(Holder::UNKNOWN, 2 * MIB) else {
                    return;
                };
                assert_eq!(taken.fetch_add(1, SeqCst), 0, "two of them are 4 MiB");
                taken.fetch_sub(1, SeqCst);
                drop(permit);
            }
        };
        let other = thread::spawn(worker(1));
        worker(0)();
        other.join().expect("no panic");
        // Each may have kept a chunk, which its successor returns.
        let [first, second] = [0, 1].map(|index| Admission::of_worker(index, 0, &shared));
        assert_eq!(
            (first.free_bytes(), second.free_bytes()),
            (3 * MIB, 3 * MIB)
        );
    });
}

#[test]
fn what_a_failed_worker_had_is_reclaimed_while_others_take_some() {
    model(|| {
        let shared = Arc::new(SharedBudget::new(2, 3 * MIB));
        let failed = Rc::new(Admission::of_worker(0, 0, &shared));
        mem::forget(failed.admit(Holder::UNKNOWN, 2 * MIB).expect("2 of 3 MiB"));
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let admission = Rc::new(Admission::of_worker(1, 0, &shared));
                let permit = admission.admit(Holder::UNKNOWN, MIB);
                assert!(permit.is_ok(), "there is 1 MiB in any case");
            }
        });
        let successor = Admission::of_worker(0, 0, &shared);
        other.join().expect("no panic");
        drop(Admission::of_worker(1, 0, &shared));
        assert_eq!(successor.free_bytes(), 3 * MIB);
    });
}

#[test]
fn a_value_is_never_older_than_its_generation_and_the_last_is_found() {
    model(|| {
        // Each value is the number of its generation.
        let published = Arc::new(Published::new(0_u64));
        let read = |published: &Published<u64>, seen: &mut u64| {
            if let Some((generation, value)) = published.newer_than(*seen) {
                assert!(generation > *seen && *value == generation);
                *seen = generation;
            }
        };
        let reader = thread::spawn({
            let published = Arc::clone(&published);
            move || {
                let mut seen = 0;
                for _ in 0..2 {
                    read(&published, &mut seen);
                    assert!(*published.latest() >= seen);
                }
                seen
            }
        });
        assert_eq!((published.publish(1), published.publish(2)), (1, 2));
        let mut seen = reader.join().expect("no panic");
        read(&published, &mut seen);
        assert_eq!((seen, *published.latest()), (2, 2));
        assert!(published.newer_than(2).is_none());
    });
}

#[test]
fn two_that_publish_lose_no_generation() {
    model(|| {
        let published = Arc::new(Published::new(()));
        let other = thread::spawn({
            let published = Arc::clone(&published);
            move || published.publish(())
        });
        let mut generations = [published.publish(()), other.join().expect("no panic")];
        generations.sort_unstable();
        assert_eq!(generations, [1, 2]);
        assert!(published.newer_than(2).is_none());
    });
}

#[test]
fn no_one_is_ready_before_every_worker_is_and_a_drain_is_final() {
    model(|| {
        let readiness = Arc::new(Readiness::new(2));
        let worker = thread::spawn({
            let readiness = Arc::clone(&readiness);
            move || readiness.set_worker(1, WorkerState::Ready)
        });
        let control = thread::spawn({
            let readiness = Arc::clone(&readiness);
            move || readiness.start_draining()
        });
        assert!(readiness.reason().is_some(), "worker 0 has not started");
        readiness.set_worker(0, WorkerState::Ready);
        let (first, second) = (readiness.reason(), readiness.reason());
        if first == Some(NotReady::Draining) {
            assert_eq!(second, first);
        }
        if first.is_none() {
            assert_ne!(second, Some(NotReady::Starting));
        }
        worker.join().expect("no panic");
        control.join().expect("no panic");
        assert_eq!(readiness.reason(), Some(NotReady::Draining));
    });
}

#[test]
fn a_heartbeat_is_never_lost_to_the_watch_for_stuck_workers() {
    model(|| {
        let readiness = Arc::new(Readiness::new(1));
        readiness.set_worker(0, WorkerState::NoBroker);
        let last = readiness.heartbeat(0);
        let worker = thread::spawn({
            let readiness = Arc::clone(&readiness);
            move || readiness.set_worker(0, WorkerState::Ready)
        });
        let stuck = readiness.set_stuck(0, last);
        worker.join().expect("no panic");
        // Where it was set, loom also orders the worker's store before the exchange, which had read what was
        // there before: C11 rules that out.
        match stuck {
            None => assert_eq!(readiness.reason(), None),
            Some(stuck) => assert_eq!(stuck.at_millis(), last.at_millis()),
        }
    });
}

#[test]
fn what_one_thread_counts_another_reads_growing_and_exact_in_the_end() {
    model(|| {
        let cells = Arc::new((Counter::default(), Gauge::default(), Histogram::default()));
        let worker = thread::spawn({
            let cells = Arc::clone(&cells);
            move || {
                let (counter, gauge, histogram) = &*cells;
                counter.add(1);
                gauge.add(2);
                counter.add(2);
                gauge.sub(2);
                histogram.observe(Duration::from_millis(3));
            }
        });
        let (counter, gauge, histogram) = &*cells;
        let (first, second) = (counter.value(), counter.value());
        assert!(first <= second && [0, 1, 3].contains(&first) && second <= 3);
        assert!([0, 2].contains(&gauge.value()));
        let (count, micros) = observed(histogram);
        assert!(count <= 1 && [0, 3_000].contains(&micros));
        worker.join().expect("no panic");
        assert_eq!((counter.value(), gauge.value()), (3, 0));
        assert_eq!(observed(histogram), (1, 3_000));
    });
}

#[test]
fn a_bucket_gives_what_it_has_to_one_of_two() {
    model(|| {
        let quota = Quota::new([1, 0, 0], Duration::from_secs(1));
        let buckets = Arc::new(ClaimBuckets::new(quota, 1));
        let id = buckets.id(Some("a"));
        let take = {
            let buckets = Arc::clone(&buckets);
            move || {
                let levels = buckets.levels(id, 0);
                levels.take(&quota, Unit::Requests, 1, 0).is_ok()
            }
        };
        // Another value is placed at the same time.
        let other = thread::spawn({
            let (buckets, id) = (Arc::clone(&buckets), buckets.id(Some("b")));
            move || {
                let levels = buckets.levels(id, 0);
                levels.take(&quota, Unit::Requests, 1, 0).is_ok()
            }
        });
        let second = thread::spawn(take.clone());
        let first = take();
        let second = second.join().expect("no panic");
        assert!(first != second, "one request, for whoever is first");
        assert!(
            other.join().expect("no panic"),
            "it has a bucket of its own"
        );
    });
}

#[test]
fn what_is_given_back_can_be_taken() {
    model(|| {
        let quota = Quota::new([1, 0, 0], Duration::from_secs(1));
        let levels = Arc::new(Levels::default());
        let other = thread::spawn({
            let levels = Arc::clone(&levels);
            move || {
                let taken = levels.take(&quota, Unit::Requests, 1, 0).is_ok();
                if taken {
                    levels.give_back(&quota, Unit::Requests, 1);
                }
            }
        });
        let first = levels.take(&quota, Unit::Requests, 1, 0).is_ok();
        other.join().expect("no panic");
        assert_eq!(levels.take(&quota, Unit::Requests, 1, 0).is_ok(), !first);
    });
}

/// The planted fault: a counter has one writer.
#[test]
#[should_panic(expected = "an addition is lost")]
fn two_writers_of_a_counter_are_found() {
    model(|| {
        let counter = Arc::new(Counter::default());
        let other = thread::spawn({
            let counter = Arc::clone(&counter);
            move || counter.add(1)
        });
        counter.add(1);
        other.join().expect("no panic");
        assert_eq!(counter.value(), 2, "an addition is lost");
    });
}
