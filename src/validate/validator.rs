//! The stage itself.

use super::{
    BODY_BYTES_MAX, Format, Rejection, Span, ValidBody, ValidateLimits,
    document::{Parser, RETAINED_BYTES_MAX, Refused, Value},
    envelope,
    fault::{Cause, Causes, FaultCode, Faults, RejectionKind, quote},
    lines,
    record::Records,
    syntax, walk,
};
use crate::model::{OnInvalid, Rules};

/// Validates one body after another with scratch that it keeps; one a worker.
#[derive(Debug)]
pub struct Validator {
    limits: ValidateLimits,
    parser: Parser,
    records: Records,
    /// For the walk: which fields have been met.
    seen: Vec<u64>,
}

impl Validator {
    /// What the scratch may keep from one body to the next, in bytes. A body that took more has it
    /// dropped afterwards, so that one huge body does not pin memory for ever; an ordinary one of
    /// 1 MiB stays below. The list of records comes on top, by `records_max`, and the partition keys
    /// of the last body.
    pub const SCRATCH_RETAINED_BYTES_MAX: usize = RETAINED_BYTES_MAX;

    /// A validator whose scratch is empty and grows with the bodies it sees.
    pub fn new(limits: ValidateLimits) -> Self {
        Self {
            limits,
            parser: Parser::new(limits.json_depth_max),
            records: Records::default(),
            seen: Vec::new(),
        }
    }

    /// The most memory that a validator takes, in bytes: some 40 times the longest body, reached by
    /// such as `[1,1,1,…]`; 8 times is usual.
    pub const fn scratch_bytes_max(limits: ValidateLimits, body_bytes_max: usize) -> usize {
        // A Vec doubles, and has half of it again while it grows; a record is good or faulty.
        let records = limits
            .records_max
            .saturating_mul(3 * (Records::ENTRY_BYTES + size_of::<(usize, Span)>()));
        Parser::scratch_bytes_max(body_bytes_max)
            .saturating_add(records)
            .saturating_add(body_bytes_max.saturating_mul(3))
    }

    /// Judges a whole body: the valid records, and what is wrong with the others.
    ///
    /// A single record or a line that is too long is refused without a look at what it holds.
    ///
    /// # Errors
    /// [`Rejection`]: always the client's fault. A body that is not JSON has one fault, and so has
    /// one with too many records; else each faulty record or line has all of its own. With
    /// [`OnInvalid::AcceptValid`] only if no record is valid, or if the body is refused as a whole.
    ///
    /// # Panics
    /// If the body is longer than [`BODY_BYTES_MAX`]: `body_bytes_max` has to rule that out.
    pub fn validate(
        &mut self,
        body: &[u8],
        format: Format,
        rules: &Rules,
    ) -> Result<ValidBody<'_>, Rejection> {
        assert!(body.len() <= BODY_BYTES_MAX, "offsets have 32 bits");
        self.records.clear();
        let verdict = match format {
            Format::Json => self.json(body, rules),
            Format::Ndjson => self.ndjson(body, rules),
        };
        self.parser.release_outsized();
        match (verdict?, rules.on_invalid) {
            (Some(rejection), OnInvalid::RejectAll) => Err(rejection),
            (Some(rejection), OnInvalid::AcceptValid) if self.records.accepted.is_empty() => {
                Err(rejection)
            }
            (rejection, _) => Ok(ValidBody {
                records: &self.records,
                rejection,
            }),
        }
    }

    /// What is wrong with the bytes of one record, wherever they come from; `None` if nothing is.
    /// Offsets count from its first byte, and its index is 0.
    pub fn explain(&mut self, record: &[u8], rules: &Rules) -> Option<Rejection> {
        self.records.clear();
        let (mut judge, parser) = self.judge(record, rules);
        judge.line(lines::trim(record, 0, record.len()), parser);
        let rejection = judge.rejection();
        self.parser.release_outsized();
        rejection
    }

    fn judge<'j>(&'j mut self, body: &'j [u8], rules: &'j Rules) -> (Judge<'j>, &'j mut Parser) {
        let judge = Judge {
            limits: self.limits,
            rules,
            body,
            count: 0,
            records: &mut self.records,
            seen: &mut self.seen,
            faults: Faults::new(body),
        };
        (judge, &mut self.parser)
    }

    fn json(&mut self, body: &[u8], rules: &Rules) -> Result<Option<Rejection>, Rejection> {
        let text = lines::trim(body, 0, body.len());
        let (json, base) = (text.of(body), text.offset as usize);
        if json.is_empty() {
            return Err(Faults::refuse(body, 0, empty_body()));
        }
        let limits = self.limits;
        let (mut judge, parser) = self.judge(body, rules);
        if json.starts_with(b"{") && json.len() > limits.record_bytes_max {
            judge.too_large(text);
            return Ok(judge.rejection());
        }
        let within_limit = parser.parse(json, |root| match root.elements() {
            None => {
                judge.value(root, base);
                true
            }
            Some(elements) if elements.len() > limits.records_max => false,
            Some(elements) => {
                elements.for_each(|element| judge.value(&element, base));
                true
            }
        });
        let (index, cause) = match within_limit {
            Ok(true) => return Ok(judge.rejection()),
            Ok(false) => (limits.records_max, too_many_records(base, limits)),
            Err(Refused) => {
                let (index, cause) = syntax::explain(json, limits.json_depth_max);
                (index, cause.after(base))
            }
        };
        Err(Faults::refuse(body, index, cause))
    }

    fn ndjson(&mut self, body: &[u8], rules: &Rules) -> Result<Option<Rejection>, Rejection> {
        let limits = self.limits;
        let (mut judge, parser) = self.judge(body, rules);
        for line in lines::non_empty(body) {
            if judge.count == limits.records_max {
                let cause = too_many_records(line.offset as usize, limits);
                return Err(Faults::refuse(body, judge.count, cause));
            }
            judge.line(line, parser);
        }
        if judge.count == 0 {
            return Err(Faults::refuse(body, 0, empty_body()));
        }
        Ok(judge.rejection())
    }
}

