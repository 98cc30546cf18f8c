//! What is counted of one route.

use super::{Counter, cell::Counters};

/// What one worker counts of one route. That worker is the only writer; sharing is by `Arc`, also
/// between the route tables, one after the other, that have a route of that path.
///
/// Aligned so that no two workers' numbers share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct RouteMetrics {
    /// Valid records received.
    pub records_received: Counter,
    /// Records that got a good delivery report.
    pub records_delivered: Counter,
    /// Faulty records received; what can't be read as JSON is one.
    pub records_rejected: Counter,
    /// Dead letters that got a good delivery report.
    pub dead_letters: Counter,
    /// Requests answered, by outcome code.
    pub(crate) requests: Counters,
}

impl RouteMetrics {
    /// All zero, for `codes` outcome codes.
    pub fn new(codes: usize) -> Self {
        Self {
            records_received: Counter::default(),
            records_delivered: Counter::default(),
            records_rejected: Counter::default(),
            dead_letters: Counter::default(),
            requests: Counters::new(codes),
        }
    }

    /// Counts an answered request by the index of its outcome code, which the worker has checked.
    pub(super) fn request(&self, code: usize) {
        self.requests.at(code).add(1);
    }
}
