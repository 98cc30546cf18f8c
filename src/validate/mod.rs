//! From a body to the spans of its records, each well-formed JSON and valid for its model.
//!
//! ```text
//! body ─> one pass by the grammar and the model's rules ─> records
//!   └─ not plainly valid ─> copy ─> simd-json ─> tape + structural offsets ─ walk ─> records | errors
//! ```
//!
//! - **Two ways, one result**: nearly all records are accepted directly, from their bytes (`direct`). That way
//!   finds no errors: what it does not accept is validated by simd-json's tape, and it accepts nothing that the
//!   tape would not. [`Validator::by_tape`] goes that way only, to which tests and a fuzz target compare.
//! - **The body is never written**: [`Validator::validate`] takes `&[u8]`. simd-json decodes escapes
//!   in place, so it parses a scratch copy; the borrow checker guarantees that the bytes produced are the bytes
//!   received.
//! - **JSON**: strictly RFC 8259, in UTF-8 without a byte order mark. Duplicate keys and integers
//!   beyond 64 bits are accepted. Three things that the grammar allows are rejected: an escaped lone
//!   surrogate (it is not a Unicode character), a number beyond a 64-bit float (`1e400`; `1e-400` is
//!   accepted), and nesting deeper than the limit.
//! - **Record**: an object that is valid for the [`Rules`](crate::model::Rules) of its model: a flat
//!   program, walked in step with the bytes or with the tape. The same walk over the tape validates and reports
//!   errors. No check converts a number to a float: integers are checked as text.
//! - **Steps**: a long body is validated in parts ([`Validator::advance`]), with other requests served in
//!   between: an array a run of elements at a time, never looking at it as a whole.
//! - **Cost**: time is linear in the body, scratch memory in its longest record. Only the walks recurse, at
//!   most as deep as the model's types. A field is first looked for at its declared position, then by a
//!   precomputed hash. Once the scratch has grown to the usual body size, nothing is allocated for a valid body.

mod direct;
mod document;
mod envelope;
mod error;
mod hint;
mod lines;
mod mismatch;
mod path;
mod record;
mod seen;
mod split;
mod syntax;
mod text;
mod validation;
mod validator;
mod walk;
mod whole;

pub use error::{
    COUNTED_MAX, Counting, ERRORS_MAX, ErrorCode, Rejection, RejectionKind, ValidationError,
};
pub use record::{Record, ValidBody};
pub use validation::Validation;
pub use validator::Validator;

/// The longest body whose offsets fit a [`Span`], in bytes; `body_bytes_max` must not exceed it.
pub const BODY_BYTES_MAX: usize = u32::MAX as usize;

/// The format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON text (RFC 8259): an object is one record, each element of an array is one.
    Json,
    /// One JSON object per line. Lines end with LF or CRLF, the last one also with the body; blank lines
    /// are skipped.
    Ndjson,
}

/// Limits of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidateLimits {
    /// Maximum bytes of one record, without surrounding whitespace.
    pub record_bytes_max: usize,
    /// Maximum number of records in one body.
    pub records_max: usize,
    /// Maximum nesting of arrays and objects, including the record itself and the outer array.
    pub json_depth_max: usize,
}

/// The position of one record in the body, without surrounding whitespace.
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
        reason = "validate() rejects bodies beyond BODY_BYTES_MAX before it creates a span"
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
    /// If `body` is shorter than the body that the span refers to.
    pub fn of(self, body: &[u8]) -> &[u8] {
        &body[self.offset as usize..][..self.len as usize]
    }
}
