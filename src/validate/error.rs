//! Validation errors of a body.

use memchr::{memchr_iter, memrchr};
use serde_json::{Value, json};
use strum::{IntoStaticStr, VariantArray};

use super::Span;
use crate::excerpt::excerpt;

/// Maximum number of errors of one body that are reported in detail; the rest are counted.
pub const ERRORS_MAX: usize = 100;

/// Maximum number of errors of one body that are reported with a suggestion.
const SUGGESTIONS_MAX: usize = 10;

/// Number of errors from which on the rest of a body that is rejected as a whole is not looked at.
pub const COUNTED_MAX: usize = 10_000;

/// Maximum characters of the body that a message quotes.
const QUOTED_CHARS_MAX: usize = 64;

/// Why a body, or some of its records, are rejected; always a client error. The records that it lists
/// must not be produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which status it is answered with.
    pub kind: RejectionKind,
    /// The first [`ERRORS_MAX`] errors found, sorted by offset within each record; missing fields are
    /// found after the errors within the same object.
    pub errors: Vec<ValidationError>,
    /// Number of all errors: at least one per invalid record, or one for a body that can't be parsed.
    pub errors_total: usize,
    /// Whether that is all.
    pub counting: Counting,
    /// Number of records in the body, valid or not; 0 if it can't be parsed or has too many.
    pub records: usize,
    /// Index and span of every invalid record, reported in detail or not; for NDJSON also of lines that
    /// are not JSON. The whole body, as index 0, if it can't be parsed; empty if the body is empty or has
    /// too many records.
    pub invalid_records: Vec<(usize, Span)>,
}

/// Which status a rejected body is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionKind {
    /// 400: there is an error other than a size limit.
    Invalid,
    /// 413: only size limits are exceeded; smaller requests may be accepted.
    TooLarge,
}

/// How far the errors of a body are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// To its end.
    Complete,
    /// To the record with error number [`COUNTED_MAX`]: the counts of errors and records are those up to
    /// there, and what follows was not looked at.
    EndedEarly,
}

/// One error in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    /// Index of the record: 0 for the first. For NDJSON, blank lines do not count.
    pub index: usize,
    /// Byte offset in the body, at most its length: of the invalid value; of the object that lacks a
    /// field; of a key that is not declared or invalid.
    pub offset: usize,
    /// Line of `offset`, starting at 1.
    pub line: usize,
    /// Byte column in the line, starting at 1.
    pub column: usize,
    /// `JSONPath` in the record, such as `$.items[3].price` (RFC 9535; a normalized path, but with plain
    /// names after a dot). Client-chosen names are truncated to 64 characters.
    pub path: String,
    /// Stable, for programs.
    pub code: ErrorCode,
    /// The expected type as written in the model; `None` if the error is not about a type.
    pub expected: Option<String>,
    /// For humans. May quote up to 64 escaped characters of the body: not for logs.
    pub message: String,
}

impl ValidationError {
    /// Its JSON form in answers and dead letters.
    pub fn to_json(&self) -> Value {
        json!({
            "index": self.index,
            "offset": self.offset,
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "code": self.code.as_str(),
            "expected": self.expected,
            "message": self.message,
        })
    }
}

/// The kind of a validation error. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ErrorCode {
    /// The body is empty or whitespace only.
    EmptyBody,
    /// Not JSON (RFC 8259).
    BadJson,
    /// Not UTF-8 (RFC 8259 section 8.1).
    InvalidUtf8,
    /// A number beyond the range of a 64-bit float.
    NumberOutOfRange,
    /// A record that is JSON, but not an object.
    NotAnObject,
    /// Nested deeper than `json_depth_max`.
    TooDeep,
    /// A record longer than `record_bytes_max`.
    RecordTooLarge,
    /// More records than `records_max`.
    TooManyRecords,
    /// A required field is missing.
    MissingField,
    /// A field that is not declared, with `unknown_fields = "reject"`.
    UnknownField,
    /// A value of another JSON type, or null, or a fraction or exponent in an integer.
    WrongType,
    /// A number outside the range of its type.
    OutOfRange,
    /// A string that is not in the format of its type.
    BadFormat,
    /// A string or a number that is not a member of its enum.
    NotInEnum,
    /// A string longer than its type allows.
    TooLong,
    /// An array whose length is not the one of its type.
    WrongLength,
}

