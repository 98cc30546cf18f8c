//! The worker's part of a history: requests, the batcher, the in-flight table, and what must hold of each
//! batch, report and answer.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    cluster::{Cluster, Sent},
    random::Random,
};
use crate::{
    admission::{Admission, Holder},
    buffer::Pool,
    metrics::Brokers,
    produce::{
        batcher::{
            BatchKey, BatchRules, Batcher, Failure, Reported, batch::Kind, tests::RecordEnd,
        },
        fault::Fault,
        in_flight::{InFlight, Memory, RequestKey},
        record::Record,
    },
};

/// After this a request is answered even without its reports.
pub(super) const REPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Ends the history: something does not hold. Silent, so that a history can be shortened.
macro_rules! hold {
    ($holds:expr, $($text:tt)*) => {
        if !$holds {
            std::panic::resume_unwind(Box::new(format!($($text)*)));
        }
    };
}
pub(super) use hold;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Waiting,
    Out,
    /// Its batch was refused: it waits to be sent alone.
    Again,
    Ended(RecordEnd),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) topic: usize,
    pub(super) key: Option<u32>,
    guilt: Option<Fault>,
    pub(super) deadline: Instant,
    pub(super) state: State,
    pub(super) appended: bool,
    /// How often the topic's number of partitions had changed when it came.
    pub(super) epoch: u32,
}

pub(super) struct Request {
    pub(super) key: RequestKey,
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) deadline: Instant,
    /// Whether it was answered, or its client has gone.
    pub(super) closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LaneState {
    Closed,
    Serving,
    /// Given up: its last reports are awaited.
    Closing,
}

/// A batch that is out.
pub(super) struct Out {
    pub(super) key: BatchKey,
    pub(super) topic: usize,
    pub(super) partition: Option<usize>,
    pub(super) lane: usize,
    pub(super) broker: Option<usize>,
    pub(super) alone: bool,
    pub(super) sent: Instant,
    pub(super) records: Vec<usize>,
    /// By position: whether the report is awaited.
    pending: Vec<bool>,
}

