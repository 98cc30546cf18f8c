//! From what waits to the next batch.

use std::time::Instant;

use super::{
    Alone, Batcher,
    batch::{Batch, BatchKey, GENERATION_BITS, Kind},
    queue::Queue,
    topic::BatchLimits,
};
use crate::produce::record::Record;

/// Partitions that are looked at to find a free one.
pub(super) const LOOKED_AT_MAX: usize = 64;

impl Batcher {
    /// A batch of one partition's own records.
    pub(super) fn keyed_batch(&mut self, index: usize, now: Instant) -> Option<BatchKey> {
        // Nothing is placed any more as it was.
        if self.topics[index].learned.is_some() {
            return None;
        }
        for _ in 0..self.topics[index].keyed.len() {
            let topic = &mut self.topics[index];
            let place = topic.keyed.pop_front()?;
            let partition = &mut topic.partitions[place];
            partition.listed = false;
            if !partition.is_free() || partition.queue.is_empty() {
                continue;
            }
            let (full, limits) = (is_full(&partition.queue, topic.limits), topic.limits);
            let due = partition.pace.due(now, false, 1, self.rules.linger);
            if let Some(due) = due.filter(|_| !full) {
                topic.list(place);
                self.wait_until(index, due);
                continue;
            }
            let broker = partition.broker.filter(|_| !partition.must_rest(now));
            let lane = self.keyed_lane(index);
            let Some((broker, lane)) = broker.zip(lane).filter(|it| self.may_send(*it, now)) else {
                self.short_of_lanes |= broker.is_some_and(|it| !self.brokers[it].is_late());
                self.topics[index].list(place);
                self.block(index);
                continue;
            };
            let mut records = self.spare.pop().unwrap_or_default();
            let partition = &mut self.topics[index].partitions[place];
            partition
                .queue
                .take(&mut records, limits.bytes, limits.records);
            partition.pace.sent(records.len(), now);
            partition.out = true;
            return Some(self.send(
                index,
                Some((place, broker)),
                lane,
                records,
                Kind::Keyed,
                now,
            ));
        }
        None
    }

    /// Where keyed records of a topic go, from its first batch on. `None` while that takes nothing.
    pub(super) fn keyed_lane(&mut self, topic: usize) -> Option<usize> {
        let lane = self.topics[topic].lane.unwrap_or_else(|| {
            let open = (0..self.rules.lanes_max).filter(|lane| self.lanes[*lane]);
            open.min_by_key(|lane| self.batches_on(*lane)).unwrap_or(0)
        });
        self.topics[topic].lane = Some(lane);
        self.lanes[lane].then_some(lane)
    }

    /// Whether a broker may be sent a batch on a lane.
    pub(super) fn may_send(&self, (broker, lane): (usize, usize), now: Instant) -> bool {
        let broker = &self.brokers[broker];
        broker.has_room(lane, self.rules.requests_max)
            && (!broker.is_late() || broker.wants_probe(now))
    }

    /// A batch of records for any partition.
    pub(super) fn any_batch(&mut self, index: usize, now: Instant) -> Option<BatchKey> {
        let topic = &self.topics[index];
        if topic.queue.is_empty() {
            return None;
        }
        let limits = topic.limits;
        if topic.partitions.is_empty() {
            return self.unplaced_batch(index, now);
        }
        let out = topic.out > 0;
        let due = topic.pace.due(now, out, topic.usable, self.rules.linger);
        if let Some(due) = due.filter(|_| !is_full(&topic.queue, limits)) {
            self.wait_until(index, due);
            return None;
        }
        let Some((place, broker, lane)) = self.free_partition(index, now) else {
            let free = topic.partitions.iter().filter(|it| it.may_be_next(now));
            let mut brokers = free.filter_map(|it| it.broker);
            self.short_of_lanes |= brokers.any(|it| !self.brokers[it].is_late());
            // The next search looks at those behind.
            if topic.partitions.len() > LOOKED_AT_MAX {
                self.topics[index].next += LOOKED_AT_MAX;
            }
            self.block(index);
            return None;
        };
        let mut records = self.spare.pop().unwrap_or_default();
        let topic = &mut self.topics[index];
        // A probe may fail: that is one request's risk.
        let records_max = if topic.partitions[place].is_probed(&self.brokers[broker]) {
            topic.queue.first_run().min(limits.records)
        } else {
            limits.records
        };
        topic.queue.take(&mut records, limits.bytes, records_max);
        topic.pace.sent(records.len(), now);
        topic.out += 1;
        topic.next = place + 1;
        topic.last_broker = Some(broker);
        topic.partitions[place].out = true;
        Some(self.send(index, Some((place, broker)), lane, records, Kind::Any, now))
    }

