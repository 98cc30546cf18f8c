//! Taking in the records of a request: at once, or, where there are many, some at a time.

use std::{
    cell::LazyCell,
    ptr::{self, NonNull},
    rc::Rc,
    time::Instant,
};

use super::Producer;
use crate::produce::{
    delivery::Delivery,
    fault::Fault,
    headers::Headers,
    in_flight::RequestKey,
    outgoing::{OutgoingRecord, carried_time},
    record::Record,
};

/// Records of a request with many that are taken in at once: about 0.2 ms of work.
const AT_ONCE: usize = 4_096;

/// The bytes of a key that take as long as a record.
const KEY_BYTES: usize = 64;

/// What the records of a request that has been entered have in common.
pub(super) struct Entered {
    pub(super) topic: usize,
    pub(super) request: RequestKey,
    /// Where the memory of the records begins.
    pub(super) bytes_at: *const u8,
    /// Where the next key is.
    pub(super) key_at: *const u8,
    pub(super) headers: Option<NonNull<Headers>>,
    pub(super) overhead: u32,
}

/// The records of a request that has been entered, on their way to the batcher. Dropped before the last of
/// them is there, it gives up the others.
pub(super) struct Intake<R: ExactSizeIterator> {
    producer: Rc<Producer>,
    entered: Entered,
    records: R,
    position: u32,
}

impl<'k, R: ExactSizeIterator<Item = OutgoingRecord<'k>>> Intake<R> {
    pub(super) fn new(producer: &Rc<Producer>, entered: Entered, records: R) -> Self {
        Self {
            producer: Rc::clone(producer),
            entered,
            records,
            position: 0,
        }
    }

    /// Takes in the next records, as many as take as long as `most` without keys. Whether all are in.
    pub(super) fn advance(&mut self, most: usize, now: Instant) -> bool {
        let (producer, entered) = (&*self.producer, &mut self.entered);
        let (topic, deadline) = (entered.topic, now + producer.report_timeout);
        let allowed_ms = LazyCell::new(|| producer.times.borrow()[topic].now());
        let (mut done, position, records) = (0, &mut self.position, &mut self.records);
        let records = std::iter::from_fn(|| {
            let record = (done < most).then(|| records.next())??;
            let key = record.key.map_or(ptr::null(), |_| entered.key_at);
            let key_len = record.key.map_or(0, <[u8]>::len);
            entered.key_at = entered.key_at.wrapping_add(key_len);
            let record = Record {
                request: entered.request,
                position: *position,
                len: narrow(record.place.len()),
                bytes: entered.bytes_at.wrapping_add(record.place.start),
                key,
                key_len: narrow(key_len),
                key_hash: producer.key_hash(record.key),
                overhead: entered.overhead,
                timestamp_ms: record
                    .timestamp_ms
                    .map_or(0, |time| carried_time(time, &allowed_ms)),
                headers: entered.headers,
            };
            *position += 1;
            done += 1 + key_len / KEY_BYTES;
            Some(record)
        });
        producer
            .batcher
            .borrow_mut()
            .extend(topic, records, deadline);
        self.records.len() == 0
    }
}

impl<R: ExactSizeIterator> Drop for Intake<R> {
    fn drop(&mut self) {
        let left = narrow(self.records.len());
        if left == 0 {
            return;
        }
        let mut in_flight = self.producer.in_flight.borrow_mut();
        for position in self.position..self.position + left {
            let lost = (Fault::Draining, false);
            in_flight.failed(self.entered.request, position, lost);
        }
    }
}

/// The records of a request with many, which are taken in some at a time.
pub struct Slices<'r> {
    intake: Intake<Box<dyn ExactSizeIterator<Item = OutgoingRecord<'r>> + 'r>>,
    /// `None` once it was handed out.
    delivery: Option<Delivery>,
}

impl<'r> Slices<'r> {
    pub(super) fn new(
        producer: &Rc<Producer>,
        entered: Entered,
        records: impl ExactSizeIterator<Item = OutgoingRecord<'r>> + 'r,
        delivery: Delivery,
    ) -> Self {
        let records: Box<dyn ExactSizeIterator<Item = _> + 'r> = Box::new(records);
        Self {
            intake: Intake::new(producer, entered, records),
            delivery: Some(delivery),
        }
    }

    /// Takes in the next ones; returns the delivery of all with the last of them, once.
    pub fn advance(&mut self) -> Option<Delivery> {
        let now = Instant::now();
        let are_in = self.intake.advance(AT_ONCE, now);
        let (producer, request) = (&self.intake.producer, self.intake.entered.request);
        let deadline = now + producer.report_timeout;
        producer.in_flight.borrow_mut().postpone(request, deadline);
        let delivery = self.delivery.take_if(|_| are_in)?;
        Some(delivery.enqueued_at(now))
    }

    /// Whether so many records of the topic wait that others would wait for too long behind more.
    pub fn should_wait(&self) -> bool {
        let batcher = self.intake.producer.batcher.borrow();
        batcher.is_behind(self.intake.entered.topic)
    }
}

/// A length within a body, which is shorter than 4 GiB.
fn narrow(len: usize) -> u32 {
    u32::try_from(len).expect("a body is shorter than 4 GiB")
}
