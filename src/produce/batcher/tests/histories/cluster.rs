//! A model of librdkafka's handles and of the brokers behind them: what was handed over becomes reports.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use super::random::Random;
use crate::produce::{
    batcher::{BatchKey, tests::RecordEnd},
    fault::Fault,
};

/// librdkafka's `message.timeout.ms`.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(9);

/// A handle, a topic and a partition: in there, everything happens in its order.
pub(super) type Place = (usize, usize, usize);

/// The partition of what goes to a topic that has none.
const NOWHERE: usize = usize::MAX;

/// What the brokers see of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Its position in the batch.
    pub(super) position: usize,
    /// Its number among all records of the history.
    pub(super) record: usize,
    pub(super) key_hash: Option<u32>,
    /// How often the worker had seen the topic grow when it came: there is no order across that.
    pub(super) epoch: u32,
    /// For what brokers refuse it.
    pub(super) guilt: Option<Fault>,
}

/// Records of one batch for one partition: brokers accept or refuse them together.
struct Part {
    batch: BatchKey,
    records: Vec<Sent>,
    since: Instant,
}

pub(super) struct Report {
    pub(super) batch: BatchKey,
    pub(super) position: usize,
    pub(super) record: usize,
    pub(super) end: RecordEnd,
}

#[derive(Default)]
struct Pipe {
    parts: VecDeque<Part>,
    reports: VecDeque<Report>,
}

/// How often brokers fail: once in so many answers; 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    /// A batch is refused as a whole, with several records in it and none of them guilty.
    pub(super) refusals: usize,
    pub(super) faults: usize,
}

pub(super) struct Cluster {
    /// Whether each broker hangs.
    pub(super) hung: Vec<bool>,
    /// The leaders of each topic's partitions.
    pub(super) topics: Vec<Vec<Option<usize>>>,
    /// Whether the topic was made anew with fewer partitions: then there is no order to hold.
    pub(super) recreated: Vec<bool>,
    pub(super) trouble: Trouble,
    pipes: BTreeMap<Place, Pipe>,
    /// The last record with that key in a topic's partition.
    last: HashMap<(usize, usize, u32, u32), usize>,
    /// Records that were appended since the last look.
    pub(super) appended: Vec<usize>,
}

impl Cluster {
    pub(super) fn new(brokers: usize, topics: Vec<Vec<Option<usize>>>, trouble: Trouble) -> Self {
        Self {
            hung: vec![false; brokers],
            recreated: vec![false; topics.len()],
            topics,
            trouble,
            pipes: BTreeMap::new(),
            last: HashMap::new(),
            appended: Vec::new(),
        }
    }

    /// Takes in a batch. Where its partition is not known, librdkafka chooses one.
    pub(super) fn accept(
        &mut self,
        (lane, topic, partition): (usize, usize, Option<usize>),
        batch: BatchKey,
        records: Vec<Sent>,
        (now, random): (Instant, &mut Random),
    ) {
        let leaders = &self.topics[topic];
        let count = leaders.len();
        let led: Vec<_> = (0..count).filter(|it| leaders[*it].is_some()).collect();
        let sticky = match (&led[..], count) {
            (_, 0) => NOWHERE,
            ([], _) => 0,
            (led, _) => random.pick(led),
        };
        let mut parts: BTreeMap<usize, Vec<Sent>> = BTreeMap::new();
        for sent in records {
            let chosen = match sent.key_hash {
                Some(hash) if count > 0 => java_partition(hash, count),
                _ => sticky,
            };
            let partition = partition.filter(|it| *it < count).unwrap_or(chosen);
            parts.entry(partition).or_default().push(sent);
        }
        for (partition, records) in parts {
            let pipe = self.pipes.entry((lane, topic, partition)).or_default();
            pipe.parts.push_back(Part {
                batch,
                records,
                since: now,
            });
        }
    }

    /// Partitions with something that a broker may answer now.
    pub(super) fn answerable(&self) -> Vec<Place> {
        let pipes = self.pipes.iter().filter(|(_, pipe)| !pipe.parts.is_empty());
        let pipes =
            pipes.filter(
                |((_, topic, partition), _)| match self.topics[*topic].get(*partition) {
                    Some(leader) => leader.is_some_and(|it| !self.hung[it]),
                    None => true,
                },
            );
        pipes.map(|(place, _)| *place).collect()
    }

