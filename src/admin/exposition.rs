//! The response of `/metrics`: the sums of all workers' metrics in the `OpenMetrics` 1.0.0 text format.
//!
//! The label values are bounded: routes come from the active configuration (a removed route has no
//! series any more), principals are those that have a row of [`crate::metrics::Principals`], codes come
//! from the table of outcomes, workers from the configuration.

mod brokers;
mod durations;
mod encode;
mod plain;
mod principals;
mod process;
mod routes;
mod state;
mod tokens;
mod workers;

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

pub(super) use encode::sum;
use encode::{counter_family, encode_gauges};
use principals::principals;
use process::OfProcess;
use routes::records;
use tokens::tokens;

use crate::{
    auth::AuthError,
    log,
    metrics::{
        Counter, FetchResult, Gauge, KeyFetches, ProcessMetrics, TraceResult, WorkerMetrics,
    },
    produce::BrokerWatch,
    readiness::Readiness,
    snapshot::Published,
};

/// The `route` label of requests without a route; paths of routes begin with a slash.
const UNROUTED: &str = "unrouted";

/// The labels of an outcome code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeLabel {
    /// The stable code, e.g. `body_too_large`.
    pub name: &'static str,
    /// The HTTP status of its response.
    pub status: u16,
}

/// The sources of the metrics.
#[derive(Debug)]
pub struct Sources {
    /// Its latest snapshot has the routes and their metrics. The `route` label is the declared path.
    pub published: Arc<Published>,
    /// The labels of each outcome code, by its index.
    pub codes: Vec<CodeLabel>,
    /// The metrics of each worker, by its index, with as many codes as `codes`.
    pub workers: Vec<Arc<WorkerMetrics>>,
    /// The metrics of the process as a whole.
    pub process: Arc<ProcessMetrics>,
    /// For the gauges `ready` and `draining`.
    pub readiness: Arc<Readiness>,
    /// The limit `in_flight_bytes_max`, in bytes.
    pub in_flight_bytes_max: u64,
    /// The limit `connections_max`.
    pub connections_max: u64,
    /// Knows which topics are missing; `None`: none is.
    pub watch: Option<Arc<BrokerWatch>>,
}

/// Encodes the metrics for a scraper.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
    sources: Arc<Sources>,
}

#[derive(Debug)]
struct OfServer(Arc<Sources>);

impl Exposition {
    /// The `Content-Type` of [`Exposition::text`].
    pub const CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// The `Content-Type` of [`Exposition::plain_text`].
    pub const PLAIN_CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Reads `sources` at every scrape.
    pub fn new(sources: Sources) -> Self {
        let (mut registry, sources) = (Registry::default(), Arc::new(sources));
        let ours = registry.sub_registry_with_prefix("ringest");
        ours.register_collector(Box::new(OfServer(Arc::clone(&sources))));
        let process = registry.sub_registry_with_prefix("process");
        process.register_collector(Box::new(OfProcess));
        Self { registry, sources }
    }

    /// What it reads.
    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// All metrics with their current values.
    ///
    /// # Errors
    /// Never in practice: the encoder only fails if its writer does, and a `String` does not.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// The same in Prometheus's text format 0.0.4.
    ///
    /// # Errors
    /// As [`Exposition::text`].
    pub fn plain_text(&self) -> Result<String, fmt::Error> {
        Ok(plain::from_openmetrics(&self.text()?))
    }
}

impl Collector for OfServer {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.encode(&mut encoder)
    }
}

