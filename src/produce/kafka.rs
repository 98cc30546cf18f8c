//! One librdkafka producer handle, used without its copying conveniences: payloads are borrowed
//! until their delivery report, topics are resolved once, reports are events on a queue.
#![expect(
    unsafe_code,
    reason = "rdkafka's safe producers copy each payload and look the topic up each time"
)]

use std::{
    cell::Cell,
    ffi::CString,
    io::Write,
    os::{fd::AsRawFd, unix::net::UnixStream},
    ptr::{self, NonNull},
};

use rdkafka::{bindings as rd, error::KafkaError, types::RDKafkaErrorCode};
use thiserror::Error;
use tracing::Level;

use super::{
    access::BrokerAccess,
    batcher::BatchKey,
    event::{Event, text},
    malloc::keep_requests,
    message::{PARTITION_UNASSIGNED, Scratch, plain_message},
    record::Record,
};
use crate::log::{Kind, Line};

/// librdkafka refuses the configuration, or has no means to start. The operator's.
#[derive(Debug, Error)]
#[error("librdkafka: {0}")]
pub struct OpenError(pub(super) String);

impl From<KafkaError> for OpenError {
    fn from(error: KafkaError) -> Self {
        Self(error.to_string())
    }
}

/// What librdkafka writes into the socket pair when its queue stops being empty.
static WAKE_BYTE: [u8; 1] = *b"!";

/// What a handle for records that are sent alone has beside the operator's properties.
const ALONE: &[(&str, &str)] = &[("batch.num.messages", "1")];

/// How long a connection may take, in milliseconds.
const CONNECT_WITHIN_MS: i32 = 2_000;

/// A topic of a [`Handle`], live as long as that.
#[derive(Clone, Copy)]
pub(super) struct TopicHandle(NonNull<rd::rd_kafka_topic_t>);

/// A producer handle with its event queue and a topic handle for each topic that it was used for.
///
/// Its threads are created by [`open`](Self::open) and inherit that thread's CPU affinity.
pub(super) struct Handle {
    client: NonNull<rd::rd_kafka_t>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    /// By the topic's index.
    topics: Vec<Option<NonNull<rd::rd_kafka_topic_t>>>,
    wake: UnixStream,
    /// An event that is to be read on.
    unread: Cell<Option<Event>>,
    /// Of the properties that it was opened with.
    generation: u64,
    /// Of the token that it was given.
    token_generation: Cell<u64>,
}

// SAFETY: librdkafka's handles may be used from any thread; this one is used from one at a time.
unsafe impl Send for Handle {}

impl Handle {
    /// A handle without topics that writes to `wake` when events are waiting. `alone`: each batch has one
    /// record.
    pub(super) fn open(
        access: &BrokerAccess,
        alone: bool,
        wake: UnixStream,
    ) -> Result<Self, OpenError> {
        // librdkafka writes from its own threads and must never block on a full socket: a wake-up
        // that does not fit is one that is already waiting.
        wake.set_nonblocking(true)
            .map_err(|error| OpenError(error.to_string()))?;
        keep_requests();
        let (generation, properties) = access.properties();
        let batches: &[(&str, &str)] = if alone { ALONE } else { &[] };
        let client = new_client(&properties, batches)?;
        // SAFETY: `client` is live. With `log.queue` set and no queue named, logs come to the main
        // queue, which is fetched once and released in `drop`.
        let queue = unsafe {
            rd::rd_kafka_set_log_queue(client.as_ptr(), ptr::null_mut());
            NonNull::new(rd::rd_kafka_queue_get_main(client.as_ptr()))
        };
        let Some(queue) = queue else {
            // SAFETY: `client` is live and not used after this.
            unsafe { rd::rd_kafka_destroy(client.as_ptr()) };
            return Err(OpenError("no main queue".to_owned()));
        };
        let handle = Self {
            client,
            queue,
            topics: Vec::new(),
            wake,
            unread: Cell::default(),
            generation,
            token_generation: Cell::new(0),
        };
        handle.take_token(access);
        // SAFETY: the queue is live; the descriptor lives in `handle` until the event is disabled
        // in `drop`; the payload is static.
        unsafe {
            rd::rd_kafka_queue_io_event_enable(
                handle.queue.as_ptr(),
                handle.wake.as_raw_fd(),
                WAKE_BYTE.as_ptr().cast(),
                WAKE_BYTE.len(),
            );
        }
        // Events from before the wake-up was enabled would wait for the next one.
        handle.wake_again();
        Ok(handle)
    }

