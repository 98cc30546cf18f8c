//! What is said about a body that is refused.

use memchr::memchr_iter;
use serde_json::{Value, json};

use super::Span;
use crate::excerpt::excerpt;

/// Faults of one body that are told in full; the rest are counted.
pub const FAULTS_MAX: usize = 100;

/// Faults of one body that are told with a guess at what was meant.
const GUESSES_MAX: usize = 10;

/// Characters of the body that a message quotes.
const QUOTED_CHARS_MAX: usize = 64;

/// Why a body is refused, or what is wrong with some of its records; always the client's fault.
/// Nothing of what it lists may be produced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What sort of answer it calls for.
    pub kind: RejectionKind,
    /// The first [`FAULTS_MAX`] faults that were found, by offset; what an object lacks is found
    /// after what is wrong within it.
    pub faults: Vec<Fault>,
    /// All faults: at least one for each faulty record, or one for a body that can't be read at all.
    pub faults_total: usize,
    /// Records of the body, good and bad; 0 where it can't be read as JSON, or has too many.
    pub records: usize,
    /// Every faulty record, told or not: its index and its bytes, or a line that is no JSON. The
    /// whole body, as index 0, where that can't be read; nothing where it is empty or has too many
    /// records.
    pub faulty: Vec<(usize, Span)>,
}

/// What sort of answer a refused body calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionKind {
    /// 400: something is wrong other than a size, or as well as one.
    Invalid,
    /// 413: sent in smaller pieces it might pass.
    TooLarge,
}

/// One thing wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The record it is in: 0 for the first. NDJSON counts the lines that hold something.
    pub index: usize,
    /// Where: bytes of the body before it, at most the body's length. It is the place of the value;
    /// of the object that lacks a field; of a key that is not declared or does not fit.
    pub offset: usize,
    /// The line of `offset`, 1 for the first.
    pub line: usize,
    /// The byte of the line, 1 for the first.
    pub column: usize,
    /// Where in the record: a `JSONPath` such as `$.items[3].price` (RFC 9535, a normalised path
    /// but that plain names follow a dot). A name that the client chose is cut at 64 characters.
    pub path: String,
    /// For programs.
    pub code: FaultCode,
    /// What should be there, as the model writes its type; `None` where no type is to blame.
    pub expected: Option<String>,
    /// For people. It may quote the body, at most 64 characters of it, escaped: not for logs.
    pub message: String,
}

impl Fault {
    /// As answers and dead letters report it.
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

/// For programs: what is wrong. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// There is nothing but whitespace.
    EmptyBody,
    /// Not JSON (RFC 8259).
    BadJson,
    /// Not UTF-8 (RFC 8259 section 8.1).
    InvalidUtf8,
    /// A number that a 64-bit float can't hold.
    NumberOutOfRange,
    /// A record that is JSON, but no object.
    NotAnObject,
    /// More arrays and objects around one another than `json_depth_max`.
    TooDeep,
    /// A record longer than `record_bytes_max`.
    RecordTooLarge,
    /// More records than `records_max`.
    TooManyRecords,
    /// A field that is required is absent.
    MissingField,
    /// A field that is not declared, where the model says `unknown_fields = "reject"`.
    UnknownField,
    /// A value of another JSON type, or null, or a fraction or exponent in an integer.
    WrongType,
    /// A number that its type can't hold.
    OutOfRange,
    /// A text that is not written as its type is.
    BadFormat,
    /// A text or a number that is no member of its enum.
    NotInEnum,
    /// A text longer than its type holds.
    TooLong,
    /// An array of another length than its type's.
    WrongLength,
}

impl FaultCode {
    /// All of them, in their order.
    pub const ALL: [Self; 16] = [
        Self::EmptyBody,
        Self::BadJson,
        Self::InvalidUtf8,
        Self::NumberOutOfRange,
        Self::NotAnObject,
        Self::TooDeep,
        Self::RecordTooLarge,
        Self::TooManyRecords,
        Self::MissingField,
        Self::UnknownField,
        Self::WrongType,
        Self::OutOfRange,
        Self::BadFormat,
        Self::NotInEnum,
        Self::TooLong,
        Self::WrongLength,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmptyBody => "empty_body",
            Self::BadJson => "bad_json",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::NotAnObject => "not_an_object",
            Self::TooDeep => "too_deep",
            Self::RecordTooLarge => "record_too_large",
            Self::TooManyRecords => "too_many_records",
            Self::MissingField => "missing_field",
            Self::UnknownField => "unknown_field",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::BadFormat => "bad_format",
            Self::NotInEnum => "not_in_enum",
            Self::TooLong => "too_long",
            Self::WrongLength => "wrong_length",
        }
    }

    /// The answer that a body with this fault alone calls for.
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

/// A fault before it is known which record it is in and on which line.
pub(super) struct Cause {
    /// From the start of whatever was looked at.
    pub(super) offset: usize,
    pub(super) path: String,
    pub(super) code: FaultCode,
    pub(super) expected: Option<String>,
    pub(super) message: String,
}

