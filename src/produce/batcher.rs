//! The batcher: which records go to the brokers together, to which partition, and when.
//!
//! An idempotent librdkafka has one request out for a partition, and its thread spins while more records
//! wait behind it. So nothing waits there: one batch is out for a partition, and the next one forms here
//! meanwhile (group commit). Records without a key go to a free partition, of another broker first.
//!
//! Sans-I/O: records, reports and the time come in, batches come out.

mod batch;
mod broker;
mod forming;
mod pace;
mod queue;
mod reports;
#[cfg(test)]
mod tests;
mod topic;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use slab::Slab;

use super::{fault::Fault, record::Record};
use crate::metrics::Brokers;
use batch::Kind;
pub(super) use batch::{BATCH_RECORDS_MAX, Batch, BatchKey, Failure, Reported};
use broker::Broker;
pub(super) use pace::Linger;
use topic::{BatchLimits, Partition, Topic};

/// What a batch takes beside its records in a topic: a record batch's header has 61 bytes (KIP-98).
const BATCH_HEADER_BYTES: usize = 128;

/// Records of a topic that may wait while those of a long request are taken in: a few milliseconds' work.
const BEHIND: usize = 16_384;

/// What holds for every batch.
#[derive(Clone, Debug)]
pub(super) struct BatchRules {
    /// librdkafka's `batch.size`, in bytes.
    pub(super) bytes_max: usize,
    /// librdkafka's `batch.num.messages`.
    pub(super) records_max: usize,
    pub(super) linger: Linger,
    /// Batches out at one broker from one lane, at most: beyond that librdkafka would keep them.
    pub(super) requests_max: u32,
    /// Whether keys are placed here: where the operator chose another partitioner, librdkafka does it.
    pub(super) places_keys: bool,
    /// Lanes for batches, at most; one more sends records alone.
    pub(super) lanes_max: usize,
    /// How long records may wait to be sent again alone.
    pub(super) alone_within: Duration,
}

/// A record that is to be sent alone.
#[derive(Debug)]
struct Alone {
    topic: usize,
    partition: Option<usize>,
    record: Record,
    deadline: Instant,
    holds: bool,
}

/// The batcher of one worker.
#[derive(Debug)]
pub(super) struct Batcher {
    rules: BatchRules,
    topics: Vec<Topic>,
    brokers: Vec<Broker>,
    broker_metrics: Brokers,
    /// Whether each lane takes batches; the last one is for records that are sent alone.
    lanes: Vec<bool>,
    batches: Slab<Batch>,
    generation: usize,
    /// Topics that may have a batch to send.
    candidates: VecDeque<usize>,
    /// Topics whose batches wait for another batch to end, whatever its topic.
    blocked: VecDeque<usize>,
    /// Topics whose batches are being formed.
    paced: Vec<usize>,
    alone: VecDeque<Alone>,
    short_of_lanes: bool,
    /// Whether a partition is [`abandoned`](Partition::abandoned) or [to be tried again](Partition::retry_due),
    /// as of the last tick.
    has_failed_partition: bool,
    /// Records that wait, those to be sent alone included.
    waiting: usize,
    /// Whether [`purge`](Self::purge) was called.
    given_up: bool,
    /// Vectors of ended batches, for the next ones.
    spare: Vec<Vec<Record>>,
}

impl Batcher {
    /// A batcher without topics, whose lanes take nothing yet.
    pub(super) fn new(rules: BatchRules, broker_metrics: Brokers) -> Self {
        Self {
            lanes: vec![false; rules.lanes_max + 1],
            rules,
            topics: Vec::new(),
            brokers: Vec::new(),
            broker_metrics,
            batches: Slab::new(),
            generation: 0,
            candidates: VecDeque::new(),
            blocked: VecDeque::new(),
            paced: Vec::new(),
            alone: VecDeque::new(),
            short_of_lanes: false,
            has_failed_partition: false,
            waiting: 0,
            given_up: false,
            spare: Vec::new(),
        }
    }

    /// The lane of records that are sent alone.
    pub(super) fn alone_lane(&self) -> usize {
        self.rules.lanes_max
    }

