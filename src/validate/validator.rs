//! The stage itself.

use super::{
    BODY_BYTES_MAX, Format, Rejection, Span, ValidBody, ValidateLimits,
    document::{Parser, RETAINED_BYTES_MAX, Refused, Value},
    fault::{Cause, FaultCode, Faults, RejectionKind, quote},
    lines, syntax,
};
use crate::model::Rules;

/// Validates one body after another with scratch that it keeps; one a worker.
#[derive(Debug)]
pub struct Validator {
    limits: ValidateLimits,
    parser: Parser,
    records: Vec<Span>,
}

impl Validator {
    /// What the scratch may keep from one body to the next, in bytes. A body that took more has it
    /// dropped afterwards, so that one huge body does not pin memory for ever; an ordinary one of
    /// 1 MiB stays below. The spans come on top, by `records_max`.
    pub const SCRATCH_RETAINED_BYTES_MAX: usize = RETAINED_BYTES_MAX;

    /// A validator whose scratch is empty and grows with the bodies it sees.
    pub fn new(limits: ValidateLimits) -> Self {
        Self {
            limits,
            parser: Parser::new(limits.json_depth_max),
            records: Vec::new(),
        }
    }

    /// The most memory that a validator takes, in bytes: some 40 times the longest body, reached by
    /// such as `[1,1,1,…]`; 8 times is usual.
    pub const fn scratch_bytes_max(limits: ValidateLimits, body_bytes_max: usize) -> usize {
        // A span a record, its Vec doubled, and half of it again while it grows.
        let spans = limits.records_max.saturating_mul(3 * size_of::<Span>());
        Parser::scratch_bytes_max(body_bytes_max).saturating_add(spans)
    }

    /// Judges a whole body: the spans of its records, if each is valid and within the limits.
    ///
    /// A single record or a line that is too long is refused without a look at what it holds.
    ///
    /// # Errors
    /// [`Rejection`]: always the client's fault. A body that is not JSON has one fault, and so has
    /// one with too many records; else each faulty record or line has one.
    ///
    /// # Panics
    /// If the body is longer than [`BODY_BYTES_MAX`]: `body_bytes_max` has to rule that out.
    pub fn validate(
        &mut self,
        body: &[u8],
        format: Format,
        _rules: &Rules,
    ) -> Result<ValidBody<'_>, Rejection> {
        assert!(body.len() <= BODY_BYTES_MAX, "offsets have 32 bits");
        self.records.clear();
        let verdict = match format {
            Format::Json => self.json(body),
            Format::Ndjson => self.ndjson(body),
        };
        self.parser.release_outsized();
        verdict.map(|()| ValidBody {
            spans: &self.records,
            rejection: None,
        })
    }

    fn json(&mut self, body: &[u8]) -> Result<(), Rejection> {
        let text = lines::trim(body, 0, body.len());
        let (json, base) = (text.of(body), text.offset as usize);
        if json.is_empty() {
            return Err(Faults::refuse(body, 0, empty_body()));
        }
        let mut judge = Judge::new(self.limits, body, &mut self.records);
        if json.starts_with(b"{") && json.len() > self.limits.record_bytes_max {
            judge.too_large(text);
            return judge.verdict();
        }
        let records_max = self.limits.records_max;
        let within_limit = self.parser.parse(json, |root| match root.elements() {
            None => {
                judge.value(root, base);
                true
            }
            Some(elements) if elements.len() > records_max => false,
            Some(elements) => {
                elements.for_each(|element| judge.value(&element, base));
                true
            }
        });
        let (index, cause) = match within_limit {
            Ok(true) => return judge.verdict(),
            Ok(false) => (records_max, too_many_records(base, self.limits)),
            Err(Refused) => {
                let (index, cause) = syntax::explain(json, self.limits.json_depth_max);
                (index, cause.after(base))
            }
        };
        Err(Faults::refuse(body, index, cause))
    }

    fn ndjson(&mut self, body: &[u8]) -> Result<(), Rejection> {
        let mut judge = Judge::new(self.limits, body, &mut self.records);
        for line in lines::non_empty(body) {
            let (json, base) = (line.of(body), line.offset as usize);
            if judge.count == self.limits.records_max {
                let cause = too_many_records(base, self.limits);
                return Err(Faults::refuse(body, judge.count, cause));
            }
            if json.len() > self.limits.record_bytes_max {
                judge.too_large(line);
                continue;
            }
            let parsed = self.parser.parse(json, |root| judge.value(root, base));
            parsed.unwrap_or_else(|Refused| judge.unreadable(line));
        }
        if judge.count == 0 {
            return Err(Faults::refuse(body, 0, empty_body()));
        }
        judge.verdict()
    }
}

/// What is known of one body so far.
struct Judge<'a> {
    limits: ValidateLimits,
    body: &'a [u8],
    /// Records judged, good and bad.
    count: usize,
    /// The good ones.
    records: &'a mut Vec<Span>,
    faults: Faults<'a>,
}

impl<'a> Judge<'a> {
    fn new(limits: ValidateLimits, body: &'a [u8], records: &'a mut Vec<Span>) -> Self {
        Self {
            limits,
            body,
            count: 0,
            records,
            faults: Faults::new(body),
        }
    }

    /// Judges the next record: `value` of a text that starts `base` bytes into the body.
    fn value(&mut self, value: &Value<'_>, base: usize) {
        let span = value.span(base);
        if !value.is_object() {
            let cause = || not_an_object(value, span.offset as usize);
            self.faults.push(self.count, RejectionKind::Invalid, cause);
        } else if span.len as usize > self.limits.record_bytes_max {
            return self.too_large(span);
        } else {
            self.records.push(span);
        }
        self.count += 1;
    }

    fn too_large(&mut self, record: Span) {
        let cause = || record_too_large(record, self.limits);
        self.faults.push(self.count, RejectionKind::TooLarge, cause);
        self.count += 1;
    }

    /// The next record is a line that simd-json refused.
    fn unreadable(&mut self, line: Span) {
        let cause = || {
            let (_, cause) = syntax::explain(line.of(self.body), self.limits.json_depth_max);
            cause.after(line.offset as usize)
        };
        self.faults.push(self.count, RejectionKind::Invalid, cause);
        self.count += 1;
    }

    fn verdict(self) -> Result<(), Rejection> {
        self.faults.verdict(self.count)
    }
}

fn empty_body() -> Cause {
    Cause {
        offset: 0,
        code: FaultCode::EmptyBody,
        message: String::from("expected at least one record, found nothing"),
    }
}

fn not_an_object(value: &Value<'_>, offset: usize) -> Cause {
    let (kind, found) = (value.kind(), quote(value.text()));
    Cause {
        offset,
        code: FaultCode::NotAnObject,
        message: format!("expected an object, found {kind}: {found}"),
    }
}

fn record_too_large(record: Span, limits: ValidateLimits) -> Cause {
    let (len, max) = (record.len, limits.record_bytes_max);
    Cause {
        offset: record.offset as usize,
        code: FaultCode::RecordTooLarge,
        message: format!("expected at most {max} bytes a record, found {len}"),
    }
}

fn too_many_records(offset: usize, limits: ValidateLimits) -> Cause {
    let max = limits.records_max;
    Cause {
        offset,
        code: FaultCode::TooManyRecords,
        message: format!("expected at most {max} records a request, found more"),
    }
}