/// A worker in a history.
pub(super) struct World {
    pub(super) batcher: Batcher,
    pub(super) rules: BatchRules,
    pub(super) table: InFlight,
    pub(super) admission: Rc<Admission>,
    pool: Rc<Pool>,
    pub(super) cluster: Cluster,
    pub(super) random: Random,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) records: Vec<Entry>,
    /// When the last tick was.
    pub(super) ticked: Instant,
    /// Records that have not ended.
    pub(super) live: Vec<usize>,
    pub(super) requests: Vec<Request>,
    by_key: HashMap<RequestKey, usize>,
    pub(super) rung: Arc<Mutex<Vec<usize>>>,
    /// The partitions of each topic as the batcher knows them.
    pub(super) announced: Vec<Vec<Option<usize>>>,
    /// Changes of the number of a topic's partitions.
    pub(super) epochs: Vec<u32>,
    counts: Vec<usize>,
    pub(super) lanes: Vec<LaneState>,
    pub(super) out: Vec<Out>,
    /// Probes of late brokers that are out.
    pub(super) probes: HashMap<usize, BatchKey>,
    stale: Option<(BatchKey, usize)>,
    /// The longest that a batch was out.
    pub(super) longest: Duration,
    /// One record in so many is refused by librdkafka itself; 0: none.
    pub(super) local_refusals: usize,
    pub(super) purged: bool,
    pub(super) trace: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(rules: BatchRules, cluster: Cluster, start: Instant) -> Self {
        let mut batcher = Batcher::new(rules.clone(), Brokers::default());
        let topics = cluster.topics.len();
        (0..topics).for_each(|_| batcher.add_topic());
        Self {
            lanes: vec![LaneState::Closed; rules.lanes_max + 1],
            batcher,
            rules,
            table: InFlight::default(),
            admission: Rc::new(Admission::new(usize::MAX)),
            pool: Rc::default(),
            cluster,
            random: Random::new(0),
            start,
            now: start,
            ticked: start,
            records: Vec::new(),
            live: Vec::new(),
            requests: Vec::new(),
            by_key: HashMap::new(),
            rung: Arc::default(),
            announced: vec![Vec::new(); topics],
            epochs: vec![0; topics],
            counts: vec![0; topics],
            out: Vec::new(),
            probes: HashMap::new(),
            stale: None,
            longest: Duration::ZERO,
            local_refusals: 0,
            purged: false,
            trace: None,
        }
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let at = (self.now - self.start).as_secs_f64() * 1e3;
            // Of ticks in a row the last is enough.
            trace.pop_if(|it| it.ends_with("  tick"));
            trace.push(format!("{at:>10.3} ms  {}", line()));
        }
    }

    /// What the batcher's brokers are called.
    pub(super) fn broker_id(broker: usize) -> i32 {
        i32::try_from(broker).expect("a few") * 10 + 1
    }

    /// A request arrives: a record for each key.
    pub(super) fn arrive(&mut self, topic: usize, keys: &[Option<u32>], guilt: &[Option<Fault>]) {
        let hash = |key: &Option<u32>| key.filter(|_| self.rules.places_keys);
        let hashes = keys.iter().map(hash);
        if self.batcher.refuses(topic, hashes, self.now) {
            self.note(|| "a request is refused: its broker has failed".to_owned());
            return;
        }
        let (request, first) = (self.requests.len(), self.records.len());
        let deadline = self.now + REPORT_TIMEOUT;
        let mut buffer = self.pool.take(1);
        buffer.append(b"{}");
        let memory = Memory {
            permit: self
                .admission
                .admit(Holder::UNKNOWN, buffer.capacity())
                .expect("room"),
            bytes: buffer.freeze(0..2),
            keys: Vec::new(),
            headers: None,
        };
        let key = self.table.enter(keys.len(), memory, deadline);
        self.by_key.insert(key, request);
        self.requests.push(Request {
            key,
            first,
            count: keys.len(),
            deadline,
            closed: false,
        });
        self.note(|| {
            format!("request {request}, topic {topic}, records from {first} with keys {keys:?}, {guilt:?}")
        });
        for ((position, hash), guilt) in (0..).zip(keys).zip(guilt) {
            self.live.push(self.records.len());
            self.records.push(Entry {
                topic,
                key: *hash,
                guilt: *guilt,
                deadline,
                state: State::Waiting,
                appended: false,
                epoch: self.epochs[topic],
            });
            let len = u32::try_from(self.random.between(5, 300)).expect("short");
            let mut record = Record::for_test(key, position, len);
            if hash.is_some() {
                record.key = std::ptr::without_provenance(1);
                record.key_len = 7;
                record.key_hash = hash.filter(|_| self.rules.places_keys);
            }
            self.batcher.push(topic, record, deadline);
        }
        self.poll(request);
        self.dispatch();
    }

    /// The worker learns of the partitions of a topic; `None`: as they are.
    pub(super) fn announce(&mut self, topic: usize, leaders: Option<Vec<Option<usize>>>) {
        let leaders = leaders.unwrap_or_else(|| self.cluster.topics[topic].clone());
        if !leaders.is_empty() && self.counts[topic] != leaders.len() {
            self.epochs[topic] += u32::from(self.counts[topic] != 0);
            self.counts[topic] = leaders.len();
        }
        self.note(|| format!("topic {topic} is announced with the leaders {leaders:?}"));
        let ids: Vec<_> = leaders.iter().map(|it| it.map(Self::broker_id)).collect();
        self.batcher.set_partitions(topic, &ids);
        self.announced[topic] = leaders;
        self.dispatch();
    }

    pub(super) fn open_lane(&mut self, lane: usize) {
        let may = match self.lanes[lane] {
            LaneState::Serving => false,
            LaneState::Closed => true,
            LaneState::Closing => self.batcher.batches_on(lane) == 0,
        };
        if may {
            self.note(|| format!("lane {lane} opens"));
            self.lanes[lane] = LaneState::Serving;
            self.batcher.set_lane(lane, true);
            self.dispatch();
        }
    }

    /// The handle has failed for good: it gives up everything.
    pub(super) fn fail_lane(&mut self, lane: usize) {
        if self.lanes[lane] == LaneState::Serving {
            self.note(|| format!("lane {lane} fails"));
            self.lanes[lane] = LaneState::Closing;
            self.batcher.set_lane(lane, false);
            let purged = self
                .cluster
                .purge(lane, Fault::ProducerFatal, &mut self.random);
            self.look(purged);
            self.dispatch();
        }
    }

    /// What is due from time to time, after `time`.
    pub(super) fn tick(&mut self, time: Duration) {
        self.now += time;
        let mut ended = Vec::new();
        let late = self.batcher.tick(self.now, &mut ended);
        self.note(|| "tick".to_owned());
        if late {
            self.note(|| "a broker has become late".to_owned());
        }
        for (record, fault) in ended {
            self.end_waiting(&record, fault);
        }
        self.table.expire(self.now);
        self.ticked = self.now;
        let timed_out = self.cluster.time_out(self.now);
        self.look(timed_out);
        self.dispatch();
    }

    /// A drain gives up on everything.
    pub(super) fn purge(&mut self) {
        self.note(|| "everything is given up".to_owned());
        self.purged = true;
        for record in self.batcher.purge() {
            self.end_waiting(&record, Fault::Draining);
        }
        for lane in 0..self.lanes.len() {
            let purged = self.cluster.purge(lane, Fault::Draining, &mut self.random);
            self.look(purged);
        }
        self.dispatch();
    }

    /// A record ends that was not handed over.
    fn end_waiting(&mut self, record: &Record, fault: Fault) {
        let index = self.index_of(record);
        let entry = &self.records[index];
        let waits = matches!(entry.state, State::Waiting | State::Again);
        hold!(waits, "record {index} ends unsent: {:?}", entry.state);
        if fault == Fault::TimedOut {
            let is_due = entry.deadline <= self.now;
            hold!(is_due, "record {index} ends before its time");
        }
        if fault == Fault::BrokerUnavailable {
            let has_failed = self.batcher.has_failed();
            hold!(
                has_failed,
                "record {index} ends although no broker has failed"
            );
        }
        self.note(|| format!("record {index} ends unsent: {fault:?}"));
        let failure = (fault, false);
        self.records[index].state = State::Ended(Err(failure));
        let known = (self.table).failed(record.request, record.position, failure);
        hold!(known, "record {index} is not in the table");
    }

    fn index_of(&self, record: &Record) -> usize {
        let request = self.by_key.get(&record.request);
        hold!(request.is_some(), "a record of an unknown request");
        let request = request.map(|it| &self.requests[*it]).expect("checked");
        let position = record.position as usize;
        hold!(position < request.count, "a record with a wrong position");
        request.first + position
    }

    /// The brokers have done something.
    pub(super) fn look(&mut self, done: Result<(), String>) {
        for index in std::mem::take(&mut self.cluster.appended) {
            let entry = &mut self.records[index];
            let state = entry.state;
            hold!(state == State::Out, "record {index} is appended: {state:?}");
            hold!(!entry.appended, "record {index} is appended twice");
            entry.appended = true;
        }
        if let Err(text) = done {
            hold!(false, "{text}");
        }
    }

    /// Hands over what is due, as the producer does after everything that happens.
    pub(super) fn dispatch(&mut self) {
        self.batcher.pace(self.now);
        while let Some(key) = self.batcher.next_batch(self.now) {
            self.hand_over(key);
        }
    }

    fn hand_over(&mut self, key: BatchKey) {
        let batch = self.batcher.batch(key);
        hold!(batch.is_some(), "the batch handed over is unknown");
        let batch = batch.expect("checked");
        let out = Out {
            key,
            topic: batch.topic,
            partition: batch.partition,
            lane: batch.lane,
            broker: batch.broker,
            alone: matches!(batch.kind, Kind::Alone { .. }),
            sent: self.now,
            records: batch.records.iter().map(|it| self.index_of(it)).collect(),
            pending: vec![true; batch.records.len()],
        };
        let bytes: usize = batch.records.iter().map(Record::wire_bytes).sum();
        self.note(|| {
            format!(
                "batch {:?} to topic {} partition {:?} broker {:?} lane {} alone {}",
                out.records, out.topic, out.partition, out.broker, out.lane, out.alone
            )
        });
        self.check_place(&out);
        self.check_size(&out, bytes);
        for index in &out.records {
            self.check_order(*index, &out.records);
        }
        for index in &out.records {
            self.records[*index].state = State::Out;
        }
        let (records, topic) = (out.records.clone(), out.topic);
        let to = (out.lane, topic, out.partition);
        self.out.push(out);
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        for (position, record) in records.into_iter().enumerate() {
            let entry = &self.records[record];
            let every = self.local_refusals;
            if every > 0 && self.random.one_in(every) {
                refused.push((position, record));
            } else {
                accepted.push(Sent {
                    position,
                    record,
                    key_hash: entry.key,
                    epoch: entry.epoch,
                    guilt: entry.guilt,
                });
            }
        }
        self.cluster
            .accept(to, key, accepted, (self.now, &mut self.random));
        for (position, record) in refused {
            self.settle((key, position), record, Err((Fault::QueueFull, false)));
        }
    }

    /// The worker fetches a report.
    pub(super) fn settle(&mut self, place: (BatchKey, usize), index: usize, end: RecordEnd) {
        let at = self.out.iter().position(|it| it.key == place.0);
        let at = at.expect("reports are of batches that are out");
        let several = self.out[at].records.len() > 1;
        self.note(|| format!("record {index} is reported: {end:?}"));
        match end {
            Ok(()) => self.delivered(place, index),
            Err(failure) => self.failed(place, index, failure, several),
        }
        let out = &mut self.out[at];
        out.pending[place.1] = false;
        if !out.pending.contains(&true) {
            let out = self.out.swap_remove(at);
            let gone = self.batcher.batch(out.key).is_none();
            hold!(gone, "a batch with all its reports is still out");
            if let Some(broker) = out.broker {
                self.probes.remove(&broker);
            }
            self.longest = self.longest.max(self.now - out.sent);
            self.stale = Some(place);
        }
    }

    fn delivered(&mut self, (key, position): (BatchKey, usize), index: usize) {
        let mut records = Vec::new();
        let positions = position..position + 1;
        let is_out = (self.batcher).delivered((key, positions), self.now, |it| records.extend(it));
        hold!(is_out, "the report of record {index} is unknown");
        for record in records {
            let same = self.index_of(&record) == index;
            hold!(same, "a report of record {index} is taken for another");
            self.records[index].state = State::Ended(Ok(()));
            let known = self.table.settle(record.request, 1);
            hold!(known, "record {index} is not in the table");
        }
    }

    fn failed(&mut self, place: (BatchKey, usize), index: usize, failure: Failure, several: bool) {
        match self.batcher.failed(place, failure, self.now) {
            Reported::Final(record, failure) => {
                let same = self.index_of(&record) == index;
                hold!(same, "a report of record {index} is taken for another");
                let last = !failure.0.is_of_a_batch() || !several || self.purged;
                hold!(last, "record {index} has the answer of its batch");
                self.records[index].state = State::Ended(Err(failure));
                let known = (self.table).failed(record.request, record.position, failure);
                hold!(known, "record {index} is not in the table");
            }
            Reported::SentAgain => {
                let refused = failure.0.is_of_a_batch();
                hold!(refused && several, "record {index} is sent again");
                self.records[index].state = State::Again;
            }
            Reported::Unknown => hold!(false, "the report of record {index} is unknown"),
        }
    }

    /// A report comes once more, after its batch has ended.
    pub(super) fn repeat_report(&mut self) {
        if let Some(place) = self.stale {
            let (key, position) = place;
            let positions = position..position + 1;
            let delivered = self.batcher.delivered((key, positions), self.now, |_| {});
            let failed = (self.batcher).failed(place, (Fault::TimedOut, true), self.now);
            let unknown = !delivered && matches!(failed, Reported::Unknown);
            hold!(unknown, "a report for a batch that has ended is accepted");
        }
    }
}
