//! One librdkafka producer handle, used without its copying conveniences: payloads are borrowed
//! until their delivery report, topics are resolved once, reports are events on a queue.
#![expect(
    unsafe_code,
    reason = "rdkafka's safe producers copy each payload and look the topic up each time"
)]

use std::{
    ffi::{CStr, CString, c_char, c_void},
    io::Write,
    os::{fd::AsRawFd, unix::net::UnixStream},
    ptr::{self, NonNull},
};

use rdkafka::{bindings as rd, error::KafkaError, types::RDKafkaErrorCode};
use thiserror::Error;

/// librdkafka refuses the configuration, or has no means to start. The operator's.
#[derive(Debug, Error)]
#[error("librdkafka: {0}")]
pub struct OpenError(pub(super) String);

impl From<KafkaError> for OpenError {
    fn from(error: KafkaError) -> Self {
        Self(error.to_string())
    }
}

/// `RD_KAFKA_PARTITION_UA`, a cast in C that the bindings leave out: the partitioner chooses.
pub(super) const PARTITION_UNASSIGNED: i32 = -1;

/// What librdkafka writes into the socket pair when its queue stops being empty.
static WAKE_BYTE: [u8; 1] = *b"!";

/// A producer handle with its event queue and a topic handle for each route.
///
/// Its threads are created by [`open`](Self::open) and inherit that thread's CPU affinity.
pub(super) struct Handle {
    client: NonNull<rd::rd_kafka_t>,
    queue: NonNull<rd::rd_kafka_queue_t>,
    topics: Vec<NonNull<rd::rd_kafka_topic_t>>,
    wake: UnixStream,
}

// SAFETY: librdkafka's handles may be used from any thread; this one is used from one at a time.
unsafe impl Send for Handle {}

/// A record to enqueue: where it is, how long it is, and the word to hand back.
pub(super) struct Payload {
    pub(super) bytes: *const u8,
    pub(super) len: usize,
    pub(super) opaque: *mut c_void,
}