    /// Whether the partitions of every topic are known.
    #[cfg(test)]
    pub(super) fn knows_partitions_for_test(&self) -> bool {
        self.topics.iter().all(|topic| !topic.partitions.is_empty())
    }

    /// Records that wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether records wait for the lane that sends them alone.
    pub(super) fn wants_alone_lane(&self) -> bool {
        !self.alone.is_empty()
    }

    /// Whether so many records of the topic wait, of those whose brokers answer, that more should come later:
    /// other requests would wait behind them.
    pub(super) fn is_behind(&self, topic: usize) -> bool {
        let topic = &self.topics[topic];
        let answers = |broker: &usize| !self.brokers[*broker].is_late();
        let placed = topic.partitions.iter();
        let placed = placed.filter(|it| it.broker.as_ref().is_some_and(answers));
        topic.queue.len() + placed.map(|it| it.queue.len()).sum::<usize>() >= BEHIND
    }

    /// Whether, since the last call, a batch had to wait because every lane had as many out at its broker
    /// as it may.
    pub(super) fn was_short_of_lanes(&mut self) -> bool {
        std::mem::take(&mut self.short_of_lanes)
    }

    /// Batches on their way on a lane.
    pub(super) fn batches_on(&self, lane: usize) -> usize {
        self.batches
            .iter()
            .filter(|(_, batch)| batch.lane == lane)
            .count()
    }

    /// Adds a topic, whose index is behind those before.
    pub(super) fn add_topic(&mut self) {
        self.topics.push(Topic::new(self.limits()));
    }

    /// The leaders of a topic's partitions, by their `node.id`; `None` while there is none.
    pub(super) fn set_partitions(&mut self, topic: usize, leaders: &[Option<i32>]) {
        let leaders: Vec<_> = leaders
            .iter()
            .map(|leader| leader.map(|id| self.broker_index(id)))
            .collect();
        let it = &mut self.topics[topic];
        if it.placed_by_librdkafka {
            return;
        }
        for (partition, leader) in it.partitions.iter_mut().zip(&leaders) {
            let brokers = &self.brokers;
            let has_failed = partition.broker.is_some_and(|it| brokers[it].has_failed());
            partition.abandoned = leader.is_none() && (partition.abandoned || has_failed);
            self.has_failed_partition |= partition.abandoned;
        }
        it.learned = Some(leaders);
        self.take_over(topic);
    }

    /// Takes over the partitions that were learned of, if equal keys keep their order then.
    fn take_over(&mut self, topic: usize) {
        let it = &mut self.topics[topic];
        let Some(leaders) = it.learned.take() else {
            return;
        };
        if it.must_wait_for(leaders.len()) {
            it.learned = Some(leaders);
            return;
        }
        let known = it.partitions.len();
        it.set_partitions(&leaders);
        if it.partitions.len() > known {
            // Batches may be out for partitions that come back.
            let batches = self.batches.iter().filter(|(_, it)| it.topic == topic);
            for place in batches.filter_map(|(_, it)| it.occupies()) {
                if let Some(partition) = it.partitions.get_mut(place) {
                    partition.out = true;
                }
            }
        }
        self.count_usable(topic);
        self.try_again(topic);
    }

    /// The largest batch that a topic takes, in bytes (`max.message.bytes`), as the brokers have it now;
    /// `None` where they do not. What was learned from refusals is forgotten.
    pub(super) fn set_message_bytes_max(&mut self, topic: usize, bytes: Option<usize>) {
        let bytes = bytes.map_or(usize::MAX, |it| {
            it.saturating_sub(BATCH_HEADER_BYTES).max(1)
        });
        self.topics[topic].limits = BatchLimits {
            bytes: self.rules.bytes_max.min(bytes),
            ..self.limits()
        };
    }

    /// The most that a batch may have, whatever its topic.
    fn limits(&self) -> BatchLimits {
        BatchLimits {
            bytes: self.rules.bytes_max,
            records: self.rules.records_max.min(BATCH_RECORDS_MAX),
        }
    }

