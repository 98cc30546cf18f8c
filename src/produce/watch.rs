//! What the brokers say of themselves: whether any answers, and which leads which partition. Asked by a
//! thread of its own; workers read the answer.
#![expect(
    unsafe_code,
    reason = "rdkafka's safe metadata call asks for every topic of the cluster"
)]

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{CStr, CString},
    ptr::{self, NonNull},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    bindings as rd,
    message::DeliveryResult,
    producer::{BaseProducer, Producer as _, ProducerContext},
    types::RDKafkaErrorCode,
};

use super::{
    access::BrokerAccess, admin::Silent, event::error_code, fit::Expected, kafka::OpenError,
    settings_watch::SettingsWatch, topic_settings::Settings,
};
use crate::{log::Reminder, published::Published, sync::locked};

/// Between two requests for metadata while brokers answer.
const INTERVAL: Duration = Duration::from_secs(5);
/// The same while a topic has no partitions yet, or one has no leader.
const INCOMPLETE_INTERVAL: Duration = Duration::from_secs(1);
/// The same while no broker answers.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// How long brokers may take to answer.
const TIMEOUT_MS: i32 = 3_000;
/// The same for the first time: less than a start waits for it.
const FIRST_TIMEOUT_MS: i32 = 1_500;
/// How long the first token may take before a request for metadata is sent, and fails.
const FIRST_TOKEN_TIMEOUT: Duration = Duration::from_millis(1_500);
/// The same once a worker has reason to suspect that none answers.
const SUSPECTED_TIMEOUT_MS: i32 = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// Not asked yet.
    Unknown,
    Reachable,
    /// The brokers did not answer in time, or not well.
    Silent,
    /// There was no connection to ask over.
    Disconnected,
}

/// The leaders of a topic's partitions, by the partition: `node.id`s, `None` while there is none.
pub(super) type Leaders = Arc<[Option<i32>]>;

/// Which broker leads which partition, of every topic that a worker named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClusterView {
    leaders: HashMap<Arc<str>, Leaders>,
    /// Topics that do not exist, and since when that is known.
    missing: BTreeMap<Arc<str>, Instant>,
    /// The address of each broker, by its `node.id`.
    brokers: BTreeMap<i32, Arc<str>>,
}

impl ClusterView {
    /// `None` where the brokers have no such topic, or have not been asked yet.
    pub(super) fn leaders(&self, topic: &str) -> Option<&Leaders> {
        self.leaders.get(topic)
    }

    /// Since when the brokers have said that they do not have the topic.
    pub(super) fn missing_since(&self, topic: &str) -> Option<Instant> {
        self.missing.get(topic).copied()
    }

    /// The topics that exist, sorted.
    fn existing(&self) -> Vec<Arc<str>> {
        let mut existing: Vec<_> = self.leaders.keys().cloned().collect();
        existing.sort_unstable();
        existing
    }

    fn is_complete(&self, topics: usize) -> bool {
        let all = self.leaders.values();
        self.leaders.len() == topics && all.flat_map(|it| it.iter()).all(Option::is_some)
    }
}

impl ProducerContext for Silent {
    type DeliveryOpaque = ();
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// What is known of the brokers, shared by the process.
#[derive(Debug)]
pub struct BrokerWatch {
    state: AtomicU8,
    suspected: AtomicBool,
    stopping: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
    view: Published<ClusterView>,
    /// Topics to ask about.
    topics: Mutex<Vec<Arc<str>>>,
    settings: Arc<SettingsWatch>,
    access: Arc<BrokerAccess>,
}

impl BrokerWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// What librdkafka says of the configuration.
    pub fn start(access: &Arc<BrokerAccess>) -> Result<Arc<Self>, OpenError> {
        let client = access.producer(Silent)?;
        let watch = Arc::new(Self::new(access));
        watch.settings.start(access)?;
        let handle = thread::Builder::new()
            .name("ringest-watch".to_owned())
            .spawn({
                let watch = Arc::clone(&watch);
                move || watch.run_with(client)
            })
            .map_err(|error| OpenError(error.to_string()))?;
        let _ = watch.thread.set(handle.thread().clone());
        Ok(watch)
    }

