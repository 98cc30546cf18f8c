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
//! and `column` are those of the record (the first ones for which there is room; `errorsTotal` counts all);
//! `originalRecordBase64` (RFC 4648 section 4) for a record that is not JSON;
//! `originalRecordBytes`, its length, where a dead letter with the record would exceed the size limit of
//! a message, even with an empty list of `errors`.
//!
//! **Size**: all dead letters of a body together have at most [`BYTES_PER_BODY_BYTE`] times its bytes, or
//! [`BYTES_MIN`] for a small one: else a client could write to the topic a hundred times what it sends. What
//! the records themselves do not need of that is shared out evenly, for all else. The records that are left
//! have one dead letter in common: with `originalRecord` null, and `recordsOmitted`, `firstIndex` and
//! `lastIndex` of them (`countingEndedEarly` where further records were not validated).
//!
//! Each invalid record is validated again by itself to find its errors: keeping the errors of all
//! records would be bounded only by the size of the body.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    model::Rules,
    validate::{Counting, Rejection, ValidationError, Validator},
};
use json::is_json;

mod json;

/// Dead letters are written in parts: a part ends with the one that reaches this many bytes.
pub(crate) const PART_BYTES: usize = 256 * 1024;

/// The bytes of all dead letters of a body at most, as a multiple of its own.
const BYTES_PER_BODY_BYTE: usize = 4;

/// The bytes that the dead letters of any body may have.
const BYTES_MIN: usize = 64 * 1024;

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
    done: usize,
    /// The bytes left for dead letters.
    bytes_left: usize,
    /// The even share of a record in the bytes that the records themselves do not need.
    share: usize,
    /// Whether the one for the records that are left was written.
    ended: bool,
}

/// Dead letters that are delivered together.
#[derive(Default)]
pub(crate) struct Part {
    /// One behind the other.
    pub(crate) text: Vec<u8>,
    /// The position of each.
    pub(crate) places: Vec<Range<usize>>,
}

impl Part {
    /// Whether the next dead letter belongs to another part.
    pub(crate) fn is_full(&self) -> bool {
        self.text.len() >= PART_BYTES
    }

    fn push(&mut self, dead_letter: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(dead_letter);
        self.places.push(start..self.text.len());
    }
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
        let bytes_left = (BYTES_PER_BODY_BYTE * body.len()).max(BYTES_MIN);
        Self {
            topic,
            rejection,
            body,
            bytes_max,
            done: 0,
            bytes_left,
            share: (bytes_left - body.len()) / rejection.invalid_records.len().max(1),
            ended: false,
        }
    }

    /// The invalid records without a dead letter of their own so far.
    pub(crate) fn records_left(&self) -> usize {
        self.rejection.invalid_records.len() - self.done
    }

    /// Writes none for further records, except the one that they have in common.
    pub(crate) fn end(&mut self) {
        self.bytes_left = 0;
    }

    /// Adds the next one to a part; `false` when there are no more. There is none for a record that is
    /// nothing but whitespace.
    pub(crate) fn next(
        &mut self,
        part: &mut Part,
        validator: &mut Validator,
        rules: &Rules,
    ) -> bool {
        let Some((index, span)) = self.rejection.invalid_records.get(self.done) else {
            return self.end_with(part);
        };
        let record = span.of(self.body);
        if !record.trim_ascii().is_empty() {
            if self.bytes_left == 0 {
                return self.end_with(part);
            }
            let errors = self.errors(*index, record, validator, rules);
            let dead_letter = self.dead_letter(record, &errors);
            let Some(left) = self.bytes_left.checked_sub(dead_letter.len()) else {
                self.bytes_left = 0;
                return self.end_with(part);
            };
            self.bytes_left = left;
            part.push(&dead_letter);
        }
        self.done += 1;
        true
    }

    /// Adds the dead letter of the records that are left, if there are any.
    fn end_with(&mut self, part: &mut Part) -> bool {
        let ended_early = self.rejection.counting == Counting::EndedEarly;
        let left = self.records_left();
        if std::mem::replace(&mut self.ended, true) || (left == 0 && !ended_early) {
            return false;
        }
        let message = match left {
            0 => "further records of this request were not validated".to_owned(),
            1 => "1 more invalid record of this request has no dead letter of its own".to_owned(),
            _ => format!(
                "{left} more invalid records of this request have no dead letter of their own"
            ),
        };
        let mut dead_letter = self.members(&message, self.rejection.errors_total);
        dead_letter["originalRecord"] = Value::Null;
        dead_letter["errors"] = json!([]);
        dead_letter["recordsOmitted"] = json!(left);
        let records = &self.rejection.invalid_records[self.done..];
        if let [(first, _), ..] = records {
            dead_letter["firstIndex"] = json!(first);
        }
        if let [.., (last, _)] = records {
            dead_letter["lastIndex"] = json!(last);
        }
        if ended_early {
            dead_letter["countingEndedEarly"] = json!(true);
        }
        part.push(dead_letter.to_string().as_bytes());
        true
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

    /// The members of every dead letter but the record and the errors.
    fn members(&self, message: &str, errors_total: usize) -> Value {
        json!({
            "errorMessage": message,
            "errorType": "ValidationError",
            "failedAt": now(),
            "source": "api",
            "topic": self.topic,
            "errorsTotal": errors_total,
        })
    }

    /// One dead letter. Above a size limit, the last errors are left out first, as validating the record
    /// finds them again; then the record is replaced with its length.
    fn dead_letter(&self, record: &[u8], errors: &Errors) -> Vec<u8> {
        let mut rest = self.members(&errors.message(), errors.total);
        rest["errors"] = json!([]);
        let brief_bytes = rest.to_string().len() + NAMES_BYTES;
        let most = self.bytes_max.saturating_sub(brief_bytes);
        let is_json = record.len() <= most && is_json(record);
        let len = if is_json {
            Some(record.len())
        } else {
            base64::encoded_len(record.len(), true)
        };
        let len = len.filter(|len| *len <= most);
        let bytes = brief_bytes + len.unwrap_or(0);
        let fair = (record.len() + self.share).min(self.bytes_max);
        rest["errors"] = errors.listed(fair.saturating_sub(bytes));
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
    /// The first ones that have at most `bytes_max` bytes together, as JSON.
    fn listed(&self, bytes_max: usize) -> Value {
        let mut left = bytes_max;
        let listed = self.reported.iter().map_while(|error| {
            let error = error.to_json();
            left = left.checked_sub(error.to_string().len() + 1)?;
            Some(error)
        });
        listed.collect()
    }

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
