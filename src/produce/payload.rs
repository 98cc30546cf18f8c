//! What librdkafka is handed of a request: the memory that its records are in, and where in there
//! each is.

use std::{ops::Range, rc::Rc};

use crate::{
    admission::{AdmissionError, Permit},
    buffer::{Frozen, Pool, ReadBuffer, segment_capacity},
    model::SchemaPrefix,
    validate::{Span, ValidBody},
};

/// The records of a request, in memory that stays as it is until their delivery reports.
pub struct Payloads {
    pub(super) memory: Frozen,
    pub(super) permit: Permit,
    pub(super) places: Places,
}

/// From the records' spans in the body, one after the other, to their places in the memory.
#[derive(Clone, Copy)]
pub(super) struct Places {
    /// Bytes before each record that go with it. Where there are any, the memory holds nothing else
    /// than the records with these, one behind the other; else it is the body.
    prefix_bytes: usize,
    /// Where the next one begins.
    end: usize,
}

impl Places {
    fn with_prefix(prefix_bytes: usize) -> Self {
        Self {
            prefix_bytes,
            end: 0,
        }
    }

    /// The next record's.
    pub(super) fn next(&mut self, span: Span) -> Range<usize> {
        let (offset, len) = (span.offset as usize, span.len as usize);
        if self.prefix_bytes == 0 {
            return offset..offset + len;
        }
        let start = self.end;
        self.end += self.prefix_bytes + len;
        start..self.end
    }
}

impl Payloads {
    /// Records of `body` as they are in there.
    pub fn as_received(body: Frozen, permit: Permit) -> Self {
        Self {
            memory: body,
            permit,
            places: Places::with_prefix(0),
        }
    }

    /// The only record of its body with the prefix before it, which takes the place of the bytes
    /// there: the record is not copied. `record` is where it is in `buffer`.
    ///
    /// # Errors
    /// The permit, unused, where there is no room, or what is there may still be read.
    pub fn prefixed_in_place(
        prefix: SchemaPrefix,
        buffer: &mut ReadBuffer,
        record: Range<usize>,
        permit: Permit,
    ) -> Result<Self, Permit> {
        if !buffer.write_before(record.start, &prefix) {
            return Err(permit);
        }
        Ok(Self {
            memory: buffer.freeze(record.start - prefix.len()..record.end),
            permit,
            places: Places::with_prefix(prefix.len()),
        })
    }

    /// Copies of the records, each with the prefix before it, in a segment of their own. What that
    /// costs for an array of 1,000 records of 293 bytes: 14 ns a record (the bench `stages`, on a
    /// shared 2-core AMD EPYC), and the memory once more until the body is let go.
    ///
    /// # Errors
    /// [`AdmissionError`]: no memory for the copies, beside that of the body's permit.
    pub fn prefixed_copies(
        prefix: SchemaPrefix,
        body: &[u8],
        records: &ValidBody<'_>,
        pool: &Rc<Pool>,
        body_permit: &Permit,
    ) -> Result<Self, AdmissionError> {
        let spans = || records.records().map(|record| record.span);
        let len = spans().map(|span| prefix.len() + span.len as usize).sum();
        let permit = body_permit.another(segment_capacity(len))?;
        let mut copies = pool.take(len);
        for span in spans() {
            copies.append(&prefix);
            copies.append(span.of(body));
        }
        Ok(Self {
            memory: copies.freeze(0..len),
            permit,
            places: Places::with_prefix(prefix.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        admission::{Admission, Holder},
        model::Rules,
        validate::{Format, ValidateLimits, Validator},
    };

    const PREFIX: SchemaPrefix = [0, 1, 2, 3, 4];
    const LIMITS: ValidateLimits = ValidateLimits {
        record_bytes_max: 100,
        records_max: 100,
        json_depth_max: 8,
    };

    /// As librdkafka gets them.
    fn records(payloads: &Payloads, records: &ValidBody<'_>) -> Vec<Vec<u8>> {
        let memory = payloads.memory.bytes();
        let mut places = payloads.places;
        let spans = records.records().map(|record| record.span);
        spans
            .map(|span| memory[places.next(span)].to_vec())
            .collect()
    }

    #[test]
    fn copies_have_the_prefix_and_nothing_between_them() {
        let body = br#" [ {"a":1} , {} ] "#;
        let mut validator = Validator::new(LIMITS);
        let valid = validator.validate(body, Format::Json, &Rules::any());
        let valid = valid.expect("valid");
        let (pool, admission) = (Rc::default(), Rc::new(Admission::new(1 << 20)));
        let permit = admission.admit(Holder::UNKNOWN, 1).expect("room");
        let payloads = Payloads::prefixed_copies(PREFIX, body, &valid, &pool, &permit);
        let payloads = payloads.expect("room");
        assert_eq!(admission.in_flight_bytes(), 1 + segment_capacity(19));
        let first = [&PREFIX[..], br#"{"a":1}"#].concat();
        let second = [&PREFIX[..], b"{}"].concat();
        assert_eq!(payloads.memory.len(), first.len() + second.len());
        assert_eq!(records(&payloads, &valid), [first, second]);

        let none = Rc::new(Admission::new(segment_capacity(19)));
        let permit = none.admit(Holder::UNKNOWN, 1).expect("room");
        let refused = Payloads::prefixed_copies(PREFIX, body, &valid, &pool, &permit);
        assert_eq!(refused.err(), Some(AdmissionError));
    }

    #[test]
    fn the_only_record_stays_where_it_is() {
        let request = br#"POST / HTTP/1.1 [ {"a":1} ]"#;
        let mut buffer = Rc::new(Pool::default()).take(1);
        buffer.append(request);
        let body = 16..request.len();
        let mut validator = Validator::new(LIMITS);
        let valid = validator.validate(buffer.bytes(body), Format::Json, &Rules::any());
        let valid = valid.expect("valid");
        let address = buffer.bytes(18..18).as_ptr();
        let permit = Rc::new(Admission::new(1))
            .admit(Holder::UNKNOWN, 1)
            .expect("room");
        let payloads = Payloads::prefixed_in_place(PREFIX, &mut buffer, 18..25, permit);
        let payloads = payloads.expect("what is before it is not read any more");
        let record = [&PREFIX[..], br#"{"a":1}"#].concat();
        assert_eq!(records(&payloads, &valid), [record]);
        assert_eq!(payloads.memory.as_ptr().wrapping_add(5), address);
    }
}