    fn new(access: &Arc<BrokerAccess>) -> Self {
        Self {
            state: AtomicU8::new(State::Unknown as u8),
            suspected: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
            view: Published::default(),
            topics: Mutex::default(),
            settings: Arc::default(),
            access: Arc::clone(access),
        }
    }

    /// To be called when there is another token.
    pub fn on_token(self: &Arc<Self>) -> impl Fn() + Send + 'static + use<> {
        let watch = Arc::clone(self);
        move || watch.refresh()
    }

    /// What the clients of the process connect with.
    pub fn access(&self) -> &Arc<BrokerAccess> {
        &self.access
    }

    /// Watches with this client, and with others once its properties have been replaced.
    fn run_with(&self, mut client: (BaseProducer<Silent>, u64)) {
        let mut reminder = Reminder::new();
        while let Some(generation) = self.run(&client.0, client.1, &mut reminder) {
            match self.access.producer(Silent) {
                Ok(new) => client = new,
                Err(error) => {
                    tracing::error!("can't watch the brokers with the new properties: {error}");
                    // Not again until there are others.
                    client.1 = generation;
                }
            }
        }
    }

    /// Watches until it is stopped, or other properties than those of this generation are published: returns
    /// the generation of those.
    fn run(
        &self,
        client: &BaseProducer<Silent>,
        generation: u64,
        reminder: &mut Reminder<()>,
    ) -> Option<u64> {
        let mut topics = Topics {
            client,
            open: Vec::new(),
        };
        let mut token_generation = 0;
        while !self.stopping.load(Ordering::Relaxed) {
            if self.access.is_newer_than(generation) {
                return Some(self.access.properties().0);
            }
            self.take_token(client, &mut token_generation);
            topics.open(&locked(&self.topics));
            let view = self.ask(client);
            forget_events(client);
            if let Ok(view) = &view {
                self.settings.set_topics(view.existing());
            }
            let state = match view {
                Ok(_) => State::Reachable,
                Err(state) => state,
            };
            let before = self.state.swap(state as u8, Ordering::Relaxed);
            if view.is_ok() {
                reminder.clear();
                if before != state as u8 {
                    tracing::info!("connected to the Kafka brokers");
                }
            } else if reminder.is_due((), Instant::now()) {
                tracing::warn!("no Kafka broker answers requests for metadata");
            }
            let pause = match view {
                Err(_) => RETRY_INTERVAL,
                Ok(view) if view.is_complete(topics.open.len()) => self.publish(view, INTERVAL),
                Ok(view) => self.publish(view, INCOMPLETE_INTERVAL),
            };
            if locked(&self.topics).len() == topics.open.len() {
                thread::park_timeout(pause);
            }
        }
        None
    }

    /// Gives the client the latest token, if it does not have it yet. Waits for the first one for as long as
    /// for the first answer: without it there is no connection to ask over.
    fn take_token(&self, client: &BaseProducer<Silent>, generation: &mut u64) {
        let first_until = Instant::now() + FIRST_TOKEN_TIMEOUT;
        while self.access.awaits_first_token()
            && !self.stopping.load(Ordering::Relaxed)
            && Instant::now() < first_until
        {
            thread::park_timeout(first_until.saturating_duration_since(Instant::now()));
        }
        if let Some((latest, _)) = self.access.token_newer_than(*generation) {
            *generation = latest;
            // Every handle of the workers logs an error.
            let _ = self.access.authenticate(client.client());
        }
    }

    fn publish(&self, view: ClusterView, pause: Duration) -> Duration {
        let published = self.view.latest();
        if *published == view {
            return pause;
        }
        if !published.missing.keys().eq(view.missing.keys()) {
            log_missing(view.missing.keys());
        }
        self.view.publish(view);
        pause
    }

    /// The latest view, if it is not of this generation, and its own: one load of an atomic where it is.
    pub(super) fn newer_than(&self, generation: u64) -> Option<(u64, Arc<ClusterView>)> {
        self.view.newer_than(generation)
    }

    /// What is known of the topics.
    pub(super) fn view(&self) -> Arc<ClusterView> {
        self.view.latest()
    }

    /// Topics that models name and the brokers do not have, as far as is known.
    pub fn missing_topics(&self) -> Vec<Arc<str>> {
        let view = self.view.latest();
        let named = self.settings.expected().map(|it| it.topics());
        let is_named =
            |topic: &&Arc<str>| named.as_ref().is_none_or(|named| named.contains(*topic));
        view.missing.keys().filter(is_named).cloned().collect()
    }

    /// The address of each broker that the cluster has, by its `node.id`, as far as is known.
    pub fn brokers(&self) -> BTreeMap<i32, Arc<str>> {
        self.view.latest().brokers.clone()
    }

    /// Partitions without a leader, of all topics.
    pub fn partitions_without_leader(&self) -> usize {
        let view = self.view.latest();
        let leaders = view.leaders.values().flat_map(|leaders| leaders.iter());
        leaders.filter(|leader| leader.is_none()).count()
    }

    /// What models there are, whose topics are asked about from now on, and compared with them.
    pub fn expect(&self, expected: Expected) {
        self.add_topics(&expected.topics());
        self.settings.expect(Arc::new(expected));
        log_missing(self.missing_topics().iter());
    }

    /// The latest configurations of topics, if they are not of this generation, and their own: one load of
    /// an atomic where they are.
    pub(super) fn settings_newer_than(&self, generation: u64) -> Option<(u64, Arc<Settings>)> {
        self.settings.newer_than(generation)
    }

    /// Whether the configurations of the topics that exist were asked for once.
    pub fn has_asked_for_settings(&self) -> bool {
        self.settings.has_asked()
    }

    /// Asks about these topics too from now on.
    pub fn add_topics(&self, topics: &[Arc<str>]) {
        let mut known = locked(&self.topics);
        let before = known.len();
        for topic in topics {
            if !known.contains(topic) {
                known.push(Arc::clone(topic));
            }
        }
        if known.len() > before {
            self.refresh();
        }
    }

    /// Asks now: a leader may have changed.
    pub fn refresh(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Asks for the cluster's brokers and the topics. A busy broker gets a second chance.
    fn ask(&self, client: &BaseProducer<Silent>) -> Result<ClusterView, State> {
        let suspected = self.suspected.swap(false, Ordering::Relaxed);
        let was_reachable = self.has_answered();
        let timeout = match (suspected, self.has_asked()) {
            (true, _) => SUSPECTED_TIMEOUT_MS,
            (false, false) => FIRST_TIMEOUT_MS,
            (false, true) => TIMEOUT_MS,
        };
        let before = self.view.latest();
        let answer = metadata(client, timeout, &before);
        if answer.is_err() && was_reachable && !suspected {
            return metadata(client, TIMEOUT_MS, &before);
        }
        answer
    }

    /// Whether the last request for metadata was answered, or none was made yet.
    pub fn reachable(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        state == State::Unknown as u8 || state == State::Reachable as u8
    }

    /// Whether there was a connection for the last request for metadata, or none was made yet.
    pub fn can_connect(&self) -> bool {
        self.state.load(Ordering::Relaxed) != State::Disconnected as u8
    }

    /// Whether a broker has answered the last request for metadata.
    pub fn has_answered(&self) -> bool {
        self.state.load(Ordering::Relaxed) == State::Reachable as u8
    }

    /// Whether the first request for metadata has ended, well or not.
    pub fn has_asked(&self) -> bool {
        self.state.load(Ordering::Relaxed) != State::Unknown as u8
    }

    /// Asks now, and waits less for the answer: a worker's handle has lost every broker.
    pub fn suspect(&self) {
        self.suspected.store(true, Ordering::Relaxed);
        self.refresh();
    }

    /// Ends the watch, within seconds.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.refresh();
        self.settings.stop();
    }
}

