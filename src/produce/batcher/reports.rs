//! What reports bring about: records end, batches end, and what is learned from how they do.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use super::{
    Alone, Batcher,
    batch::{Batch, BatchKey, Failure, Kind, Reported},
};
use crate::produce::{fault::Fault, record::Record};

/// Records of refused batches that wait to be sent again, each alone.
const ALONE_MAX: usize = 8_192;

/// Topics that are tried again when a batch has ended, of those that wait for any to end.
const UNBLOCKED_MAX: usize = 8;

/// Between two attempts at a partition whose batches are not acknowledged in time although its broker answers.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl Batcher {
    /// A report on a record of a batch that was not delivered.
    pub(in crate::produce) fn failed(
        &mut self,
        (key, position): (BatchKey, usize),
        (fault, maybe_persisted): Failure,
        now: Instant,
    ) -> Reported {
        let batch = self.batches.get_mut(key.index);
        let batch = batch.filter(|batch| batch.generation == key.generation && batch.pending > 0);
        let Some((batch, record)) = batch.and_then(|batch| {
            let record = batch.records.get(position).copied()?;
            Some((batch, record))
        }) else {
            return Reported::Unknown;
        };
        batch.pending -= 1;
        let fault = fault.of_record(record.is_keyed(), record.timestamp_ms != 0);
        batch.failed = true;
        // Any other fault is an answer of the broker's, or a connection that librdkafka opens again.
        batch.unanswered |= fault == Fault::TimedOut;
        // What librdkafka refuses by itself it refuses while it is handed over.
        batch.rejected |= fault.is_of_a_batch() && now > batch.sent;
        let mut reported = Reported::Final(record, (fault, maybe_persisted));
        if fault.is_of_a_batch() && batch.records.len() > 1 {
            batch.refused = Some(fault);
            reported = if self.given_up {
                Reported::Final(record, (Fault::Draining, false))
            } else if self.alone.len() < ALONE_MAX {
                self.waiting += 1;
                let holds = batch.kind.is_ordered(batch.partition) && record.is_keyed();
                self.alone.push_back(Alone {
                    topic: batch.topic,
                    partition: batch.partition,
                    record,
                    deadline: batch.sent + self.rules.alone_within,
                    holds,
                });
                if holds {
                    self.topics[batch.topic].hold(batch.partition);
                }
                Reported::SentAgain
            } else {
                Reported::Final(record, (Fault::QueueFull, false))
            };
        }
        if self.batches[key.index].pending == 0 {
            self.end(key.index, now);
        }
        reported
    }

    /// Reports on neighbours in a batch, all of which were delivered: `each` is given them. `false` if they are not
    /// out, which must not happen.
    pub(in crate::produce) fn delivered(
        &mut self,
        (key, positions): (BatchKey, Range<usize>),
        now: Instant,
        each: impl FnOnce(&[Record]),
    ) -> bool {
        let batch = self.batches.get_mut(key.index);
        let batch = batch.filter(|it| it.generation == key.generation);
        let Some(batch) = batch.filter(|it| it.pending >= positions.len()) else {
            return false;
        };
        let count = positions.len();
        let Some(records) = batch.records.get(positions) else {
            return false;
        };
        each(records);
        batch.pending -= count;
        if batch.pending == 0 {
            self.end(key.index, now);
        }
        true
    }

    /// A record of a partition is not sent alone any more.
    pub(super) fn release(&mut self, topic: usize, partition: Option<usize>) {
        self.topics[topic].release(partition);
        self.take_over(topic);
        self.try_again(topic);
    }

    /// Ends records that were to be sent alone and have waited for too long. They stand in the order in
    /// which their batches were refused, not in that of their deadlines.
    pub(super) fn expire_alone(&mut self, now: Instant, ended: &mut Vec<(Record, Fault)>) {
        if self.alone.iter().all(|it| it.deadline > now) {
            return;
        }
        for it in std::mem::take(&mut self.alone) {
            if it.deadline > now {
                self.alone.push_back(it);
                continue;
            }
            self.waiting -= 1;
            if it.holds {
                self.release(it.topic, it.partition);
            }
            ended.push((it.record, Fault::TimedOut));
        }
    }

    /// Every record of a batch is reported.
    pub(super) fn end(&mut self, index: usize, now: Instant) {
        let mut batch = self.batches.remove(index);
        let round_trip = now - batch.sent;
        // How long a broker was silent says nothing of the next round trip.
        let was_silent = batch.broker.is_some_and(|broker| {
            self.ended_at(broker, &batch, now);
            self.brokers[broker].was_late_since(batch.sent)
        });
        self.learn(&batch);
        let topic = &mut self.topics[batch.topic];
        if batch.kind == Kind::Any {
            topic.out -= 1;
            if !batch.failed && !was_silent {
                topic.pace.acknowledged(round_trip, now);
            }
        }
        topic.ahead -= usize::from(batch.kind.is_ordered(batch.partition));
        match (batch.kind, batch.partition) {
            (Kind::Alone { holds: true }, partition) => topic.release(partition),
            (Kind::Any | Kind::Keyed, Some(place)) => {
                if let Some(partition) = topic.partitions.get_mut(place) {
                    partition.out = false;
                    topic.list(place);
                }
            }
            (Kind::Alone { holds: false }, _) | (Kind::Any | Kind::Keyed, None) => {}
        }
        self.take_over(batch.topic);
        self.try_again(batch.topic);
        self.unblock(UNBLOCKED_MAX);
        batch.records.clear();
        if batch.records.capacity() <= 1_024 && self.spare.len() < 64 {
            self.spare.push(batch.records);
        }
    }

    /// Learns from how a batch ended whether its broker and its partition are well.
    fn ended_at(&mut self, broker: usize, batch: &Batch, now: Instant) {
        let end = if batch.failed && !batch.rejected {
            Err(batch.unanswered)
        } else {
            Ok(())
        };
        let was_late = self.brokers[broker].is_late();
        let is_silent = self.brokers[broker].ended(batch.lane, batch.sent, end, now);
        if was_late != self.brokers[broker].is_late() {
            self.lateness_changed();
        }
        let partitions = &mut self.topics[batch.topic].partitions;
        let partition = batch.occupies().and_then(|it| partitions.get_mut(it));
        let Some(partition) = partition else {
            return;
        };
        let retry_due = match end {
            Ok(()) => None,
            Err(true) if !is_silent => Some(now + RETRY_INTERVAL),
            Err(_) => partition.retry_due,
        };
        let before = std::mem::replace(&mut partition.retry_due, retry_due);
        self.has_failed_partition |= retry_due.is_some();
        if before.is_some() != retry_due.is_some() {
            self.count_usable(batch.topic);
        }
    }

    /// Learns from how a batch ended how large the topic's batches may be: a refusal halves them, so that
    /// fewer records share it.
    pub(super) fn learn(&mut self, batch: &Batch) {
        let limits = &mut self.topics[batch.topic].limits;
        if matches!(batch.kind, Kind::Alone { .. }) {
            return;
        }
        match batch.refused {
            Some(Fault::RecordTooLarge) => {
                let bytes: usize = batch.records.iter().map(Record::wire_bytes).sum();
                limits.bytes = limits.bytes.min(bytes / 2).max(1);
            }
            Some(_) => limits.records = (batch.records.len() / 2).max(1),
            None => limits.records = (limits.records * 2).min(self.rules.records_max),
        }
    }
}