    /// A batch that librdkafka places.
    pub(super) fn unplaced_batch(&mut self, index: usize, now: Instant) -> Option<BatchKey> {
        let topic = &self.topics[index];
        let limits = topic.limits;
        if !topic.may_go_unplaced() {
            return None;
        }
        let due = topic.pace.due(now, false, 1, self.rules.linger);
        if let Some(due) = due.filter(|_| !is_full(&topic.queue, limits)) {
            self.wait_until(index, due);
            return None;
        }
        let Some(lane) = self.keyed_lane(index) else {
            self.block(index);
            return None;
        };
        let mut records = self.spare.pop().unwrap_or_default();
        let topic = &mut self.topics[index];
        topic.queue.take(&mut records, limits.bytes, limits.records);
        topic.pace.sent(records.len(), now);
        topic.out += 1;
        Some(self.send(index, None, lane, records, Kind::Any, now))
    }

    /// A partition without a batch out whose broker may be sent one: the one that is due to be probed, else
    /// one of another broker than the last, else the broker with the fewest batches out.
    pub(super) fn free_partition(
        &self,
        index: usize,
        now: Instant,
    ) -> Option<(usize, usize, usize)> {
        let topic = &self.topics[index];
        let count = topic.partitions.len();
        let mut best = None;
        for step in 0..count.min(LOOKED_AT_MAX) {
            let place = (topic.next + step) % count;
            let partition = &topic.partitions[place];
            let broker = partition.broker.filter(|_| partition.may_be_next(now));
            let Some(broker) = broker else {
                continue;
            };
            let Some(lane) = self.lane_to(broker, now) else {
                continue;
            };
            let same = topic.last_broker == Some(broker);
            let it = &self.brokers[broker];
            let cost = (!partition.is_probed(it), same, it.out());
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, (place, broker, lane)));
            }
            if cost == (true, false, 0) {
                break;
            }
        }
        best.map(|(_, place)| place)
    }

    pub(super) fn lane_to(&self, broker: usize, now: Instant) -> Option<usize> {
        let mut lanes = 0..self.rules.lanes_max;
        lanes.find(|lane| self.lanes[*lane] && self.may_send((broker, *lane), now))
    }

    /// The next record that is sent alone.
    pub(super) fn next_alone(&mut self, now: Instant) -> Option<BatchKey> {
        let lane = self.alone_lane();
        if self.alone.is_empty() || !self.lanes[lane] {
            return None;
        }
        // All of them: what a hung broker leads does not hold up the rest.
        let may_go = |it: &Alone| {
            let broker = self.broker_of(it.topic, it.partition);
            broker.is_none_or(|broker| self.may_send((broker, lane), now))
        };
        let place = self.alone.iter().position(may_go)?;
        let it = self.alone.remove(place)?;
        let broker = self.broker_of(it.topic, it.partition);
        let to = it.partition.zip(broker);
        let mut records = self.spare.pop().unwrap_or_default();
        records.push(it.record);
        let kind = Kind::Alone { holds: it.holds };
        let batch = self.send(it.topic, to, lane, records, kind, now);
        // A partition without a leader is named all the same.
        self.batches[batch.index].partition = it.partition;
        Some(batch)
    }

    pub(super) fn broker_of(&self, topic: usize, partition: Option<usize>) -> Option<usize> {
        let partition = partition.and_then(|it| self.topics[topic].partitions.get(it));
        partition.and_then(|it| it.broker)
    }

    pub(super) fn send(
        &mut self,
        topic: usize,
        to: Option<(usize, usize)>,
        lane: usize,
        records: Vec<Record>,
        kind: Kind,
        now: Instant,
    ) -> BatchKey {
        self.waiting -= records.len();
        self.generation = (self.generation + 1) & ((1 << GENERATION_BITS) - 1);
        let (partition, broker) = to.unzip();
        if let Some(broker) = broker {
            self.brokers[broker].sent(lane, now);
        }
        self.topics[topic].ahead += usize::from(kind.is_ordered(partition));
        let generation = self.generation;
        let index = self.batches.insert(Batch {
            generation,
            topic,
            partition,
            lane,
            broker,
            kind,
            sent: now,
            pending: records.len(),
            records,
            refused: None,
            unanswered: false,
            failed: false,
            rejected: false,
        });
        BatchKey { index, generation }
    }
}

fn is_full(queue: &Queue, limits: BatchLimits) -> bool {
    queue.bytes() >= limits.bytes || queue.len() >= limits.records
}