    fn broker_index(&mut self, id: i32) -> usize {
        let known = self.brokers.iter().position(|broker| broker.id() == id);
        known.unwrap_or_else(|| {
            let metrics = self.broker_metrics.of(id);
            self.brokers.push(Broker::new(metrics, self.lanes.len()));
            self.brokers.len() - 1
        })
    }

    fn count_usable(&mut self, topic: usize) {
        let topic = &mut self.topics[topic];
        let is_usable = |it: &&Partition| {
            it.broker
                .is_some_and(|broker| !it.is_probed(&self.brokers[broker]))
        };
        topic.usable = topic.partitions.iter().filter(is_usable).count();
    }

    /// A lane takes batches from now on, or none any more.
    pub(super) fn set_lane(&mut self, lane: usize, takes: bool) {
        self.lanes[lane] = takes;
        if takes {
            self.try_all_again();
        }
    }

    /// Whether any broker or partition has made records fail and has acknowledged nothing since, or a partition has
    /// been without a leader for too long.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed_partition || self.brokers.iter().any(Broker::has_failed)
    }

    /// Whether one of the records with these keys would go to a broker or partition that has failed and is not due
    /// to be tried, or to none because there has been no leader for too long.
    pub(super) fn refuses(
        &self,
        topic: usize,
        mut key_hashes: impl Iterator<Item = Option<u32>>,
        now: Instant,
    ) -> bool {
        let topic = &self.topics[topic];
        let has_failed = |partition| has_failed(partition, &self.brokers, now);
        let have_all = !topic.partitions.is_empty() && topic.partitions.iter().all(has_failed);
        have_all
            || key_hashes.any(|hash| {
                let place = topic.partition_of(hash);
                place.is_some_and(|it| has_failed(&topic.partitions[it]))
            })
    }

    /// Takes in records, which wait no longer than until `deadline`. Records of one topic come in the order of
    /// their deadlines.
    pub(super) fn extend(
        &mut self,
        topic: usize,
        records: impl IntoIterator<Item = Record>,
        deadline: Instant,
    ) {
        let it = &mut self.topics[topic];
        for record in records {
            self.waiting += 1;
            if !self.rules.places_keys && record.is_keyed() && !it.placed_by_librdkafka {
                it.placed_by_librdkafka = true;
                it.learned = None;
                it.set_partitions(&[]);
            }
            it.push(record, deadline);
        }
        self.try_again(topic);
    }

    /// Takes in a record.
    #[cfg(test)]
    fn push(&mut self, topic: usize, record: Record, deadline: Instant) {
        self.extend(topic, [record], deadline);
    }

    fn try_again(&mut self, topic: usize) {
        if !std::mem::replace(&mut self.topics[topic].listed.candidates, true) {
            self.candidates.push_back(topic);
        }
    }

    fn try_all_again(&mut self) {
        self.blocked.clear();
        for index in 0..self.topics.len() {
            let topic = &mut self.topics[index];
            topic.listed.blocked = false;
            if topic.has_waiting() {
                self.try_again(index);
            }
        }
    }

    /// The next batch that is to be handed over now.
    pub(super) fn next_batch(&mut self, now: Instant) -> Option<BatchKey> {
        if let Some(batch) = self.next_alone(now) {
            return Some(batch);
        }
        while let Some(topic) = self.candidates.front().copied() {
            // By turns, so that neither kind has every free partition.
            let batch = if self.topics[topic].any_first {
                let batch = self.any_batch(topic, now);
                batch.or_else(|| self.keyed_batch(topic, now))
            } else {
                let batch = self.keyed_batch(topic, now);
                batch.or_else(|| self.any_batch(topic, now))
            };
            if let Some(batch) = batch {
                self.topics[topic].any_first = self.batches[batch.index].kind == Kind::Keyed;
                // The other topics come first.
                self.candidates.rotate_left(1);
                return Some(batch);
            }
            self.candidates.pop_front();
            self.topics[topic].listed.candidates = false;
        }
        None
    }

    /// When [`next_batch`](Self::next_batch) may have one that it has not now, if nothing else happens.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let dues = self.paced.iter().map(|topic| self.topics[*topic].due);
        dues.flatten().min()
    }

    /// Looks at batches whose time to form is over.
    pub(super) fn pace(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.paced.len() {
            let topic = self.paced[index];
            if self.topics[topic].due.is_none_or(|due| due <= now) {
                self.paced.swap_remove(index);
                self.topics[topic].due = None;
                self.try_again(topic);
            } else {
                index += 1;
            }
        }
    }

    fn wait_until(&mut self, topic: usize, due: Instant) {
        let known = &mut self.topics[topic].due;
        if known.is_none() {
            self.paced.push(topic);
        }
        *known = Some(known.map_or(due, |known| due.min(known)));
    }

    fn block(&mut self, topic: usize) {
        if !std::mem::replace(&mut self.topics[topic].listed.blocked, true) {
            self.blocked.push_back(topic);
        }
    }

    /// A batch that is out.
    pub(super) fn batch(&self, key: BatchKey) -> Option<&Batch> {
        let batch = self.batches.get(key.index);
        batch.filter(|batch| batch.generation == key.generation)
    }

    fn unblock(&mut self, count: usize) {
        for _ in 0..count {
            let Some(topic) = self.blocked.pop_front() else {
                return;
            };
            self.topics[topic].listed.blocked = false;
            self.try_again(topic);
        }
    }

    fn lateness_changed(&mut self) {
        for topic in 0..self.topics.len() {
            self.count_usable(topic);
        }
        self.try_all_again();
    }

    /// What is due from time to time: brokers whose answer is late, batches that wait for others, and
    /// records that end without having been handed over: their time is over, or their keys lead to a
    /// broker that has failed. Whether a broker has become late.
    pub(super) fn tick(&mut self, now: Instant, ended: &mut Vec<(Record, Fault)>) -> bool {
        let mut changed = false;
        for (_, batch) in &self.batches {
            if let Some(broker) = batch.broker {
                changed |= self.brokers[broker].overdue(batch.sent, now);
            }
        }
        if changed {
            self.lateness_changed();
        }
        self.pace(now);
        self.unblock(usize::MAX);
        let begin = ended.len();
        let mut expired = Vec::new();
        self.has_failed_partition = false;
        for topic in &mut self.topics {
            topic.queue.expire(now, &mut expired);
            topic.queue.release_room();
            for partition in &mut topic.partitions {
                let begin = expired.len();
                partition.queue.expire(now, &mut expired);
                partition.abandoned |= partition.broker.is_none() && expired.len() > begin;
                self.has_failed_partition |= partition.abandoned || partition.retry_due.is_some();
                if !partition.queue.is_empty() && has_failed(partition, &self.brokers, now) {
                    let refused = partition.queue.drain();
                    ended.extend(refused.map(|(record, _)| (record, Fault::BrokerUnavailable)));
                }
                partition.queue.release_room();
            }
        }
        ended.extend(expired.into_iter().map(|record| (record, Fault::TimedOut)));
        self.waiting -= ended.len() - begin;
        self.expire_alone(now, ended);
        changed
    }

    /// Gives up on everything that waits, for good: no record is sent again after this.
    pub(super) fn purge(&mut self) -> Vec<Record> {
        self.given_up = true;
        let mut purged = Vec::with_capacity(self.waiting);
        for topic in &mut self.topics {
            purged.extend(topic.queue.drain().map(|(record, _)| record));
            for partition in &mut topic.partitions {
                purged.extend(partition.queue.drain().map(|(record, _)| record));
            }
        }
        for it in std::mem::take(&mut self.alone) {
            if it.holds {
                self.release(it.topic, it.partition);
            }
            purged.push(it.record);
        }
        self.waiting = 0;
        purged
    }
}

/// Whether records for a partition can't be delivered now: it or its broker has failed and is not due to be tried,
/// or it has had no leader for too long.
fn has_failed(partition: &Partition, brokers: &[Broker], now: Instant) -> bool {
    let is_tried = partition.retry_due.is_some() && partition.out;
    match partition.broker {
        _ if is_tried || partition.must_rest(now) => true,
        Some(broker) => brokers[broker].has_failed() && !brokers[broker].wants_probe(now),
        None => partition.abandoned,
    }
}