    /// Partitions with reports that were not fetched.
    pub(super) fn reported(&self) -> Vec<Place> {
        let pipes = self.pipes.iter();
        let pipes = pipes.filter(|(_, pipe)| !pipe.reports.is_empty());
        pipes.map(|(place, _)| *place).collect()
    }

    pub(super) fn next_report(&mut self, place: Place) -> Option<Report> {
        self.pipes.get_mut(&place)?.reports.pop_front()
    }

    /// The broker answers the oldest request there.
    pub(super) fn answer(&mut self, place: Place, random: &mut Random) -> Result<(), String> {
        let pipe = self.pipes.get_mut(&place).expect("it is there");
        let part = pipe.parts.pop_front().expect("something is out");
        let exists = self.topics[place.1].get(place.2).is_some();
        let guilt = part.records.iter().find_map(|it| it.guilt);
        let mut happens = |every: usize| every > 0 && random.one_in(every);
        let end = if !exists {
            Err((Fault::TopicMissing, false))
        } else if let Some(fault) = guilt {
            Err((fault, false))
        } else if part.records.len() > 1 && happens(self.trouble.refusals) {
            let fault = random.pick(&[Fault::RecordTooLarge, Fault::RecordRefused]);
            Err((fault, false))
        } else if happens(self.trouble.faults) {
            Err(random.pick(&[
                (Fault::TimedOut, true),
                (Fault::BrokerUnavailable, true),
                (Fault::BrokerUnavailable, false),
                (Fault::NotAuthorized, false),
            ]))
        } else {
            Ok(())
        };
        let appended = match end {
            Ok(()) => true,
            Err((_, maybe)) => maybe && random.one_in(2),
        };
        self.conclude(place, &part, end, appended)
    }

    /// Everything of a handle is given up.
    pub(super) fn purge(
        &mut self,
        lane: usize,
        fault: Fault,
        random: &mut Random,
    ) -> Result<(), String> {
        let places: Vec<_> = self.pipes.keys().copied().collect();
        for place in places.into_iter().filter(|place| place.0 == lane) {
            // Of an idempotent producer only the first request of a partition may have reached the broker.
            let mut maybe = true;
            while let Some(part) = self.oldest(place, |_| true) {
                let appended = maybe && part.records.iter().all(|it| it.guilt.is_none());
                let appended = appended && random.one_in(2);
                self.conclude(place, &part, Err((fault, maybe)), appended)?;
                maybe = false;
            }
        }
        Ok(())
    }

    /// What is out for longer than its time-out is given up.
    pub(super) fn time_out(&mut self, now: Instant) -> Result<(), String> {
        let places: Vec<_> = self.pipes.keys().copied().collect();
        for place in places {
            while let Some(part) = self.oldest(place, |part| now - part.since >= MESSAGE_TIMEOUT) {
                self.conclude(place, &part, Err((Fault::TimedOut, true)), false)?;
            }
        }
        Ok(())
    }

    fn oldest(&mut self, place: Place, there: impl Fn(&Part) -> bool) -> Option<Part> {
        let parts = &mut self.pipes.get_mut(&place)?.parts;
        parts.pop_front_if(|part| there(part))
    }

    fn conclude(
        &mut self,
        place: Place,
        part: &Part,
        end: RecordEnd,
        appended: bool,
    ) -> Result<(), String> {
        let (_, topic, partition) = place;
        for sent in &part.records {
            if appended {
                self.appended.push(sent.record);
            }
            let Some(hash) = sent.key_hash.filter(|_| appended) else {
                continue;
            };
            let key = (topic, partition, hash, sent.epoch);
            let last = self.last.insert(key, sent.record);
            if let Some(last) = last.filter(|last| *last >= sent.record)
                && !self.recreated[topic]
            {
                return Err(format!(
                    "record {} is in partition {partition} of topic {topic} behind record {last} \
                     with the same key",
                    sent.record
                ));
            }
        }
        let reports = part.records.iter().map(|sent| Report {
            batch: part.batch,
            position: sent.position,
            record: sent.record,
            end,
        });
        let pipe = self.pipes.entry(place).or_default();
        pipe.reports.extend(reports);
        Ok(())
    }
}

/// As Kafka's `Utils.toPositive` and `BuiltInPartitioner` place a key.
pub(super) fn java_partition(hash: u32, count: usize) -> usize {
    let positive = hash.cast_signed() & i32::MAX;
    usize::try_from(positive).expect("not negative") % count
}
