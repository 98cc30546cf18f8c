//! The batcher by single examples; `histories` has what must hold whatever happens.

use super::{
    batch::{GENERATION_BITS, INDEX_BITS},
    *,
};
use crate::produce::in_flight::RequestKey;

mod found;
mod histories;
mod reports;

/// How a record ended.
pub(super) type RecordEnd = Result<(), Failure>;

pub(super) const ROUND_TRIP: Duration = Duration::from_millis(5);

pub(super) fn rules() -> BatchRules {
    BatchRules {
        bytes_max: 1_000,
        records_max: 10,
        linger: Linger {
            time: Duration::from_millis(1),
            is_given: false,
        },
        requests_max: 5,
        places_keys: true,
        lanes_max: 2,
        alone_within: Duration::from_secs(10),
    }
}

/// A batcher with one topic and its first lane open, at a time that the test moves.
struct Bench {
    batcher: Batcher,
    now: Instant,
    records: u32,
}

impl Bench {
    /// `leaders`: of the topic's partitions.
    fn new(rules: BatchRules, leaders: &[i32]) -> Self {
        let mut batcher = Batcher::new(rules, Brokers::default());
        batcher.add_topic();
        batcher.set_lane(0, true);
        let leaders: Vec<_> = leaders.iter().copied().map(Some).collect();
        batcher.set_partitions(0, &leaders);
        Self {
            batcher,
            now: Instant::now(),
            records: 0,
        }
    }

    fn push_hashed(&mut self, key_hash: Option<u32>) {
        let request = RequestKey::for_test(self.records);
        self.records += 1;
        let mut record = Record::for_test(request, 0, 100);
        if key_hash.is_some() {
            record.key = std::ptr::without_provenance(1);
            record.key_hash = key_hash;
        }
        let deadline = self.now + Duration::from_secs(10);
        self.batcher.push(0, record, deadline);
    }

    fn push(&mut self, count: usize) {
        (0..count).for_each(|_| self.push_hashed(None));
    }

    /// Every batch that goes now.
    fn sent(&mut self) -> Vec<BatchKey> {
        self.batcher.pace(self.now);
        std::iter::from_fn(|| self.batcher.next_batch(self.now)).collect()
    }

    fn batch(&self, key: BatchKey) -> &Batch {
        self.batcher.batch(key).expect("it is out")
    }

    fn len(&self, key: BatchKey) -> usize {
        self.batch(key).records.len()
    }

    fn place(&self, key: BatchKey) -> (Option<usize>, usize) {
        let batch = self.batch(key);
        (batch.partition, batch.lane)
    }

    /// Reports every record of the batch; returns what the reports of failures mean.
    fn end(&mut self, key: BatchKey, end: RecordEnd) -> Vec<Reported> {
        let positions = 0..self.len(key);
        let Err(failure) = end else {
            let delivered = self.batcher.delivered((key, positions), self.now, |_| {});
            assert!(delivered, "it is out");
            return Vec::new();
        };
        positions
            .map(|position| self.batcher.failed((key, position), failure, self.now))
            .collect()
    }

    /// The only batch that goes now.
    fn only(&mut self) -> BatchKey {
        let [batch] = self.sent()[..] else {
            panic!("one batch")
        };
        batch
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.tick();
    }

    fn tick(&mut self) -> Vec<(Record, Fault)> {
        let mut ended = Vec::new();
        self.batcher.tick(self.now, &mut ended);
        ended
    }
}

#[test]
fn a_lone_record_goes_at_once_and_the_next_batch_forms_while_it_is_out() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.push(1);
    let first = bench.only();
    bench.push(3);
    assert!(bench.sent().is_empty(), "one batch out for a partition");
    bench.wait(ROUND_TRIP);
    bench.end(first, Ok(()));
    let second = bench.only();
    assert_eq!(bench.len(second), 3);
}

#[test]
fn batches_go_to_free_partitions_of_another_broker_first() {
    let mut bench = Bench::new(rules(), &[1, 1, 2, 3]);
    let mut partitions = Vec::new();
    for _ in 0..4 {
        bench.push(1);
        let batch = bench.only();
        partitions.push(bench.place(batch).0);
    }
    assert_eq!(partitions, [Some(0), Some(2), Some(3), Some(1)]);
    bench.push(1);
    assert!(bench.sent().is_empty());
}