    /// Whether the properties that it was opened with have been replaced.
    pub(super) fn is_outdated(&self, access: &BrokerAccess) -> bool {
        access.is_newer_than(self.generation)
    }

    /// Takes the latest token, if it does not have it yet.
    pub(super) fn take_token(&self, access: &BrokerAccess) {
        let Some((generation, token)) = access.token_newer_than(self.token_generation.get()) else {
            return;
        };
        self.token_generation.set(generation);
        // SAFETY: the client is live.
        let given = token
            .as_ref()
            .as_ref()
            .map(|it| unsafe { it.give(self.client.as_ptr()) });
        if let Some(Err(error)) = given {
            log_refused_token(&error);
        }
    }

    /// The handle of the topic with this index and name, opened on first use: librdkafka's threads walk
    /// the partitions of every topic that is open.
    pub(super) fn topic(&mut self, index: usize, name: &str) -> Result<TopicHandle, OpenError> {
        if let Some(Some(topic)) = self.topics.get(index) {
            return Ok(TopicHandle(*topic));
        }
        let c_name = CString::new(name).map_err(|error| OpenError(error.to_string()))?;
        // SAFETY: the client is live, the name ends with NUL, no topic configuration is passed on.
        let topic = unsafe {
            rd::rd_kafka_topic_new(self.client.as_ptr(), c_name.as_ptr(), ptr::null_mut())
        };
        let topic =
            NonNull::new(topic).ok_or_else(|| OpenError(format!("topic {name:?} is refused")))?;
        if self.topics.len() <= index {
            self.topics.resize(index + 1, None);
        }
        self.topics[index] = Some(topic);
        Ok(TopicHandle(topic))
    }

    /// The indices of the topics that were opened.
    pub(super) fn open_topics(&self) -> impl Iterator<Item = usize> {
        let topics = self.topics.iter().enumerate();
        topics.filter_map(|(index, topic)| topic.map(|_| index))
    }

    /// Whether a broker has answered. Blocks, for [`CONNECT_WITHIN_MS`] at most.
    pub(super) fn has_answer(&self) -> bool {
        // SAFETY: the client is live.
        unsafe { rd::rd_kafka_controllerid(self.client.as_ptr(), CONNECT_WITHIN_MS) >= 0 }
    }

    /// Connects to the leader of a partition, by asking it something. Blocks, for [`CONNECT_WITHIN_MS`] at most;
    /// where it fails, the connection is made when it is needed. Whether the leader has answered.
    pub(super) fn connect_to(&self, topic: &str, partition: i32) -> bool {
        let Ok(topic) = CString::new(topic) else {
            return false;
        };
        let (mut low, mut high) = (0, 0);
        // SAFETY: the client is live, the name ends with NUL, and both offsets are written to during the
        // call only.
        let asked = unsafe {
            rd::rd_kafka_query_watermark_offsets(
                self.client.as_ptr(),
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
                CONNECT_WITHIN_MS,
            )
        };
        asked == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// Makes the worker look at the queue again: after a bounded drain, events may be left that
    /// librdkafka will not announce a second time.
    pub(super) fn wake_again(&self) {
        // A full socket is a wake-up that is already there.
        let _ = (&self.wake).write(&WAKE_BYTE);
    }

    /// Hands over the records of a batch from a position on, and calls `refused` with the position of each
    /// that librdkafka did not accept. `partition` `None`: librdkafka's partitioner chooses.
    ///
    /// # Safety
    /// The bytes of each record that is not refused must be valid, unmoved and unwritten until the report
    /// with its opaque word; its key and headers until this returns.
    pub(super) unsafe fn produce(
        &self,
        topic: TopicHandle,
        partition: Option<i32>,
        batch: BatchKey,
        (first, records): (usize, &[Record]),
        scratch: &mut Scratch,
        mut refused: impl FnMut(usize, RDKafkaErrorCode),
    ) {
        let partition = partition.unwrap_or(PARTITION_UNASSIGNED);
        let Scratch { messages, fields } = scratch;
        let mut begin = 0;
        for run in records.chunk_by(|one, next| one.is_plain() && next.is_plain()) {
            let opaque = |place: usize| batch.opaque(first + begin + place);
            if run[0].is_plain() {
                let run = run.iter().enumerate();
                messages.extend(run.map(|(place, record)| plain_message(record, opaque(place))));
                // SAFETY: the caller's promise.
                unsafe { produce_plain(topic, partition, messages, &mut refused) };
            } else {
                let fields = fields.fill(topic.0, partition, &run[0], opaque(0));
                // SAFETY: the caller's promise.
                if let Err(code) = unsafe { self.produce_fields(fields) } {
                    refused(first + begin, code);
                }
            }
            begin += run.len();
        }
    }

    /// Hands over one record with all that it carries.
    ///
    /// # Safety
    /// As for [`produce`](Self::produce); the fields are of one record.
    unsafe fn produce_fields(&self, fields: &[rd::rd_kafka_vu_t]) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: client and topic are live; each field's value is of its type's kind; flags 0, which are
        // the default, mean that librdkafka neither copies nor frees the payload, so that the cast to
        // mutable is never used. Key and headers are copied before the call returns (`rd_kafka_msg_new00`,
        // `rd_kafka_header_add`).
        let error =
            unsafe { rd::rd_kafka_produceva(self.client.as_ptr(), fields.as_ptr(), fields.len()) };
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: not NULL, so ours, live, and destroyed once.
        unsafe {
            let code = rd::rd_kafka_error_code(error).into();
            rd::rd_kafka_error_destroy(error);
            Err(code)
        }
    }