impl Handle {
    /// A handle that writes to `wake` when events are waiting.
    pub(super) fn open(
        properties: &[(String, String)],
        topics: &[String],
        wake: UnixStream,
    ) -> Result<Self, OpenError> {
        // librdkafka writes from its own threads and must never block on a full socket: a wake-up
        // that does not fit is one that is already waiting.
        wake.set_nonblocking(true)
            .map_err(|error| OpenError(error.to_string()))?;
        let client = new_client(properties)?;
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
        let mut handle = Self {
            client,
            queue,
            topics: Vec::with_capacity(topics.len()),
            wake,
        };
        for topic in topics {
            handle.topics.push(handle.open_topic(topic)?);
        }
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

    fn open_topic(&self, topic: &str) -> Result<NonNull<rd::rd_kafka_topic_t>, OpenError> {
        let name = CString::new(topic).map_err(|error| OpenError(error.to_string()))?;
        // SAFETY: the client is live, the name ends with NUL, no topic configuration is passed on.
        let topic =
            unsafe { rd::rd_kafka_topic_new(self.client.as_ptr(), name.as_ptr(), ptr::null_mut()) };
        NonNull::new(topic).ok_or_else(|| OpenError(format!("topic {name:?} is refused")))
    }

    /// Makes the worker look at the queue again: after a bounded drain, events may be left that
    /// librdkafka will not announce a second time.
    pub(super) fn wake_again(&self) {
        // A full socket is a wake-up that is already there.
        let _ = (&self.wake).write(&WAKE_BYTE);
    }

    /// Enqueues one record. librdkafka reads the bytes until the delivery report; on an error it
    /// does not touch them again.
    ///
    /// # Safety
    /// `payload.bytes` must be valid, unmoved and unwritten until the report with its opaque word.
    pub(super) unsafe fn produce(
        &self,
        topic: usize,
        partition: i32,
        payload: &Payload,
    ) -> Result<(), RDKafkaErrorCode> {
        // SAFETY: the topic is live; the payload's validity is the caller's promise; flags 0 mean
        // that librdkafka neither copies nor frees it, so that the cast to mutable is never used.
        let status = unsafe {
            rd::rd_kafka_produce(
                self.topics[topic].as_ptr(),
                partition,
                0,
                payload.bytes.cast_mut().cast(),
                payload.len,
                ptr::null(),
                0,
                payload.opaque,
            )
        };
        if status == 0 {
            return Ok(());
        }
        // SAFETY: reads a thread-local value.
        Err(unsafe { rd::rd_kafka_last_error() }.into())
    }

    /// Enqueues records, and calls `refused` for each that was not taken.
    ///
    /// # Safety
    /// As for [`produce`](Self::produce), for each payload that is not refused.
    pub(super) unsafe fn produce_batch(
        &self,
        topic: usize,
        partition: i32,
        batch: &mut Batch,
        mut refused: impl FnMut(*mut c_void, RDKafkaErrorCode),
    ) {
        let count = i32::try_from(batch.messages.len()).unwrap_or(i32::MAX);
        // SAFETY: the topic is live, `messages` has `count` initialised elements; payloads and
        // flags as in `produce`.
        let taken = unsafe {
            rd::rd_kafka_produce_batch(
                self.topics[topic].as_ptr(),
                partition,
                0,
                batch.messages.as_mut_ptr(),
                count,
            )
        };
        if taken < count {
            for message in &batch.messages {
                let code = RDKafkaErrorCode::from(message.err);
                if code != RDKafkaErrorCode::NoError {
                    refused(message._private, code);
                }
            }
        }
        batch.messages.clear();
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

    /// The next waiting event.
    pub(super) fn poll(&self) -> Option<Event> {
        // SAFETY: the queue is live; the event is ours to destroy.
        NonNull::new(unsafe { rd::rd_kafka_queue_poll(self.queue.as_ptr(), 0) }).map(Event)
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
        // SAFETY: all three are live and not used after this. The wake-up is disabled before its
        // descriptor closes, or librdkafka would write into whatever reuses the number; topics go
        // before the client they belong to.
        unsafe {
            rd::rd_kafka_queue_io_event_enable(self.queue.as_ptr(), -1, ptr::null(), 0);
            rd::rd_kafka_queue_destroy(self.queue.as_ptr());
            for topic in &self.topics {
                rd::rd_kafka_topic_destroy(topic.as_ptr());
            }
            rd::rd_kafka_destroy(self.client.as_ptr());
        }
    }
}

/// Records of one request on their way into librdkafka; reused from request to request.
#[derive(Default)]
pub(super) struct Batch {
    messages: Vec<rd::rd_kafka_message_t>,
}

impl Batch {
    pub(super) fn push(&mut self, payload: &Payload) {
        self.messages.push(rd::rd_kafka_message_t {
            err: rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition: PARTITION_UNASSIGNED,
            payload: payload.bytes.cast_mut().cast(),
            len: payload.len,
            key: ptr::null_mut(),
            key_len: 0,
            offset: 0,
            _private: payload.opaque,
        });
    }
}

/// Something that librdkafka wants us to know.
pub(super) struct Event(NonNull<rd::rd_kafka_event_t>);

/// An event by its kind.
pub(super) enum Kind {
    /// Delivery reports.
    Reports,
    /// An error of the handle, not of a record.
    Error {
        /// What happened.
        code: RDKafkaErrorCode,
        /// In librdkafka's words.
        text: String,
        /// Whether the handle is of no use any more.
        fatal: bool,
    },
    /// A line for the log.
    Log {
        /// As syslog has it: 3 error, 4 warning, 6 information, 7 debug.
        level: i32,
        /// In librdkafka's words.
        text: String,
    },
    /// Nothing that we asked for.
    Other,
}

/// How one record ended.
pub(super) struct DeliveryReport {
    pub(super) opaque: *mut c_void,
    /// The partition that has the record, or why none has and whether the brokers may have it
    /// nevertheless.
    pub(super) end: Result<i32, (RDKafkaErrorCode, bool)>,
}

impl Event {
    pub(super) fn kind(&self) -> Kind {
        let event = self.0.as_ptr();
        // SAFETY: the event is live until `drop`; the strings belong to it and are copied.
        unsafe {
            match rd::rd_kafka_event_type(event) {
                rd::RD_KAFKA_EVENT_DR => Kind::Reports,
                rd::RD_KAFKA_EVENT_ERROR => Kind::Error {
                    code: rd::rd_kafka_event_error(event).into(),
                    text: text(rd::rd_kafka_event_error_string(event)),
                    fatal: rd::rd_kafka_event_error_is_fatal(event) != 0,
                },
                rd::RD_KAFKA_EVENT_LOG => {
                    let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 6);
                    rd::rd_kafka_event_log(event, &raw mut facility, &raw mut line, &raw mut level);
                    Kind::Log {
                        level,
                        text: format!("{}: {}", text(facility), text(line)),
                    }
                }
                _ => Kind::Other,
            }
        }
    }

    /// The delivery reports of an event of that kind.
    pub(super) fn reports(&mut self) -> impl Iterator<Item = DeliveryReport> {
        let event = self.0.as_ptr();
        std::iter::from_fn(move || {
            // SAFETY: the event is live for as long as the iterator borrows it; the message is
            // valid until the event is destroyed, and is read at once, field by field: its code
            // may be one of a broker's that Rust's enum does not have, and so is read as what C
            // holds it in. It is initialised, and has that size.
            unsafe {
                let message = rd::rd_kafka_event_message_next(event);
                if message.is_null() {
                    return None;
                }
                let code = error_code((&raw const (*message).err).cast::<i32>().read());
                let end = if code == RDKafkaErrorCode::NoError {
                    Ok((*message).partition)
                } else {
                    let status = rd::rd_kafka_message_status(message);
                    let lost = rd::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
                    Err((code, status != lost))
                };
                Some(DeliveryReport {
                    opaque: (*message)._private,
                    end,
                })
            }
        })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, live, and not used after this.
        unsafe { rd::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// Whether librdkafka takes these properties together, which it says only when a producer is
/// created: one is, as a worker's would be, and destroyed at once. It may try to connect meanwhile.
///
/// # Errors
/// What librdkafka says: properties that contradict each other, files that can't be read.
pub fn check_whole(properties: &[(String, String)]) -> Result<(), OpenError> {
    let client = new_client(properties)?;
    // SAFETY: ours, live, and not used after this.
    unsafe { rd::rd_kafka_destroy(client.as_ptr()) };
    Ok(())
}

/// A producer, the caller's to destroy.
fn new_client(properties: &[(String, String)]) -> Result<NonNull<rd::rd_kafka_t>, OpenError> {
    let conf = configuration(properties)?;
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

/// A broker's code, or librdkafka's own. One that neither knows is `Unknown`.
fn error_code(code: i32) -> RDKafkaErrorCode {
    rd::rd_kafka_resp_err_t::try_from(code).map_or(RDKafkaErrorCode::Unknown, Into::into)
}

/// librdkafka's configuration: the properties, then what this module relies on.
fn configuration(properties: &[(String, String)]) -> Result<*mut rd::rd_kafka_conf_t, OpenError> {
    // SAFETY: no precondition; the result is ours until `rd_kafka_new` takes it.
    let conf = unsafe { rd::rd_kafka_conf_new() };
    let ours = [
        ("log.queue", "true"),
        ("delivery.report.only.error", "false"),
    ];
    let all = properties
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
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

/// A C string of librdkafka's, copied; empty where there is none.
fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: librdkafka's strings end with NUL, as do our zeroed message buffers, which it never
    // fills to the last byte.
    unsafe { CStr::from_ptr(string) }
        .to_string_lossy()
        .into_owned()
}
