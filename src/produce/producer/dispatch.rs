//! Batches on their way to librdkafka, and how their records end.
#![expect(
    unsafe_code,
    reason = "borrowed payloads are promised to librdkafka here"
)]

use std::{ops::Range, time::Instant};

use rdkafka::types::RDKafkaErrorCode as Code;
use tracing::Level;

use super::Producer;
use crate::{
    log::{Kind, Line},
    produce::{
        batcher::{BatchKey, Batcher, Failure, Reported},
        fault::Fault,
    },
};

/// A bug.
static UNKNOWN_REPORTS: Kind = Kind::new(
    "delivery reports for records that are not in flight",
    Level::ERROR,
);

/// Records that are handed over in a round of the worker, and then those of a batch: other requests wait for
/// it.
const HANDED_MAX: usize = 4_096;

impl Producer {
    /// Hands batches that are due to librdkafka, until it is [paused](Self::paused).
    pub fn dispatch(&self, now: Instant) {
        let mut batcher = self.batcher.borrow_mut();
        batcher.pace(now);
        let mut refused = Vec::new();
        while !self.is_paused()
            && let Some(key) = batcher.next_batch(now)
        {
            self.evidence.sent(now);
            let records = batcher.batch(key).map_or(0, |batch| batch.records.len());
            self.handed.set(self.handed.get() + records);
            self.hand_over(&batcher, key, &mut refused);
            for (position, code) in refused.drain(..) {
                let failure = (Fault::from_code(code), false);
                self.failed(&mut batcher, (key, position), failure, now);
            }
        }
        if batcher.next_due().is_some()
            && let Some(waker) = self.forming.borrow_mut().take()
        {
            waker.wake();
        }
        if self.is_paused()
            && let Some(waker) = self.pausing.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// Whether the rest waits for the end of the worker's round.
    pub(super) fn is_paused(&self) -> bool {
        self.handed.get() >= HANDED_MAX
    }

    /// [Dispatches](Self::dispatch) in a new round of the worker.
    pub fn resume(&self, now: Instant) {
        self.handed.set(0);
        self.dispatch(now);
    }

    fn hand_over(&self, batcher: &Batcher, key: BatchKey, refused: &mut Vec<(usize, Code)>) {
        let Some(batch) = batcher.batch(key) else {
            return;
        };
        let partition = batch
            .partition
            .map(|it| i32::try_from(it).unwrap_or(i32::MAX));
        let (topics, mut scratch) = (self.topics.borrow(), self.scratch.borrow_mut());
        let handed = self.lanes[batch.lane].with_serving(|handle| {
            let Ok(topic) = handle.topic(batch.topic, &topics[batch.topic]) else {
                return false;
            };
            let (records, scratch) = (&batch.records[..], &mut *scratch);
            // SAFETY: the bytes, keys and headers of each record lie in the memory that the in-flight
            // table holds, unmoved and unwritten, until the record is reported there, which `failed` and
            // `delivered` do after librdkafka's own report or refusal only.
            unsafe {
                handle.produce(
                    topic,
                    partition,
                    key,
                    (0, records),
                    scratch,
                    |position, code| {
                        refused.push((position, code));
                    },
                );
            }
            if refused
                .iter()
                .any(|(_, code)| *code == Code::UnknownPartition)
            {
                // The watch knows of partitions that the handle has not heard of yet: let it choose.
                for (position, _) in std::mem::take(refused) {
                    let record = (position, &records[position..=position]);
                    // SAFETY: as above: it was refused.
                    unsafe {
                        handle.produce(topic, None, key, record, scratch, |position, code| {
                            refused.push((position, code));
                        });
                    }
                }
            }
            true
        });
        if handed != Some(true) {
            let code = if handed.is_none() {
                Code::PurgeQueue
            } else {
                Code::InvalidTopic
            };
            refused.extend((0..batch.records.len()).map(|position| (position, code)));
        }
    }

    /// Records that a record was not delivered.
    pub(super) fn failed(
        &self,
        batcher: &mut Batcher,
        place: (BatchKey, usize),
        failure: Failure,
        now: Instant,
    ) {
        let known = match batcher.failed(place, failure, now) {
            Reported::Final(record, failure) => {
                let mut in_flight = self.in_flight.borrow_mut();
                in_flight.failed(record.request, record.position, failure)
            }
            Reported::SentAgain => {
                self.metrics.records_sent_again.add(1);
                true
            }
            Reported::Unknown => false,
        };
        if !known {
            log_unknown();
        }
    }

    /// Records that neighbours in a batch were delivered.
    pub(super) fn delivered(
        &self,
        batcher: &mut Batcher,
        neighbours: Option<(BatchKey, Range<usize>)>,
        now: Instant,
    ) {
        let Some(neighbours) = neighbours else {
            return;
        };
        self.evidence.answered(now);
        let mut known = true;
        let are_out = batcher.delivered(neighbours, now, |records| {
            let mut in_flight = self.in_flight.borrow_mut();
            for of_one in records.chunk_by(|one, next| one.request == next.request) {
                known &= in_flight.settle(of_one[0].request, of_one.len());
            }
        });
        if !known || !are_out {
            log_unknown();
        }
    }
}

fn log_unknown() {
    if let Some(Line { count }) = UNKNOWN_REPORTS.admit() {
        tracing::error!(
            count,
            "a delivery report for a record that is not in flight"
        );
    }
}