#[test]
fn large_arrays_are_split_over_batches_and_partitions() {
    let mut bench = Bench::new(rules(), &[1, 2, 3]);
    bench.push(25);
    let sent = bench.sent();
    let sizes: Vec<_> = sent.iter().map(|key| bench.len(*key)).collect();
    assert_eq!(sizes[..2], [10, 10]);
    let mut bytes = Bench::new(
        BatchRules {
            bytes_max: 250,
            ..rules()
        },
        &[1],
    );
    bytes.push(5);
    assert_eq!(
        bytes
            .sent()
            .iter()
            .map(|key| bytes.len(*key))
            .sum::<usize>(),
        2
    );
}

#[test]
fn a_topic_with_many_records_does_not_hold_up_another() {
    let mut bench = Bench::new(rules(), &[1, 2, 3, 4]);
    bench.batcher.add_topic();
    bench.batcher.set_partitions(1, &[Some(1)]);
    bench.push(40);
    let deadline = bench.now + Duration::from_secs(10);
    let record = Record::for_test(RequestKey::for_test(100), 0, 100);
    bench.batcher.push(1, record, deadline);
    let sent = bench.sent();
    let topics: Vec<_> = sent.iter().map(|it| bench.batch(*it).topic).collect();
    assert_eq!(topics, [0, 1, 0, 0, 0]);
}

#[test]
fn equal_keys_keep_to_their_partition_and_order() {
    let mut bench = Bench::new(rules(), &[1, 2]);
    for hash in [3, 3, 2, 3] {
        bench.push_hashed(Some(hash));
    }
    let mut seen = Vec::new();
    for key in bench.sent() {
        let batch = bench.batch(key);
        let requests = batch.records.iter().map(|it| it.request);
        seen.push((batch.partition, requests.collect::<Vec<_>>()));
    }
    let requests = |all: &[u32]| all.iter().map(|it| RequestKey::for_test(*it)).collect();
    let expected = [(Some(1), requests(&[0, 1, 3])), (Some(0), requests(&[2]))];
    assert_eq!(seen, expected);
}

#[test]
fn what_is_not_known_yet_is_placed_by_librdkafka_and_goes_first() {
    let mut bench = Bench::new(rules(), &[]);
    bench.push_hashed(Some(1));
    let unplaced = bench.only();
    assert_eq!(bench.place(unplaced).0, None);
    bench.push_hashed(Some(1));
    bench.batcher.set_partitions(0, &[Some(1), Some(2)]);
    assert!(bench.sent().is_empty(), "equal keys keep their order");
    bench.end(unplaced, Ok(()));
    bench.now += ROUND_TRIP;
    let placed = bench.only();
    assert_eq!(bench.place(placed).0, Some(1));
}

#[test]
fn a_refused_batch_is_sent_again_record_by_record() {
    let mut bench = Bench::new(rules(), &[1, 2]);
    bench.push(3);
    let batch = bench.only();
    let refused = Err((Fault::RecordRefused, false));
    let reported = bench.end(batch, refused);
    assert!(reported.iter().all(|it| matches!(it, Reported::SentAgain)));
    assert!(bench.batcher.wants_alone_lane() && bench.sent().is_empty());
    bench.batcher.set_lane(2, true);
    let alone = bench.sent();
    assert_eq!(alone.len(), 3);
    for key in &alone {
        assert_eq!((bench.len(*key), bench.place(*key)), (1, (Some(0), 2)));
    }
    let last = bench.end(alone[1], refused);
    assert!(matches!(
        last[..],
        [Reported::Final(_, (Fault::RecordRefused, false))]
    ));
    bench.end(alone[0], Ok(()));
    bench.end(alone[2], Ok(()));
    assert_eq!(bench.batcher.waiting(), 0);
}

