//! Dead letters: one for each invalid record, so that it can be inspected and sent again.
//!
//! A dead letter is a JSON object with the members that [Moose's have](https://github.com/514-labs/moosestack)
//! (`DeadLetterModel` of its SDKs, and what its ingest server adds), with the same meaning:
//!
//! | member | value |
//! |---|---|
//! | `originalRecord` | the record, byte for byte; null where it is not JSON, or too large |
//! | `errorMessage` | the first error, for people |
//! | `errorType` | `"ValidationError"` |
//! | `failedAt` | the time, as RFC 3339 in UTC |
//! | `source` | `"api"` |
//! | `topic` | the topic of the model |
//!
//! and some of its own: `errors`, the errors as in the answer to the client, except that `offset`, `line`
//! and `column` are those of the record (the first 100; `errorsTotal` counts all);
//! `originalRecordBase64` (RFC 4648 section 4) for a record that is not JSON;
//! `originalRecordBytes`, its length, where a dead letter with the record would exceed the size limit of
//! a message, even with an empty list of `errors`.
//!
//! Each invalid record is validated again by itself to find its errors: keeping the errors of all
//! records would be bounded only by the size of the body.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    model::Rules,
    validate::{Rejection, ValidationError, Validator},
};

/// Dead letters are written in parts: a part ends with the one that reaches this many bytes.
pub(crate) const PART_BYTES: usize = 256 * 1024;

/// The bytes of the members about the record at most, without the record.
const NAMES_BYTES: usize = 80;

/// The dead letters for one body.
pub(crate) struct DeadLetters<'r> {
    /// The topic of the model.
    topic: &'r str,
    rejection: &'r Rejection,
    body: &'r [u8],
    /// The size limit of one dead letter, in bytes.
    bytes_max: usize,
    /// How many of the invalid records are done.
    written: usize,
}

/// The errors of one record.
struct Errors {
    reported: Vec<ValidationError>,
    total: usize,
}

impl<'r> DeadLetters<'r> {
    /// Those for the records of `body` that `rejection` lists.
    pub(crate) fn new(
        topic: &'r str,
        rejection: &'r Rejection,
        body: &'r [u8],
        bytes_max: usize,
    ) -> Self {
        Self {
            topic,
            rejection,
            body,
            bytes_max,
            written: 0,
        }
    }

    /// The next part: the dead letters one behind the other, and the position of each; `None` when all
    /// are written. There is none for a record that is nothing but whitespace.
    pub(crate) fn next(
        &mut self,
        validator: &mut Validator,
        rules: &Rules,
    ) -> Option<(Vec<u8>, Vec<Range<usize>>)> {
        let mut text = Vec::new();
        let mut places = Vec::new();
        let failed_at = now();
        while text.len() < PART_BYTES
            && let Some((index, span)) = self.rejection.invalid_records.get(self.written)
        {
            self.written += 1;
            let record = span.of(self.body);
            if record.trim_ascii().is_empty() {
                continue;
            }
            let errors = self.errors(*index, record, validator, rules);
            let start = text.len();
            text.extend_from_slice(&self.dead_letter(record, &errors, &failed_at));
            places.push(start..text.len());
        }
        (!places.is_empty()).then_some((text, places))
    }

    /// The errors of the record at `index`.
    fn errors(
        &self,
        index: usize,
        record: &[u8],
        validator: &mut Validator,
        rules: &Rules,
    ) -> Errors {
        if self.rejection.records == 0 {
            // The error is one of the body as a whole.
            return Errors {
                reported: self.rejection.errors.clone(),
                total: self.rejection.errors_total,
            };
        }
        let found = validator.validate_record(record, rules);
        let (mut reported, total) =
            found.map_or((Vec::new(), 0), |it| (it.errors, it.errors_total));
        for error in &mut reported {
            error.index = index;
        }
        Errors { reported, total }
    }

    /// One dead letter. Above the size limit, the errors are left out first, as validating the record
    /// finds them again; then the record is replaced with its length.
    fn dead_letter(&self, record: &[u8], errors: &Errors, failed_at: &str) -> Vec<u8> {
        let full = json!({
            "errorMessage": errors.message(),
            "errorType": "ValidationError",
            "failedAt": failed_at,
            "source": "api",
            "topic": self.topic,
            "errors": errors.reported.iter().map(ValidationError::to_json).collect::<Vec<_>>(),
            "errorsTotal": errors.total,
        });
        let mut brief = full.clone();
        brief["errors"] = json!([]);
        let room = |rest: &Value| {
            self.bytes_max
                .checked_sub(rest.to_string().len() + NAMES_BYTES)
        };
        let most = room(&brief).unwrap_or(0);
        let is_json = record.len() <= most && serde_json::from_slice::<Value>(record).is_ok();
        let len = if is_json {
            Some(record.len())
        } else {
            base64::encoded_len(record.len(), true)
        };
        let len = len.filter(|len| *len <= most);
        let has_room = room(&full).is_some_and(|room| len.unwrap_or(0) <= room);
        let mut rest = if has_room { full } else { brief };
        let mut original = &b"null"[..];
        match len {
            Some(_) if is_json => original = record,
            Some(_) => rest["originalRecordBase64"] = json!(BASE64.encode(record)),
            None => rest["originalRecordBytes"] = json!(record.len()),
        }
        let rest = rest.to_string();
        // The members follow the first one in the same object.
        let rest = rest.trim_start_matches('{').as_bytes();
        [br#"{"originalRecord":"#, original, b",", rest].concat()
    }
}

impl Errors {
    /// The first one, and the number of further ones.
    fn message(&self) -> String {
        let Some(first) = self.reported.first() else {
            return "the record is invalid".to_owned();
        };
        let place = match first.path.as_str() {
            "" | "$" => String::new(),
            path => format!("{path}: "),
        };
        let more = match self.total {
            0 | 1 => String::new(),
            2 => " (and 1 more error)".to_owned(),
            total => format!(" (and {} more errors)", total - 1),
        };
        format!("{place}{}{more}", first.message)
    }
}

/// The current time as RFC 3339 in UTC, with microseconds.
fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

#[cfg(test)]
mod tests;
