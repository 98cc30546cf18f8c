//! One worker's producer: records in, batches to librdkafka, delivery reports to the requests that wait.

mod dispatch;
mod events;
mod evidence;
mod intake;
mod topics;

use std::{
    cell::{Cell, RefCell, RefMut},
    ops::Range,
    os::unix::net::UnixStream,
    ptr,
    rc::Rc,
    sync::Arc,
    task::Waker,
    thread,
    time::{Duration, Instant},
};

use evidence::Evidence;
pub use intake::Slices;
use intake::{Entered, Intake};

use super::{
    batcher::Batcher,
    delivery::Delivery,
    fault::{Failure, Fault},
    headers::Headers,
    in_flight::{InFlight, Memory},
    kafka::OpenError,
    lane::Lane,
    message::{MESSAGE_OVERHEAD_BYTES, Scratch},
    murmur2::murmur2,
    outgoing::{Outgoing, OutgoingRecord},
    payload::Payloads,
    settings::ProducerSettings,
    topic_settings::TimeBounds,
    watch::BrokerWatch,
};
use crate::{
    admission::{Holder, Permit},
    auth::AuthorizedRoute,
    buffer::Frozen,
    metrics::WorkerMetrics,
    validate::ValidBody,
};

/// How long handles that are given up may take to report their last records.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// One worker's way to the brokers.
pub struct Producer {
    // Before `in_flight`, whose memory librdkafka may read until the handles are gone.
    lanes: Vec<Lane>,
    in_flight: RefCell<InFlight>,
    batcher: RefCell<Batcher>,
    scratch: RefCell<Scratch>,
    /// By the topic's index.
    topics: RefCell<Vec<Arc<str>>>,
    /// Which times the records of each topic may carry.
    times: RefCell<Vec<TimeBounds>>,
    /// Since when the brokers have said that they do not have each topic.
    missing_since: RefCell<Vec<Option<Instant>>>,
    topic_unknown_max: Duration,
    /// librdkafka's `message.max.bytes`.
    message_bytes_max: usize,
    /// Whether keys are hashed here, by murmur2.
    places_keys: bool,
    queue_records_max: usize,
    report_timeout: Duration,
    metrics: Arc<WorkerMetrics>,
    watch: Arc<BrokerWatch>,
    /// Of the watch's view that the batcher knows.
    view_generation: Cell<u64>,
    /// Of the topics' configurations that are kept to.
    settings_generation: Cell<u64>,
    evidence: Evidence,
    short_ticks: Cell<u32>,
    /// The task that waits for a batch's time to form.
    forming: RefCell<Option<Waker>>,
    /// Records handed over in the worker's current round.
    handed: Cell<usize>,
    /// The task that waits for that to be enough.
    pausing: RefCell<Option<Waker>>,
    /// Whether a drain has given up on what is not delivered.
    given_up: Cell<bool>,
    stopped: Cell<bool>,
}

impl Producer {
    /// A producer without topics, whose reports wake the other end of `wake`. The settings and the watch have
    /// the same access to the brokers.
    ///
    /// # Errors
    /// What librdkafka says of the configuration.
    pub fn open(
        settings: &ProducerSettings,
        wake: &UnixStream,
        metrics: Arc<WorkerMetrics>,
        watch: Arc<BrokerWatch>,
    ) -> Result<Rc<Self>, OpenError> {
        let rules = settings.batch_rules();
        let (lanes_max, places_keys) = (rules.lanes_max, rules.places_keys);
        let mut lanes = Vec::new();
        for lane in 0..=lanes_max {
            let wake = wake.try_clone();
            let wake = wake.map_err(|error| OpenError(error.to_string()))?;
            lanes.push(Lane::new(settings.lane(lane == lanes_max), wake));
        }
        let mut batcher = Batcher::new(rules, metrics.brokers.clone());
        for (index, lane) in lanes.iter().take(settings.lanes_min()).enumerate() {
            lane.open_now()?;
            batcher.set_lane(index, true);
        }
        Ok(Rc::new(Self {
            lanes,
            in_flight: RefCell::default(),
            batcher: RefCell::new(batcher),
            scratch: RefCell::default(),
            topics: RefCell::default(),
            times: RefCell::default(),
            missing_since: RefCell::default(),
            topic_unknown_max: settings.topic_unknown_max(),
            message_bytes_max: settings.message_bytes_max(),
            places_keys,
            queue_records_max: settings.queue_records_max,
            report_timeout: settings.report_timeout,
            metrics,
            watch,
            view_generation: Cell::new(0),
            settings_generation: Cell::new(0),
            evidence: Evidence::default(),
            short_ticks: Cell::new(0),
            forming: RefCell::default(),
            handed: Cell::new(0),
            pausing: RefCell::default(),
            given_up: Cell::new(false),
            stopped: Cell::new(false),
        }))
    }

