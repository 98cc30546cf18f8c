//! Which partition records without a key go to.
//!
//! librdkafka's sticky partitioner (KIP-480) keeps to one partition for 10 ms, but works that out
//! for every record: two looks at the clock and three locks, a tenth of what a record of an array
//! costs. Here the partitioner is asked by one request, a *scout*, whose delivery report tells what
//! it chose; the requests of the next 10 ms (or of the operator's own
//! `sticky.partitioning.linger.ms`) name that partition. A partition that stops delivering
//! has no reports, so that the partitioner, which knows the leaders, is asked again.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// How long a partition is kept to where the operator does not say.
const LINGER: Duration = Duration::from_millis(10);

/// The partition that a topic's records go to at the moment.
#[derive(Debug)]
pub(super) struct StickyPartition {
    linger: Duration,
    /// And until when.
    kept: Cell<Option<(i32, Instant)>>,
}

impl StickyPartition {
    /// None at first. With a linger of 0 in `properties`, never any: every record is librdkafka's
    /// to place.
    pub(super) fn new(properties: &[(String, String)]) -> Self {
        let mut given = properties.iter().rev();
        let given = given.find(|(name, _)| name == "sticky.partitioning.linger.ms");
        let given = given.and_then(|(_, value)| value.parse().ok());
        Self {
            linger: given.map_or(LINGER, Duration::from_millis),
            kept: Cell::new(None),
        }
    }

    /// The partition to name, or `None` for the partitioner's choice.
    pub(super) fn current(&self, now: Instant) -> Option<i32> {
        self.kept
            .get()
            .filter(|(_, until)| now < *until)
            .map(|(partition, _)| partition)
    }

    /// A scout was delivered to `partition`.
    pub(super) fn scouted(&self, partition: i32, now: Instant) {
        if self.current(now).is_none() {
            self.kept.set(Some((partition, now + self.linger)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_kept_to_for_a_while_and_chosen_anew_then() {
        let sticky = StickyPartition::new(&[]);
        let now = Instant::now();
        assert_eq!(sticky.current(now), None);
        sticky.scouted(3, now);
        sticky.scouted(4, now);
        assert_eq!(sticky.current(now), Some(3));
        assert_eq!(sticky.current(now + LINGER), None);
        sticky.scouted(5, now + LINGER);
        assert_eq!(sticky.current(now + LINGER), Some(5));
    }
    #[test]
    fn the_operators_linger_counts_also_if_it_is_none() {
        let linger = |ms: &str| {
            let property =
                |value: &str| ("sticky.partitioning.linger.ms".to_owned(), value.to_owned());
            StickyPartition::new(&[property("5"), property(ms)])
        };
        let now = Instant::now();
        let (never, long) = (linger("0"), linger("1000"));
        never.scouted(3, now);
        long.scouted(3, now);
        assert_eq!(never.current(now), None);
        assert_eq!(long.current(now + Duration::from_millis(999)), Some(3));
    }
}