fn log_missing<'t>(topics: impl Iterator<Item = &'t Arc<str>>) {
    let missing: Vec<&str> = topics.map(|it| &**it).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        tracing::warn!("the brokers do not have these topics: {missing}");
    }
}

/// Every lost connection is an event, and every statistics interval: unread they would pile up
/// for as long as an outage lasts.
fn forget_events(client: &BaseProducer<Silent>) {
    while client.in_flight_count() > 0 {
        client.poll(Duration::ZERO);
    }
}

/// Topics that a client asks about: those that it has a handle of.
struct Topics<'c> {
    client: &'c BaseProducer<Silent>,
    open: Vec<Option<NonNull<rd::rd_kafka_topic_t>>>,
}

impl Topics<'_> {
    /// Opens those behind the ones that are open. A name that librdkafka refuses is passed over.
    fn open(&mut self, names: &[Arc<str>]) {
        for name in &names[self.open.len()..] {
            let topic = CString::new(&**name).ok().and_then(|name| {
                let client = self.client.client().native_ptr();
                // SAFETY: the client is live, the name ends with NUL, no configuration is passed on.
                NonNull::new(unsafe {
                    rd::rd_kafka_topic_new(client, name.as_ptr(), ptr::null_mut())
                })
            });
            self.open.push(topic);
        }
    }
}