impl Sources {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.published.latest();
        self.requests(encoder, &snapshot)?;
        records(encoder, &snapshot)?;
        principals(encoder, &snapshot.principals)?;
        self.credentials(encoder)?;
        self.durations(encoder, &snapshot)?;
        self.totals(encoder)?;
        self.handshakes(encoder)?;
        self.traces(encoder)?;
        self.gauges(encoder)?;
        self.state(encoder, &snapshot)?;
        self.kafka(encoder)?;
        self.workers(encoder)?;
        key_fetches(encoder, &self.process.key_fetches())?;
        tokens(encoder, &self.process.tokens)?;
        self.process(encoder)
    }

    pub(super) fn total(&self, counter: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        self.workers
            .iter()
            .map(|worker| counter(worker).value())
            .sum()
    }

    pub(super) fn level(&self, gauge: impl Fn(&WorkerMetrics) -> &Gauge) -> u64 {
        self.workers
            .iter()
            .map(|worker| gauge(worker).value())
            .sum()
    }

    /// Authentication results, missing credentials included.
    fn credentials(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let accepted = [
            ("cached", self.total(|worker| &worker.credentials_cached)),
            (
                "verified",
                self.total(|worker| &worker.credentials_verified),
            ),
        ];
        let rejected = AuthError::ALL.iter().copied().map(|error| {
            let count = self.total(|worker| worker.denials.at(error as usize));
            (error.as_str(), count)
        });
        let series = accepted.into_iter().chain(rejected);
        let series = series.map(|(result, count)| ([("result", result)], count));
        let help = "Authentication attempts by result: accepted from the cache (\"cached\"), \
                    accepted after verification (\"verified\"), else the reason for rejection.";
        counter_family(encoder, "credentials", help, series)
    }

    fn totals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let totals = [
            (
                "body_received",
                Some(&Unit::Bytes),
                "Bytes of request bodies received, without chunked coding, before decompression.",
                self.total(|worker| &worker.body_bytes_received),
            ),
            (
                "body_decoded",
                Some(&Unit::Bytes),
                "Bytes that compressed request bodies were decoded to.",
                self.total(|worker| &worker.body_bytes_decoded),
            ),
            (
                "connections",
                None,
                "Client connections accepted.",
                self.total(|worker| &worker.connections_accepted),
            ),
            (
                "connections_evicted",
                None,
                "Idle client connections closed to make room for new ones.",
                self.total(|worker| &worker.connections_evicted),
            ),
            (
                "connections_refused",
                None,
                "Client connections beyond the limit, answered 503 (except /health).",
                self.total(|worker| &worker.connections_refused),
            ),
            (
                "connection_panics",
                None,
                "Connections closed because of a panic (a bug in ringest).",
                self.total(|worker| &worker.connection_panics),
            ),
            (
                "late_delivery_reports",
                None,
                "Delivery reports whose notification was lost, found by a periodic check; should \
                 be 0.",
                self.total(|worker| &worker.late_delivery_reports),
            ),
            (
                "log_lines_dropped",
                None,
                "Lines of the log that were not written, because stderr was slow or failed.",
                log::lines_dropped(),
            ),
            (
                "records_sent_again",
                None,
                "Records of batches that a broker refused, each sent again alone.",
                self.total(|worker| &worker.records_sent_again),
            ),
            (
                "worker_restarts",
                None,
                "Workers restarted after a failure.",
                self.process.worker_restarts(),
            ),
        ];
        for (name, unit, help, value) in totals {
            let metric = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        Ok(())
    }

    fn traces(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests sampled for traces, by what became of their spans.";
        let series = TraceResult::ALL.iter().map(|result| {
            let labels = [("result", result.as_str())];
            (labels, self.process.traces(*result))
        });
        counter_family(encoder, "traces", help, series)
    }

    fn handshakes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "TLS handshakes by result: full, resumed, failed, or refused as too many others waited.";
        let series = [
            ([("result", "full")], self.total(|it| &it.handshakes.full)),
            (
                [("result", "resumed")],
                self.total(|it| &it.handshakes.resumed),
            ),
            (
                [("result", "failed")],
                self.total(|it| &it.handshakes.failed),
            ),
            (
                [("result", "refused")],
                self.total(|it| &it.handshakes.refused),
            ),
        ];
        counter_family(encoder, "tls_handshakes", help, series)
    }

    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauges = [
            (
                "in_flight",
                Some(&Unit::Bytes),
                "Bytes of request bodies being read and of records not yet acknowledged.",
                self.level(|worker| &worker.in_flight_bytes),
            ),
            (
                "in_flight_bytes_max",
                None,
                "Limit on in_flight_bytes (limits.in_flight_bytes_max).",
                self.in_flight_bytes_max,
            ),
            (
                "in_flight_requests",
                None,
                "Requests whose records do not all have a delivery report yet.",
                self.level(|worker| &worker.in_flight_requests),
            ),
            (
                "in_flight_records",
                None,
                "Records enqueued for Kafka that have no delivery report yet.",
                self.level(|worker| &worker.in_flight_records),
            ),
            (
                "producer_queue_records",
                None,
                "Records and events in librdkafka's queues.",
                self.level(|worker| &worker.producer_queue_records),
            ),
            (
                "connections_open",
                None,
                "Open client connections.",
                self.level(|worker| &worker.connections_open),
            ),
            (
                "connections_max",
                None,
                "Limit on connections_open (limits.connections_max, or less if the limit of open files \
                 is too low).",
                self.connections_max,
            ),
        ];
        encode_gauges(encoder, gauges)
    }

    fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let watch = self.watch.as_ref();
        let gauges = [
            (
                "topics_missing",
                None,
                "Topics of the models, those for dead letters included, that the brokers do not have.",
                watch.map_or(0, |it| it.missing_topics().len() as u64),
            ),
            (
                "partitions_without_leader",
                None,
                "Partitions of the topics without a leader: records with such keys can't be delivered.",
                watch.map_or(0, |it| it.partitions_without_leader() as u64),
            ),
        ];
        encode_gauges(encoder, gauges)?;
        encoder
            .encode_descriptor("build", "Version of ringest.", None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

/// Milliseconds as Prometheus has times: in seconds.
fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

/// The fetches of each issuer's keys.
fn key_fetches(encoder: &mut DescriptorEncoder<'_>, issuers: &[Arc<KeyFetches>]) -> fmt::Result {
    let series = issuers.iter().flat_map(|it| {
        FetchResult::ALL.iter().copied().map(|result| {
            let labels = [("issuer", it.issuer()), ("result", result.as_str())];
            (labels, it.count_of(result))
        })
    });
    let help = "Fetches of JWT issuers' keys from their JWKS URLs, by issuer and result.";
    counter_family(encoder, "jwks_fetches", help, series)?;
    let help = "Time since the active keys were last fetched, by issuer; no series before the \
                first successful fetch.";
    let unit = Some(&Unit::Seconds);
    let mut family = encoder.encode_descriptor("jwks_keys_age", help, unit, MetricType::Gauge)?;
    for it in issuers {
        if let Some(age) = it.keys_age() {
            let labels = [("issuer", it.issuer())];
            ConstGauge::new(age.as_secs_f64()).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
