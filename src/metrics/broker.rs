//! What a worker's own batches say of each broker.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{Counter, Gauge, Histogram, unix_millis};
use crate::sync::locked;

/// One worker's batches at one broker. That worker is the only writer.
#[derive(Debug)]
pub struct BrokerMetrics {
    id: i32,
    /// Time from handing a batch to librdkafka to the broker's answer.
    pub round_trip: Histogram,
    /// Batches that the broker has not answered.
    pub batches_failed: Counter,
    /// Batches on their way.
    pub batches_out: Gauge,
    /// Whether it answers in time, in the lowest bit; above it the time of the last change, in milliseconds since
    /// 1970.
    state: AtomicU64,
}

impl BrokerMetrics {
    /// Of the broker with this `node.id`, which answers as far as is known.
    pub fn new(id: i32) -> Self {
        Self {
            id,
            round_trip: Histogram::default(),
            batches_failed: Counter::default(),
            batches_out: Gauge::default(),
            state: AtomicU64::new(unix_millis() << 1 | 1),
        }
    }

    /// Kafka's `node.id`.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Sets whether it answers in time. The clock is read only when that changes.
    pub fn set_up(&self, is_up: bool) {
        if self.state().0 != is_up {
            self.state
                .store(unix_millis() << 1 | u64::from(is_up), Relaxed);
        }
    }

    /// Whether it answers in time, and since when, in milliseconds since 1970.
    pub fn state(&self) -> (bool, u64) {
        let state = self.state.load(Relaxed);
        (state & 1 == 1, state >> 1)
    }
}

/// The brokers that a worker's batches go to. Locked when one is found and when metrics are read.
#[derive(Clone, Debug, Default)]
pub struct Brokers(Arc<Mutex<Vec<Arc<BrokerMetrics>>>>);

impl Brokers {
    /// The metrics of the broker with this `node.id`, which a worker that is restarted continues.
    pub fn of(&self, id: i32) -> Arc<BrokerMetrics> {
        let mut brokers = locked(&self.0);
        let known = brokers.iter().find(|broker| broker.id == id).cloned();
        known.unwrap_or_else(|| {
            brokers.push(Arc::new(BrokerMetrics::new(id)));
            Arc::clone(&brokers[brokers.len() - 1])
        })
    }

    /// All of them so far.
    pub fn all(&self) -> Vec<Arc<BrokerMetrics>> {
        locked(&self.0).clone()
    }

    /// For a worker that replaces one that has failed: no batch is out, and every broker answers as far as is known.
    pub(super) fn reset(&self) {
        for broker in self.all() {
            broker.batches_out.set(0);
            broker.set_up(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_worker_goes_on_counting() {
        let brokers = Brokers::default();
        let before = brokers.of(3);
        before.batches_failed.add(2);
        before.batches_out.add(2);
        before.set_up(false);
        brokers.reset();
        let after = brokers.of(3);
        assert_eq!((after.id(), after.batches_failed.value()), (3, 2));
        assert_eq!((after.batches_out.value(), after.state().0), (0, true));
        assert_eq!(brokers.of(1).id(), 1);
        let ids: Vec<_> = brokers.all().iter().map(|it| it.id()).collect();
        assert_eq!(ids, [3, 1]);
    }

    #[test]
    fn the_time_of_a_state_is_that_of_its_change() {
        let broker = BrokerMetrics::new(1);
        let (is_up, created) = broker.state();
        assert!(is_up && created > 0);
        std::thread::sleep(std::time::Duration::from_millis(5));
        broker.set_up(true);
        assert_eq!(broker.state(), (true, created));
        broker.set_up(false);
        let (is_up, changed) = broker.state();
        assert!(!is_up && changed >= created);
    }
}
