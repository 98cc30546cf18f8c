//! The worst-case memory, computed from the configuration: each part is a bound that the code
//! enforces.

use std::fmt;

use super::{Config, Limits};
use crate::{
    auth::{Cache, Rejections},
    buffer::{self, segment_capacity},
    produce::QUEUED_RECORD_BYTES,
    validate::{ValidateLimits, Validator},
};

/// The overhead of one queued message: librdkafka's (`rd_kafka_msg_t` and its place in a queue), and the
/// worker's.
const QUEUED_MESSAGE_BYTES: u64 = 256 + QUEUED_RECORD_BYTES as u64;

/// The most memory, in bytes, that a configuration allows, part by part.
///
/// Not included: the text of answers and of dead letters while it is assembled (a few times the
/// largest record, of each worker), librdkafka's request buffers (it copies small messages into
/// requests), the state of connections and tasks besides their read segments, the kernel's socket
/// buffers, code and stacks, and what the allocator keeps beyond what is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryMax {
    /// Every connection with one read segment.
    pub connections: u64,
    /// Bodies being read and records not yet acknowledged.
    pub in_flight: u64,
    /// The validator's scratch (simd-json's buffers, its copy of the body, the spans), of every
    /// worker.
    pub validation: u64,
    /// Cached credentials and hashes of rejected ones, of every worker.
    pub credentials: u64,
    /// Segments kept for reuse, of every worker.
    pub kept_segments: u64,
    /// The overhead of each queued message, of every worker; payloads are in flight.
    pub producer_queues: u64,
}

impl MemoryMax {
    pub(super) fn new(config: &Config) -> Self {
        let Limits {
            head_bytes_max,
            body_bytes_max,
            connections_max,
            in_flight_bytes_max,
            ..
        } = config.limits;
        let limits = ValidateLimits::from(&config.limits);
        let workers = config.workers.get() as u64;
        let segment = segment_capacity(head_bytes_max) as u64;
        let cache = Cache::bytes_max(config.auth.cache_entries);
        let credentials = (cache + Rejections::BYTES_MAX) as u64;
        let validator = Validator::scratch_bytes_max(limits, body_bytes_max) as u64;
        let queue = config.kafka_property("queue.buffering.max.messages");
        let messages: u64 = queue.and_then(|it| it.parse().ok()).unwrap_or(u64::MAX);
        Self {
            connections: segment.saturating_mul(connections_max as u64),
            in_flight: in_flight_bytes_max as u64,
            validation: validator.saturating_mul(workers),
            credentials: credentials.saturating_mul(workers),
            kept_segments: (buffer::Pool::KEPT_BYTES_MAX as u64).saturating_mul(workers),
            producer_queues: messages.saturating_mul(QUEUED_MESSAGE_BYTES * workers),
        }
    }

    /// All parts together.
    pub fn total(&self) -> u64 {
        [
            self.in_flight,
            self.validation,
            self.credentials,
            self.kept_segments,
            self.producer_queues,
        ]
        .into_iter()
        .fold(self.connections, u64::saturating_add)
    }
}

impl fmt::Display for MemoryMax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("connections", self.connections),
            ("in flight", self.in_flight),
            ("validation", self.validation),
            ("credentials", self.credentials),
            ("kept segments", self.kept_segments),
            ("producer queues", self.producer_queues),
        ];
        for (name, bytes) in rows {
            writeln!(f, "{name:<16}{}", Mebibytes(bytes))?;
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
    fn parts_line_up_and_add_up() {
        let memory = MemoryMax {
            connections: 1 << 20,
            in_flight: 10 << 20,
            validation: 1,
            credentials: 0,
            kept_segments: 0,
            producer_queues: 0,
        };
        assert_eq!(memory.total(), (11 << 20) + 1);
        let lines: Vec<_> = memory.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 7);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()));
        assert_eq!(lines[2], "validation               0.1 MiB");
        assert_eq!(lines[6], "total                   11.1 MiB");
    }
}
