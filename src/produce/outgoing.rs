//! Records of one request, measured before the first of them is enqueued.

use std::ops::{Range, RangeInclusive};

use super::{
    fault::{Failure, Fault},
    headers::Headers,
    message::MESSAGE_OVERHEAD_BYTES,
    properties::property,
};
use crate::{admission::Permit, buffer::Frozen};

/// librdkafka's own default of `message.max.bytes`.
const MESSAGE_BYTES_MAX: usize = 1_000_000;

/// What a request sends to one topic.
pub(super) struct Outgoing {
    pub(super) topic: usize,
    pub(super) headers: Headers,
    pub(super) bytes: Frozen,
    pub(super) permit: Permit,
}

/// One record of it.
#[derive(Clone)]
pub(super) struct OutgoingRecord<'k> {
    /// Where it is in the memory.
    pub(super) place: Range<usize>,
    pub(super) key: Option<&'k [u8]>,
    pub(super) timestamp_ms: Option<i64>,
}

impl Outgoing {
    /// Checks the sizes, and charges what is copied: the keys, here and by librdkafka, and the headers for
    /// each record. What the keys take.
    ///
    /// # Errors
    /// A record is larger than a message may be with all that goes with it; there is no memory for
    /// the copies.
    ///
    /// # Panics
    /// If a record does not lie within the memory.
    pub(super) fn measure<'k>(
        &mut self,
        records: impl ExactSizeIterator<Item = OutgoingRecord<'k>>,
        message_bytes_max: usize,
    ) -> Result<usize, Failure> {
        let headers_bytes = records.len() * self.headers.queued_bytes();
        let overhead = self.overhead();
        let (mut keys_bytes, mut largest) = (0, 0);
        for record in records {
            let place = record.place;
            assert!(
                place.start <= place.end && place.end <= self.bytes.len(),
                "records lie within their memory"
            );
            let key_len = record.key.map_or(0, <[u8]>::len);
            keys_bytes += key_len;
            largest = largest.max(place.len() + key_len);
        }
        if largest + overhead > message_bytes_max {
            return Err(Failure::before_enqueue(Fault::RecordTooLarge));
        }
        let copied = 2 * keys_bytes + headers_bytes;
        if copied > 0 && self.permit.grow_by(copied).is_err() {
            return Err(Failure::before_enqueue(Fault::QueueFull));
        }
        Ok(keys_bytes)
    }

    /// What each record takes in a message beside its bytes and key, at most.
    pub(super) fn overhead(&self) -> usize {
        self.headers.wire_bytes() + MESSAGE_OVERHEAD_BYTES
    }
}

/// The time that a message carries for a record's own: the same if the topic takes it, else 0, which
/// librdkafka takes for now.
pub(super) fn carried_time(timestamp_ms: i64, allowed_ms: &RangeInclusive<i64>) -> i64 {
    if allowed_ms.contains(&timestamp_ms) {
        timestamp_ms
    } else {
        0
    }
}

/// The largest message that librdkafka takes, by its own measure, in bytes.
pub(crate) fn message_bytes_max(properties: &[(String, String)]) -> usize {
    let given = property(properties, "message.max.bytes");
    given
        .and_then(|it| it.parse().ok())
        .unwrap_or(MESSAGE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::{
        admission::{Admission, Holder},
        buffer::Pool,
    };

    const SEGMENT: usize = 16 * 1024;

    /// Measures records of these lengths with these keys, one behind the other.
    fn measure(
        headers: Headers,
        records: &[(usize, Option<&[u8]>)],
        message_bytes_max: usize,
        budget: usize,
    ) -> (Result<usize, Failure>, usize) {
        let admission = Rc::new(Admission::new(budget));
        let mut buffer = Rc::new(Pool::default()).take(SEGMENT);
        buffer.append(&[b' '; 1_000]);
        let mut outgoing = Outgoing {
            topic: 0,
            headers,
            bytes: buffer.freeze(0..1_000),
            permit: admission.admit(Holder::UNKNOWN, SEGMENT).expect("room"),
        };
        let mut end = 0;
        let records = records.iter().map(|(len, key)| {
            let start = end;
            end += len;
            OutgoingRecord {
                place: start..end,
                key: *key,
                timestamp_ms: None,
            }
        });
        let measured = outgoing.measure(records, message_bytes_max);
        (measured, admission.in_flight_bytes())
    }

    fn headers() -> Headers {
        let mut headers = Headers::default();
        headers.push("abc", b"12");
        headers
    }

    #[test]
    fn the_largest_message_fits_and_one_byte_more_does_not() {
        let records = [(500, Some(&b"key"[..])), (400, None)];
        let least = 500 + 3 + (3 + 2 + 10) + 36;
        assert_eq!(measure(headers(), &records, least, 1 << 20).0, Ok(3));
        assert_eq!(
            measure(headers(), &records, least - 1, 1 << 20).0,
            Err(Failure::before_enqueue(Fault::RecordTooLarge))
        );
    }

    #[test]
    fn copies_of_keys_and_headers_are_charged() {
        let records = [(1, Some(&b"key"[..])), (1, None), (1, Some(b""))];
        let copied = 2 * 3 + 3 * headers().queued_bytes();
        let measured = measure(headers(), &records, 1_000, SEGMENT + copied);
        assert_eq!(measured, (Ok(3), SEGMENT + copied));
        let full = Err(Failure::before_enqueue(Fault::QueueFull));
        let measured = measure(headers(), &records, 1_000, SEGMENT + copied - 1);
        assert_eq!(measured, (full, SEGMENT));
        let plain = measure(Headers::default(), &[(1, None)], 1_000, SEGMENT);
        assert_eq!(plain, (Ok(0), SEGMENT));
    }

    #[test]
    #[should_panic(expected = "records lie within their memory")]
    fn a_record_beyond_the_memory_is_a_bug_of_ours() {
        let _ = measure(Headers::default(), &[(1_001, None)], 10_000, 1 << 20);
    }

    #[test]
    fn a_time_is_carried_if_the_topic_takes_it() {
        for (time, carried) in [
            (i64::MIN, 0),
            (-1, 0),
            (0, 0),
            (99, 0),
            (100, 100),
            (5_000, 5_000),
            (5_001, 0),
        ] {
            assert_eq!(carried_time(time, &(100..=5_000)), carried, "{time:?}");
        }
    }

    #[test]
    fn the_last_message_bytes_max_of_several_counts() {
        let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let given = [
            property("message.max.bytes", "5"),
            property("acks", "1"),
            property("message.max.bytes", "2000"),
        ];
        assert_eq!(message_bytes_max(&given), 2_000);
        assert_eq!(message_bytes_max(&[]), 1_000_000);
    }
}
