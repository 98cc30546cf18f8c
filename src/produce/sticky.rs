//! Which partition records without a key go to.
//!
//! librdkafka's sticky partitioner (KIP-480) keeps to one partition for 10 ms, but works that out
//! for every record: two looks at the clock and three locks, a tenth of what a record of an array
//! costs. Here the partitioner is asked by one request, a *scout*, whose delivery report tells what
//! it chose; the requests of the next 10 ms name that partition. A partition that stops delivering
//! has no reports, so that the partitioner, which knows the leaders, is asked again.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// How long a partition is kept to: librdkafka's own `sticky.partitioning.linger.ms`.
const STICKY: Duration = Duration::from_millis(10);

/// The partition that a topic's records go to at the moment.
#[derive(Debug, Default)]
pub(super) struct StickyPartition(Cell<Option<(i32, Instant)>>);

impl StickyPartition {
    /// The partition to name, or `None` for the partitioner's choice.
    pub(super) fn current(&self, now: Instant) -> Option<i32> {
        self.0
            .get()
            .filter(|(_, until)| now < *until)
            .map(|(partition, _)| partition)
    }

    /// A scout was delivered to `partition`.
    pub(super) fn scouted(&self, partition: i32, now: Instant) {
        if self.current(now).is_none() {
            self.0.set(Some((partition, now + STICKY)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_kept_to_for_a_while_and_chosen_anew_then() {
        let sticky = StickyPartition::default();
        let now = Instant::now();
        assert_eq!(sticky.current(now), None);
        sticky.scouted(3, now);
        sticky.scouted(4, now);
        assert_eq!(sticky.current(now), Some(3));
        assert_eq!(sticky.current(now + STICKY), None);
        sticky.scouted(5, now + STICKY);
        assert_eq!(sticky.current(now + STICKY), Some(5));
    }
}
