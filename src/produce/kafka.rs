//! One librdkafka producer handle, used without its copying conveniences: payloads are borrowed
//! until their delivery report, topics are resolved once, reports are events on a queue.
#![expect(
    unsafe_code,
    reason = "rdkafka's safe producers copy each payload and look the topic up each time"
)]

use std::{
    ffi::{CString, c_void},
    io::Write,
    os::{fd::AsRawFd, unix::net::UnixStream},
    ptr::{self, NonNull},
};

use rdkafka::{bindings as rd, error::KafkaError, types::RDKafkaErrorCode};
use thiserror::Error;

use super::{
    event::{Event, text},
    headers::Headers,
    message::{Batch, Fields, Message, Scratch},
};

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

/// A producer handle with its event queue and a topic handle for each topic of its producer.
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

impl Handle {
    /// A handle without topics that writes to `wake` when events are waiting.
    pub(super) fn open(
        properties: &[(String, String)],
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
        let handle = Self {
            client,
            queue,
            topics: Vec::new(),
            wake,
        };
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

    /// How many topics are open.
    pub(super) fn topics(&self) -> usize {
        self.topics.len()
    }

    /// Opens a topic, whose index is behind those of the ones before.
    pub(super) fn open_topic(&mut self, topic: &str) -> Result<(), OpenError> {
        let name = CString::new(topic).map_err(|error| OpenError(error.to_string()))?;
        // SAFETY: the client is live, the name ends with NUL, no topic configuration is passed on.
        let topic =
            unsafe { rd::rd_kafka_topic_new(self.client.as_ptr(), name.as_ptr(), ptr::null_mut()) };
        let topic =
            NonNull::new(topic).ok_or_else(|| OpenError(format!("topic {name:?} is refused")))?;
        self.topics.push(topic);
        Ok(())
    }

    /// Makes the worker look at the queue again: after a bounded drain, events may be left that
    /// librdkafka will not announce a second time.
    pub(super) fn wake_again(&self) {
        // A full socket is a wake-up that is already there.
        let _ = (&self.wake).write(&WAKE_BYTE);
    }

    /// Enqueues records for a topic and partition in the way that costs least, and calls `refused`
    /// for each that was not taken. `carried`: the headers, where the records have some, or times.
    ///
    /// # Safety
    /// The bytes of each message that is not refused must be valid, unmoved and unwritten until the
    /// report with its opaque word; its key until this returns.
    pub(super) unsafe fn produce_all<'k>(
        &self,
        (topic, partition): (usize, i32),
        carried: Option<&Headers>,
        mut messages: impl ExactSizeIterator<Item = Message<'k>>,
        Scratch { batch, fields }: &mut Scratch,
        mut refused: impl FnMut(*mut c_void, RDKafkaErrorCode),
    ) {
        if let Some(headers) = carried {
            for message in messages {
                // SAFETY: the caller's promise.
                let produced =
                    unsafe { self.produce_carrying(topic, partition, &message, headers, fields) };
                if let Err(code) = produced {
                    refused(message.opaque, code);
                }
            }
        } else if messages.len() == 1
            && let Some(message) = messages.next()
        {
            // SAFETY: the caller's promise.
            if let Err(code) = unsafe { self.produce(topic, partition, &message) } {
                refused(message.opaque, code);
            }
        } else {
            messages.for_each(|message| batch.push(&message));
            // SAFETY: the caller's promise.
            unsafe { self.produce_batch(topic, partition, batch, refused) };
        }
    }

    /// Enqueues one record. librdkafka reads the bytes until the delivery report, the key only now;
    /// on an error it does not touch them again.
    ///
    /// # Safety
    /// `message.bytes` must be valid, unmoved and unwritten until the report with its opaque word.
    unsafe fn produce(
        &self,
        topic: usize,
        partition: i32,
        message: &Message<'_>,
    ) -> Result<(), RDKafkaErrorCode> {
        let (key, key_len) = message.key();
        // SAFETY: the topic is live; the payload's validity is the caller's promise; flags 0 mean
        // that librdkafka neither copies nor frees it, so that the cast to mutable is never used.
        // The key is copied before the call returns (`rd_kafka_msg_new00`, whatever the flags).
        let status = unsafe {
            rd::rd_kafka_produce(
                self.topics[topic].as_ptr(),
                partition,
                0,
                message.bytes.cast_mut().cast(),
                message.len,
                key,
                key_len,
                message.opaque,
            )
        };
        if status == 0 {
            return Ok(());
        }
        // SAFETY: reads a thread-local value.
        Err(unsafe { rd::rd_kafka_last_error() }.into())
    }

    /// Enqueues one record with its time and headers; `fields` is scratch.
    ///
    /// # Safety
    /// As for [`produce`](Self::produce).
    unsafe fn produce_carrying(
        &self,
        topic: usize,
        partition: i32,
        message: &Message<'_>,
        headers: &Headers,
        fields: &mut Fields,
    ) -> Result<(), RDKafkaErrorCode> {
        let fields = fields.fill(self.topics[topic], partition, message, headers);
        // SAFETY: client and topic are live; each field's value is of its type's kind; the payload
        // as in `produce`, with flags 0, which are the default. Key and headers are copied before
        // the call returns (`rd_kafka_msg_new00`, `rd_kafka_header_add`); both live that long, as
        // `message` and `headers` are borrowed.
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

    /// Enqueues records, and calls `refused` for each that was not taken.
    ///
    /// # Safety
    /// As for [`produce`](Self::produce), for each message that is not refused; their keys must be
    /// valid until this returns.
    unsafe fn produce_batch(
        &self,
        topic: usize,
        partition: i32,
        batch: &mut Batch,
        mut refused: impl FnMut(*mut c_void, RDKafkaErrorCode),
    ) {
        let messages = &mut batch.0;
        let count = i32::try_from(messages.len()).unwrap_or(i32::MAX);
        // SAFETY: the topic is live, `messages` has `count` initialised elements; payloads, keys
        // and flags as in `produce`.
        let taken = unsafe {
            rd::rd_kafka_produce_batch(
                self.topics[topic].as_ptr(),
                partition,
                0,
                messages.as_mut_ptr(),
                count,
            )
        };
        if taken < count {
            for message in &*messages {
                let code = RDKafkaErrorCode::from(message.err);
                if code != RDKafkaErrorCode::NoError {
                    refused(message._private, code);
                }
            }
        }
        messages.clear();
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
