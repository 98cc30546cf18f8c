//! The validator of bodies.

use super::{
    BODY_BYTES_MAX, Format, Rejection, Span, ValidBody, ValidateLimits,
    document::{JsonParser, JsonValue, ParseFailed, RETAINED_BYTES_MAX},
    envelope,
    error::{BodyErrors, ErrorCode, RecordError, RecordErrors, RejectionKind, quote},
    lines,
    record::Records,
    syntax, walk,
};
use crate::model::{OnInvalid, Rules};

/// Validates bodies, reusing its scratch memory; one per worker.
#[derive(Debug)]
pub struct Validator {
    limits: ValidateLimits,
    parser: JsonParser,
    records: Records,
    /// Scratch of the walk: which fields have been seen.
    seen: Vec<u64>,
}

impl Validator {
    /// Maximum scratch memory kept between bodies, in bytes. Scratch that grew beyond it is dropped after
    /// the body, so that one huge body does not pin memory; an ordinary body of 1 MiB stays below. The
    /// list of records (bounded by `records_max`) and the partition keys of the last body are extra.
    pub const SCRATCH_RETAINED_BYTES_MAX: usize = RETAINED_BYTES_MAX;

    /// A validator with empty scratch, which grows with the bodies.
    pub fn new(limits: ValidateLimits) -> Self {
        Self {
            limits,
            parser: JsonParser::new(limits.json_depth_max),
            records: Records::default(),
            seen: Vec::new(),
        }
    }

    /// Maximum memory of a validator, in bytes: about 40 times the longest body, reached by bodies such as
    /// `[1,1,1,…]`; about 8 times is usual.
    pub const fn scratch_bytes_max(limits: ValidateLimits, body_bytes_max: usize) -> usize {
        // A Vec doubles, and holds half of that again while growing; a record is valid or invalid.
        let records = limits
            .records_max
            .saturating_mul(3 * (Records::ENTRY_BYTES + size_of::<(usize, Span)>()));
        JsonParser::scratch_bytes_max(body_bytes_max)
            .saturating_add(records)
            .saturating_add(body_bytes_max.saturating_mul(3))
    }

    /// Validates a body: returns the valid records, and the errors of the others.
    ///
    /// A single record or a line that is too long is rejected without parsing it.
    ///
    /// # Errors
    /// [`Rejection`]: always a client error. A body that is not JSON or has too many records has one
    /// error; otherwise all errors of each invalid record or line are found. With
    /// [`OnInvalid::AcceptValid`] only if no record is valid, or if the body is rejected as a whole.
    ///
    /// # Panics
    /// If the body is longer than [`BODY_BYTES_MAX`]; `body_bytes_max` must prevent that.
    pub fn validate(
        &mut self,
        body: &[u8],
        format: Format,
        rules: &Rules,
    ) -> Result<ValidBody<'_>, Rejection> {
        assert!(body.len() <= BODY_BYTES_MAX, "offsets have 32 bits");
        self.records.clear();
        let result = match format {
            Format::Json => self.json(body, rules),
            Format::Ndjson => self.ndjson(body, rules),
        };
        self.parser.release_outsized();
        match (result?, rules.on_invalid) {
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

    /// Validates the bytes of a single record; `None` if it is valid. Offsets are relative to its first
    /// byte, and its index is 0.
    pub fn validate_record(&mut self, record: &[u8], rules: &Rules) -> Option<Rejection> {
        self.records.clear();
        let (mut validation, parser) = self.start(record, rules);
        validation.line(lines::trim(record, 0, record.len()), parser);
        let rejection = validation.rejection();
        self.parser.release_outsized();
        rejection
    }

    fn start<'v>(
        &'v mut self,
        body: &'v [u8],
        rules: &'v Rules,
    ) -> (BodyValidation<'v>, &'v mut JsonParser) {
        let validation = BodyValidation {
            limits: self.limits,
            rules,
            body,
            count: 0,
            records: &mut self.records,
            seen: &mut self.seen,
            errors: BodyErrors::new(body),
        };
        (validation, &mut self.parser)
    }

    fn json(&mut self, body: &[u8], rules: &Rules) -> Result<Option<Rejection>, Rejection> {
        let text = lines::trim(body, 0, body.len());
        let (json, base) = (text.of(body), text.offset as usize);
        if json.is_empty() {
            return Err(BodyErrors::reject(body, 0, empty_body()));
        }
        let limits = self.limits;
        let (mut validation, parser) = self.start(body, rules);
        if json.starts_with(b"{") && json.len() > limits.record_bytes_max {
            validation.too_large(text);
            return Ok(validation.rejection());
        }
        let within_limit = parser.parse(json, |root| match root.elements() {
            None => {
                validation.value(root, base);
                true
            }
            Some(elements) if elements.len() > limits.records_max => false,
            Some(elements) => {
                elements.for_each(|element| validation.value(&element, base));
                true
            }
        });
        let (index, error) = match within_limit {
            Ok(true) => return Ok(validation.rejection()),
            Ok(false) => (limits.records_max, too_many_records(base, limits)),
            Err(ParseFailed) => {
                let (index, error) = syntax::first_error(json, limits.json_depth_max);
                (index, error.shifted_by(base))
            }
        };
        Err(BodyErrors::reject(body, index, error))
    }

