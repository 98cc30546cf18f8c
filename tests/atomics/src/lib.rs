//! Modules of ringest, the files themselves, with loom's atomics and locks in place of the standard library's
//! (`sync`). They are a library for `tests/models.rs`; their unit tests are not for loom.
#![cfg(not(test))]

#[path = "../../../src/admission.rs"]
pub mod admission;
#[path = "../../../src/metrics/cell.rs"]
pub mod cell;
#[path = "../../../src/connections.rs"]
pub mod connections;
#[path = "../../../src/published.rs"]
pub mod published;
#[path = "../../../src/quota/mod.rs"]
pub mod quota;
#[path = "../../../src/readiness.rs"]
pub mod readiness;

mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
}

/// The observations that a histogram has counted so far, bucket by bucket, and their sum in microseconds.
pub fn observed(histogram: &cell::Histogram) -> (u64, u64) {
    let (buckets, micros): ([u64; cell::BUCKETS], u64) = histogram.read();
    (buckets.iter().sum(), micros)
}

/// The same of a histogram with fewer buckets.
pub fn observed_coarsely(histogram: &cell::CoarseHistogram) -> (u64, u64) {
    let (buckets, micros): ([u64; cell::COARSE_BOUNDS_NANOS.len() + 1], u64) = histogram.read();
    (buckets.iter().sum(), micros)
}

/// What so many counters of a line have counted, after one has counted.
pub fn counted(count: usize) -> u64 {
    let counters = cell::Counters::new(count);
    counters.at(count - 1).add(1);
    counters.total()
}
