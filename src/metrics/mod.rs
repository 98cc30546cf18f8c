//! Per-worker metrics, summed when they are scraped.
//!
//! Each worker writes only its own [`WorkerMetrics`] and, for each route, its own [`RouteMetrics`]:
//! plain loads and stores, no lock, no allocation, no hashing. The management thread reads and sums
//! them ([`crate::admin::Exposition`]). A scrape is not a consistent snapshot: its values are read one
//! after the other.

mod cell;
mod key_fetches;
mod route;

use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
};

use cell::Counters;
pub(crate) use cell::{BUCKET_BOUNDS_NANOS, BUCKETS};
pub use cell::{Counter, Gauge, Histogram};
pub use key_fetches::{FetchResult, KeyFetches};
pub use route::RouteMetrics;

use crate::sync::locked;

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
    /// How late each tick of the worker was: the time for which its other work delayed it.
    pub loop_lag: Histogram,
    /// Bytes counted against `in_flight_bytes_max`.
    pub in_flight_bytes: Gauge,
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
}

impl WorkerMetrics {
    /// All zero, for `codes` outcome codes and `denials` reasons to reject a credential.
    pub fn new(codes: usize, denials: usize) -> Self {
        Self {
            body_bytes_received: Counter::default(),
            body_bytes_decoded: Counter::default(),
            delivery_latency: Histogram::default(),
            loop_lag: Histogram::default(),
            in_flight_bytes: Gauge::default(),
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
            credentials_cached: Counter::default(),
            credentials_verified: Counter::default(),
            denials: Counters::new(denials),
            requests: Counters::new(codes),
            unrouted: Counters::new(codes),
            codes,
            driver: AtomicU8::new(0),
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

    /// Resets the gauges, but not the counters, for a worker that replaces one that panicked.
    pub fn reset_gauges(&self) {
        for gauge in [
            &self.in_flight_bytes,
            &self.in_flight_records,
            &self.producer_queue_records,
            &self.connections_open,
        ] {
            gauge.set(0);
        }
    }
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

/// The I/O driver of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Driver {
    /// `io_uring`.
    IoUring = 1,
    /// epoll.
    Epoll = 2,
}

impl Driver {
    /// The value of the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        }
    }
}

/// Metrics of the process as a whole; not written on the request path.
#[derive(Debug, Default)]
pub struct ProcessMetrics {
    worker_restarts: AtomicU64,
    key_fetches: Mutex<Vec<Arc<KeyFetches>>>,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
}

impl ProcessMetrics {
    /// Counts a restart of a worker. May be called from any thread.
    pub fn worker_restarted(&self) {
        self.worker_restarts.fetch_add(1, Relaxed);
    }

    /// Restarts of workers so far.
    pub fn worker_restarts(&self) -> u64 {
        self.worker_restarts.load(Relaxed)
    }

    /// Replaces the issuers whose key fetches are exported.
    pub fn set_key_fetches(&self, issuers: Vec<Arc<KeyFetches>>) {
        *self.key_fetches() = issuers;
    }

    pub(crate) fn key_fetches(&self) -> MutexGuard<'_, Vec<Arc<KeyFetches>>> {
        locked(&self.key_fetches)
    }

    /// Counts a reload of the configuration and whether it succeeded. May be called from any thread.
    pub fn reloaded(&self, succeeded: bool) {
        let counter = if succeeded {
            &self.reloads
        } else {
            &self.failed_reloads
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Reloads so far: succeeded and failed ones.
    pub fn reloads(&self) -> (u64, u64) {
        (
            self.reloads.load(Relaxed),
            self.failed_reloads.load(Relaxed),
        )
    }
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
