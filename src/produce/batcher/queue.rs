//! Records that wait to become a batch, in their order.

use std::{collections::VecDeque, time::Instant};

use crate::produce::record::Record;

/// First in, first out; knows its bytes and the deadlines of what it holds.
#[derive(Debug, Default)]
pub(super) struct Queue {
    records: VecDeque<Record>,
    /// The deadline of each run of records that came together, and how many of them are left.
    deadlines: VecDeque<(Instant, usize)>,
    bytes: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// What its records take in batches, at most.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many records came with the first.
    pub(super) fn first_run(&self) -> usize {
        self.deadlines.front().map_or(0, |(_, count)| *count)
    }

    pub(super) fn push(&mut self, record: Record, deadline: Instant) {
        self.bytes += record.wire_bytes();
        self.records.push_back(record);
        match self.deadlines.back_mut() {
            Some((same, count)) if *same == deadline => *count += 1,
            _ => self.deadlines.push_back((deadline, 1)),
        }
    }

    /// Moves records to the end of `batch`: as many as fit into `bytes_max` and `records_max`, and at
    /// least one.
    pub(super) fn take(&mut self, batch: &mut Vec<Record>, bytes_max: usize, records_max: usize) {
        let mut bytes = 0;
        let mut count = 0;
        for record in self.records.iter().take(records_max) {
            bytes += record.wire_bytes();
            if count > 0 && bytes > bytes_max {
                bytes -= record.wire_bytes();
                break;
            }
            count += 1;
        }
        batch.extend(self.records.drain(..count));
        self.forget(count, bytes);
    }

    /// Moves records whose deadline has passed to `expired`.
    pub(super) fn expire(&mut self, now: Instant, expired: &mut Vec<Record>) {
        while let Some((deadline, count)) = self.deadlines.front().copied()
            && deadline <= now
        {
            let begin = expired.len();
            expired.extend(self.records.drain(..count));
            let bytes = expired[begin..].iter().map(Record::wire_bytes).sum();
            self.forget(count, bytes);
        }
    }

    /// Gives back the room of a queue that is empty: there may be thousands, each of which was full once.
    pub(super) fn release_room(&mut self) {
        if self.records.is_empty() && self.records.capacity() > IDLE_RECORDS_MAX {
            *self = Self::default();
        }
    }

    /// Everything, each record with its deadline.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Record, Instant)> {
        self.bytes = 0;
        let runs = std::mem::take(&mut self.deadlines);
        let deadlines = runs
            .into_iter()
            .flat_map(|(deadline, count)| std::iter::repeat_n(deadline, count));
        std::mem::take(&mut self.records).into_iter().zip(deadlines)
    }

    fn forget(&mut self, mut count: usize, bytes: usize) {
        self.bytes -= bytes;
        while count > 0
            && let Some((_, left)) = self.deadlines.front_mut()
        {
            let gone = count.min(*left);
            *left -= gone;
            count -= gone;
            if *left == 0 {
                self.deadlines.pop_front();
            }
        }
        if self.records.is_empty() && self.records.capacity() > KEPT_RECORDS_MAX {
            *self = Self::default();
        }
    }
}

/// Records that an empty queue keeps room for.
const IDLE_RECORDS_MAX: usize = 16;

/// The same until the next tick.
const KEPT_RECORDS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::produce::in_flight::RequestKey;

    fn queue(lens: &[u32], deadline: Instant) -> Queue {
        let mut queue = Queue::default();
        for (position, len) in (0..).zip(lens) {
            queue.push(
                Record::for_test(RequestKey::for_test(0), position, *len),
                deadline,
            );
        }
        queue
    }

    fn positions(records: &[Record]) -> Vec<u32> {
        records.iter().map(|record| record.position).collect()
    }

    #[test]
    fn a_batch_takes_what_fits_and_at_least_one_record() {
        let mut queue = queue(&[10, 20, 30, 5], Instant::now());
        let mut batch = Vec::new();
        queue.take(&mut batch, 35, 10);
        assert_eq!((positions(&batch), queue.bytes()), (vec![0, 1], 35));
        batch.clear();
        queue.take(&mut batch, 1, 10);
        assert_eq!((positions(&batch), queue.len()), (vec![2], 1));
        batch.clear();
        queue.take(&mut batch, 100, 10);
        assert_eq!((positions(&batch), queue.bytes()), (vec![3], 0));
    }

    #[test]
    fn a_batch_has_no_more_records_than_it_may() {
        let mut queue = queue(&[1; 5], Instant::now());
        let mut batch = Vec::new();
        queue.take(&mut batch, 100, 3);
        assert_eq!((positions(&batch), queue.len()), (vec![0, 1, 2], 2));
    }

    #[test]
    fn an_empty_queue_gives_back_its_room() {
        let mut queue = queue(&[1; 100], Instant::now());
        queue.take(&mut Vec::new(), 1_000, 99);
        queue.release_room();
        assert_eq!(queue.len(), 1);
        queue.take(&mut Vec::new(), 1_000, 99);
        assert!(queue.records.capacity() >= 100);
        queue.release_room();
        assert_eq!(queue.records.capacity(), 0);
        assert_eq!(queue.deadlines.capacity(), 0);
    }

    #[test]
    fn what_expires_is_what_waited_too_long() {
        let early = Instant::now();
        let late = early + Duration::from_secs(1);
        let mut queue = queue(&[1, 2], early);
        queue.push(Record::for_test(RequestKey::for_test(1), 0, 4), late);
        let mut taken = Vec::new();
        queue.take(&mut taken, 1, 10);
        let mut expired = Vec::new();
        queue.expire(early, &mut expired);
        assert_eq!((positions(&expired), queue.bytes()), (vec![1], 4));
        queue.expire(early, &mut expired);
        assert_eq!(expired.len(), 1);
        let left: Vec<_> = queue.drain().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].1, late);
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
    }
}
