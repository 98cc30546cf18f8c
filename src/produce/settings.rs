//! What every worker's producer is made from.

use std::{sync::Arc, time::Duration};

use nix::sched::CpuSet;

use super::{
    access::BrokerAccess,
    batcher::{BATCH_RECORDS_MAX, BatchRules, Linger},
    lane::LaneSettings,
    outgoing::message_bytes_max,
    properties::property,
};

/// librdkafka's own default of `batch.size`, in bytes.
const BATCH_BYTES_MAX: usize = 1_000_000;
/// librdkafka's own default of `batch.num.messages`.
const BATCH_MESSAGES_MAX: usize = 10_000;
/// How long a batch may wait for records under load, where the operator does not say.
const LINGER: Duration = Duration::from_millis(1);
/// Requests that an idempotent producer has out at one broker, at most (KIP-360).
const REQUESTS_MAX: u32 = 5;
/// Handles of one worker that are opened by themselves, at most.
const AUTO_LANES_MAX: usize = 4;
/// librdkafka's own default of `topic.metadata.propagation.max.ms`.
const TOPIC_UNKNOWN_MAX_MS: usize = 30_000;
/// What a batch takes beside its records (record batch header, request), with room to spare, in bytes.
const BATCH_OVERHEAD_BYTES: usize = 1_024;

/// What every worker's producer is made from.
#[derive(Clone)]
pub struct ProducerSettings {
    /// What handles are opened with.
    pub access: Arc<BrokerAccess>,
    /// Producer handles of each worker; `None`: one, and more while batches wait for one.
    pub producers: Option<usize>,
    /// Records enqueued and not reported, at most: librdkafka's `queue.buffering.max.messages`.
    pub queue_records_max: usize,
    /// After this a request is answered even without its reports. A little longer than
    /// librdkafka's own `message.timeout.ms`, whose report knows more.
    pub report_timeout: Duration,
    /// Where librdkafka's threads may run: they inherit what their creator has, and a worker is
    /// pinned.
    pub cores: CpuSet,
}

/// The brokers that [`requests_bytes_max`] counts at least: how many there are is known to the brokers only.
const BROKERS: usize = 3;

/// The most that a worker's requests to the brokers take, in bytes, as librdkafka copies records into them. For
/// as many brokers as `bootstrap.servers` names, or three. `property` has librdkafka's properties as set, and
/// `producers` is as in [`ProducerSettings`].
pub(crate) fn requests_bytes_max(
    property: impl Fn(&str) -> Option<String>,
    producers: Option<usize>,
) -> usize {
    let number = |name: &str| property(name)?.parse().ok();
    let requests = requests_max(number("max.in.flight.requests.per.connection"));
    let batch_bytes = number("batch.size").unwrap_or(BATCH_BYTES_MAX);
    let servers = property("bootstrap.servers").unwrap_or_default();
    let brokers = servers.split(',').count().max(BROKERS);
    // What is sent alone is no more than a record.
    let lanes = producers.unwrap_or(AUTO_LANES_MAX);
    brokers * lanes * requests as usize * (batch_bytes + BATCH_OVERHEAD_BYTES)
}

/// Batches out at one broker from one handle, at most.
fn requests_max(in_flight_max: Option<usize>) -> u32 {
    let most = in_flight_max.and_then(|it| u32::try_from(it).ok());
    most.unwrap_or(REQUESTS_MAX).clamp(1, REQUESTS_MAX)
}

impl ProducerSettings {
    fn property(&self, name: &str) -> Option<String> {
        property(&self.access.properties().1, name).map(str::to_owned)
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.property(name).and_then(|value| value.parse().ok())
    }

    /// Handles that are opened at the start.
    pub(super) fn lanes_min(&self) -> usize {
        self.producers.unwrap_or(1)
    }

    /// How long a topic may be unknown to the brokers before it counts as missing.
    pub(super) fn topic_unknown_max(&self) -> Duration {
        let ms = self.number("topic.metadata.propagation.max.ms");
        Duration::from_millis(ms.unwrap_or(TOPIC_UNKNOWN_MAX_MS) as u64)
    }

    pub(super) fn message_bytes_max(&self) -> usize {
        message_bytes_max(&self.access.properties().1)
    }

    pub(super) fn batch_rules(&self) -> BatchRules {
        let batch_bytes = self.number("batch.size").unwrap_or(BATCH_BYTES_MAX);
        let messages = self
            .number("batch.num.messages")
            .unwrap_or(BATCH_MESSAGES_MAX);
        let bytes_max = batch_bytes.min(self.message_bytes_max());
        let linger = self.property("linger.ms");
        let linger = linger.and_then(|it| it.parse::<f64>().ok());
        BatchRules {
            bytes_max: bytes_max.saturating_sub(BATCH_OVERHEAD_BYTES).max(1),
            records_max: messages.clamp(1, BATCH_RECORDS_MAX),
            linger: Linger {
                time: linger.map_or(LINGER, |ms| Duration::from_secs_f64(ms.max(0.0) / 1_000.0)),
                is_given: linger.is_some(),
            },
            requests_max: requests_max(self.number("max.in.flight.requests.per.connection")),
            places_keys: matches!(
                self.property("partitioner").as_deref(),
                Some("murmur2" | "murmur2_random")
            ),
            lanes_max: self.producers.unwrap_or(AUTO_LANES_MAX),
            alone_within: self.report_timeout,
        }
    }

    /// What a handle is opened with. `alone`: the one that sends records alone.
    pub(super) fn lane(&self, alone: bool) -> LaneSettings {
        LaneSettings {
            access: Arc::clone(&self.access),
            alone,
            cores: self.cores,
        }
    }
}
