//! How families of metrics are encoded.

use std::{fmt, iter, time::Duration};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// The sum of histograms: of their counts by bucket, and of their sums.
pub(in crate::admin) fn sum<const N: usize>(
    histograms: impl Iterator<Item = ([u64; N], u64)>,
) -> ([u64; N], u64) {
    histograms.fold(([0; N], 0), |(mut counts, micros), (others, more)| {
        for (count, other) in iter::zip(&mut counts, others) {
            *count += other;
        }
        (counts, micros + more)
    })
}

/// Encodes a histogram with buckets of these bounds and a last one without. Its counts are not cumulative.
pub(super) fn histogram(
    mut encoder: MetricEncoder<'_>,
    bounds_nanos: &[u64],
    counts: &[u64],
    sum_micros: u64,
) -> fmt::Result {
    let bounds = bounds_nanos
        .iter()
        .map(|nanos| Duration::from_nanos(*nanos).as_secs_f64())
        .chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
    let sum = Duration::from_micros(sum_micros).as_secs_f64();
    encoder.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)
}

/// Encodes one counter with a sample for each set of labels; the encoder appends `_total` to its name.
pub(super) fn counter_family<'a, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = ([(&'a str, &'a str); N], u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in series {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A gauge a row: its name, unit, help and value.
pub(super) fn encode_gauges<'g>(
    encoder: &mut DescriptorEncoder<'_>,
    gauges: impl IntoIterator<Item = (&'g str, Option<&'g Unit>, &'g str, u64)>,
) -> fmt::Result {
    for (name, unit, help, value) in gauges {
        let metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)?;
    }
    Ok(())
}
