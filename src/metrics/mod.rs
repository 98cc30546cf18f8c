//! Per-worker metrics, summed when they are scraped.
//!
//! Each worker writes only its own [`WorkerMetrics`] and, for each route, its own [`RouteMetrics`]:
//! plain loads and stores, no lock, no allocation, no hashing. The management thread reads and sums
//! them ([`crate::admin::Exposition`]). A scrape is not a consistent snapshot: its values are read one
//! after the other.

mod broker;
mod cell;
mod key_fetches;
mod labels;
mod principals;
mod process;
mod route;
mod tokens;

use std::{
    sync::atomic::{AtomicI32, AtomicU8, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use broker::{BrokerMetrics, Brokers};
use cell::Counters;
pub(crate) use cell::{BUCKET_BOUNDS_NANOS, COARSE_BOUNDS_NANOS};
pub use cell::{CoarseHistogram, Counter, Gauge, Histogram, Observed};
pub use key_fetches::{FetchResult, KeyFetches};
pub use labels::{Class, Driver, KafkaError};
pub use principals::{PrincipalAmounts, Principals};
pub use process::{ProcessMetrics, TraceResult};
pub use route::RouteMetrics;
pub use tokens::{LatestToken, TokenFetchResult, Tokens};

/// The metrics of one worker. That worker is the only writer; others read through an `Arc`.
///
/// Aligned so that no two workers share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerMetrics {
    /// Bytes of request bodies received, after removal of the chunked coding and as compressed as they came;
    /// rejected ones included.
    pub body_bytes_received: Counter,
    /// Bytes that compressed bodies became.
    pub body_bytes_decoded: Counter,
    /// Time from enqueueing a request's records to their last delivery report, or, of a pipelined request,
    /// to the end of the one before it if that is later.
    pub delivery_latency: Histogram,
    /// Time from the first byte of each request to its answer, by [`Class`].
    pub request_duration: [Histogram; Class::ALL.len()],
    /// How late each tick of the worker was: the time for which its other work delayed it.
    pub loop_lag: Histogram,
    /// Bytes counted against `in_flight_bytes_max`.
    pub in_flight_bytes: Gauge,
    /// Requests whose records do not all have a delivery report yet.
    pub in_flight_requests: Gauge,
    /// Records enqueued that have no delivery report yet.
    pub in_flight_records: Gauge,
    /// Records and events in librdkafka's queues.
    pub producer_queue_records: Gauge,
    /// Open client connections.
    pub connections_open: Gauge,
    /// Client connections accepted.
    pub connections_accepted: Counter,
    /// Idle connections that were closed to make room for new ones.
    pub connections_evicted: Counter,
    /// Connections beyond the limit, where none idled: only `/health` was served.
    pub connections_refused: Counter,
    /// Connections closed because of a panic.
    pub connection_panics: Counter,
    /// TLS handshakes that are complete, without and with a session that was resumed, and those that failed.
    pub handshakes: Handshakes,
    /// Delivery reports that the one-second safety drain found: a lost wake-up. Must stay 0.
    pub late_delivery_reports: Counter,
    /// Records of refused batches that were sent again, each alone.
    pub records_sent_again: Counter,
    /// The brokers that its batches go to.
    pub brokers: Brokers,
    /// Errors that librdkafka has reported beside those of records, by [`KafkaError`].
    pub kafka_errors: [Counter; KafkaError::ALL.len()],
    /// Requests whose credential was in the cache.
    pub credentials_cached: Counter,
    /// Credentials that were verified and accepted.
    pub credentials_verified: Counter,
    /// Credentials that were rejected, by reason.
    pub(crate) denials: Counters,
    /// All requests, by outcome code; includes those of routes that were removed.
    pub(crate) requests: Counters,
    /// Requests without a route, by outcome code.
    pub(crate) unrouted: Counters,
    codes: usize,
    driver: AtomicU8,
    thread: AtomicI32,
}

impl WorkerMetrics {
    /// All zero, for `codes` outcome codes and `denials` reasons to reject a credential.
    pub fn new(codes: usize, denials: usize) -> Self {
        Self {
            body_bytes_received: Counter::default(),
            body_bytes_decoded: Counter::default(),
            delivery_latency: Histogram::default(),
            request_duration: Default::default(),
            loop_lag: Histogram::default(),
            in_flight_bytes: Gauge::default(),
            in_flight_requests: Gauge::default(),
            in_flight_records: Gauge::default(),
            producer_queue_records: Gauge::default(),
            connections_open: Gauge::default(),
            connections_accepted: Counter::default(),
            connections_evicted: Counter::default(),
            connections_refused: Counter::default(),
            connection_panics: Counter::default(),
            handshakes: Handshakes::default(),
            late_delivery_reports: Counter::default(),
            records_sent_again: Counter::default(),
            brokers: Brokers::default(),
            kafka_errors: Default::default(),
            credentials_cached: Counter::default(),
            credentials_verified: Counter::default(),
            denials: Counters::new(denials),
            requests: Counters::new(codes),
            unrouted: Counters::new(codes),
            codes,
            driver: AtomicU8::new(0),
            thread: AtomicI32::new(0),
        }
    }

    /// Counts a response by the index of its outcome code, and for its route, if any.
    ///
    /// # Panics
    /// If `code` is not below the count given to [`WorkerMetrics::new`] (a bug).
    pub fn request(&self, route: Option<&RouteMetrics>, code: usize) {
        assert!(code < self.codes, "no such outcome code");
        self.requests.at(code).add(1);
        match route {
            Some(route) => route.request(code),
            None => self.unrouted.at(code).add(1),
        }
    }

    /// Counts how long a request took, for its route, too, if it has one and was accepted.
    pub fn answered(&self, route: Option<&RouteMetrics>, class: Class, duration: Duration) {
        let observed = self.request_duration[class as usize].observe(duration);
        if let (Class::Accepted, Some(route)) = (class, route) {
            route.duration.observe(observed);
        }
    }

    /// Counts a rejected credential, by the index of the reason.
    pub fn denied(&self, reason: usize) {
        self.denials.at(reason).add(1);
    }

    /// Sets this worker's I/O driver.
    pub fn set_driver(&self, driver: Driver) {
        self.driver.store(driver as u8, Relaxed);
    }

    /// This worker's I/O driver; `None` until it was set.
    pub fn driver(&self) -> Option<Driver> {
        [Driver::IoUring, Driver::Epoll]
            .into_iter()
            .find(|driver| *driver as u8 == self.driver.load(Relaxed))
    }

    /// Sets the kernel's identifier of this worker's thread (`gettid(2)`).
    pub fn set_thread(&self, thread: i32) {
        self.thread.store(thread, Relaxed);
    }

    /// The kernel's identifier of this worker's thread; `None` until it was set.
    pub fn thread(&self) -> Option<i32> {
        Some(self.thread.load(Relaxed)).filter(|thread| *thread > 0)
    }

    /// Resets the gauges, but not the counters, for a worker that replaces one that panicked.
    pub fn reset_gauges(&self) {
        for gauge in [
            &self.in_flight_bytes,
            &self.in_flight_requests,
            &self.in_flight_records,
            &self.producer_queue_records,
            &self.connections_open,
        ] {
            gauge.set(0);
        }
        self.brokers.reset();
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// TLS handshakes by how they end.
#[derive(Debug, Default)]
pub struct Handshakes {
    /// Complete, with a signature.
    pub full: Counter,
    /// Complete, with the keys of an earlier session.
    pub resumed: Counter,
    /// Failed, after the client's first byte.
    pub failed: Counter,
    /// Not begun, as too many others waited.
    pub refused: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_independent() {
        let codes = 5;
        let metrics = WorkerMetrics::new(codes, 1);
        let routes = [RouteMetrics::new(codes), RouteMetrics::new(codes)];
        let rows = [Some(&routes[0]), Some(&routes[1]), None];
        let mut expected = 0;
        for row in rows {
            for code in 0..codes {
                expected += 1;
                for _ in 0..expected {
                    metrics.request(row, code);
                }
            }
        }
        let mut expected = 0;
        for cells in [&routes[0].requests, &routes[1].requests, &metrics.unrouted] {
            for code in 0..codes {
                expected += 1;
                assert_eq!(cells.at(code).value(), expected);
            }
        }
        for code in 0..codes {
            let of_code = 3 * (code as u64 + 1) + 5 + 10;
            assert_eq!(metrics.requests.at(code).value(), of_code);
        }
    }

    #[test]
    #[should_panic(expected = "no such outcome code")]
    fn a_code_beyond_the_count_panics() {
        WorkerMetrics::new(5, 1).request(None, 5);
    }

    #[test]
    fn a_restart_keeps_counters_and_clears_gauges() {
        let metrics = WorkerMetrics::new(1, 1);
        metrics.connections_accepted.add(3);
        metrics.connections_open.add(2);
        metrics.in_flight_bytes.add(9);
        metrics.in_flight_records.add(9);
        metrics.producer_queue_records.add(9);
        metrics.reset_gauges();
        assert_eq!(metrics.connections_accepted.value(), 3);
        assert_eq!(metrics.connections_open.value(), 0);
        assert_eq!(metrics.in_flight_bytes.value(), 0);
        assert_eq!(metrics.in_flight_records.value(), 0);
        assert_eq!(metrics.producer_queue_records.value(), 0);
    }

    #[test]
    fn two_workers_share_no_cache_line() {
        assert_eq!(align_of::<WorkerMetrics>(), 128);
        assert_eq!(size_of::<WorkerMetrics>() % 128, 0);
        assert_eq!(align_of::<RouteMetrics>(), 128);
        assert_eq!(size_of::<RouteMetrics>() % 128, 0);
    }

    #[test]
    fn the_driver_is_unknown_until_set() {
        let metrics = WorkerMetrics::new(1, 1);
        assert_eq!(metrics.driver(), None);
        for driver in [Driver::IoUring, Driver::Epoll] {
            metrics.set_driver(driver);
            assert_eq!(metrics.driver(), Some(driver));
        }
    }
}
