//! The response of `/metrics`: the sums of all workers' metrics in the `OpenMetrics` 1.0.0 text format.
//!
//! The label values are bounded: routes come from the active configuration (a removed route has no
//! series any more), codes from the table of outcomes, workers from the configuration.

mod encode;
mod plain;
mod routes;

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use encode::{counter_family, encode_gauges, histogram};
use routes::records;

use crate::{
    auth::AuthError,
    log,
    metrics::{BUCKETS, Counter, FetchResult, Gauge, KeyFetches, ProcessMetrics, WorkerMetrics},
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
pub struct Exposition(Registry);

impl Exposition {
    /// The `Content-Type` of [`Exposition::text`].
    pub const CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// The `Content-Type` of [`Exposition::plain_text`].
    pub const PLAIN_CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Reads `sources` at every scrape.
    pub fn new(sources: Sources) -> Self {
        let mut registry = Registry::with_prefix("ringest");
        registry.register_collector(Box::new(sources));
        Self(registry)
    }

    /// All metrics with their current values.
    ///
    /// # Errors
    /// Never in practice: the encoder only fails if its writer does, and a `String` does not.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0)?;
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

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let snapshot = self.published.latest();
        self.requests(encoder, &snapshot)?;
        records(encoder, &snapshot)?;
        self.credentials(encoder)?;
        self.delivery_latency(encoder)?;
        self.totals(encoder)?;
        self.handshakes(encoder)?;
        self.reloads(encoder)?;
        self.gauges(encoder, snapshot.generation)?;
        self.workers(encoder)?;
        key_fetches(encoder, &self.process.key_fetches())?;
        self.process(encoder)
    }
}

impl Sources {
    fn total(&self, counter: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        self.workers
            .iter()
            .map(|worker| counter(worker).value())
            .sum()
    }

    fn level(&self, gauge: impl Fn(&WorkerMetrics) -> &Gauge) -> u64 {
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

    fn delivery_latency(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut counts = [0; BUCKETS];
        let mut sum_micros = 0;
        for worker in &self.workers {
            for (sum, count) in counts.iter_mut().zip(worker.delivery_latency.buckets()) {
                *sum += count;
            }
            sum_micros += worker.delivery_latency.sum_micros();
        }
        let encoder = encoder.encode_descriptor(
            "delivery_latency",
            "Time from enqueueing a request's records to their last delivery report.",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        histogram(encoder, counts, sum_micros)
    }

    /// How each worker fares.
    fn workers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Family = (
            &'static str,
            Option<&'static Unit>,
            &'static str,
            fn(&WorkerMetrics) -> &Gauge,
        );
        const FAMILIES: [Family; 2] = [
            (
                "worker_connections_open",
                None,
                "Open client connections, by worker.",
                |it| &it.connections_open,
            ),
            (
                "worker_in_flight",
                Some(&Unit::Bytes),
                "Bytes of request bodies being read and of records not yet acknowledged, by worker.",
                |it| &it.in_flight_bytes,
            ),
        ];
        let workers = || {
            (0_usize..)
                .map(|index| index.to_string())
                .zip(&self.workers)
        };
        let help = "How late each tick of a worker was, by worker: other work delayed it.";
        let unit = Some(&Unit::Seconds);
        let mut family =
            encoder.encode_descriptor("worker_loop_lag", help, unit, MetricType::Histogram)?;
        for (index, worker) in workers() {
            let labels = [("worker", index.as_str())];
            let lag = &worker.loop_lag;
            histogram(
                family.encode_family(&labels)?,
                lag.buckets(),
                lag.sum_micros(),
            )?;
        }
        let help = "Time since the last tick of each worker, which ticks every 20 ms; of one that is \
                    starting, since that began.";
        let mut family =
            encoder.encode_descriptor("worker_tick_age", help, unit, MetricType::Gauge)?;
        for ((index, _), age) in workers().zip(self.readiness.heartbeat_ages()) {
            let labels = [("worker", index.as_str())];
            ConstGauge::new(age.as_secs_f64()).encode(family.encode_family(&labels)?)?;
        }
        for (name, unit, help, gauge) in FAMILIES {
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            for (index, worker) in workers() {
                let labels = [("worker", index.as_str())];
                let value = gauge(worker).value();
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
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

    fn reloads(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (succeeded, failed) = self.process.reloads();
        let help = "Configuration reloads by result; on \"error\" the previous configuration stays \
                    active.";
        let series = [
            ([("result", "ok")], succeeded),
            ([("result", "error")], failed),
        ];
        counter_family(encoder, "config_reloads", help, series)
    }

    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>, generation: u64) -> fmt::Result {
        let gauges = [
            (
                "config_generation",
                None,
                "Generation of the active configuration; incremented by each reload and key change.",
                generation,
            ),
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
            (
                "ready",
                None,
                "1 if ringest can accept records, else 0; /ready gives the reason.",
                u64::from(self.readiness.reason().is_none()),
            ),
            (
                "draining",
                None,
                "1 once a shutdown has begun, else 0.",
                u64::from(self.readiness.is_draining()),
            ),
        ];
        encode_gauges(encoder, gauges)
    }

    fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let missing = self.watch.as_ref().map(|it| it.missing_topics().len());
        let help =
            "Topics of the models, those for dead letters included, that the brokers do not have.";
        let metric = encoder.encode_descriptor("topics_missing", help, None, MetricType::Gauge)?;
        ConstGauge::new(missing.unwrap_or(0) as u64).encode(metric)?;
        let drivers: Vec<(&str, String)> = (self.workers.iter().enumerate())
            .filter_map(|(index, worker)| Some((worker.driver()?.as_str(), index.to_string())))
            .collect();
        let help = "I/O driver of each worker: io_uring or epoll; the value is always 1.";
        let mut family = encoder.encode_descriptor("driver", help, None, MetricType::Gauge)?;
        for (driver, worker) in &drivers {
            let labels = [("driver", *driver), ("worker", worker.as_str())];
            ConstGauge::new(1_u64).encode(family.encode_family(&labels)?)?;
        }
        encoder
            .encode_descriptor("build", "Version of ringest.", None, MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
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