#[test]
fn records_sent_alone_do_not_wait_for_those_of_a_broker_that_is_late() {
    let many = BatchRules {
        records_max: 100,
        bytes_max: 1_000_000,
        ..rules()
    };
    let mut bench = Bench::new(many, &[1, 2]);
    bench.batcher.set_lane(2, true);
    // Partition 0 is its broker's, which refuses a batch of 100 and answers nothing from then on.
    (0..100).for_each(|_| bench.push_hashed(Some(0)));
    let batch = bench.only();
    bench.end(batch, Err((Fault::RecordRefused, false)));
    assert_eq!(bench.sent().len(), 5, "the window of one broker");
    bench.wait(Duration::from_secs(4));
    assert!(bench.sent().is_empty());
    (0..2).for_each(|_| bench.push_hashed(Some(1)));
    let other = bench.only();
    bench.end(other, Err((Fault::RecordRefused, false)));
    let alone = bench.sent();
    let partitions: Vec<_> = alone.iter().map(|key| bench.place(*key)).collect();
    assert_eq!(partitions, [(Some(1), 2); 2]);
}

#[test]
fn a_lone_record_that_is_refused_is_not_sent_again() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.push(1);
    let batch = bench.only();
    let reported = bench.end(batch, Err((Fault::RecordTooLarge, false)));
    assert!(matches!(reported[..], [Reported::Final(..)]));
    assert!(!bench.batcher.wants_alone_lane());
}

#[test]
fn keyed_records_behind_a_refused_batch_wait_for_it() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.batcher.set_lane(2, true);
    for _ in 0..2 {
        bench.push_hashed(Some(0));
    }
    let batch = bench.only();
    bench.push_hashed(Some(0));
    bench.end(batch, Err((Fault::RecordRefused, false)));
    let alone = bench.sent();
    assert!(
        alone.iter().all(|key| bench.place(*key).1 == 2),
        "{alone:?}"
    );
    for key in alone {
        bench.end(key, Ok(()));
    }
    bench.now += ROUND_TRIP;
    let next = bench.only();
    assert_eq!(bench.place(next), (Some(0), 0));
}

#[test]
fn a_broker_whose_answer_is_late_is_left_out_and_probed() {
    let mut bench = Bench::new(rules(), &[1, 2]);
    bench.push(1);
    let stuck = bench.only();
    for _ in 0..80 {
        bench.push(1);
        bench.wait(Duration::from_millis(50));
        for key in bench.sent() {
            if bench.place(key).0 == Some(1) {
                bench.end(key, Ok(()));
            } else {
                let age = bench.now - bench.batch(stuck).sent;
                assert!(age >= Duration::from_secs(4), "a probe: {age:?}");
            }
        }
    }
    bench.end(stuck, Err((Fault::TimedOut, true)));
    assert!(bench.refuses(0, Some(0)));
    assert!(!bench.refuses(0, Some(1)));
}

#[test]
fn a_broker_that_rejects_is_not_late() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.batcher.set_lane(2, true);
    bench.push(2);
    let batch = bench.only();
    bench.wait(Duration::from_secs(4));
    bench.push(1);
    assert!(bench.sent().is_empty(), "it is late");
    bench.end(batch, Err((Fault::RecordRefused, false)));
    let sent = bench.sent();
    assert_eq!(sent.len(), 3, "two alone, and the next batch");
}

#[test]
fn a_partition_without_a_leader_is_refused_once_records_have_waited_in_vain() {
    let mut bench = Bench::new(rules(), &[1, 2]);
    bench.batcher.set_partitions(0, &[None, Some(2)]);
    bench.push_hashed(Some(0));
    assert!(bench.sent().is_empty());
    assert!(!bench.refuses(0, Some(0)), "an election");
    bench.now += Duration::from_secs(10);
    assert_eq!(bench.tick().len(), 1);
    assert!(bench.refuses(0, Some(0)));
    assert!(!bench.refuses(0, Some(1)));
    assert!(!bench.refuses(0, None));
    bench.batcher.set_partitions(0, &[Some(2), Some(2)]);
    assert!(!bench.refuses(0, Some(0)));
}

#[test]
fn records_whose_time_is_over_were_not_handed_over() {
    let mut bench = Bench::new(rules(), &[1]);
    bench.push(1);
    bench.sent();
    bench.push(2);
    bench.now += Duration::from_secs(10);
    let ended = bench.tick();
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|(_, fault)| *fault == Fault::TimedOut));
    assert_eq!(bench.batcher.waiting(), 0);
}

