//! Per-core counters, merged when they are scraped.
//!
//! Each worker writes its own [`WorkerMetrics`], and for each route its own [`RouteMetrics`], and
//! nobody else's: plain loads and stores, no lock, no allocation, no hashing. The management thread
//! reads them all and adds them up ([`crate::admin::Exposition`]). The numbers of one scrape are each right, but
//! not of one instant.

mod cell;
mod key_fetches;
mod route;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
};

use cell::Counters;
pub(crate) use cell::{BUCKET_BOUNDS_NANOS, BUCKETS};
pub use cell::{Counter, Gauge, Histogram};
pub use key_fetches::{FetchResult, KeyFetches};
pub use route::RouteMetrics;

/// What one worker counts. That worker is the only writer; sharing is by `Arc`.
///
/// Aligned so that no two workers' numbers share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerMetrics {
    /// Bytes of bodies read from clients, chunked coding removed, whatever became of them.
    pub body_bytes_received: Counter,
    /// From enqueueing a request's records to the last of their delivery reports.
    pub delivery_latency: Histogram,
    /// Bytes held against `in_flight_bytes_max`.
    pub in_flight_bytes: Gauge,
    /// Records enqueued and not reported yet.
    pub in_flight_records: Gauge,
    /// What librdkafka's own queues hold: records not acknowledged, events that wait.
    pub producer_queue_records: Gauge,
    /// Open client connections.
    pub connections_open: Gauge,
    /// Client connections accepted.
    pub connections_accepted: Counter,
    /// Connections ended by a panic of their own.
    pub connection_panics: Counter,
    /// Delivery reports that the one-second safety drain found: a lost wake-up, must stay 0.
    pub late_delivery_reports: Counter,
    /// Requests whose credential was known already.
    pub credentials_cached: Counter,
    /// Credentials that were verified, and good.
    pub credentials_verified: Counter,
    /// Credentials that were not taken, by reason.
    pub(crate) denials: Counters,
    /// Of all requests, by code: what routes that are gone have counted stays in here.
    pub(crate) requests: Counters,
    /// Of those that had no route, by code.
    pub(crate) unrouted: Counters,
    codes: usize,
    driver: AtomicU8,
}

impl WorkerMetrics {
    /// All zero, for `codes` outcome codes and `denials` reasons to reject a credential.
    pub fn new(codes: usize, denials: usize) -> Self {
        Self {
            body_bytes_received: Counter::default(),
            delivery_latency: Histogram::default(),
            in_flight_bytes: Gauge::default(),
            in_flight_records: Gauge::default(),
            producer_queue_records: Gauge::default(),
            connections_open: Gauge::default(),
            connections_accepted: Counter::default(),
            connection_panics: Counter::default(),
            late_delivery_reports: Counter::default(),
            credentials_cached: Counter::default(),
            credentials_verified: Counter::default(),
            denials: Counters::new(denials),
            requests: Counters::new(codes),
            unrouted: Counters::new(codes),
            codes,
            driver: AtomicU8::new(0),
        }
    }

    /// Counts an answered request: by its outcome code's index, and for its route, if it had one.
    ///
    /// # Panics
    /// An index that was not announced to [`WorkerMetrics::new`] is a fault of ours.
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

    /// Says how this worker's sockets are driven.
    pub fn set_driver(&self, driver: Driver) {
        self.driver.store(driver as u8, Relaxed);
    }

    /// How this worker's sockets are driven, once it said so.
    pub fn driver(&self) -> Option<Driver> {
        [Driver::IoUring, Driver::Epoll]
            .into_iter()
            .find(|driver| *driver as u8 == self.driver.load(Relaxed))
    }

    /// For a worker that takes over after another's panic: what was in flight is gone, what was
    /// counted stays.
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

/// How a worker's sockets are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Driver {
    /// `io_uring`.
    IoUring = 1,
    /// epoll.
    Epoll = 2,
}

impl Driver {
    /// As it stands in the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        }
    }
}

/// What is counted of the process as a whole, far from the request path.
#[derive(Debug, Default)]
pub struct ProcessMetrics {
    worker_restarts: AtomicU64,
    key_fetches: Mutex<Vec<Arc<KeyFetches>>>,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
}

impl ProcessMetrics {
    /// Counts a worker that was started again; any thread may.
    pub fn worker_restarted(&self) {
        self.worker_restarts.fetch_add(1, Relaxed);
    }

    /// Workers started again so far.
    pub fn worker_restarts(&self) -> u64 {
        self.worker_restarts.load(Relaxed)
    }

    /// Shows these issuers' from now on, and no others'.
    pub fn set_key_fetches(&self, issuers: Vec<Arc<KeyFetches>>) {
        *self.key_fetches() = issuers;
    }

    pub(crate) fn key_fetches(&self) -> MutexGuard<'_, Vec<Arc<KeyFetches>>> {
        // Nothing that could panic is done with it.
        (self.key_fetches.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt to serve by a configuration that was read again, and whether that went
    /// well; any thread may.
    pub fn reloaded(&self, well: bool) {
        let counter = if well {
            &self.reloads
        } else {
            &self.failed_reloads
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Reloads so far: those that went well, and those that did not.
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
    fn every_cell_is_its_own() {
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
    fn the_first_code_too_many_is_a_fault() {
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
    fn the_driver_is_unknown_until_said() {
        let metrics = WorkerMetrics::new(1, 1);
        assert_eq!(metrics.driver(), None);
        for driver in [Driver::IoUring, Driver::Epoll] {
            metrics.set_driver(driver);
            assert_eq!(metrics.driver(), Some(driver));
        }
    }
}
