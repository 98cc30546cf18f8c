//! Errors of a record or of a body as a whole.

use super::{
    Span, ValidateLimits,
    error::{ErrorCode, RecordError, quote},
};

/// The JSON type of a value, by its text.
pub(super) fn kind(json: &[u8]) -> &'static str {
    match json.first() {
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// There is no record.
pub(super) fn empty_body() -> RecordError {
    let message = "expected at least one record, found an empty body";
    RecordError::new(0, ErrorCode::EmptyBody, String::from(message))
}

/// A value of this kind is in place of a record.
pub(super) fn not_an_object(kind: &str, json: &[u8], offset: usize) -> RecordError {
    let found = quote(json);
    let message = format!("expected an object, found {kind}: {found}");
    RecordError::new(offset, ErrorCode::NotAnObject, message)
}

/// The record is longer than the limit.
pub(super) fn record_too_large(record: Span, limits: ValidateLimits) -> RecordError {
    let (len, max) = (record.len, limits.record_bytes_max);
    let message = format!("expected at most {max} bytes per record, found {len}");
    RecordError::new(record.offset as usize, ErrorCode::RecordTooLarge, message)
}

/// The body has more records than the limit.
pub(super) fn too_many_records(offset: usize, limits: ValidateLimits) -> RecordError {
    let max = limits.records_max;
    let message = format!("expected at most {max} records per request, found more");
    RecordError::new(offset, ErrorCode::TooManyRecords, message)
}