#[test]
fn the_window_of_a_broker_is_kept_and_its_lack_noticed() {
    let leaders = [1; 8];
    let mut bench = Bench::new(rules(), &leaders);
    for hash in 0..8 {
        bench.push_hashed(Some(hash));
    }
    assert_eq!(bench.sent().len(), 5);
    assert!(bench.batcher.was_short_of_lanes());
    assert!(!bench.batcher.was_short_of_lanes());
}

#[test]
fn the_opaque_word_carries_the_largest_values_unharmed() {
    let key = BatchKey {
        index: (1 << INDEX_BITS) - 1,
        generation: (1 << GENERATION_BITS) - 1,
    };
    let position = BATCH_RECORDS_MAX - 1;
    assert_eq!(BatchKey::from_opaque(key.opaque(position)), (key, position));
}

#[test]
fn batches_stay_below_what_the_topic_takes() {
    let mut bench = Bench::new(rules(), &[1]);
    let records = |bench: &mut Bench| {
        let batch = bench.only();
        let records = bench.batcher.batch(batch).map(|it| it.records.len());
        bench.end(batch, Ok(()));
        bench.now += Duration::from_secs(1);
        records
    };
    bench
        .batcher
        .set_message_bytes_max(0, Some(BATCH_HEADER_BYTES + 250));
    bench.push(5);
    let sent = [(); 3].map(|()| records(&mut bench));
    assert_eq!(sent, [Some(2), Some(2), Some(1)]);
    // What the brokers show anew counts, whatever was learned.
    bench.batcher.topics[0].limits.bytes = 1;
    bench.batcher.set_message_bytes_max(0, None);
    bench.push(5);
    assert_eq!(records(&mut bench), Some(5));
}

#[test]
fn records_with_and_without_keys_take_turns_at_a_partition() {
    let mut bench = Bench::new(rules(), &[1]);
    let mut kinds = Vec::new();
    for _ in 0..6 {
        bench.push_hashed(Some(0));
        bench.push(1);
        let sent = bench.sent();
        assert_eq!(sent.len(), 1, "the topic has one partition");
        kinds.push(bench.batch(sent[0]).kind);
        bench.now += ROUND_TRIP;
        bench.end(sent[0], Ok(()));
        bench.now += ROUND_TRIP;
    }
    assert!(kinds.windows(2).all(|two| two[0] != two[1]), "{kinds:?}");
}

/// Batches out over four partitions of a broker, on average, while 50 records a millisecond come: `answered` has when
/// the broker answers a batch, given when it was sent and when the answer before came.
fn out_at(answered: fn(Instant, Instant) -> Instant) -> f64 {
    let rules = BatchRules {
        bytes_max: 1_000_000,
        records_max: 10_000,
        ..rules()
    };
    let mut bench = Bench::new(rules, &[1; 4]);
    let mut out: VecDeque<(BatchKey, Instant)> = VecDeque::new();
    let (mut last, mut sum) = (bench.now, 0);
    for step in 0..10_000 {
        bench.push(5);
        while let Some((batch, due)) = out.front().copied().filter(|(_, due)| *due <= bench.now) {
            bench.end(batch, Ok(()));
            out.pop_front();
            last = due;
        }
        for batch in bench.sent() {
            let before = out.back().map_or(last, |(_, due)| *due);
            out.push_back((batch, answered(bench.now, before)));
        }
        sum += if step < 5_000 { 0 } else { out.len() };
        bench.now += Duration::from_micros(100);
    }
    f64::from(u32::try_from(sum).expect("few")) / 5_000.0
}

#[test]
fn batches_do_not_queue_at_a_broker_that_answers_one_after_the_other() {
    const TIME: Duration = Duration::from_millis(4);
    let at_once = out_at(|sent, _| sent + TIME);
    assert!((3.0..=4.0).contains(&at_once), "{at_once}");
    let one_by_one = out_at(|sent, before| sent.max(before) + TIME);
    assert!((1.0..2.5).contains(&one_by_one), "{one_by_one}");
}
