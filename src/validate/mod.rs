//! From a body to the spans of its records, each well-formed JSON and valid for its model.
//!
//! ```text
//! body ─ copy ─> simd-json ─> tape + structural offsets ─ walk by the model's rules ─> records | faults
//! ```
//!
//! - **The body is never written**: [`Validator::validate`] takes `&[u8]`. simd-json decodes escapes
//!   in place, so it is given a scratch copy. Next to parsing in place where there is no escape,
//!   that costs 1 to 2 % for a small event and 3 % for an array of a thousand; it buys that "the bytes
//!   produced are the bytes received" rests on the borrow checker and not on what a parser happens
//!   to leave alone. What is produced is the body itself; the copy ends here.
//! - **What JSON is**: RFC 8259, strictly, in UTF-8 without a byte order mark. Duplicate keys and
//!   integers beyond 64 bits pass. Three things that the grammar allows are refused: an escaped lone
//!   surrogate (it is no Unicode character), a number beyond a 64-bit float (`1e400`; `1e-400`
//!   passes), and nesting deeper than the limit.
//! - **What a record is**: an object that fits the [`Rules`](crate::model::Rules) of its model: a flat
//!   program, walked beside the tape. The same walk decides and tells, so that what is told is why.
//!   No number that decides anything goes through a float: those beyond 64 bits, and those that might
//!   be integers by another spelling, are judged by their own text.
//! - **Cost**: time and memory are linear in the body, nothing recurses but the walk, and that only
//!   as deep as the model's types are. Fields are looked for where the model declares them, else by a
//!   hash made beforehand. Once the scratch has grown to the usual body nothing is allocated unless
//!   there is a fault to tell.

mod document;
mod envelope;
mod fault;
mod flaw;
mod lines;
mod path;
mod record;
mod syntax;
mod text;
mod validator;
mod walk;

pub use fault::{FAULTS_MAX, Fault, FaultCode, Rejection, RejectionKind};
pub use record::{Record, ValidBody};
pub use validator::Validator;

/// The longest body whose offsets fit a [`Span`], in bytes; `body_bytes_max` must not be above.
pub const BODY_BYTES_MAX: usize = u32::MAX as usize;

/// How a body holds its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON text (RFC 8259): an object is one record, an array one record an element.
    Json,
    /// One JSON object a line. LF or CRLF ends a line, the end of the body the last one; lines of
    /// whitespace alone are skipped.
    Ndjson,
}

/// Bounds on what one body may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidateLimits {
    /// Bytes of one record, without the whitespace around it.
    pub record_bytes_max: usize,
    /// Records of one body.
    pub records_max: usize,
    /// Arrays and objects around one another, the record itself and the outer array counted.
    pub json_depth_max: usize,
}

/// Where one record's bytes are within the body, without the whitespace around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Bytes of the body before the record.
    pub offset: u32,
    /// Bytes of the record.
    pub len: u32,
}

impl Span {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "validate() refuses bodies beyond BODY_BYTES_MAX before it makes a span"
    )]
    fn new(start: usize, end: usize) -> Self {
        Self {
            offset: start as u32,
            len: (end - start) as u32,
        }
    }

    /// The record's bytes.
    ///
    /// # Panics
    /// If `body` is not the body that the span was made of, and shorter.
    pub fn of(self, body: &[u8]) -> &[u8] {
        &body[self.offset as usize..][..self.len as usize]
    }
}
