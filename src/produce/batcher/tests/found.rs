//! The smallest inputs of what `histories` has found.

use super::*;

const REFUSED: RecordEnd = Err((Fault::RecordRefused, false));

impl Bench {
    /// Whether a record with that key is refused now.
    pub(super) fn refuses(&self, topic: usize, key_hash: Option<u32>) -> bool {
        let key_hashes = std::iter::once(key_hash);
        self.batcher.refuses(topic, key_hashes, self.now)
    }

    fn announce(&mut self, leaders: &[Option<i32>]) {
        self.batcher.set_partitions(0, leaders);
    }

    fn requests(&self, key: BatchKey) -> Vec<RequestKey> {
        let records = self.batch(key).records.iter();
        records.map(|it| it.request).collect()
    }
}

fn requests(numbers: &[u32]) -> Vec<RequestKey> {
    let numbers = numbers.iter();
    numbers.map(|it| RequestKey::for_test(*it)).collect()
}

#[test]
fn equal_keys_wait_for_those_of_a_refused_batch_that_librdkafka_placed() {
    let mut bench = Bench::new(rules(), &[]);
    bench.batcher.set_lane(2, true);
    (0..2).for_each(|_| bench.push_hashed(Some(1)));
    let unplaced = bench.only();
    bench.push_hashed(Some(1));
    bench.announce(&[Some(1), Some(2)]);
    bench.end(unplaced, REFUSED);
    let alone = bench.sent();
    assert!(alone.iter().all(|it| bench.place(*it) == (None, 2)));
    assert_eq!(alone.len(), 2);
    for key in alone {
        bench.end(key, Ok(()));
    }
    bench.now += ROUND_TRIP;
    let next = bench.only();
    assert_eq!(bench.place(next), (Some(1), 0));
}

#[test]
fn equal_keys_wait_for_a_batch_whose_partition_has_gone() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.batcher.set_lane(2, true);
    (0..2).for_each(|_| bench.push_hashed(Some(0)));
    let placed = bench.only();
    bench.announce(&[]);
    bench.push_hashed(Some(0));
    assert!(bench.sent().is_empty());
    bench.end(placed, REFUSED);
    for key in bench.sent() {
        assert_eq!(bench.place(key).1, 2);
        bench.end(key, Ok(()));
    }
    bench.now += ROUND_TRIP;
    let next = bench.only();
    assert_eq!(bench.place(next), (None, 0));
}

#[test]
fn librdkafka_places_keys_although_partitions_were_learned_of_meanwhile() {
    let elsewhere = BatchRules {
        places_keys: false,
        ..rules()
    };
    let mut bench = Bench::new(elsewhere, &[]);
    bench.push(1);
    let unplaced = bench.only();
    bench.announce(&[Some(1), Some(2)]);
    let mut keyed = Record::for_test(RequestKey::for_test(1), 0, 100);
    keyed.key = std::ptr::without_provenance(1);
    let deadline = bench.now + Duration::from_secs(10);
    bench.batcher.push(0, keyed, deadline);
    bench.end(unplaced, Ok(()));
    bench.now += ROUND_TRIP;
    let next = bench.only();
    assert_eq!(bench.place(next).0, None);
}

#[test]
fn librdkafka_places_keys_once_no_other_batch_is_out() {
    let elsewhere = BatchRules {
        places_keys: false,
        ..rules()
    };
    let mut bench = Bench::new(elsewhere, &[1, 2]);
    bench.push(1);
    let placed = bench.only();
    assert_eq!(bench.place(placed).0, Some(0));
    let mut keyed = Record::for_test(RequestKey::for_test(1), 0, 100);
    keyed.key = std::ptr::without_provenance(1);
    let deadline = bench.now + Duration::from_secs(10);
    bench.batcher.push(0, keyed, deadline);
    bench.now += ROUND_TRIP;
    assert!(bench.sent().is_empty());
    bench.end(placed, REFUSED);
    let next = bench.only();
    assert_eq!(bench.place(next).0, None);
}

#[test]
fn records_that_are_placed_again_keep_the_order_in_which_they_came() {
    let mut bench = Bench::new(rules(), &[1, 2]);
    bench.batcher.set_lane(0, false);
    for hash in [Some(1), None, Some(0)] {
        bench.push_hashed(hash);
        bench.now += Duration::from_secs(1);
    }
    bench.announce(&[]);
    bench.batcher.set_lane(0, true);
    let batch = bench.only();
    assert_eq!(bench.requests(batch), requests(&[0, 1, 2]));
}

#[test]
fn a_partition_that_comes_back_waits_for_its_batch() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.push(1);
    let first = bench.only();
    bench.announce(&[]);
    bench.announce(&[Some(1)]);
    bench.push(1);
    bench.now += ROUND_TRIP;
    assert!(bench.sent().is_empty());
    bench.end(first, Ok(()));
    bench.now += ROUND_TRIP;
    bench.only();
}

