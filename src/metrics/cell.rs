//! Counters, gauges and histograms: written by one thread, read by any, without locks.

use std::time::Duration;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A value that only grows. **One** thread adds; any thread may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        // With one writer a load and a store suffice: no locked instruction.
        self.0
            .store(self.0.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    /// The current value.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A value that grows and shrinks, never below 0. **One** thread writes; any thread may read.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.set(self.value().wrapping_add(amount));
    }

    /// Subtracts `amount`, which must not exceed the current value.
    pub fn sub(&self, amount: u64) {
        debug_assert!(amount <= self.value(), "a gauge would go below zero");
        self.set(self.value().saturating_sub(amount));
    }

    /// Replaces the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The current value.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Two cache lines, because processors fetch them in pairs.
const LINE_CELLS: usize = 128 / size_of::<Counter>();

#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([Counter; LINE_CELLS]);

/// A fixed number of counters that share no cache line with anything else.
#[derive(Debug)]
pub(crate) struct Counters(Box<[Line]>);

impl Counters {
    pub(super) fn new(count: usize) -> Self {
        let lines = count.div_ceil(LINE_CELLS);
        Self(std::iter::repeat_with(Line::default).take(lines).collect())
    }

    /// The counter at `index`; panics beyond the count, rounded up to whole lines.
    pub(crate) fn at(&self, index: usize) -> &Counter {
        &self.0[index / LINE_CELLS].0[index % LINE_CELLS]
    }

    /// The sum of all.
    pub(crate) fn total(&self) -> u64 {
        let cells = self.0.iter().flat_map(|line| &line.0);
        cells.map(Counter::value).sum()
    }
}

/// Inclusive upper bounds of a [`Histogram`]'s buckets, from 0.5 ms to 30 s, in nanoseconds. A last
/// bucket has no upper bound.
pub(crate) const BUCKET_BOUNDS_NANOS: [u64; 16] = [
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
    20_000_000_000,
    30_000_000_000,
];

/// Buckets of a [`Histogram`], the unbounded one included.
pub(crate) const BUCKETS: usize = BUCKET_BOUNDS_NANOS.len() + 1;

/// Which of [`BUCKET_BOUNDS_NANOS`] a [`CoarseHistogram`] has, from 5 ms to 2 s.
const COARSE: [usize; 7] = [3, 4, 5, 6, 7, 9, 11];

/// Inclusive upper bounds of a [`CoarseHistogram`]'s buckets, in nanoseconds. A last bucket has no upper bound.
pub(crate) const COARSE_BOUNDS_NANOS: [u64; COARSE.len()] = {
    let mut bounds = [0; COARSE.len()];
    let mut index = 0;
    while index < bounds.len() {
        bounds[index] = BUCKET_BOUNDS_NANOS[COARSE[index]];
        index += 1;
    }
    bounds
};

/// Buckets of a [`CoarseHistogram`], the unbounded one included.
pub(crate) const COARSE_BUCKETS: usize = COARSE.len() + 1;

/// Durations in fixed buckets from 0.5 ms to 30 s. **One** thread observes; any thread may read.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    // Nanoseconds would wrap within days under load; a microsecond is far below the first bound.
    sum_micros: Counter,
}

impl Histogram {
    /// Counts one observation: four or five comparisons, three stores at most.
    pub fn observe(&self, latency: Duration) -> Observed {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKET_BOUNDS_NANOS.partition_point(|bound| *bound < nanos);
        let micros = nanos / 1_000;
        self.buckets[bucket].add(1);
        self.sum_micros.add(micros);
        Observed { bucket, micros }
    }

    /// Observations by bucket, not cumulative, in the order of [`BUCKET_BOUNDS_NANOS`], and the sum of all in
    /// microseconds, each rounded down.
    pub(crate) fn read(&self) -> ([u64; BUCKETS], u64) {
        let counts = self.buckets.each_ref().map(Counter::value);
        (counts, self.sum_micros.value())
    }
}

/// An observation of a [`Histogram`], to be counted by another one too.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    bucket: usize,
    micros: u64,
}