    /// Records enqueued and not reported.
    pub fn queued_records(&self) -> usize {
        self.in_flight.borrow().records()
    }

    /// Requests whose records are not all reported.
    pub fn waiting_requests(&self) -> usize {
        self.in_flight.borrow().requests()
    }

    /// Records and reports in librdkafka's own queues.
    pub fn queue_depth(&self) -> usize {
        self.lanes.iter().map(Lane::queue_depth).sum()
    }

    /// Whether records can be enqueued, as far as this worker's handles are concerned.
    pub fn is_serving(&self) -> bool {
        let (_, batch_lanes) = self.split_lanes();
        batch_lanes.iter().any(Lane::is_serving)
    }

    /// The lane of records that are sent alone, and those of batches.
    fn split_lanes(&self) -> (&Lane, &[Lane]) {
        self.lanes
            .split_last()
            .expect("there is a lane for records alone")
    }

    /// Whether a broker is considered available: it has answered the last request for metadata, or has
    /// acknowledged something a moment ago.
    pub fn has_broker(&self, now: Instant) -> bool {
        self.watch.has_answered() || self.evidence.has_answer(now)
    }

    /// Whether the brokers have refused the credentials, or there is no token for them.
    pub fn is_refused(&self) -> bool {
        self.evidence.is_refused() || self.watch.access().lacks_token()
    }

    /// The largest record, in bytes, that librdkafka takes without a key and headers.
    pub fn record_bytes_max(&self) -> usize {
        self.message_bytes_max
            .saturating_sub(MESSAGE_OVERHEAD_BYTES)
    }

    /// Whether the queue has room for so many records of the client's.
    pub fn has_room(&self, holder: Holder, records: usize) -> bool {
        let in_flight = self.in_flight.borrow();
        in_flight.has_room(holder, records, self.queue_records_max)
    }

    /// [Collects](Self::collect) a request's records and [dispatches](Self::dispatch).
    ///
    /// # Errors
    /// As for [`collect`](Self::collect).
    ///
    /// # Panics
    /// As for [`collect`](Self::collect).
    pub fn enqueue(
        self: &Rc<Self>,
        route: AuthorizedRoute<'_>,
        records: &ValidBody<'_>,
        payloads: Payloads,
        headers: Headers,
    ) -> Result<Delivery, Failure> {
        let delivery = self.collect(route, records, payloads, headers)?;
        delivery.dispatch();
        Ok(delivery)
    }

    /// Takes in a request's records, with their keys and times, and `headers` for each. The caller
    /// [dispatches](Self::dispatch) them soon: several requests may go into one batch then. The memory
    /// stays until every record's delivery report is in, whether or not the [`Delivery`] is awaited.
    ///
    /// # Errors
    /// A [`Failure`] with nothing enqueued: a record that is too large with its key and headers,
    /// queue full (or no memory for the copies of keys and headers), no usable handle, no broker. What
    /// librdkafka refuses record by record comes with the [`Delivery`].
    ///
    /// # Panics
    /// If a record does not lie within the memory. Nothing is enqueued then.
    pub fn collect(
        self: &Rc<Self>,
        route: AuthorizedRoute<'_>,
        records: &ValidBody<'_>,
        payloads: Payloads,
        headers: Headers,
    ) -> Result<Delivery, Failure> {
        let (outgoing, records) = outgoing(route, records, payloads, headers);
        let delivery = self.take_in(outgoing, records)?;
        Ok(delivery.keyed(is_keyed(route)))
    }