impl Cause {
    /// Of a record as a whole, whatever its type.
    pub(super) fn new(offset: usize, code: FaultCode, message: String) -> Self {
        Self {
            offset,
            path: String::from("$"),
            code,
            expected: None,
            message,
        }
    }

    /// The same, with its offset counted from `base` bytes further ahead.
    pub(super) fn after(self, base: usize) -> Self {
        Self {
            offset: base + self.offset,
            ..self
        }
    }
}

/// The faults of one record that can be read.
pub(super) struct Causes {
    /// All of them.
    pub(super) total: usize,
    told: Vec<Cause>,
    /// How many more can be told.
    room: usize,
}

impl Causes {
    /// None yet.
    pub(super) fn new(room: usize) -> Self {
        Self {
            total: 0,
            told: Vec::new(),
            room,
        }
    }

    /// Counts a fault; whether it is to be told is the answer.
    pub(super) fn count(&mut self) -> bool {
        self.total += 1;
        self.told.len() < self.room
    }

    /// Whether time may be spent on guessing what was meant: for the first faults of a body only.
    pub(super) fn may_guess(&self) -> bool {
        FAULTS_MAX - self.room + self.told.len() < GUESSES_MAX
    }

    /// Tells a fault that was counted.
    pub(super) fn tell(&mut self, cause: Cause) {
        self.told.push(cause);
    }
}

/// The faults of one body, gathered by rising offset.
pub(super) struct Faults<'b> {
    body: &'b [u8],
    told: Vec<Fault>,
    total: usize,
    faulty: Vec<(usize, Span)>,
    kind: RejectionKind,
    /// The offset up to which lines are counted, the line that it is in, and where that starts.
    counted_to: usize,
    line: usize,
    line_start: usize,
}

impl<'b> Faults<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self {
            body,
            told: Vec::new(),
            total: 0,
            faulty: Vec::new(),
            kind: RejectionKind::TooLarge,
            counted_to: 0,
            line: 1,
            line_start: 0,
        }
    }

    /// How many faults can still be told.
    pub(super) fn room(&self) -> usize {
        FAULTS_MAX - self.told.len()
    }

    /// Counts the one fault of the record at `index`, and asks what it is if there is room to tell.
    pub(super) fn push(
        &mut self,
        index: usize,
        record: Span,
        kind: RejectionKind,
        cause: impl FnOnce() -> Cause,
    ) {
        self.total += 1;
        self.faulty.push((index, record));
        if kind == RejectionKind::Invalid {
            self.kind = kind;
        }
        if self.room() > 0 {
            let cause = cause();
            debug_assert_eq!(cause.code.kind(), kind);
            let fault = self.locate(index, cause);
            self.told.push(fault);
        }
    }

    /// Adds all faults of the record at `index`, of a text that starts `base` bytes into the body.
    #[cold]
    pub(super) fn extend(&mut self, index: usize, record: Span, base: usize, causes: Causes) {
        let mut told = causes.told;
        // What an object lacks is told once it has been read to its end.
        told.sort_by_key(|cause| cause.offset);
        self.total += causes.total;
        self.faulty.push((index, record));
        self.kind = RejectionKind::Invalid;
        for cause in told {
            let fault = self.locate(index, cause.after(base));
            self.told.push(fault);
        }
    }

    /// What there is to say of a body of so many records; `None` if there was no fault.
    pub(super) fn rejection(self, records: usize) -> Option<Rejection> {
        (self.total > 0).then_some(Rejection {
            kind: self.kind,
            faults: self.told,
            faults_total: self.total,
            records,
            faulty: self.faulty,
        })
    }

    /// A body refused as a whole, whatever else is wrong with it.
    pub(super) fn refuse(body: &'b [u8], index: usize, cause: Cause) -> Rejection {
        let mut faults = Self::new(body);
        let is_unreadable = match cause.code.kind() {
            RejectionKind::Invalid => cause.code != FaultCode::EmptyBody,
            RejectionKind::TooLarge => false,
        };
        let whole = (0, Span::new(0, body.len()));
        Rejection {
            kind: cause.code.kind(),
            faults: vec![faults.locate(index, cause)],
            faults_total: 1,
            records: 0,
            faulty: is_unreadable.then_some(whole).into_iter().collect(),
        }
    }

    fn locate(&mut self, index: usize, cause: Cause) -> Fault {
        let Cause {
            offset,
            path,
            code,
            expected,
            message,
        } = cause;
        // Only what lies behind the last fault is looked at, or many faults would make it quadratic.
        for newline in memchr_iter(b'\n', &self.body[self.counted_to..offset]) {
            self.line += 1;
            self.line_start = self.counted_to + newline + 1;
        }
        self.counted_to = offset;
        Fault {
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

/// The first characters of `text`, which is UTF-8, between backquotes.
pub(super) fn quote(text: &[u8]) -> String {
    format!("`{}`", excerpt(text, QUOTED_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::FaultCode;

    #[test]
    fn all_codes_are_listed_in_their_order() {
        for (index, code) in FaultCode::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, index, "{code:?} is out of place");
        }
        assert_eq!(FaultCode::WrongLength as usize + 1, FaultCode::ALL.len());
    }
}