impl ErrorCode {
    /// All codes, in declaration order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The kind of rejection if this is the only error.
    pub const fn kind(self) -> RejectionKind {
        match self {
            Self::RecordTooLarge | Self::TooManyRecords => RejectionKind::TooLarge,
            Self::EmptyBody
            | Self::BadJson
            | Self::InvalidUtf8
            | Self::NumberOutOfRange
            | Self::NotAnObject
            | Self::TooDeep
            | Self::MissingField
            | Self::UnknownField
            | Self::WrongType
            | Self::OutOfRange
            | Self::BadFormat
            | Self::NotInEnum
            | Self::TooLong
            | Self::WrongLength => RejectionKind::Invalid,
        }
    }
}

/// An error before its record and line are known.
pub(super) struct RecordError {
    /// Byte offset from the start of the text being validated.
    pub(super) offset: usize,
    pub(super) path: String,
    pub(super) code: ErrorCode,
    pub(super) expected: Option<String>,
    pub(super) message: String,
}

impl RecordError {
    /// An error of a record as a whole.
    pub(super) fn new(offset: usize, code: ErrorCode, message: String) -> Self {
        Self {
            offset,
            path: String::from("$"),
            code,
            expected: None,
            message,
        }
    }

    /// The same error with a hint behind its message.
    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(hint);
        self
    }

    /// The same error with `base` added to its offset.
    pub(super) fn shifted_by(self, base: usize) -> Self {
        Self {
            offset: base + self.offset,
            ..self
        }
    }
}

/// The errors of one record.
pub(super) struct RecordErrors {
    /// Number of all errors.
    pub(super) total: usize,
    reported: Vec<RecordError>,
    /// Maximum number of errors to report in detail.
    capacity: usize,
}

impl RecordErrors {
    /// An empty list; at most `capacity` errors are reported in detail.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            total: 0,
            reported: Vec::new(),
            capacity,
        }
    }

    /// Counts an error; returns whether it should be reported in detail.
    pub(super) fn count(&mut self) -> bool {
        self.total += 1;
        self.reported.len() < self.capacity
    }

    /// Counts errors if none of them would be reported in detail; returns whether it did.
    pub(super) fn count_all(&mut self, errors: impl FnOnce() -> usize) -> bool {
        let is_full = self.reported.len() >= self.capacity;
        if is_full {
            self.total += errors();
        }
        is_full
    }

    /// Whether to look for a suggestion, which takes time: for the first errors of a body only.
    pub(super) fn may_suggest(&self) -> bool {
        ERRORS_MAX - self.capacity + self.reported.len() < SUGGESTIONS_MAX
    }

    /// Reports an error that was counted.
    pub(super) fn report(&mut self, error: RecordError) {
        self.reported.push(error);
    }
}

/// Collects the errors of one body by ascending offset.
#[derive(Debug)]
pub(super) struct BodyErrors {
    reported: Vec<ValidationError>,
    total: usize,
    counting: Counting,
    invalid_records: Vec<(usize, Span)>,
    kind: RejectionKind,
    /// The offset up to which lines are counted, its line, and the start of that line.
    counted_to: usize,
    line: usize,
    line_start: usize,
}

impl BodyErrors {
    pub(super) fn new() -> Self {
        Self {
            reported: Vec::new(),
            total: 0,
            counting: Counting::Complete,
            invalid_records: Vec::new(),
            kind: RejectionKind::TooLarge,
            counted_to: 0,
            line: 1,
            line_start: 0,
        }
    }

