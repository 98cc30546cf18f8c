//! The validator of bodies.

use super::{
    BODY_BYTES_MAX, Format, Rejection, Span, ValidBody, ValidateLimits,
    direct::Order,
    document::JsonParser,
    record::Records,
    split,
    validation::{Input, Step, Validation},
};
use crate::model::Rules;

/// Validates bodies, reusing its scratch memory; one per worker.
#[derive(Debug)]
pub struct Validator {
    scratch: Scratch,
    /// The validation of the last body that was validated at once.
    validation: Validation,
}

/// Maximum scratch of the parser of short bodies, in bytes: it is kept.
const SHORT_BYTES_MAX: usize = JsonParser::scratch_bytes_max(split::PART_BYTES, 0);

/// Maximum scratch that the other one keeps.
const LONG_RETAINED_BYTES_MAX: usize = Validator::SCRATCH_RETAINED_BYTES_MAX - SHORT_BYTES_MAX;

#[derive(Debug)]
struct Scratch {
    limits: ValidateLimits,
    by_tape: bool,
    parser: JsonParser,
    /// For bodies longer than a part: its memory is given back behind each of them, if it is much, and
    /// never by a short one in between.
    long_parser: JsonParser,
    /// Which fields have been seen.
    seen: Vec<u64>,
    order: Order,
}

impl Validator {
    /// Maximum scratch memory kept between bodies, in bytes. Scratch that grew beyond it is dropped after
    /// the body, so that one huge body does not pin memory; an ordinary body of 1 MiB stays below. The
    /// list of records (bounded by `records_max`) and the partition keys of the last body are extra.
    pub const SCRATCH_RETAINED_BYTES_MAX: usize = 12 << 20;

    /// A validator with empty scratch, which grows with the bodies.
    pub fn new(limits: ValidateLimits) -> Self {
        Self {
            scratch: Scratch {
                limits,
                by_tape: false,
                parser: JsonParser::new(limits.json_depth_max),
                long_parser: JsonParser::new(limits.json_depth_max),
                seen: Vec::new(),
                order: Order::default(),
            },
            validation: Validation::new(Format::Json),
        }
    }

    /// One that never accepts a record without a tape, so that the two can be compared: it finds the same.
    pub fn by_tape(limits: ValidateLimits) -> Self {
        let mut validator = Self::new(limits);
        validator.scratch.by_tape = true;
        validator
    }

    /// Bodies longer than this should be validated in steps, so that other requests are served in between.
    pub const STEP_BYTES: usize = split::PART_BYTES;

    /// Maximum memory of the [lists](Validation::lists_bytes) of one validation, in bytes.
    pub const fn lists_bytes_max(limits: ValidateLimits, body_bytes_max: usize) -> usize {
        Self::records_bytes_max(limits, body_bytes_max).saturating_add(body_bytes_max)
    }

    /// The same without the records' keys.
    const fn records_bytes_max(limits: ValidateLimits, body_bytes_max: usize) -> usize {
        // A valid record has two bytes and a separator, an invalid one at least one byte. A Vec doubles.
        let valid = min(limits.records_max, body_bytes_max / 3 + 1);
        let invalid = min(limits.records_max, body_bytes_max / 2 + 1);
        max(
            valid.saturating_mul(2 * Records::ENTRY_BYTES),
            invalid.saturating_mul(2 * size_of::<(usize, Span)>()),
        )
    }

    /// Maximum memory of a validator, in bytes: about 40 times the longest record or
    /// [`STEP_BYTES`](Self::STEP_BYTES), reached by records such as `{"a":[1,1,1,…]}`; about 8 times is
    /// usual. The lists of long validations in progress, as long as all of them together have no more than
    /// the longest ones of a single validation, come on top.
    pub const fn scratch_bytes_max(limits: ValidateLimits, body_bytes_max: usize) -> usize {
        // While a list grows there is another one of twice the size, which is not counted yet.
        let lists = Self::lists_bytes_max(limits, body_bytes_max).saturating_mul(2);
        let short = Self::lists_bytes_max(limits, split::PART_BYTES);
        let parsed = Self::parsed_bytes_max(limits, body_bytes_max);
        JsonParser::scratch_bytes_max(parsed, LONG_RETAINED_BYTES_MAX)
            .saturating_add(SHORT_BYTES_MAX)
            .saturating_add(lists)
            .saturating_add(short)
    }

