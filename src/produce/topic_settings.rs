//! What the configuration of a topic says of the records that it takes.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How far ahead of our clock a record's own time may be to become the message's, while the topic's own
/// bound is not known. Brokers refuse times that are an hour ahead (`message.timestamp.after.max.ms`, by
/// default since Kafka 4.0), and with such a message its whole batch, which holds records of other clients.
const AHEAD_MAX: Duration = Duration::from_mins(30);

/// Kept from a topic's own bounds, at most: clocks differ, and a record may wait.
const MARGIN_MS: i64 = 60_000;

/// The configurations of topics, by their names.
pub(super) type Settings = HashMap<Arc<str>, TopicSettings>;

/// The part of a topic's configuration that concerns ringest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TopicSettings {
    /// `max.message.bytes`: the largest batch, in bytes.
    pub(super) message_bytes_max: Option<usize>,
    /// `cleanup.policy`, as the brokers write it.
    pub(super) cleanup_policy: Option<String>,
    /// `min.insync.replicas`.
    pub(super) min_insync_replicas: Option<u32>,
    pub(super) times: TimeBounds,
}

impl TopicSettings {
    /// From the entries of a topic's configuration.
    pub(super) fn new<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let entries: HashMap<_, _> = entries.collect();
        let number = |name| entries.get(name)?.parse::<i64>().ok();
        let is_assigned = entries.get("message.timestamp.type") == Some(&"LogAppendTime");
        let bound = |name| {
            let bounds = [name, "message.timestamp.difference.max.ms"].map(number);
            let bound = bounds.into_iter().flatten().min();
            bound.filter(|_| !is_assigned).unwrap_or(i64::MAX).max(0)
        };
        Self {
            message_bytes_max: number("max.message.bytes").and_then(|it| usize::try_from(it).ok()),
            cleanup_policy: entries.get("cleanup.policy").map(|it| (*it).to_owned()),
            min_insync_replicas: number("min.insync.replicas")
                .and_then(|it| u32::try_from(it).ok()),
            times: TimeBounds {
                before_ms: within(bound("message.timestamp.before.max.ms")),
                after_ms: within(bound("message.timestamp.after.max.ms")),
            },
        }
    }

    /// Whether records without a key are refused.
    pub(super) fn is_compacted(&self) -> bool {
        let policies = self.cleanup_policy.as_deref().unwrap_or_default();
        policies.split(',').any(|it| it.trim() == "compact")
    }
}

/// A bound that is surely kept.
fn within(bound_ms: i64) -> i64 {
    bound_ms - MARGIN_MS.min(bound_ms / 2)
}

/// Which times a record of a topic may carry, from the time of its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeBounds {
    before_ms: i64,
    after_ms: i64,
}

/// While the topic's own are not known.
impl Default for TimeBounds {
    fn default() -> Self {
        Self {
            before_ms: i64::MAX,
            after_ms: i64::try_from(AHEAD_MAX.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

impl TimeBounds {
    /// The times, in milliseconds since 1970, that a message may have now.
    pub(super) fn now(self) -> RangeInclusive<i64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_millis());
        self.at(i64::try_from(now).unwrap_or(i64::MAX))
    }

    /// The same at a time. Kafka has no times before 1970.
    fn at(self, now_ms: i64) -> RangeInclusive<i64> {
        let earliest = now_ms.saturating_sub(self.before_ms).max(1);
        earliest..=now_ms.saturating_add(self.after_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn settings(entries: &[(&'static str, &'static str)]) -> TopicSettings {
        TopicSettings::new(entries.iter().copied())
    }

    #[test]
    fn what_concerns_ringest_is_read() {
        let settings = settings(&[
            ("max.message.bytes", "20000"),
            ("cleanup.policy", "delete,compact"),
            ("min.insync.replicas", "2"),
            ("retention.ms", "-1"),
        ]);
        assert_eq!(settings.message_bytes_max, Some(20_000));
        assert_eq!(settings.min_insync_replicas, Some(2));
        assert!(settings.is_compacted());
        assert!(!TopicSettings::default().is_compacted());
    }

    #[test]
    fn times_are_held_to_the_topics_own_bounds() {
        let now = 1_000 * HOUR_MS;
        let default = TimeBounds::default().at(now);
        assert_eq!(default, 1..=now + HOUR_MS / 2);
        let of = |entries: &[(&'static str, &'static str)]| settings(entries).times.at(now);
        let after = ("message.timestamp.after.max.ms", "3600000");
        let before = ("message.timestamp.before.max.ms", "7200000");
        let both = ("message.timestamp.difference.max.ms", "1000");
        let type_ = ("message.timestamp.type", "LogAppendTime");
        assert_eq!(
            of(&[after, before]),
            now - 2 * HOUR_MS + MARGIN_MS..=now + HOUR_MS - MARGIN_MS
        );
        assert_eq!(of(&[after, both]), now - 500..=now + 500);
        assert_eq!(of(&[after]), 1..=now + HOUR_MS - MARGIN_MS);
        let unbounded = 1..=now.saturating_add(i64::MAX - MARGIN_MS);
        assert_eq!(of(&[before, after, type_]), unbounded);
        assert!(TimeBounds::default().now().contains(&1_767_225_600_000));
    }
}
