//! The worst-case memory, computed from the configuration: each part is a bound that the code
//! keeps.

use std::fmt;

use super::{Config, Limits};

/// A read segment is never smaller: one read takes a small request with its body.
const SEGMENT_BYTES_MIN: usize = 16_384;

/// Segments are whole pages.
const SEGMENT_ALIGN: usize = 4_096;

/// What follows each segment, so that simd-json may read past the end of a document.
const SEGMENT_PADDING: usize = 64;

/// The most that simd-json's buffers (structural indices, tape, strings) grow to for each byte of
/// a body; seen with bodies made of brackets only.
const VALIDATOR_BYTES_EACH: u64 = 28;

/// librdkafka's own record of one queued message (`rd_kafka_msg_t` and its place in a queue).
const QUEUED_MESSAGE_BYTES: u64 = 256;

/// The size of one read segment, in bytes, for heads up to `head_bytes_max`, padding left out.
pub const fn segment_bytes(head_bytes_max: usize) -> usize {
    let bytes = head_bytes_max.next_multiple_of(SEGMENT_ALIGN);
    if bytes < SEGMENT_BYTES_MIN {
        SEGMENT_BYTES_MIN
    } else {
        bytes
    }
}

/// The most memory, in bytes, that a configuration allows, part by part.
///
/// Left out: librdkafka's request buffers (it copies small messages into requests), the state of
/// connections and tasks beside their read segments, the kernel's socket buffers, code and
/// stacks, and what the allocator keeps beyond what is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryMax {
    /// Every connection with one read segment.
    pub connections: u64,
    /// Bodies being read and records not yet acknowledged.
    pub in_flight: u64,
    /// simd-json's buffers and the copy of a body that it may rewrite, of every worker.
    pub validation: u64,
    /// librdkafka's record of each queued message, of every worker; payloads are in flight.
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
        let workers = config.workers.get() as u64;
        let segment = (segment_bytes(head_bytes_max) + SEGMENT_PADDING) as u64;
        let body = body_bytes_max as u64;
        let queue = config.kafka_property("queue.buffering.max.messages");
        let messages: u64 = queue.and_then(|it| it.parse().ok()).unwrap_or(u64::MAX);
        Self {
            connections: segment.saturating_mul(connections_max as u64),
            in_flight: in_flight_bytes_max as u64,
            validation: body.saturating_mul((VALIDATOR_BYTES_EACH + 1) * workers),
            producer_queues: messages.saturating_mul(QUEUED_MESSAGE_BYTES * workers),
        }
    }

    /// All parts together.
    pub fn total(&self) -> u64 {
        [self.in_flight, self.validation, self.producer_queues]
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
    fn segments_are_whole_pages_and_hold_a_head() {
        assert_eq!(segment_bytes(1_024), 16_384);
        assert_eq!(segment_bytes(16_384), 16_384);
        assert_eq!(segment_bytes(16_385), 20_480);
        assert_eq!(segment_bytes(1_048_576), 1_048_576);
    }

    #[test]
    fn parts_line_up_and_add_up() {
        let memory = MemoryMax {
            connections: 1 << 20,
            in_flight: 10 << 20,
            validation: 1,
            producer_queues: 0,
        };
        assert_eq!(memory.total(), (11 << 20) + 1);
        let lines: Vec<_> = memory.to_string().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 5);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()));
        assert_eq!(lines[2], "validation               0.1 MiB");
        assert_eq!(lines[4], "total                   11.1 MiB");
    }
}