    /// Whether events wait to be polled.
    pub(super) fn has_events(&self) -> bool {
        // SAFETY: the queue is live.
        unsafe { rd::rd_kafka_queue_length(self.queue.as_ptr()) > 0 }
    }

    /// Records that are not acknowledged, and events that wait.
    pub(super) fn queue_depth(&self) -> usize {
        // SAFETY: the client is live.
        let len = unsafe { rd::rd_kafka_outq_len(self.client.as_ptr()) };
        usize::try_from(len).unwrap_or(0)
    }

    /// The event that is to be read on, or the next that waits.
    pub(super) fn poll(&self) -> Option<Event> {
        self.unread.take().or_else(|| {
            // SAFETY: the queue is live; the event is ours to destroy.
            NonNull::new(unsafe { rd::rd_kafka_queue_poll(self.queue.as_ptr(), 0) }).map(Event)
        })
    }

    /// Has the next [`poll`](Self::poll) return this event, which comes from the last one.
    pub(super) fn read_on(&self, event: Event) {
        self.unread.set(Some(event));
    }

    /// Gives up on every record: each gets its delivery report soon.
    ///
    /// Does not wait for the broker threads: one that asks for a broker's address may hang for as
    /// long as the resolver does.
    pub(super) fn purge(&self) {
        let flags = rd::RD_KAFKA_PURGE_F_QUEUE
            | rd::RD_KAFKA_PURGE_F_INFLIGHT
            | rd::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client is live.
        unsafe { rd::rd_kafka_purge(self.client.as_ptr(), flags) };
    }

    /// Puts the handle into librdkafka's fatal state, as a broker's answer might.
    #[cfg(test)]
    pub(super) fn fail_for_test(&self) {
        // SAFETY: the client is live, the reason is NUL-terminated.
        unsafe {
            rd::rd_kafka_test_fatal_error(
                self.client.as_ptr(),
                rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                c"a test".as_ptr(),
            );
        }
    }

    /// Has the mock cluster that is inside of this handle (`test.mock.num.brokers`) refuse the next
    /// produce request with any code, also one that no Kafka has.
    #[cfg(test)]
    pub(super) fn refuse_for_test(&self, code: i32) {
        const PRODUCE: i16 = 0;
        // SAFETY: the client is live and has a cluster, which lives as long; one code is read from
        // where one is, as C reads it: never as Rust's enum.
        unsafe {
            let cluster = rd::rd_kafka_handle_mock_cluster(self.client.as_ptr());
            assert!(!cluster.is_null(), "test.mock.num.brokers is not set");
            let codes = (&raw const code).cast();
            rd::rd_kafka_mock_push_request_errors_array(cluster, PRODUCE, 1, codes);
        }
    }
}

impl Drop for Handle {
    /// Blocks until librdkafka's threads have ended: seconds at the worst.
    fn drop(&mut self) {
        // Its records belong to the client.
        drop(self.unread.take());
        // SAFETY: all three are live and not used after this. The wake-up is disabled before its
        // descriptor closes, or librdkafka would write into whatever reuses the number; topics go
        // before the client they belong to.
        unsafe {
            rd::rd_kafka_queue_io_event_enable(self.queue.as_ptr(), -1, ptr::null(), 0);
            rd::rd_kafka_queue_destroy(self.queue.as_ptr());
            for topic in self.topics.iter().flatten() {
                rd::rd_kafka_topic_destroy(topic.as_ptr());
            }
            rd::rd_kafka_destroy(self.client.as_ptr());
        }
    }
}