    fn ndjson(&mut self, body: &[u8], rules: &Rules) -> Result<Option<Rejection>, Rejection> {
        let limits = self.limits;
        let (mut validation, parser) = self.start(body, rules);
        for line in lines::non_empty(body) {
            if validation.count == limits.records_max {
                let error = too_many_records(line.offset as usize, limits);
                return Err(BodyErrors::reject(body, validation.count, error));
            }
            validation.line(line, parser);
        }
        if validation.count == 0 {
            return Err(BodyErrors::reject(body, 0, empty_body()));
        }
        Ok(validation.rejection())
    }
}

/// The validation of one body in progress.
struct BodyValidation<'a> {
    limits: ValidateLimits,
    rules: &'a Rules,
    body: &'a [u8],
    /// Records validated so far, valid or not.
    count: usize,
    /// The valid ones.
    records: &'a mut Records,
    seen: &'a mut Vec<u64>,
    errors: BodyErrors<'a>,
}

impl BodyValidation<'_> {
    /// Validates the next record: a line or a whole text, trimmed.
    fn line(&mut self, line: Span, parser: &mut JsonParser) {
        let (json, base) = (line.of(self.body), line.offset as usize);
        if json.len() > self.limits.record_bytes_max {
            return self.too_large(line);
        }
        let parsed = parser.parse(json, |root| self.value(root, base));
        parsed.unwrap_or_else(|ParseFailed| self.invalid_line(line));
    }

    /// Validates the next record: `value` of a text that starts at offset `base` in the body.
    fn value(&mut self, value: &JsonValue<'_>, base: usize) {
        let span = value.span(base);
        if !value.is_object() {
            let error = || not_an_object(value, span.offset as usize);
            self.errors
                .push(self.count, span, RejectionKind::Invalid, error);
        } else if span.len as usize > self.limits.record_bytes_max {
            return self.too_large(span);
        } else {
            self.object(value, span, base);
        }
        self.count += 1;
    }

    fn object(&mut self, record: &JsonValue<'_>, span: Span, base: usize) {
        let rules = self.rules;
        let mut errors = RecordErrors::new(self.errors.capacity());
        if let Some(program) = rules.program() {
            walk::validate(record, program, self.seen, &mut errors);
        }
        let key = rules.partition_key.as_deref();
        let key = key.map(|names| envelope::key(record, names, rules, &mut errors));
        let timestamp_ms = rules.timestamp_field.as_deref();
        let timestamp_ms =
            timestamp_ms.map(|names| envelope::timestamp_ms(record, names, rules, &mut errors));
        if errors.total > 0 {
            return self.errors.extend(self.count, span, base, errors);
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
        let error = || record_too_large(record, self.limits);
        self.errors
            .push(self.count, record, RejectionKind::TooLarge, error);
        self.count += 1;
    }

    /// Records a line that is not valid JSON.
    fn invalid_line(&mut self, line: Span) {
        let error = || {
            let (_, error) = syntax::first_error(line.of(self.body), self.limits.json_depth_max);
            error.shifted_by(line.offset as usize)
        };
        self.errors
            .push(self.count, line, RejectionKind::Invalid, error);
        self.count += 1;
    }

    fn rejection(self) -> Option<Rejection> {
        self.errors.rejection(self.count)
    }
}

fn empty_body() -> RecordError {
    let message = "expected at least one record, found an empty body";
    RecordError::new(0, ErrorCode::EmptyBody, String::from(message))
}

fn not_an_object(value: &JsonValue<'_>, offset: usize) -> RecordError {
    let (kind, found) = (value.kind(), quote(value.text()));
    let message = format!("expected an object, found {kind}: {found}");
    RecordError::new(offset, ErrorCode::NotAnObject, message)
}

fn record_too_large(record: Span, limits: ValidateLimits) -> RecordError {
    let (len, max) = (record.len, limits.record_bytes_max);
    let message = format!("expected at most {max} bytes per record, found {len}");
    RecordError::new(record.offset as usize, ErrorCode::RecordTooLarge, message)
}

fn too_many_records(offset: usize, limits: ValidateLimits) -> RecordError {
    let max = limits.records_max;
    let message = format!("expected at most {max} records per request, found more");
    RecordError::new(offset, ErrorCode::TooManyRecords, message)
}