    /// How much of [`scratch_bytes_max`](Self::scratch_bytes_max) is ever touched, and so resident.
    pub const fn resident_bytes_max(limits: ValidateLimits, body_bytes_max: usize) -> usize {
        // Of the list that is twice as large, a half is touched; keys have no more than the body's bytes.
        let lists = Self::lists_bytes_max(limits, body_bytes_max)
            .saturating_add(Self::records_bytes_max(limits, body_bytes_max) / 2)
            .saturating_add(body_bytes_max);
        let short = Self::lists_bytes_max(limits, split::PART_BYTES);
        let parsed = Self::parsed_bytes_max(limits, body_bytes_max);
        JsonParser::resident_bytes_max(parsed, LONG_RETAINED_BYTES_MAX)
            .saturating_add(JsonParser::resident_bytes_max(split::PART_BYTES, 0))
            .saturating_add(lists)
            .saturating_add(short)
    }

    /// The longest text that is parsed at once.
    const fn parsed_bytes_max(limits: ValidateLimits, body_bytes_max: usize) -> usize {
        min(
            split::part_bytes_max(limits.record_bytes_max),
            body_bytes_max,
        )
    }

    /// Validates a body: returns the valid records, and the errors of the others.
    ///
    /// A single record or a line that is too long is rejected without parsing it.
    ///
    /// # Errors
    /// [`Rejection`]: always a client error. A body that is not JSON or has too many records has one
    /// error; otherwise all errors of each invalid record or line are found, or, where one of them rejects
    /// the body, the first [`COUNTED_MAX`](super::COUNTED_MAX). With [`OnInvalid::AcceptValid`] only if no
    /// record is valid, or if the body is rejected as a whole.
    ///
    /// [`OnInvalid::AcceptValid`]: crate::model::OnInvalid::AcceptValid
    ///
    /// # Panics
    /// If the body is longer than [`BODY_BYTES_MAX`]; `body_bytes_max` must prevent that.
    pub fn validate(
        &mut self,
        body: &[u8],
        format: Format,
        rules: &Rules,
    ) -> Result<ValidBody<'_>, Rejection> {
        let Self {
            scratch,
            validation,
        } = self;
        validation.restart(format);
        while !scratch.advance(validation, body, rules) {}
        validation.result(rules)
    }

    /// Takes a validation a step further: a millisecond or so, or one record. Returns whether it is
    /// complete. Every step must have the same body and rules.
    ///
    /// # Panics
    /// If the body is longer than [`BODY_BYTES_MAX`].
    pub fn advance(&mut self, validation: &mut Validation, body: &[u8], rules: &Rules) -> bool {
        self.scratch.advance(validation, body, rules)
    }

    /// Validates the bytes of a single record; `None` if it is valid. Offsets are relative to its first
    /// byte, and its index is 0.
    pub fn validate_record(&mut self, record: &[u8], rules: &Rules) -> Option<Rejection> {
        let Self {
            scratch,
            validation,
        } = self;
        validation.restart(Format::Json);
        let rejection = validation.record(&mut scratch.step(record, rules));
        scratch.release_outsized(record);
        rejection
    }
}

/// [`Ord::min`] and [`Ord::max`] are not const.
const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

const fn max(a: usize, b: usize) -> usize {
    if a < b { b } else { a }
}

impl Scratch {
    fn step<'s>(&'s mut self, body: &'s [u8], rules: &'s Rules) -> Step<'s> {
        Step {
            parser: if body.len() > split::PART_BYTES {
                &mut self.long_parser
            } else {
                &mut self.parser
            },
            input: Input {
                limits: self.limits,
                by_tape: self.by_tape,
                body,
                rules,
                seen: &mut self.seen,
                order: &mut self.order,
            },
        }
    }

    fn advance(&mut self, validation: &mut Validation, body: &[u8], rules: &Rules) -> bool {
        assert!(body.len() <= BODY_BYTES_MAX, "offsets have 32 bits");
        let is_complete = validation.step(&mut self.step(body, rules));
        if is_complete {
            self.release_outsized(body);
        }
        is_complete
    }

    /// Behind this body.
    fn release_outsized(&mut self, body: &[u8]) {
        if body.len() > split::PART_BYTES {
            self.long_parser.release_outsized(LONG_RETAINED_BYTES_MAX);
        }
    }
}
