//! What waits for one topic, and where it may go.

use std::{collections::VecDeque, time::Instant};

use super::{broker::Broker, pace::Pace, queue::Queue};
use crate::produce::record::Record;

/// One partition of a topic.
#[derive(Debug, Default)]
pub(super) struct Partition {
    /// Its leader, as an index into the batcher's brokers; `None` while it has none.
    pub(super) broker: Option<usize>,
    /// Records whose keys belong here.
    pub(super) queue: Queue,
    pub(super) pace: Pace,
    /// Whether it stands in [`Topic::keyed`].
    pub(super) listed: bool,
    /// Whether a batch is on its way.
    pub(super) out: bool,
    /// Whether records were given up, or would have been, because it has no leader.
    pub(super) abandoned: bool,
    /// When it may be tried again, if its last batch was not acknowledged in time although its broker answers:
    /// replicas lack, for example.
    pub(super) retry_due: Option<Instant>,
    /// Keyed records of a refused batch that are sent again, each alone: what follows them waits, so
    /// that equal keys keep their order.
    pub(super) held: usize,
}

impl Partition {
    pub(super) fn is_free(&self) -> bool {
        !self.out && self.held == 0
    }

    /// Whether it may get a batch of records for any partition.
    pub(super) fn may_be_next(&self, now: Instant) -> bool {
        !self.out && !self.must_rest(now)
    }

    /// Whether a batch for it, at that broker, is a probe: it may well fail.
    pub(super) fn is_probed(&self, broker: &Broker) -> bool {
        broker.is_late() || self.retry_due.is_some()
    }

    /// Whether it is not to be tried yet.
    pub(super) fn must_rest(&self, now: Instant) -> bool {
        self.retry_due.is_some_and(|due| due > now)
    }
}

/// In which of the batcher's lists a topic stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Listed {
    pub(super) candidates: bool,
    pub(super) blocked: bool,
}

/// The most that one batch may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimits {
    pub(super) bytes: usize,
    pub(super) records: usize,
}

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    /// Empty while they are not known: librdkafka places records then.
    pub(super) partitions: Vec<Partition>,
    /// Records for any partition, and every record while partitions are not known.
    pub(super) queue: Queue,
    pub(super) pace: Pace,
    /// Batches of `queue` on their way.
    pub(super) out: usize,
    /// Batches of keyed records and those that librdkafka places, and keyed records of such batches that
    /// are sent again alone: records are placed in another way only when none is on its way.
    pub(super) ahead: usize,
    /// Partitions to take over then: their leaders.
    pub(super) learned: Option<Vec<Option<usize>>>,
    /// Partitions that are free and have records of their own waiting.
    pub(super) keyed: VecDeque<usize>,
    /// Where keyed records and those that librdkafka places go: one idempotent producer keeps their order.
    pub(super) lane: Option<usize>,
    /// Where the search for a free partition begins.
    pub(super) next: usize,
    /// The broker of the last batch of `queue`.
    pub(super) last_broker: Option<usize>,
    pub(super) limits: BatchLimits,
    /// Partitions that lead somewhere and are not [probed](Partition::is_probed).
    pub(super) usable: usize,
    /// Whether its keys are placed by a partitioner of librdkafka's.
    pub(super) placed_by_librdkafka: bool,
    pub(super) listed: Listed,
    /// Whether records for any partition come before those with keys.
    pub(super) any_first: bool,
    /// When a batch that is being formed may go.
    pub(super) due: Option<Instant>,
}

impl Topic {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self {
            partitions: Vec::new(),
            queue: Queue::default(),
            pace: Pace::default(),
            out: 0,
            ahead: 0,
            learned: None,
            keyed: VecDeque::new(),
            lane: None,
            next: 0,
            last_broker: None,
            limits,
            usable: 0,
            placed_by_librdkafka: false,
            listed: Listed::default(),
            any_first: false,
            due: None,
        }
    }

    /// The partition that a key belongs to, where Java's clients would put it: `toPositive(murmur2(key))
    /// % partitions` (Kafka's `BuiltInPartitioner.partitionForKey`). `None` for no key, and while partitions are not
    /// known.
    pub(super) fn partition_of(&self, key_hash: Option<u32>) -> Option<usize> {
        let count = self.partitions.len();
        let hash = key_hash.filter(|_| count > 0)?;
        Some((hash & 0x7fff_ffff) as usize % count)
    }

    pub(super) fn push(&mut self, record: Record, deadline: Instant) {
        match self.partition_of(record.key_hash) {
            None => self.queue.push(record, deadline),
            Some(index) => {
                self.partitions[index].queue.push(record, deadline);
                self.list(index);
            }
        }
    }

    /// Notes that a partition has something to send, if it has and may.
    pub(super) fn list(&mut self, index: usize) {
        let partition = &mut self.partitions[index];
        if !partition.listed && partition.is_free() && !partition.queue.is_empty() {
            partition.listed = true;
            self.keyed.push_back(index);
        }
    }

    /// A keyed record of a partition, or of one that librdkafka chooses, is sent again alone.
    pub(super) fn hold(&mut self, partition: Option<usize>) {
        self.ahead += 1;
        if let Some(partition) = partition.and_then(|it| self.partitions.get_mut(it)) {
            partition.held += 1;
        }
    }

    /// It has ended.
    pub(super) fn release(&mut self, partition: Option<usize>) {
        self.ahead -= 1;
        if let Some(place) = partition.filter(|it| *it < self.partitions.len()) {
            self.partitions[place].held -= 1;
            self.list(place);
        }
    }

    /// Whether equal keys may change their order by taking over so many partitions now: what was placed in
    /// another way is on its way, and may have to be sent again.
    pub(super) fn must_wait_for(&self, partitions: usize) -> bool {
        let before = self.partitions.len();
        self.ahead > 0 && (before == 0 || partitions < before)
    }

    /// Takes over partitions with these leaders. Records that wait are placed again, in the order in which
    /// they came, where the number of partitions was not known, or is smaller than it was.
    pub(super) fn set_partitions(&mut self, leaders: &[Option<usize>]) {
        let before = self.partitions.len();
        let mut misplaced = Vec::new();
        if before == 0 || leaders.is_empty() {
            misplaced.extend(self.queue.drain());
        }
        if leaders.len() < before {
            for partition in &mut self.partitions {
                misplaced.extend(partition.queue.drain());
            }
            misplaced.sort_by_key(|(_, deadline)| *deadline);
        }
        self.partitions
            .resize_with(leaders.len(), Partition::default);
        self.keyed.retain(|index| *index < leaders.len());
        for (partition, leader) in self.partitions.iter_mut().zip(leaders) {
            if std::mem::replace(&mut partition.broker, *leader) != *leader {
                partition.retry_due = None;
            }
        }
        for (record, deadline) in misplaced {
            self.push(record, deadline);
        }
    }

    /// Whether anything waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty() || self.partitions.iter().any(|it| !it.queue.is_empty())
    }

    /// Whether a batch that librdkafka places may go: no other is out. librdkafka would put its records
    /// together with those of the other for the same partition, and a refusal would end both.
    pub(super) fn may_go_unplaced(&self) -> bool {
        self.ahead == 0 && self.out == 0
    }
}