impl Drop for Topics<'_> {
    fn drop(&mut self) {
        for topic in self.open.iter().flatten() {
            // SAFETY: live, ours, and not used after this; the client, which is borrowed, goes later.
            unsafe { rd::rd_kafka_topic_destroy(topic.as_ptr()) };
        }
    }
}

/// The metadata of the topics that the client has handles of; the error is what that says of the brokers. What
/// an answer leaves open stays as it was `before`.
fn metadata(
    client: &BaseProducer<Silent>,
    timeout_ms: i32,
    before: &ClusterView,
) -> Result<ClusterView, State> {
    let mut metadata = ptr::null();
    // SAFETY: the client is live; 0 and no topic ask for the topics that it knows.
    let code = unsafe {
        rd::rd_kafka_metadata(
            client.client().native_ptr(),
            0,
            ptr::null_mut(),
            &raw mut metadata,
            timeout_ms,
        )
    };
    match code {
        rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR if !metadata.is_null() => {}
        // Also what it says where no connection came about in time.
        rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TRANSPORT => return Err(State::Disconnected),
        _ => return Err(State::Silent),
    }
    let mut view = ClusterView::default();
    // SAFETY: on success the metadata is there until it is destroyed below, its arrays have the lengths
    // that it names, its strings end with NUL; all that is kept is copied. Fields are read one by one: a
    // code may be one that Rust's enum does not have.
    unsafe {
        for broker in items((*metadata).brokers, (*metadata).broker_cnt) {
            let host = CStr::from_ptr((*broker).host).to_string_lossy();
            let address = format!("{host}:{}", (*broker).port);
            view.brokers.insert((*broker).id, address.into());
        }
        for topic in items((*metadata).topics, (*metadata).topic_cnt) {
            let name: Arc<str> = CStr::from_ptr((*topic).topic).to_string_lossy().into();
            let code = error_code((&raw const (*topic).err).cast::<i32>().read());
            let partitions = items((*topic).partitions, (*topic).partition_cnt);
            let mut leaders: Vec<_> = partitions.map(|it| ((*it).id, (*it).leader)).collect();
            leaders.sort_unstable();
            if code == RDKafkaErrorCode::NoError && !leaders.is_empty() {
                let leaders = leaders.into_iter().map(|(_, id)| (id >= 0).then_some(id));
                view.leaders.insert(name, leaders.collect());
            } else if matches!(
                code,
                RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition
            ) {
                let since = before.missing_since(&name).unwrap_or_else(Instant::now);
                view.missing.insert(name, since);
            } else if let Some(leaders) = before.leaders(&name) {
                view.leaders.insert(name, Arc::clone(leaders));
            }
        }
        rd::rd_kafka_metadata_destroy(metadata);
    }
    Ok(view)
}

/// The elements of a list as C has it.
fn items<T>(first: *const T, count: i32) -> impl Iterator<Item = *const T> {
    (0..usize::try_from(count).unwrap_or(0)).map(move |place| first.wrapping_add(place))
}

#[cfg(test)]
mod tests;
