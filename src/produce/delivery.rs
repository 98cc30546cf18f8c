//! The wait for a request's delivery reports.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Instant,
};

use super::{
    Producer,
    fault::{Failure, Fault},
    in_flight::RequestKey,
};

/// Every record of a request is in the topic, by the brokers' own word.
///
/// Made only from good delivery reports, and so the only way to a 200 for records.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivered {
    records: usize,
    at: Instant,
}

impl Delivered {
    /// How many records there are.
    pub fn records(&self) -> usize {
        self.records
    }

    /// When that was known.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// As if so many had been delivered.
    #[cfg(test)]
    pub(crate) fn for_test(records: usize) -> Self {
        let at = Instant::now();
        Self { records, at }
    }
}

/// Resolves when every record of a request has its delivery report, or the deadline has passed.
///
/// Dropping it gives up the wait, not the records: their memory stays until the last report.
#[must_use = "records without a delivery report are not acknowledged"]
pub struct Delivery {
    producer: Rc<Producer>,
    key: RequestKey,
    enqueued: Instant,
    /// Whether the model takes a key from each record.
    is_keyed: bool,
}

impl Delivery {
    pub(super) fn new(producer: Rc<Producer>, key: RequestKey, enqueued: Instant) -> Self {
        Self {
            producer,
            key,
            enqueued,
            is_keyed: false,
        }
    }

    /// The same for records whose model takes a key from each, or none: only then can a client mend a
    /// record that lacks one.
    pub(super) fn keyed(mut self, is_keyed: bool) -> Self {
        self.is_keyed = is_keyed;
        self
    }

    /// The same for records of which the last was taken in then.
    pub(super) fn enqueued_at(mut self, now: Instant) -> Self {
        self.enqueued = now;
        self
    }

    /// Hands batches that are due to librdkafka: the records' too, if they are due.
    pub fn dispatch(&self) {
        self.producer.dispatch(self.enqueued);
    }

    /// Whether it resolves at once.
    pub fn has_ended(&self) -> bool {
        self.producer.in_flight().has_ended(self.key)
    }
}

impl Future for Delivery {
    type Output = Result<Delivered, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let end = self.producer.in_flight().end(self.key, context.waker());
        match end {
            None => Poll::Pending,
            Some(end) => {
                let at = Instant::now();
                let latency = at.saturating_duration_since(self.enqueued);
                self.producer.metrics().delivery_latency.observe(latency);
                let end = end.map_err(|mut failure| {
                    if failure.fault == Fault::NullKey && !self.is_keyed {
                        failure.fault = Fault::RecordRefused;
                    }
                    failure
                });
                Poll::Ready(end.map(|records| Delivered { records, at }))
            }
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.producer.in_flight().abandon(self.key);
    }
}