/// Durations in fewer buckets, for metrics of which there are many. **One** thread observes; any thread may read.
#[derive(Debug, Default)]
pub struct CoarseHistogram {
    buckets: [Counter; COARSE_BUCKETS],
    sum_micros: Counter,
}

impl CoarseHistogram {
    /// Counts an observation.
    pub fn observe(&self, observed: Observed) {
        /// By the bucket of a [`Histogram`].
        const BUCKET: [usize; BUCKETS] = {
            let mut buckets = [0; BUCKETS];
            let (mut fine, mut coarse) = (0, 0);
            while fine < BUCKETS {
                buckets[fine] = coarse;
                if coarse < COARSE.len() && COARSE[coarse] == fine {
                    coarse += 1;
                }
                fine += 1;
            }
            buckets
        };
        self.buckets[BUCKET[observed.bucket]].add(1);
        self.sum_micros.add(observed.micros);
    }

    /// Observations by bucket, not cumulative, in the order of [`COARSE_BOUNDS_NANOS`], and the sum of all in
    /// microseconds, each rounded down.
    pub(crate) fn read(&self) -> ([u64; COARSE_BUCKETS], u64) {
        let counts = self.buckets.each_ref().map(Counter::value);
        (counts, self.sum_micros.value())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counters_are_independent_and_aligned() {
        for count in [0, 1, LINE_CELLS - 1, LINE_CELLS, LINE_CELLS + 1] {
            let counters = Counters::new(count);
            for index in 0..count {
                counters.at(index).add(index as u64 + 1);
            }
            for index in 0..count {
                assert_eq!(counters.at(index).value(), index as u64 + 1);
            }
            assert_eq!(counters.0.as_ptr().addr() % 128, 0);
        }
    }

    #[test]
    fn upper_bounds_are_inclusive() {
        for (bucket, bound) in BUCKET_BOUNDS_NANOS.into_iter().enumerate() {
            for (nanos, expected) in [
                (bound - 1, bucket),
                (bound, bucket),
                (bound + 1, bucket + 1),
            ] {
                let histogram = Histogram::default();
                histogram.observe(Duration::from_nanos(nanos));
                let mut one = [0; BUCKETS];
                one[expected] = 1;
                assert_eq!(histogram.read().0, one, "{nanos} ns");
            }
        }
    }

    #[test]
    fn the_longest_duration_is_counted() {
        let histogram = Histogram::default();
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.read().0[BUCKETS - 1], 1);
    }

    #[test]
    fn a_gauge_adds_subtracts_and_is_set() {
        let gauge = Gauge::default();
        gauge.add(5);
        gauge.sub(5);
        assert_eq!(gauge.value(), 0);
        gauge.set(7);
        gauge.sub(3);
        assert_eq!(gauge.value(), 4);
    }

    proptest! {
        #[test]
        fn buckets_agree_with_a_direct_count(
            latencies in prop::collection::vec(0_u64..60_000_000_000, 0..200)
        ) {
            let (histogram, coarse) = (Histogram::default(), CoarseHistogram::default());
            for nanos in &latencies {
                coarse.observe(histogram.observe(Duration::from_nanos(*nanos)));
            }
            let check = |bounds: &[u64], counts: &[u64]| {
                let mut cumulative = 0;
                for (bound, count) in bounds.iter().zip(counts) {
                    cumulative += count;
                    let at_most = latencies.iter().filter(|nanos| *nanos <= bound).count();
                    prop_assert_eq!(cumulative, at_most as u64);
                }
                prop_assert_eq!(counts.iter().sum::<u64>(), latencies.len() as u64);
                Ok(())
            };
            check(&BUCKET_BOUNDS_NANOS, &histogram.read().0)?;
            check(&COARSE_BOUNDS_NANOS, &coarse.read().0)?;
            let micros: u64 = latencies.iter().map(|nanos| nanos / 1_000).sum();
            prop_assert_eq!(histogram.read().1, micros);
            prop_assert_eq!(coarse.read().1, micros);
        }
    }
}
