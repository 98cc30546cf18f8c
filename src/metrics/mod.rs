//! Per-core counters, merged when they are scraped.
//!
//! Each worker writes its own [`WorkerMetrics`] and nobody else's: plain loads and stores into
//! arrays, no lock, no allocation, no hashing. The management thread reads them all and adds them
//! up ([`Exposition`]). The numbers of one scrape are each right, but not of one instant.

mod cell;
mod exposition;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use cell::Counters;
pub use cell::{Counter, Gauge, Histogram};
pub use exposition::{CodeLabel, Exposition, Sources};

use crate::auth::Denial;

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
    denials: Counters,
    /// One row a route and one more for requests without; one column a code.
    requests: Counters,
    records_received: Counters,
    records_delivered: Counters,
    records_rejected: Counters,
    dead_letters: Counters,
    routes: usize,
    codes: usize,
    driver: AtomicU8,
}

impl WorkerMetrics {
    /// All zero, for `routes` routes and `codes` outcome codes.
    pub fn new(routes: usize, codes: usize) -> Self {
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
            denials: Counters::new(Denial::ALL.len()),
            requests: Counters::new((routes + 1) * codes),
            records_received: Counters::new(routes),
            records_delivered: Counters::new(routes),
            records_rejected: Counters::new(routes),
            dead_letters: Counters::new(routes),
            routes,
            codes,
            driver: AtomicU8::new(0),
        }
    }

    /// Counts an answered request: its route's index, if it had one, and its outcome code's.
    ///
    /// # Panics
    /// An index that was not announced to [`WorkerMetrics::new`] is a fault of ours.
    pub fn request(&self, route: Option<usize>, code: usize) {
        self.request_cell(route, code).add(1);
    }

    /// Counts `records` valid records received for a route.
    ///
    /// # Panics
    /// As [`WorkerMetrics::request`].
    pub fn records_received(&self, route: usize, records: u64) {
        self.records_received.at(self.checked(route)).add(records);
    }

    /// Counts `records` records of a route that got a good delivery report.
    ///
    /// # Panics
    /// As [`WorkerMetrics::request`].
    pub fn records_delivered(&self, route: usize, records: u64) {
        self.records_delivered.at(self.checked(route)).add(records);
    }

    /// Counts `records` faulty records of a route; what can't be read as JSON is one.
    ///
    /// # Panics
    /// As [`WorkerMetrics::request`].
    pub fn records_rejected(&self, route: usize, records: u64) {
        self.records_rejected.at(self.checked(route)).add(records);
    }

    /// Counts `letters` dead letters of a route that got a good delivery report.
    ///
    /// # Panics
    /// As [`WorkerMetrics::request`].
    pub fn dead_letters(&self, route: usize, letters: u64) {
        self.dead_letters.at(self.checked(route)).add(letters);
    }

    /// Counts a credential that was not taken.
    pub fn denied(&self, denial: Denial) {
        self.denials.at(denial as usize).add(1);
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

    fn request_cell(&self, route: Option<usize>, code: usize) -> &Counter {
        assert!(code < self.codes, "no such outcome code");
        let row = route.map_or(self.routes, |route| self.checked(route));
        self.requests.at(row * self.codes + code)
    }

    fn checked(&self, route: usize) -> usize {
        assert!(route < self.routes, "no such route");
        route
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_the_table_is_its_own() {
        let (routes, codes) = (3, 5);
        let metrics = WorkerMetrics::new(routes, codes);
        let rows: Vec<Option<usize>> = (0..routes).map(Some).chain([None]).collect();
        let mut expected = 0;
        for route in &rows {
            for code in 0..codes {
                expected += 1;
                for _ in 0..expected {
                    metrics.request(*route, code);
                }
            }
        }
        let mut expected = 0;
        for route in &rows {
            for code in 0..codes {
                expected += 1;
                assert_eq!(metrics.request_cell(*route, code).value(), expected);
            }
        }
    }

    #[test]
    #[should_panic(expected = "no such outcome code")]
    fn the_first_code_too_many_is_not_another_routes() {
        WorkerMetrics::new(2, 5).request(Some(0), 5);
    }

    #[test]
    #[should_panic(expected = "no such route")]
    fn the_first_route_too_many_is_not_the_unrouted_one() {
        WorkerMetrics::new(2, 5).request(Some(2), 0);
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