    /// The memory of the list of invalid records, in bytes.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.invalid_records.capacity() * size_of::<(usize, Span)>()
    }

    /// How many more errors can be reported in detail.
    pub(super) fn capacity(&self) -> usize {
        ERRORS_MAX - self.reported.len()
    }

    /// Whether counting ends here, with more of the body behind.
    pub(super) fn end_early(&mut self) -> bool {
        let is_over = self.total >= COUNTED_MAX;
        if is_over {
            self.counting = Counting::EndedEarly;
        }
        is_over
    }

    /// Counts the only error of the record at `index`; calls `error` if there is capacity to report it.
    pub(super) fn push(
        &mut self,
        body: &[u8],
        index: usize,
        record: Span,
        kind: RejectionKind,
        error: impl FnOnce() -> RecordError,
    ) {
        self.total += 1;
        self.invalid_records.push((index, record));
        if kind == RejectionKind::Invalid {
            self.kind = kind;
        }
        if self.capacity() > 0 {
            let error = error();
            debug_assert_eq!(error.code.kind(), kind);
            let error = self.locate(body, index, error);
            self.reported.push(error);
        }
    }

    /// Adds all errors of the record at `index`, from a text that starts at offset `base` in the body.
    #[cold]
    pub(super) fn extend(
        &mut self,
        body: &[u8],
        index: usize,
        record: Span,
        base: usize,
        errors: RecordErrors,
    ) {
        let mut reported = errors.reported;
        // Missing fields are reported at the end of their object.
        reported.sort_by_key(|error| error.offset);
        self.total += errors.total;
        self.invalid_records.push((index, record));
        self.kind = RejectionKind::Invalid;
        for error in reported {
            let error = self.locate(body, index, error.shifted_by(base));
            self.reported.push(error);
        }
    }

    /// The rejection of a body of `records` records; `None` if there was no error.
    pub(super) fn rejection(&mut self, records: usize) -> Option<Rejection> {
        (self.total > 0).then(|| Rejection {
            kind: self.kind,
            errors: std::mem::take(&mut self.reported),
            errors_total: self.total,
            counting: self.counting,
            records,
            invalid_records: std::mem::take(&mut self.invalid_records),
        })
    }

    /// Rejects a body as a whole for one error.
    pub(super) fn reject(body: &[u8], index: usize, error: RecordError) -> Rejection {
        let is_unparseable = match error.code.kind() {
            RejectionKind::Invalid => error.code != ErrorCode::EmptyBody,
            RejectionKind::TooLarge => false,
        };
        let whole = (0, Span::new(0, body.len()));
        Rejection {
            kind: error.code.kind(),
            errors: vec![Self::new().locate(body, index, error)],
            errors_total: 1,
            counting: Counting::Complete,
            records: 0,
            invalid_records: is_unparseable.then_some(whole).into_iter().collect(),
        }
    }

    fn locate(&mut self, body: &[u8], index: usize, error: RecordError) -> ValidationError {
        let RecordError {
            offset,
            path,
            code,
            expected,
            message,
        } = error;
        // Scanning continues from the last error; otherwise many errors would take quadratic time.
        let between = &body[self.counted_to..offset];
        if let Some(newline) = memrchr(b'\n', between) {
            self.line += memchr_iter(b'\n', between).count();
            self.line_start = self.counted_to + newline + 1;
        }
        self.counted_to = offset;
        ValidationError {
            index,
            offset,
            line: self.line,
            column: offset - self.line_start + 1,
            path,
            code,
            expected,
            message,
        }
    }
}

/// The first characters of `text`, which is UTF-8, in backquotes.
pub(super) fn quote(text: &[u8]) -> String {
    format!("`{}`", excerpt(text, QUOTED_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn all_lists_every_code_in_order() {
        for (index, code) in ErrorCode::ALL.iter().copied().enumerate() {
            assert_eq!(code as usize, index, "{code:?} is out of place");
        }
        assert_eq!(ErrorCode::WrongLength as usize + 1, ErrorCode::ALL.len());
    }
}
