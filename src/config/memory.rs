//! The worst-case memory, computed from the configuration: each part is a bound that the code
//! enforces.

use std::fmt;

use super::{Config, Limits};
use crate::{
    admission::CONNECTION_BYTES,
    auth::{Auth, Cache, Rejections},
    buffer::{self, INPUT_BYTES, segment_capacity},
    connections::BEYOND_MAX,
    log,
    produce::{QUEUED_RECORD_BYTES, requests_bytes_max},
    quota::ClaimBuckets,
    tls::Tls,
    traces,
    validate::{ValidateLimits, Validator},
};

/// The overhead of one queued message: librdkafka's (`rd_kafka_msg_t` and its place in a queue), and the
/// worker's.
const QUEUED_MESSAGE_BYTES: u64 = 256 + QUEUED_RECORD_BYTES as u64;

/// The process without load: code, the management listener, the control thread. Measured.
const PROCESS_BYTES: u64 = 24 << 20;

/// A worker without load: its ring, and librdkafka's threads, buffers and connections. Measured.
const WORKER_BYTES: u64 = 8 << 20;

/// The keys that the worst case depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) limits: Limits,
    pub(super) workers: usize,
    pub(super) cache_entries: usize,
    /// Of the buckets of issuers' principals.
    pub(super) claim_bytes: usize,
    /// Of a connection.
    pub(super) tls_bytes: usize,
    pub(super) has_traces: bool,
    pub(super) queue_records_max: usize,
    /// Of a worker.
    pub(super) requests_bytes_max: usize,
}

impl Sizes {
    /// Lowers one of them, down to `least`, so that the worst case takes no more than nine tenths of
    /// `bytes`.
    pub(super) fn lower(
        &mut self,
        bytes: u64,
        size: impl Fn(&mut Self) -> &mut usize,
        least: usize,
    ) {
        let fits = |sizes: &Self| MemoryMax::of(sizes).total() <= bytes / 10 * 9;
        let (mut low, mut high) = (least, *size(self));
        if fits(self) || low >= high {
            return;
        }
        // The largest that fits, if one does.
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            *size(self) = middle;
            if fits(self) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        *size(self) = low;
    }
}

/// The most that TLS adds to a connection.
pub(super) fn tls_bytes(tls: Option<&Tls>) -> usize {
    tls.map_or(0, Tls::connection_bytes)
}

/// What the buckets of issuers' principals take.
pub(super) fn claim_bytes(auth: &Auth) -> usize {
    let limited = auth.issuers.iter().filter(|it| it.quota.is_some());
    limited.count() * ClaimBuckets::BYTES
}

/// The most memory, in bytes, that a configuration allows, part by part.
///
/// Not included: the text of dead letters while it is assembled (a few times the largest record, of each
/// worker), and the kernel's socket buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryMax {
    /// Every connection, those of the reserve too, with its state and the largest read segment for its head.
    pub connections: u64,
    /// Bodies being read and records not yet acknowledged.
    pub in_flight: u64,
    /// librdkafka's copies of records in its requests, of every worker.
    pub requests: u64,
    /// The validator's scratch (simd-json's buffers, its copy of the body) and the lists of records, of every
    /// worker.
    pub validation: u64,
    /// Decoders of compressed bodies beside those that are in flight, of every worker.
    pub decoders: u64,
    /// Cached credentials and hashes of rejected ones, of every worker, and the quotas of issuers' principals.
    pub credentials: u64,
    /// Segments kept for reuse, of every worker.
    pub kept_segments: u64,
    /// The overhead of each queued message, of every worker; payloads are in flight.
    pub producer_queues: u64,
    /// The process and its workers without load, and full queues of the log and of traces.
    pub process: u64,
}

impl MemoryMax {
    pub(super) fn new(config: &Config) -> Self {
        Self::of(&Sizes {
            limits: config.limits,
            workers: config.workers.get(),
            cache_entries: config.auth.cache_entries,
            claim_bytes: claim_bytes(&config.auth),
            tls_bytes: tls_bytes(config.listen.tls.as_deref()),
            has_traces: config.traces.is_some(),
            queue_records_max: config.queue_records_max(),
            requests_bytes_max: requests_bytes_max(
                |name| config.kafka_property(name).map(str::to_owned),
                config.producers,
            ),
        })
    }

    pub(super) fn of(sizes: &Sizes) -> Self {
        let Limits {
            head_bytes_max,
            body_bytes_max,
            connections_max,
            in_flight_bytes_max,
            content_encodings,
            ..
        } = sizes.limits;
        let limits = ValidateLimits::from(&sizes.limits);
        let workers = sizes.workers as u64;
        let of_each = |bytes: usize| (bytes as u64).saturating_mul(workers);
        let of_message = |records: u64| records.saturating_mul(QUEUED_MESSAGE_BYTES);
        let input = segment_capacity(head_bytes_max.max(INPUT_BYTES));
        let connection = (input + CONNECTION_BYTES + sizes.tls_bytes) as u64;
        let beyond = of_each(BEYOND_MAX);
        let requests = of_each(sizes.requests_bytes_max);
        let traces = if sizes.has_traces {
            traces::MEMORY_MAX
        } else {
            0
        };
        let queues = log::MEMORY_MAX + traces;
        Self {
            connections: connection.saturating_mul(connections_max as u64 + beyond),
            in_flight: in_flight_bytes_max as u64,
            // They are copies of it.
            requests: requests.min(in_flight_bytes_max as u64),
            validation: of_each(Validator::resident_bytes_max(limits, body_bytes_max)),
            decoders: of_each(content_encodings.worker_bytes_max()),
            credentials: of_each(Cache::bytes_max(sizes.cache_entries) + Rejections::BYTES_MAX)
                + sizes.claim_bytes as u64,
            kept_segments: of_each(buffer::Pool::KEPT_BYTES_MAX),
            producer_queues: of_message(of_each(sizes.queue_records_max)),
            process: PROCESS_BYTES + queues as u64 + workers * WORKER_BYTES,
        }
    }