    /// As [`collect`](Self::collect), for a request with many records: the caller takes them in, a slice at
    /// a time. No other request takes their place in the queue meanwhile.
    ///
    /// # Errors
    /// As for [`collect`](Self::collect).
    ///
    /// # Panics
    /// As for [`collect`](Self::collect).
    pub fn collect_in_slices<'r>(
        self: &Rc<Self>,
        route: AuthorizedRoute<'_>,
        records: &ValidBody<'r>,
        payloads: Payloads,
        headers: Headers,
    ) -> Result<Slices<'r>, Failure> {
        let now = Instant::now();
        let (outgoing, records) = outgoing(route, records, payloads, headers);
        let entered = self.enter(outgoing, records.clone(), now)?;
        let delivery = Delivery::new(Rc::clone(self), entered.request, now);
        let delivery = delivery.keyed(is_keyed(route));
        Ok(Slices::new(self, entered, records, delivery))
    }

    /// Takes in dead letters, for the dead-letter topic of the route.
    ///
    /// # Errors
    /// As for [`collect`](Self::collect).
    ///
    /// # Panics
    /// If the route has no dead-letter topic, or a dead letter does not lie within the memory.
    pub fn enqueue_dead_letters(
        self: &Rc<Self>,
        route: AuthorizedRoute<'_>,
        dead_letters: &[Range<usize>],
        bytes: Frozen,
        permit: Permit,
    ) -> Result<Delivery, Failure> {
        let topic = route.route().dead_letter_topic;
        let outgoing = Outgoing {
            topic: topic.expect("dead letters are written where there is a topic for them"),
            headers: Headers::default(),
            bytes,
            permit,
        };
        let delivery = self.take_in(
            outgoing,
            dead_letters.iter().map(|place| OutgoingRecord {
                place: place.clone(),
                key: None,
                timestamp_ms: None,
            }),
        )?;
        delivery.dispatch();
        Ok(delivery)
    }

    fn take_in<'k>(
        self: &Rc<Self>,
        outgoing: Outgoing,
        records: impl ExactSizeIterator<Item = OutgoingRecord<'k>> + Clone,
    ) -> Result<Delivery, Failure> {
        let now = Instant::now();
        let entered = self.enter(outgoing, records.clone(), now)?;
        let delivery = Delivery::new(Rc::clone(self), entered.request, now);
        Intake::new(self, entered, records).advance(usize::MAX, now);
        Ok(delivery)
    }

    /// Enters a request, if all of its records can be taken in.
    fn enter<'k>(
        &self,
        mut outgoing: Outgoing,
        records: impl ExactSizeIterator<Item = OutgoingRecord<'k>> + Clone,
        now: Instant,
    ) -> Result<Entered, Failure> {
        let (count, topic) = (records.len(), outgoing.topic);
        self.admit(outgoing.permit.holder(), count, now)?;
        if self.is_missing(topic, now) {
            return Err(Failure::before_enqueue(Fault::TopicMissing));
        }
        let keys_bytes = outgoing.measure(records.clone(), self.message_bytes_max)?;
        let batcher = self.batcher.borrow();
        if batcher.has_failed() {
            let hashes = records.clone().map(|record| self.key_hash(record.key));
            if batcher.refuses(topic, hashes, now) {
                return Err(Failure::before_enqueue(Fault::BrokerUnavailable));
            }
        }
        let overhead = u32::try_from(outgoing.overhead()).unwrap_or(u32::MAX);
        let mut keys = Vec::with_capacity(keys_bytes);
        if keys_bytes > 0 {
            for key in records.filter_map(|record| record.key) {
                keys.extend_from_slice(key);
            }
        }
        let headers = (!outgoing.headers.is_empty()).then(|| Box::new(outgoing.headers));
        let headers_at = headers.as_deref().map(ptr::NonNull::from);
        let (bytes_at, key_at) = (outgoing.bytes.as_ptr(), keys.as_ptr());
        let memory = Memory {
            bytes: outgoing.bytes,
            permit: outgoing.permit,
            keys,
            headers,
        };
        let deadline = now + self.report_timeout;
        let request = self.in_flight.borrow_mut().enter(count, memory, deadline);
        Ok(Entered {
            topic,
            request,
            bytes_at,
            key_at,
            headers: headers_at,
            overhead,
        })
    }

    /// What places a record with this key, where keys are placed here.
    fn key_hash(&self, key: Option<&[u8]>) -> Option<u32> {
        key.filter(|_| self.places_keys).map(murmur2)
    }

    /// Whether so many records may be taken in now.
    fn admit(&self, holder: Holder, records: usize, now: Instant) -> Result<(), Failure> {
        if !self.is_serving() {
            return Err(Failure::before_enqueue(Fault::ProducerFatal));
        }
        if !self.watch.reachable() && !self.evidence.admits(self.watch.can_connect(), now) {
            return Err(Failure::before_enqueue(Fault::BrokerUnavailable));
        }
        if !self.has_room(holder, records) {
            return Err(Failure::before_enqueue(Fault::QueueFull));
        }
        Ok(())
    }

    pub(super) fn in_flight(&self) -> RefMut<'_, InFlight> {
        self.in_flight.borrow_mut()
    }

    pub(super) fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    #[cfg(test)]
    pub(super) fn knows_partitions_for_test(&self) -> bool {
        self.batcher.borrow().knows_partitions_for_test()
    }

    /// The topics that its first handle has open.
    #[cfg(test)]
    pub(super) fn open_topics_for_test(&self) -> Vec<usize> {
        let topics = self.lanes[0].with_serving(|handle| handle.open_topics().collect());
        topics.unwrap_or_default()
    }

    /// Whether its first handle has other properties than the latest.
    #[cfg(test)]
    pub(super) fn is_outdated_for_test(&self) -> bool {
        let access = self.watch.access();
        self.lanes[0].with_serving(|handle| handle.is_outdated(access)) == Some(true)
    }

    /// Has its first handle do something.
    #[cfg(test)]
    pub(super) fn with_handle_for_test(&self, act: impl FnOnce(&super::kafka::Handle)) {
        self.lanes[0]
            .with_serving(|handle| act(handle))
            .expect("it is serving");
    }
}

/// What a request sends, and its records.
fn outgoing<'r>(
    route: AuthorizedRoute<'_>,
    records: &ValidBody<'r>,
    payloads: Payloads,
    headers: Headers,
) -> (
    Outgoing,
    impl ExactSizeIterator<Item = OutgoingRecord<'r>> + Clone + use<'r>,
) {
    let outgoing = Outgoing {
        topic: route.route().topic,
        headers,
        bytes: payloads.memory,
        permit: payloads.permit,
    };
    let mut place = payloads.places;
    let records = records.records().map(move |record| OutgoingRecord {
        place: place.next(record.span),
        key: record.key,
        timestamp_ms: record.timestamp_ms,
    });
    (outgoing, records)
}

/// Whether the model takes a key from each record.
fn is_keyed(route: AuthorizedRoute<'_>) -> bool {
    route.route().model.rules.partition_key.is_some()
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.purge();
        let until = Instant::now() + LAST_REPORTS;
        while self.in_flight.borrow().records() > 0 && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
            self.drain();
        }
        for lane in &self.lanes {
            lane.join();
        }
    }
}
