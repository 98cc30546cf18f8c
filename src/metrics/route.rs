//! Metrics of one route.

use super::{CoarseHistogram, Counter, cell::Counters};

/// One worker's metrics of one route. That worker is the only writer; others read through an `Arc`.
/// A reload keeps them for a route whose path stays the same.
///
/// Aligned so that no two workers share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct RouteMetrics {
    /// Valid records received.
    pub records_received: Counter,
    /// Records acknowledged by the brokers.
    pub records_delivered: Counter,
    /// Invalid records received; a body that is not valid JSON counts as one.
    pub records_rejected: Counter,
    /// Dead letters acknowledged by the brokers.
    pub dead_letters: Counter,
    /// Invalid records of a route with a dead-letter topic that have no dead letter of their own.
    pub dead_letters_omitted: Counter,
    /// Time from the first byte of each request that was accepted to its answer.
    pub duration: CoarseHistogram,
    /// Responses by outcome code.
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
            dead_letters_omitted: Counter::default(),
            duration: CoarseHistogram::default(),
            requests: Counters::new(codes),
        }
    }

    /// Counts a response by the index of its outcome code, which the caller has checked.
    pub(super) fn request(&self, code: usize) {
        self.requests.at(code).add(1);
    }
}