/// Hands over `messages`, which are empty then, and calls `refused` for each that was not accepted.
///
/// # Safety
/// As for [`Handle::produce`].
unsafe fn produce_plain(
    topic: TopicHandle,
    partition: i32,
    messages: &mut Vec<rd::rd_kafka_message_t>,
    refused: &mut impl FnMut(usize, RDKafkaErrorCode),
) {
    let count = i32::try_from(messages.len()).unwrap_or(i32::MAX);
    // SAFETY: the topic is live, `messages` has `count` initialised elements; payloads as in
    // `produce_fields`, with flags 0. Keys are copied before the call returns.
    let accepted = unsafe {
        rd::rd_kafka_produce_batch(topic.0.as_ptr(), partition, 0, messages.as_mut_ptr(), count)
    };
    if accepted < count {
        for message in &*messages {
            let code = RDKafkaErrorCode::from(message.err);
            if code != RDKafkaErrorCode::NoError {
                refused(BatchKey::from_opaque(message._private).1, code);
            }
        }
    }
    messages.clear();
}

/// Whether librdkafka takes these properties together, which it says only when a producer is
/// created: one is, as a worker's would be, and destroyed at once. It may try to connect meanwhile.
///
/// # Errors
/// What librdkafka says: properties that contradict each other, files that can't be read.
pub fn check_whole(properties: &[(String, String)]) -> Result<(), OpenError> {
    let client = new_client(properties, &[])?;
    // SAFETY: ours, live, and not used after this.
    unsafe { rd::rd_kafka_destroy(client.as_ptr()) };
    Ok(())
}

/// Every handle of every worker says the same.
fn log_refused_token(error: &OpenError) {
    static REFUSED: Kind = Kind::new("librdkafka does not accept a token", Level::ERROR);
    if let Some(Line { count }) = REFUSED.admit() {
        tracing::error!(count, "librdkafka does not accept the token: {error}");
    }
}

/// A producer, the caller's to destroy.
fn new_client(
    properties: &[(String, String)],
    more: &[(&str, &str)],
) -> Result<NonNull<rd::rd_kafka_t>, OpenError> {
    let conf = configuration(properties, more)?;
    let mut message = [0_u8; 512];
    // SAFETY: `conf` is a live configuration, whose ownership passes to librdkafka on success.
    let client = unsafe {
        rd::rd_kafka_new(
            rd::rd_kafka_type_t::RD_KAFKA_PRODUCER,
            conf,
            message.as_mut_ptr().cast(),
            message.len(),
        )
    };
    NonNull::new(client).ok_or_else(|| {
        // SAFETY: on failure the configuration is still ours.
        unsafe { rd::rd_kafka_conf_destroy(conf) };
        OpenError(text(message.as_ptr().cast()))
    })
}

/// librdkafka's configuration: the properties, then what this module relies on.
fn configuration(
    properties: &[(String, String)],
    more: &[(&str, &str)],
) -> Result<*mut rd::rd_kafka_conf_t, OpenError> {
    // SAFETY: no precondition; the result is ours until `rd_kafka_new` takes it.
    let conf = unsafe { rd::rd_kafka_conf_new() };
    let ours = [
        ("log.queue", "true"),
        ("delivery.report.only.error", "false"),
        // The worker forms the batches.
        ("linger.ms", "0"),
    ];
    let all = properties
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain(more.iter().copied())
        .chain(ours);
    for (name, value) in all {
        if let Err(error) = set(conf, name, value) {
            // SAFETY: ours, and not used after this.
            unsafe { rd::rd_kafka_conf_destroy(conf) };
            return Err(error);
        }
    }
    let events = rd::RD_KAFKA_EVENT_DR | rd::RD_KAFKA_EVENT_ERROR | rd::RD_KAFKA_EVENT_LOG;
    // SAFETY: `conf` is live.
    unsafe { rd::rd_kafka_conf_set_events(conf, events) };
    Ok(conf)
}

fn set(conf: *mut rd::rd_kafka_conf_t, name: &str, value: &str) -> Result<(), OpenError> {
    let [c_name, c_value] = [name, value].map(CString::new);
    let (Ok(c_name), Ok(c_value)) = (c_name, c_value) else {
        return Err(OpenError(format!("{name}: a NUL byte inside")));
    };
    let mut message = [0_u8; 512];
    // SAFETY: `conf` is live, the strings end with NUL, the message has the length given.
    let result = unsafe {
        rd::rd_kafka_conf_set(
            conf,
            c_name.as_ptr(),
            c_value.as_ptr(),
            message.as_mut_ptr().cast(),
            message.len(),
        )
    };
    match result {
        rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
        _ => Err(OpenError(text(message.as_ptr().cast()))),
    }
}
