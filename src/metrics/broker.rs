//! What a worker's own batches say of each broker.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
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
    /// [`IN_TIME`] and [`REACHABLE`] where they hold; above them the time of the last change of whether both do, in
    /// milliseconds since 1970.
    state: AtomicU64,
}

/// It answers batches in time.
const IN_TIME: u64 = 1;

/// The worker has a broker at all.
const REACHABLE: u64 = 2;

/// Both.
const UP: u64 = IN_TIME | REACHABLE;

impl BrokerMetrics {
    /// Of the broker with this `node.id`, which answers as far as is known.
    pub fn new(id: i32) -> Self {
        Self {
            id,
            round_trip: Histogram::default(),
            batches_failed: Counter::default(),
            batches_out: Gauge::default(),
            state: AtomicU64::new(unix_millis() << 2 | UP),
        }
    }

    /// Kafka's `node.id`.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Sets whether it answers batches in time.
    pub fn set_in_time(&self, is_in_time: bool) {
        self.set(IN_TIME, is_in_time);
    }

    /// Sets or clears a flag. The clock is read only when that changes whether it is up.
    fn set(&self, flag: u64, is_set: bool) {
        let before = self.state.load(Relaxed);
        let flags = if is_set {
            before & UP | flag
        } else {
            before & UP & !flag
        };
        if flags == before & UP {
            return;
        }
        let changes = (flags == UP) != (before & UP == UP);
        let changed_ms = if changes { unix_millis() } else { before >> 2 };
        self.state.store(changed_ms << 2 | flags, Relaxed);
    }

    /// Whether it is up as far as this worker knows, and since when, in milliseconds since 1970.
    pub fn state(&self) -> (bool, u64) {
        let state = self.state.load(Relaxed);
        (state & UP == UP, state >> 2)
    }
}

/// The brokers that a worker's batches go to. Locked when one is found and when metrics are read.
#[derive(Clone, Debug, Default)]
pub struct Brokers(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    brokers: Mutex<Vec<Arc<BrokerMetrics>>>,
    /// Whether the worker has no broker, as `/ready` says.
    are_unreachable: AtomicBool,
}

impl Brokers {
    /// The metrics of the broker with this `node.id`, which a worker that is restarted continues.
    pub fn of(&self, id: i32) -> Arc<BrokerMetrics> {
        let mut brokers = locked(&self.0.brokers);
        let known = brokers.iter().find(|broker| broker.id == id).cloned();
        known.unwrap_or_else(|| {
            let broker = Arc::new(BrokerMetrics::new(id));
            broker.set(REACHABLE, !self.0.are_unreachable.load(Relaxed));
            brokers.push(Arc::clone(&broker));
            broker
        })
    }

    /// All of them so far.
    pub fn all(&self) -> Vec<Arc<BrokerMetrics>> {
        locked(&self.0.brokers).clone()
    }

    /// Sets whether the worker has a broker at all: without one none is up, whether batches go there or not. Cheap
    /// where nothing changes.
    pub fn set_reachable(&self, are_reachable: bool) {
        let before = self.0.are_unreachable.swap(!are_reachable, Relaxed);
        if before == are_reachable {
            for broker in self.all() {
                broker.set(REACHABLE, are_reachable);
            }
        }
    }

    /// For a worker that replaces one that has failed: no batch is out, and every broker answers as far as is known.
    pub(super) fn reset(&self) {
        self.set_reachable(true);
        for broker in self.all() {
            broker.batches_out.set(0);
            broker.set_in_time(true);
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
        before.set_in_time(false);
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
        broker.set_in_time(true);
        assert_eq!(broker.state(), (true, created));
        broker.set_in_time(false);
        let (is_up, changed) = broker.state();
        assert!(!is_up && changed >= created);
    }

    #[test]
    fn without_any_broker_none_is_up() {
        let brokers = Brokers::default();
        let (first, late) = (brokers.of(1), brokers.of(2));
        late.set_in_time(false);
        let up_since = first.state().1;
        brokers.set_reachable(true);
        assert_eq!(first.state(), (true, up_since), "no change");
        brokers.set_reachable(false);
        assert!(!first.state().0 && !late.state().0 && !brokers.of(3).state().0);
        brokers.set_reachable(true);
        assert!(first.state().0 && !late.state().0 && brokers.of(3).state().0);
    }
}
