//! What is counted of the keys that are fetched for an issuer.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};

use super::{Counter, exposition::counter_family};

/// Of one issuer. The thread that fetches is the only writer.
#[derive(Debug)]
pub struct KeyFetches {
    issuer: Box<str>,
    results: [Counter; FetchResult::ALL.len()],
    last_good: Mutex<Option<Instant>>,
}

/// What became of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum FetchResult {
    /// The first keys, or other keys than before.
    Changed,
    /// The same keys as before.
    Unchanged,
    /// No whole answer.
    Unreachable,
    /// A status that brings no keys.
    BadStatus,
    /// No set, or none that can be used.
    BadSet,
}

impl FetchResult {
    /// Each of them, in their order.
    pub const ALL: [Self; 5] = [
        Self::Changed,
        Self::Unchanged,
        Self::Unreachable,
        Self::BadStatus,
        Self::BadSet,
    ];

    /// As it stands in the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Unreachable => "unreachable",
            Self::BadStatus => "bad_status",
            Self::BadSet => "bad_set",
        }
    }
}

impl KeyFetches {
    /// None yet.
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.into(),
            results: Default::default(),
            last_good: Mutex::default(),
        }
    }

    /// Counts one.
    pub fn count(&self, result: FetchResult) {
        self.results[result as usize].add(1);
        if matches!(result, FetchResult::Changed | FetchResult::Unchanged) {
            *self.lock() = Some(Instant::now());
        }
    }

    /// Whether anything was counted.
    pub fn has_any(&self) -> bool {
        self.results.iter().any(|count| count.value() > 0)
    }

    /// Since the keys in use were last known to be the issuer's; `None`: there are none.
    pub fn keys_age(&self) -> Option<Duration> {
        self.lock().map(|it| it.elapsed())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // Nothing that could panic is done with it.
        self.last_good
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows those of each issuer.
pub(super) fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    issuers: &[Arc<KeyFetches>],
) -> fmt::Result {
    let series = issuers.iter().flat_map(|it| {
        let results = FetchResult::ALL.iter().zip(&it.results);
        results.map(|(result, count)| {
            let labels = [("issuer", &*it.issuer), ("result", result.as_str())];
            (labels, count.value())
        })
    });
    let help = "Fetches of issuers' keys from their URLs, by issuer and result.";
    counter_family(encoder, "jwks_fetches", help, series)?;
    let help = "Since the keys in use were last fetched, by issuer; none where they never were.";
    let unit = Some(&Unit::Seconds);
    let mut family = encoder.encode_descriptor("jwks_keys_age", help, unit, MetricType::Gauge)?;
    for it in issuers {
        if let Some(age) = it.keys_age() {
            let labels = [("issuer", &*it.issuer)];
            ConstGauge::new(age.as_secs_f64()).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
