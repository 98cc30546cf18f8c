//! What must hold of each batch that is handed over, and of each answer.

use super::{
    cluster::java_partition,
    world::{Entry, LaneState, Out, State, World, hold},
};
use crate::produce::fault::{Failure, Persisted};

impl World {
    pub(super) fn check_place(&mut self, out: &Out) {
        let serving = self.lanes[out.lane] == LaneState::Serving;
        hold!(serving, "a batch goes to a lane that is not open");
        let alone_lane = out.lane == self.batcher.alone_lane();
        hold!(out.alone == alone_lane, "a batch goes to the wrong lane");
        let Some(partition) = out.partition.filter(|_| !out.alone) else {
            let same = |it: &Out| it.topic == out.topic && !it.alone;
            let another = !out.alone && self.out.iter().any(same);
            hold!(!another, "a batch without a partition goes beside another");
            return;
        };
        let another = self
            .out
            .iter()
            .filter(|it| it.topic == out.topic && !it.alone)
            .find(|it| it.partition.is_none_or(|place| place == partition));
        hold!(
            another.is_none(),
            "two batches are out for partition {partition} of topic {}",
            out.topic
        );
        let leader = self.announced[out.topic].get(partition).copied().flatten();
        let broker = out.broker.expect("a batch for a partition has a broker");
        let state = &self.batcher.brokers[broker];
        let id = leader.map(Self::broker_id);
        let waits = self.batcher.topics[out.topic].learned.is_some();
        let right = waits || id == Some(state.id());
        hold!(right, "a batch goes to {}, not {id:?}", state.id());
        if state.is_late() {
            let probe = self.probes.insert(broker, out.key);
            hold!(probe.is_none(), "a second probe goes to a late broker");
        }
    }

    pub(super) fn check_size(&self, out: &Out, bytes: usize) {
        let count = out.records.len();
        hold!(count > 0, "a batch is empty");
        let fits = count == 1 || bytes <= self.rules.bytes_max;
        hold!(fits, "a batch of {count} records has {bytes} bytes");
        let most = if out.alone { 1 } else { self.rules.records_max };
        hold!(count <= most, "a batch has {count} records");
        if let Some(broker) = out.broker {
            let same = |it: &&Out| it.broker == Some(broker) && it.lane == out.lane;
            let window = self.out.iter().filter(same).count() + 1;
            let most = self.rules.requests_max as usize;
            hold!(window <= most, "{window} batches are out at a broker");
        }
        for index in &out.records {
            let entry = &self.records[*index];
            let expected = if out.alone {
                State::Again
            } else {
                State::Waiting
            };
            hold!(
                entry.state == expected,
                "record {index} is handed over: {:?}",
                entry.state
            );
            hold!(entry.topic == out.topic, "record {index}: wrong topic");
            let count = self.announced[out.topic].len();
            if let (Some(hash), Some(partition)) = (entry.key, out.partition)
                && !out.alone
                && entry.epoch == self.epochs[out.topic]
            {
                let expected = java_partition(hash, count);
                hold!(partition == expected, "record {index}: wrong partition");
            }
        }
    }

    /// No earlier record with the key of this one waits.
    pub(super) fn check_order(&self, index: usize, batch: &[usize]) {
        let entry = &self.records[index];
        if entry.key.is_none() || self.cluster.recreated[entry.topic] {
            return;
        }
        let same = |other: &&usize| {
            let it = &self.records[**other];
            (it.topic, it.key, it.epoch) == (entry.topic, entry.key, entry.epoch)
        };
        let mut earlier = self.live.iter().take_while(|it| **it < index).filter(same);
        let waits = earlier.find(|it| {
            let state = self.records[**it].state;
            matches!(state, State::Waiting | State::Again) && !batch.contains(it)
        });
        hold!(
            waits.is_none(),
            "record {index} overtakes record {waits:?} with the same key"
        );
        let mut behind = batch.iter().skip_while(|it| **it != index).filter(same);
        let sorted = behind.all(|it| *it >= index);
        hold!(sorted, "equal keys are out of order in {batch:?}");
    }

    pub(super) fn check_answer(&self, request: usize, end: &Result<usize, Failure>) {
        let it = &self.requests[request];
        let entries = &self.records[it.first..it.first + it.count];
        let delivered = |it: &Entry| it.appended && it.state == State::Ended(Ok(()));
        let lost = |it: &Entry| !it.appended && matches!(it.state, State::Ended(Err(_)));
        let persisted = match end {
            Ok(count) => {
                let all = *count == it.count && entries.iter().all(delivered);
                hold!(all, "request {request} is answered with a success");
                return;
            }
            Err(failure) => &failure.persisted,
        };
        let ended = entries.iter().all(|it| matches!(it.state, State::Ended(_)));
        let in_time = ended || it.deadline <= self.now;
        hold!(in_time, "request {request} is answered before its end");
        match persisted {
            Persisted::No => {
                let none = entries.iter().all(lost);
                hold!(none, "request {request} has records in the topic");
            }
            Persisted::Unknown => {
                let known = entries.iter().all(delivered);
                hold!(!known, "request {request} was delivered");
            }
            Persisted::Partial {
                delivered: good,
                lost: bad,
                unknown,
            } => {
                let all = good.len() + bad.len() + unknown.len();
                hold!(all == it.count, "request {request}: {end:?}");
                let good = good.iter().all(|it| delivered(&entries[*it as usize]));
                hold!(good, "request {request} has records that are not delivered");
                let bad = bad.iter().all(|it| lost(&entries[*it as usize]));
                hold!(bad, "request {request} has records that are in the topic");
            }
        }
    }
}