/// What is known of one body so far.
struct Judge<'a> {
    limits: ValidateLimits,
    rules: &'a Rules,
    body: &'a [u8],
    /// Records judged, good and bad.
    count: usize,
    /// The good ones.
    records: &'a mut Records,
    seen: &'a mut Vec<u64>,
    faults: Faults<'a>,
}

impl Judge<'_> {
    /// Judges the next record: a text of its own, without whitespace around it.
    fn line(&mut self, line: Span, parser: &mut Parser) {
        let (json, base) = (line.of(self.body), line.offset as usize);
        if json.len() > self.limits.record_bytes_max {
            return self.too_large(line);
        }
        let parsed = parser.parse(json, |root| self.value(root, base));
        parsed.unwrap_or_else(|Refused| self.unreadable(line));
    }

    /// Judges the next record: `value` of a text that starts `base` bytes into the body.
    fn value(&mut self, value: &Value<'_>, base: usize) {
        let span = value.span(base);
        if !value.is_object() {
            let cause = || not_an_object(value, span.offset as usize);
            self.faults
                .push(self.count, span, RejectionKind::Invalid, cause);
        } else if span.len as usize > self.limits.record_bytes_max {
            return self.too_large(span);
        } else {
            self.object(value, span, base);
        }
        self.count += 1;
    }

    fn object(&mut self, record: &Value<'_>, span: Span, base: usize) {
        let rules = self.rules;
        let mut causes = Causes::new(self.faults.room());
        if let Some(program) = rules.program() {
            walk::judge(record, program, self.seen, &mut causes);
        }
        let key = rules.partition_key.as_deref();
        let key = key.map(|names| envelope::key(record, names, rules, &mut causes));
        let timestamp_ms = rules.timestamp_field.as_deref();
        let timestamp_ms =
            timestamp_ms.map(|names| envelope::timestamp_ms(record, names, rules, &mut causes));
        if causes.total > 0 {
            return self.faults.extend(self.count, span, base, causes);
        }
        self.records.push(self.count, span);
        if let Some(key) = key {
            self.records.push_key(key);
        }
        if let Some(timestamp_ms) = timestamp_ms {
            self.records.push_timestamp(timestamp_ms);
        }
    }

    fn too_large(&mut self, record: Span) {
        let cause = || record_too_large(record, self.limits);
        self.faults
            .push(self.count, record, RejectionKind::TooLarge, cause);
        self.count += 1;
    }

    /// The next record is a line that simd-json refused.
    fn unreadable(&mut self, line: Span) {
        let cause = || {
            let (_, cause) = syntax::explain(line.of(self.body), self.limits.json_depth_max);
            cause.after(line.offset as usize)
        };
        self.faults
            .push(self.count, line, RejectionKind::Invalid, cause);
        self.count += 1;
    }

    fn rejection(self) -> Option<Rejection> {
        self.faults.rejection(self.count)
    }
}

fn empty_body() -> Cause {
    let message = "expected at least one record, found an empty body";
    Cause::new(0, FaultCode::EmptyBody, String::from(message))
}

fn not_an_object(value: &Value<'_>, offset: usize) -> Cause {
    let (kind, found) = (value.kind(), quote(value.text()));
    let message = format!("expected an object, found {kind}: {found}");
    Cause::new(offset, FaultCode::NotAnObject, message)
}

fn record_too_large(record: Span, limits: ValidateLimits) -> Cause {
    let (len, max) = (record.len, limits.record_bytes_max);
    let message = format!("expected at most {max} bytes per record, found {len}");
    Cause::new(record.offset as usize, FaultCode::RecordTooLarge, message)
}

fn too_many_records(offset: usize, limits: ValidateLimits) -> Cause {
    let max = limits.records_max;
    let message = format!("expected at most {max} records per request, found more");
    Cause::new(offset, FaultCode::TooManyRecords, message)
}
