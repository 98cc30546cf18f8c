//! One worker's producer: enqueues records, drains delivery reports, replaces its handle after a
//! fatal error.
#![expect(
    unsafe_code,
    reason = "borrowed payloads are promised to librdkafka here"
)]

use std::{
    cell::{Cell, RefCell},
    ops::Range,
    os::unix::net::UnixStream,
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{sched::CpuSet, unistd::Pid};
use rdkafka::types::RDKafkaErrorCode;

use super::{
    delivery::Delivery,
    event::{Event, Kind},
    fault::{Failure, Fault},
    headers::Headers,
    in_flight::{InFlight, Report},
    kafka::{Handle, OpenError},
    message::{MESSAGE_OVERHEAD_BYTES, Message, PARTITION_UNASSIGNED, Scratch},
    payload::Payloads,
    shipment::{Outgoing, Shipment, carried_time, latest_time_ms, message_bytes_max},
    sticky::StickyPartition,
    watch::BrokerWatch,
};
use crate::{
    admission::Permit, auth::AuthorizedRoute, buffer::Frozen, metrics::WorkerMetrics,
    validate::ValidBody,
};

/// Events of one drain: a bound, so that a flood of reports leaves room for requests.
const EVENTS_MAX: usize = 64;

/// How long a handle that is given up may take to report its last records.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// What every worker's producer is made from.
#[derive(Clone)]
pub struct ProducerSettings {
    /// For librdkafka, in order; a later one wins.
    pub properties: Arc<[(String, String)]>,
    /// Records enqueued and not reported, at most: librdkafka's `queue.buffering.max.messages`.
    pub queue_records_max: usize,
    /// After this a request is answered even without its reports. A little longer than
    /// librdkafka's own `message.timeout.ms`, whose report knows more.
    pub report_timeout: Duration,
    /// Where librdkafka's threads may run: they inherit what their creator has, and a worker is
    /// pinned.
    pub cores: CpuSet,
}

enum State {
    Serving(Handle),
    /// After a fatal error: only the last reports are fetched.
    Closing(Handle),
    /// A thread destroys the old handle, which blocks, and opens the next.
    Reopening(JoinHandle<Result<Handle, OpenError>>),
    /// The last attempt failed; the next is due then.
    Waiting(Instant),
}

/// A topic that records go to.
struct Topic {
    name: Arc<str>,
    sticky: StickyPartition,
}

/// One worker's way to the brokers.
pub struct Producer {
    // Before `in_flight`, whose memory librdkafka may read until the handle is gone.
    state: RefCell<State>,
    in_flight: RefCell<InFlight>,
    scratch: RefCell<Scratch>,
    /// By the topic's index. A handle that serves has them all.
    topics: RefCell<Vec<Topic>>,
    /// librdkafka's `message.max.bytes`.
    message_bytes_max: usize,
    wake: UnixStream,
    settings: ProducerSettings,
    metrics: Arc<WorkerMetrics>,
    watch: Arc<BrokerWatch>,
    /// Whether a drain has given up on what is not delivered.
    given_up: Cell<bool>,
    /// Whether events were waiting at the last check, and nobody has drained since.
    unannounced: Cell<bool>,
}

impl Producer {
    /// A producer without topics, whose reports wake the other end of `wake`.
    ///
    /// # Errors
    /// What librdkafka says of the configuration.
    pub fn open(
        settings: ProducerSettings,
        wake: UnixStream,
        metrics: Arc<WorkerMetrics>,
        watch: Arc<BrokerWatch>,
    ) -> Result<Rc<Self>, OpenError> {
        let handle = open_elsewhere(&settings, &wake, None, Vec::new())?
            .join()
            .map_err(|_| OpenError("the opening thread panicked".to_owned()))??;
        Ok(Rc::new(Self {
            state: RefCell::new(State::Serving(handle)),
            in_flight: RefCell::default(),
            scratch: RefCell::default(),
            message_bytes_max: message_bytes_max(&settings.properties),
            topics: RefCell::default(),
            wake,
            settings,
            metrics,
            watch,
            given_up: Cell::new(false),
            unannounced: Cell::new(false),
        }))
    }

    /// Makes it one for these topics ([`RouteTable::topics`](crate::route::RouteTable::topics)): those
    /// that it has, and new ones behind them. None is ever closed, as librdkafka itself knows each
    /// until its handle is destroyed.
    ///
    /// # Errors
    /// What librdkafka says of a topic. The handle is replaced then, until it has them all.
    pub fn add_topics(&self, topics: &[Arc<str>]) -> Result<(), OpenError> {
        let mut known = self.topics.borrow_mut();
        let new = topics.get(known.len()..).unwrap_or_default();
        known.extend(new.iter().map(|name| Topic {
            name: Arc::clone(name),
            sticky: StickyPartition::new(&self.settings.properties),
        }));
        drop(known);
        let opened = match &mut *self.state.borrow_mut() {
            State::Serving(handle) => self.open_topics(handle),
            State::Closing(_) | State::Reopening(_) | State::Waiting(_) => Ok(()),
        };
        if opened.is_err() {
            self.close_handle();
        }
        opened
    }

    /// Opens the topics that a handle does not have.
    fn open_topics(&self, handle: &mut Handle) -> Result<(), OpenError> {
        let topics = self.topics.borrow();
        let missing = topics.iter().skip(handle.topics());
        missing
            .map(|topic| &*topic.name)
            .try_for_each(|name| handle.open_topic(name))
    }

    /// Records enqueued and not reported.
    pub fn queued_records(&self) -> usize {
        self.in_flight.borrow().records()
    }

    /// Records and reports in librdkafka's own queues: 0 while the handle is being replaced.
    pub fn queue_depth(&self) -> usize {
        match &*self.state.borrow() {
            State::Serving(handle) | State::Closing(handle) => handle.queue_depth(),
            State::Reopening(_) | State::Waiting(_) => 0,
        }
    }

    /// Whether records can be enqueued, as far as this worker's handle is concerned.
    pub fn is_serving(&self) -> bool {
        matches!(*self.state.borrow(), State::Serving(_))
    }

    /// The largest record, in bytes, that librdkafka takes without a key and headers.
    pub fn record_bytes_max(&self) -> usize {
        self.message_bytes_max
            .saturating_sub(MESSAGE_OVERHEAD_BYTES)
    }

    /// Hands a request's records to librdkafka, with their keys and times, and `headers` for each.
    /// The memory stays until every record's delivery report is in, whether or not the [`Delivery`]
    /// is awaited.
    ///
    /// # Errors
    /// A [`Failure`] with nothing enqueued: a record that is too large with its key and headers,
    /// queue full (or no memory for the keys and headers that librdkafka keeps), or no usable
    /// handle. What librdkafka refuses record by record comes with the [`Delivery`].
    ///
    /// # Panics
    /// If a record does not lie within the memory. Nothing is enqueued then.
    pub fn enqueue(
        self: &Rc<Self>,
        route: AuthorizedRoute<'_>,
        records: &ValidBody<'_>,
        payloads: Payloads,
        headers: &Headers,
    ) -> Result<Delivery, Failure> {
        let route = route.route();
        let rules = &route.model.rules;
        let shipment = Shipment {
            topic: route.topic,
            keyed: rules.partition_key.is_some(),
            timed: rules.timestamp_field.is_some(),
            headers,
            memory: payloads.memory,
            permit: payloads.permit,
        };
        let mut place = payloads.places;
        self.ship(
            shipment,
            records.records().map(move |record| Outgoing {
                place: place.next(record.span),
                key: record.key,
                timestamp_ms: record.timestamp_ms,
            }),
        )
    }

    /// Hands letters to librdkafka, for the dead-letter topic of the route.
    ///
    /// # Errors
    /// As for [`enqueue`](Self::enqueue).
    ///
    /// # Panics
    /// If the route has no dead-letter topic, or a letter does not lie within the memory.
    pub fn enqueue_letters(
        self: &Rc<Self>,
        route: AuthorizedRoute<'_>,
        letters: &[Range<usize>],
        memory: Frozen,
        permit: Permit,
    ) -> Result<Delivery, Failure> {
        let topic = route.route().dead_letter_topic;
        let shipment = Shipment {
            topic: topic.expect("letters are written where there is a topic for them"),
            keyed: false,
            timed: false,
            headers: &Headers::default(),
            memory,
            permit,
        };
        self.ship(
            shipment,
            letters.iter().map(|letter| Outgoing {
                place: letter.clone(),
                key: None,
                timestamp_ms: None,
            }),
        )
    }

    fn ship<'k>(
        self: &Rc<Self>,
        mut shipment: Shipment<'_>,
        records: impl ExactSizeIterator<Item = Outgoing<'k>> + Clone,
    ) -> Result<Delivery, Failure> {
        let state = self.state.borrow();
        let State::Serving(handle) = &*state else {
            return Err(Failure::before_enqueue(Fault::ProducerFatal));
        };
        if !self.watch.reachable() {
            return Err(Failure::before_enqueue(Fault::BrokerUnavailable));
        }
        let mut in_flight = self.in_flight.borrow_mut();
        let queued = in_flight.records() + records.len();
        if queued > self.settings.queue_records_max || !in_flight.has_room() {
            return Err(Failure::before_enqueue(Fault::QueueFull));
        }
        shipment.measure(records.clone(), self.message_bytes_max)?;
        let Shipment {
            topic,
            keyed,
            timed,
            headers,
            memory,
            permit,
        } = shipment;
        let now = Instant::now();
        let base = memory.as_ptr();
        let deadline = now + self.settings.report_timeout;
        // Where keys choose the partition, librdkafka places every record.
        let sticky = self.topics.borrow()[topic].sticky.current(now);
        let partition = sticky.filter(|_| !keyed);
        let scouts_for = (!keyed && partition.is_none()).then_some(topic);
        let partition = partition.unwrap_or(PARTITION_UNASSIGNED);
        let entry = in_flight.enter(records.len(), memory, permit, deadline, scouts_for);
        let carried = (timed || !headers.is_empty()).then_some(headers);
        let latest_ms = carried.map_or(0, |_| latest_time_ms());
        let messages = records.enumerate().map(|(position, record)| Message {
            bytes: base.wrapping_add(record.place.start),
            len: record.place.len(),
            key: record.key,
            timestamp_ms: carried_time(record.timestamp_ms, latest_ms),
            opaque: entry.opaque(position),
        });
        let refused = |opaque, code| {
            in_flight.report(opaque, Err((Fault::from_code(code), false)));
        };
        let mut scratch = self.scratch.borrow_mut();
        let to = (topic, partition);
        // SAFETY: the bytes of each lie within the memory, as was measured; the in-flight table
        // holds it, unmoved and unwritten, until its opaque word is reported. The keys are borrowed
        // beyond this call.
        unsafe { handle.produce_all(to, carried, messages, &mut scratch, refused) };
        drop(in_flight);
        Ok(Delivery::new(Rc::clone(self), entry, now))
    }

    pub(super) fn in_flight(&self) -> std::cell::RefMut<'_, InFlight> {
        self.in_flight.borrow_mut()
    }

    pub(super) fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    /// Takes in what librdkafka has to say: delivery reports complete their requests. To be called
    /// whenever the wake-up socket was readable; looks at a bounded number of events, and makes
    /// the socket readable again if more are left.
    pub fn drain(&self) {
        self.unannounced.set(false);
        let mut fatal = false;
        if let State::Serving(handle) | State::Closing(handle) = &*self.state.borrow() {
            for events in 0.. {
                if events == EVENTS_MAX {
                    handle.wake_again();
                    break;
                }
                let Some(event) = handle.poll() else { break };
                fatal |= self.take_in(event);
            }
        }
        if fatal {
            self.close_handle();
        }
    }

    /// Whether the event says that the handle is beyond use.
    fn take_in(&self, mut event: Event) -> bool {
        match event.kind() {
            Kind::Reports => {
                let mut in_flight = self.in_flight.borrow_mut();
                for report in event.reports() {
                    let fault = |(code, maybe)| (self.fault(code), maybe);
                    let end = report.end.map(|_| ()).map_err(fault);
                    match (in_flight.report(report.opaque, end), report.end) {
                        (Report::Scouted { topic }, Ok(partition)) => {
                            let topics = self.topics.borrow();
                            topics[topic].sticky.scouted(partition, Instant::now());
                        }
                        (Report::Known | Report::Scouted { .. }, _) => {}
                        (Report::Stray, _) => {
                            tracing::error!("a delivery report for a record that is not in flight");
                        }
                    }
                }
            }
            Kind::Error {
                text, fatal: true, ..
            } => {
                tracing::error!("the producer is beyond repair and is replaced: {text}");
                return true;
            }
            Kind::Error {
                code: RDKafkaErrorCode::AllBrokersDown,
                ..
            } => {
                self.watch.suspect();
            }
            Kind::Error { text, .. } => tracing::warn!("kafka: {text}"),
            Kind::Log { level, text } => match level {
                ..=3 => tracing::error!("kafka: {text}"),
                4 => tracing::warn!("kafka: {text}"),
                5..=6 => tracing::info!("kafka: {text}"),
                _ => tracing::debug!("kafka: {text}"),
            },
            Kind::Other => {}
        }
        false
    }

    fn fault(&self, code: RDKafkaErrorCode) -> Fault {
        match code {
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight
                if self.given_up.get() =>
            {
                Fault::Draining
            }
            code => Fault::from_code(code),
        }
    }

    fn close_handle(&self) {
        self.state.replace_with(|state| {
            match std::mem::replace(state, State::Waiting(Instant::now())) {
                State::Serving(handle) => {
                    handle.purge();
                    State::Closing(handle)
                }
                other => other,
            }
        });
    }

    /// What is due from time to time: answers for requests whose deadline has passed, the next
    /// step of a handle's replacement, and a look for reports that were not announced.
    pub fn tick(&self, now: Instant) {
        self.in_flight.borrow_mut().expire(now);
        self.find_unannounced();
        self.replace_handle(now);
    }

    /// A wake-up that was lost would leave requests hanging until their deadline. It must not
    /// happen; events that wait for a whole tick are drained and counted.
    fn find_unannounced(&self) {
        let waiting = match &*self.state.borrow() {
            State::Serving(handle) | State::Closing(handle) => handle.has_events(),
            State::Reopening(_) | State::Waiting(_) => false,
        };
        if self.unannounced.replace(waiting) && waiting {
            self.metrics.late_delivery_reports.add(1);
            self.drain();
        }
    }

    fn replace_handle(&self, now: Instant) {
        let mut state = self.state.borrow_mut();
        let due = match &*state {
            State::Serving(_) => false,
            State::Closing(_) => self.in_flight.borrow().records() == 0,
            State::Reopening(thread) => thread.is_finished(),
            State::Waiting(at) => *at <= now,
        };
        if !due {
            return;
        }
        let waiting = State::Waiting(now + Duration::from_secs(1));
        *state = match std::mem::replace(&mut *state, waiting) {
            State::Closing(old) => self.reopen(Some(old), now),
            State::Waiting(_) => self.reopen(None, now),
            State::Reopening(thread) => match thread.join() {
                // Topics may have been added meanwhile.
                Ok(Ok(mut handle)) => match self.open_topics(&mut handle) {
                    Ok(()) => State::Serving(handle),
                    Err(error) => {
                        tracing::error!("no new producer: {error}");
                        State::Closing(handle)
                    }
                },
                Ok(Err(error)) => {
                    tracing::error!("no new producer: {error}");
                    return;
                }
                Err(_) => return,
            },
            serving @ State::Serving(_) => serving,
        };
    }

    fn reopen(&self, old: Option<Handle>, now: Instant) -> State {
        let topics = self.topics.borrow();
        let topics = topics.iter().map(|it| Arc::clone(&it.name)).collect();
        match open_elsewhere(&self.settings, &self.wake, old, topics) {
            Ok(thread) => State::Reopening(thread),
            Err(error) => {
                tracing::error!("no new producer: {error}");
                State::Waiting(now + Duration::from_secs(1))
            }
        }
    }

    /// Gives up on every record that is not acknowledged, at the end of a drain: their requests
    /// end as soon as librdkafka has let go of them.
    pub fn purge(&self) {
        self.given_up.set(true);
        if let State::Serving(handle) | State::Closing(handle) = &*self.state.borrow() {
            handle.purge();
        }
        self.drain();
    }

    /// Has its handle do something.
    #[cfg(test)]
    pub(super) fn with_handle_for_test(&self, act: impl FnOnce(&Handle)) {
        match &*self.state.borrow() {
            State::Serving(handle) => act(handle),
            _ => panic!("not serving"),
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.purge();
        let until = Instant::now() + LAST_REPORTS;
        while self.in_flight.borrow().records() > 0 && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
            self.drain();
        }
        if let State::Reopening(thread) = self.state.replace(State::Waiting(Instant::now())) {
            let _ = thread.join();
        }
    }
}

/// Opens a handle on a thread of its own: librdkafka's threads inherit the affinity of the one
/// that opens it, and the worker's is one core. What is `old` is destroyed there first.
fn open_elsewhere(
    settings: &ProducerSettings,
    wake: &UnixStream,
    old: Option<Handle>,
    topics: Vec<Arc<str>>,
) -> Result<JoinHandle<Result<Handle, OpenError>>, OpenError> {
    let settings = settings.clone();
    let wake = wake
        .try_clone()
        .map_err(|error| OpenError(error.to_string()))?;
    thread::Builder::new()
        .name("ringest-open".to_owned())
        .spawn(move || {
            drop(old);
            let _ = nix::sched::sched_setaffinity(Pid::from_raw(0), &settings.cores);
            let mut handle = Handle::open(&settings.properties, wake)?;
            topics.iter().try_for_each(|name| handle.open_topic(name))?;
            Ok(handle)
        })
        .map_err(|error| OpenError(error.to_string()))
}