#[test]
fn a_probe_has_no_more_records_than_a_batch_may() {
    let rules = BatchRules {
        bytes_max: 10_000,
        ..rules()
    };
    let most = rules.records_max;
    let mut bench = Bench::new(rules, &[1, 1]);
    bench.push(1);
    bench.only();
    bench.wait(Duration::from_secs(3));
    bench.push(25);
    bench.wait(Duration::from_secs(1));
    let probe = bench.only();
    assert_eq!(bench.len(probe), most);
}

#[test]
fn free_partitions_behind_many_without_a_leader_are_found() {
    let mut bench = Bench::new(rules(), &[]);
    let mut leaders = [None; 70];
    leaders[65] = Some(1);
    bench.announce(&leaders);
    bench.push(1);
    assert!(bench.sent().is_empty(), "not all are looked at each time");
    bench.tick();
    let batch = bench.only();
    assert_eq!(bench.place(batch).0, Some(65));
}

#[test]
fn records_to_be_sent_alone_end_at_their_deadlines_in_any_order() {
    let mut bench = Bench::new(rules(), &[1, 2]);
    bench.push(2);
    let early = bench.only();
    bench.now += Duration::from_secs(5);
    bench.push(2);
    let late = bench.only();
    bench.end(late, REFUSED);
    bench.end(early, REFUSED);
    bench.now += Duration::from_secs(5);
    let ended = bench.tick();
    let ended: Vec<_> = ended.iter().map(|(it, _)| it.request).collect();
    assert_eq!(ended, requests(&[0, 1]));
    assert_eq!(bench.batcher.waiting(), 2);
}

#[test]
fn nothing_is_sent_again_after_everything_was_given_up() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.push(2);
    let batch = bench.only();
    bench.batcher.purge();
    for reported in bench.end(batch, REFUSED) {
        assert!(matches!(
            reported,
            Reported::Final(_, (Fault::Draining, false))
        ));
    }
    assert_eq!(bench.batcher.waiting(), 0);
}

#[test]
fn a_topic_with_too_few_replicas_does_not_hold_up_others_of_its_broker() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.batcher.add_topic();
    bench.batcher.set_partitions(1, &[Some(1)]);
    bench.push(1);
    // librdkafka sends it again and again: the broker says that replicas lack.
    let waits = bench.only();
    for _ in 0..100 {
        let record = Record::for_test(RequestKey::for_test(2), 0, 100);
        let deadline = bench.now + Duration::from_secs(10);
        bench.batcher.push(1, record, deadline);
        let other = bench.only();
        bench.wait(ROUND_TRIP);
        bench.end(other, Ok(()));
        bench.wait(Duration::from_millis(95));
    }
    bench.end(waits, Err((Fault::TimedOut, false)));
    assert!(!bench.refuses(1, Some(0)));
    // Its own records do not wait in vain: one is let through from time to time.
    assert!(bench.refuses(0, None) && bench.batcher.has_failed());
    bench.push(1);
    bench.wait(Duration::from_millis(980));
    assert!(bench.sent().is_empty());
    bench.wait(Duration::from_millis(20));
    assert!(!bench.refuses(0, None));
    let again = bench.only();
    assert!(bench.refuses(0, None));
    bench.wait(ROUND_TRIP);
    bench.end(again, Ok(()));
    bench.tick();
    assert!(!bench.refuses(0, None) && !bench.batcher.has_failed());
}

#[test]
fn a_partition_with_too_few_replicas_is_left_out_and_tried_again() {
    let mut bench = Bench::new(rules(), &[1, 1]);
    bench.push(1);
    let waits = bench.only();
    assert_eq!(bench.place(waits).0, Some(0));
    let mut tried = Vec::new();
    for step in 0..130 {
        bench.push(1);
        bench.wait(Duration::from_millis(100));
        if step == 100 {
            bench.end(waits, Err((Fault::TimedOut, false)));
        }
        for batch in bench.sent() {
            if bench.place(batch).0 == Some(0) {
                tried.push(step);
            }
            bench.wait(ROUND_TRIP);
            bench.end(batch, Ok(()));
        }
    }
    assert!((109..112).contains(&tried[0]), "{tried:?}");
    assert!(tried.len() > 5, "it is well: {tried:?}");
}

#[test]
fn batches_are_not_spaced_by_how_long_a_broker_was_silent() {
    let mut bench = Bench::new(rules(), &[1, 2, 2, 2]);
    // The first broker hangs for good, the second for five seconds.
    bench.push(40);
    let stuck = bench.sent();
    assert_eq!(stuck.len(), 4);
    bench.wait(Duration::from_secs(5));
    for batch in stuck {
        if bench.place(batch).0 != Some(0) {
            bench.end(batch, Ok(()));
        }
    }
    let mut sent = 0;
    for _ in 0..200 {
        bench.push(1);
        for batch in bench.sent() {
            sent += 1;
            bench.now += ROUND_TRIP;
            bench.end(batch, Ok(()));
        }
        bench.now += ROUND_TRIP;
    }
    assert!(sent > 100, "{sent} batches for 200 records");
}
