//! librdkafka's events: delivery reports, errors, lines for the log.
#![expect(
    unsafe_code,
    reason = "rdkafka's safe events belong to its own clients"
)]

use std::{
    ffi::{CStr, c_char, c_void},
    ptr::{self, NonNull},
};

use rdkafka::{bindings as rd, types::RDKafkaErrorCode};

/// An event of librdkafka's main queue.
pub(super) struct Event(pub(super) NonNull<rd::rd_kafka_event_t>);

/// An event by its kind.
pub(super) enum EventKind {
    /// Delivery reports.
    Reports,
    /// An error of the handle, not of a record.
    Error {
        /// What happened.
        code: RDKafkaErrorCode,
        /// In librdkafka's words.
        text: String,
        /// Whether the handle cannot be used any more.
        fatal: bool,
    },
    /// A line for the log.
    Log {
        /// As syslog has it: 3 error, 4 warning, 6 information, 7 debug.
        level: i32,
        /// What of librdkafka it comes from, such as `REQTMOUT`.
        facility: String,
        /// In librdkafka's words.
        text: String,
    },
    /// An event that was not asked for.
    Other,
}

/// How one record ended.
pub(super) struct DeliveryReport {
    pub(super) opaque: *mut c_void,
    /// Delivered, or why not and whether the brokers may have the record nevertheless.
    pub(super) end: Result<(), (RDKafkaErrorCode, bool)>,
}

impl Event {
    pub(super) fn kind(&self) -> EventKind {
        let event = self.0.as_ptr();
        // SAFETY: the event is live until `drop`; the strings belong to it and are copied.
        unsafe {
            match rd::rd_kafka_event_type(event) {
                rd::RD_KAFKA_EVENT_DR => EventKind::Reports,
                rd::RD_KAFKA_EVENT_ERROR => EventKind::Error {
                    code: rd::rd_kafka_event_error(event).into(),
                    text: text(rd::rd_kafka_event_error_string(event)),
                    fatal: rd::rd_kafka_event_error_is_fatal(event) != 0,
                },
                rd::RD_KAFKA_EVENT_LOG => {
                    let (mut facility, mut line, mut level) = (ptr::null(), ptr::null(), 6);
                    rd::rd_kafka_event_log(event, &raw mut facility, &raw mut line, &raw mut level);
                    EventKind::Log {
                        level,
                        facility: text(facility),
                        text: text(line),
                    }
                }
                _ => EventKind::Other,
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
                    Ok(())
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

/// A broker's code, or librdkafka's own. One that neither knows is `Unknown`.
pub(super) fn error_code(code: i32) -> RDKafkaErrorCode {
    rd::rd_kafka_resp_err_t::try_from(code).map_or(RDKafkaErrorCode::Unknown, Into::into)
}

/// A C string of librdkafka's, copied; empty where there is none.
pub(super) fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: librdkafka's strings end with NUL, as do our zeroed message buffers, which it never
    // fills to the last byte.
    unsafe { CStr::from_ptr(string) }
        .to_string_lossy()
        .into_owned()
}
