//! What `/status` and `/samples` say, as far as it is shown.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Deserializer};

use crate::excerpt::excerpt;

/// Characters of a text that are kept; samples are cut to fewer by the server.
const CHARS_MAX: usize = 4_000;

/// A text of the server. Control and invisible characters are escaped: no other text of it reaches the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(String);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(excerpt(text.as_bytes(), CHARS_MAX)))
    }
}

/// The answer of `/status`: counters since the start, and what is so now.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Status {
    pub(super) version: Text,
    /// When it was made, in milliseconds since 1970.
    pub(super) time_ms: u64,
    pub(super) ready: bool,
    pub(super) detail: Option<Text>,
    pub(super) degraded: Option<Text>,
    pub(super) configuration: Configuration,
    pub(super) process: Process,
    pub(super) totals: Totals,
    pub(super) refused: Vec<Refused>,
    pub(super) in_flight: InFlight,
    pub(super) connections: Connections,
    pub(super) bucket_bounds_ms: Vec<f64>,
    pub(super) route_bucket_bounds_ms: Vec<f64>,
    pub(super) latency: Latency,
    pub(super) workers: Vec<Worker>,
    pub(super) brokers: Vec<Broker>,
    pub(super) routes: Vec<Route>,
}

impl Status {
    /// A route by its path, which nearly always is at this index.
    pub(super) fn route(&self, index: usize, path: &Text) -> Option<&Route> {
        let there = self.routes.get(index).filter(|it| it.path == *path);
        there.or_else(|| self.routes.iter().find(|it| it.path == *path))
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Configuration {
    pub(super) last_reload_successful: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Process {
    /// Seconds since 1970.
    pub(super) started_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
}

/// Requests by result, and their bytes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Totals {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) failed: u64,
    pub(super) records_delivered: u64,
    pub(super) body_bytes: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) code: Text,
    pub(super) status: u16,
    pub(super) count: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct InFlight {
    pub(super) bytes: u64,
    pub(super) bytes_max: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Connections {
    pub(super) open: u64,
    pub(super) max: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Latency {
    pub(super) accepted: Histogram,
    pub(super) rejected: Histogram,
    pub(super) failed: Histogram,
}

/// Counts, not cumulative; the last bucket has no bound.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Histogram {
    pub(super) buckets: Vec<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Worker {
    #[serde(rename = "worker")]
    pub(super) index: u64,
    pub(super) state: Text,
    pub(super) cpu_seconds: Option<f64>,
    pub(super) connections_open: u64,
    pub(super) in_flight_bytes: u64,
    pub(super) lag: Histogram,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Broker {
    #[serde(rename = "broker")]
    pub(super) id: i64,
    pub(super) address: Option<Text>,
    pub(super) up: Option<bool>,
    pub(super) batches_failed: u64,
    pub(super) round_trip: Histogram,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Route {
    pub(super) path: Text,
    pub(super) model: Text,
    pub(super) version: Text,
    pub(super) topic: Text,
    pub(super) requests: u64,
    pub(super) records: u64,
    pub(super) records_delivered: u64,
    pub(super) records_rejected: u64,
    /// Of accepted requests alone.
    pub(super) latency: Histogram,
}

impl Route {
    /// Requests that were refused.
    pub(super) fn refused(&self) -> u64 {
        let accepted = self.latency.buckets.iter().sum();
        self.requests.saturating_sub(accepted)
    }
}

/// The answer of `/samples`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Samples {
    /// Those of a route oldest first.
    pub(super) refused: Vec<RefusedRecord>,
}

/// An invalid record.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RefusedRecord {
    pub(super) at: Text,
    pub(super) route: Text,
    pub(super) index: u64,
    pub(super) faults: Vec<Fault>,
    pub(super) value: Text,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fault {
    pub(super) path: Text,
    pub(super) message: Text,
}