    /// All parts together.
    pub fn total(&self) -> u64 {
        let parts = self.parts().into_iter();
        parts.fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    /// A warning if it is more than a cgroup allows, with the keys that lower the largest part.
    pub(super) fn warning(&self, cgroup_bytes: u64) -> Option<String> {
        let largest = self.parts().into_iter().max_by_key(|part| part.bytes)?;
        (self.total() > cgroup_bytes).then(|| {
            format!(
                "the worst-case memory, {} MiB, is more than the {} MiB that the cgroup allows; most is \
                 for {} (lower {})",
                self.total().div_ceil(1 << 20),
                cgroup_bytes >> 20,
                largest.name,
                largest.keys
            )
        })
    }

    fn parts(&self) -> [Part; 9] {
        [
            (
                "connections",
                self.connections,
                "limits.connections_max, limits.head_bytes_max",
            ),
            ("in flight", self.in_flight, "limits.in_flight_bytes_max"),
            (
                "requests",
                self.requests,
                "kafka.\"batch.size\", kafka.producers, workers",
            ),
            (
                "validation",
                self.validation,
                "limits.record_bytes_max, limits.body_bytes_max, workers",
            ),
            (
                "decoders",
                self.decoders,
                "listen.content_encodings, workers",
            ),
            (
                "credentials",
                self.credentials,
                "auth.cache_entries, workers",
            ),
            ("kept segments", self.kept_segments, "workers"),
            (
                "producer queues",
                self.producer_queues,
                "kafka.\"queue.buffering.max.messages\", workers",
            ),
            ("process", self.process, "workers"),
        ]
        .map(|(name, bytes, keys)| Part { name, bytes, keys })
    }
}

/// One part, and the keys that lower it.
struct Part {
    name: &'static str,
    bytes: u64,
    keys: &'static str,
}

impl fmt::Display for MemoryMax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Part { name, bytes, keys } in self.parts() {
            writeln!(f, "{name:<16}{}  {keys}", Mebibytes(bytes))?;
        }
        write!(f, "{:<16}{}", "total", Mebibytes(self.total()))
    }
}

/// Bytes, shown as MiB with one decimal, rounded up, right-aligned.
struct Mebibytes(u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = u128::from(self.0).saturating_mul(10).div_ceil(1 << 20);
        write!(f, "{:>10}.{} MiB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_lowered_to_what_there_is_and_no_further() {
        let config = Config::development("localhost:1", None, std::iter::empty()).expect("good");
        let sizes = Sizes {
            limits: config.limits,
            workers: 2,
            cache_entries: 8_192,
            claim_bytes: 0,
            tls_bytes: 0,
            has_traces: false,
            queue_records_max: 200_000,
            requests_bytes_max: 1_000_000,
        };
        let all = MemoryMax::of(&sizes).total();
        let in_flight = |bytes, least| {
            let mut lowered = sizes;
            lowered.lower(bytes, |it| &mut it.limits.in_flight_bytes_max, least);
            assert_eq!(lowered.queue_records_max, sizes.queue_records_max);
            lowered.limits.in_flight_bytes_max as u64
        };
        let default = sizes.limits.in_flight_bytes_max as u64;
        assert_eq!(in_flight(all * 2, 1), default);
        // A tenth is left for what is not counted.
        let lowered = in_flight((all - 9_000_000) / 9 * 10, 1);
        assert!(
            (default - 9_000_010..=default - 9_000_000).contains(&lowered),
            "{lowered}"
        );
        assert_eq!(in_flight(1_000, 77), 77);
        assert_eq!(in_flight(1_000, usize::MAX), default);
    }

    #[test]
    fn parts_line_up_and_add_up() {
        let memory = MemoryMax {
            connections: 1 << 20,
            in_flight: 10 << 20,
            requests: 0,
            validation: 1,
            decoders: 0,
            credentials: 0,
            kept_segments: 0,
            producer_queues: 0,
            process: 1 << 20,
        };
        assert_eq!(memory.total(), (12 << 20) + 1);
        let lines: Vec<_> = memory.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 10);
        let ends = |line: &String| line.find(" MiB");
        assert!(lines.iter().all(|line| ends(line) == ends(&lines[0])));
        assert_eq!(
            lines[3],
            "validation               0.1 MiB  limits.record_bytes_max, limits.body_bytes_max, workers"
        );
        assert_eq!(lines[9], "total                   12.1 MiB");
        assert_eq!(memory.warning(12 << 21), None);
        assert_eq!(
            memory.warning(8 << 20).as_deref(),
            Some(
                "the worst-case memory, 13 MiB, is more than the 8 MiB that the cgroup allows; most \
                 is for in flight (lower limits.in_flight_bytes_max)"
            )
        );
    }
}
