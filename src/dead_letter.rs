//! Dead letters: what is written about records that are not valid, so that somebody can look at
//! them and send them again.
//!
//! A letter is a JSON object with the members that [Moose's have](https://github.com/514-labs/moosestack)
//! (`DeadLetterModel` of its SDKs, and what its ingest server adds), in the same sense:
//!
//! | member | what |
//! |---|---|
//! | `originalRecord` | the record, byte for byte; null where it is no JSON, or too large |
//! | `errorMessage` | the first error, for a person |
//! | `errorType` | `"ValidationError"` |
//! | `failedAt` | when, as RFC 3339 in UTC |
//! | `source` | `"api"` |
//! | `topic` | where the record was meant to go |
//!
//! and some of ours: `errors`, the errors as in the answer to the client, except that `offset`, `line`
//! and `column` are those of the record (the first 100; `errorsTotal` counts all);
//! `originalRecordBase64` (RFC 4648 section 4) for bytes that are no JSON; `originalRecordBytes`,
//! their number, where a letter with them would be larger than a message may be, even with `errors`
//! left empty.
//!
//! Each invalid record is validated again by itself to find its errors: keeping the errors of all
//! records would be bounded only by the size of the body.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime, SystemTime},
};

use crate::{
    model::Rules,
    validate::{Rejection, ValidationError, Validator},
};

/// Letters that are written at once: those that begin within so many bytes.
pub(crate) const PART_BYTES: usize = 256 * 1024;

/// What the members about the record take at most, without the record, in bytes.
const NAMES_BYTES: usize = 80;

/// The letters about one body.
pub(crate) struct Letters<'r> {
    /// Where the records were meant to go.
    topic: &'r str,
    rejection: &'r Rejection,
    body: &'r [u8],
    /// The largest letter, in bytes.
    bytes_max: usize,
    /// How many of the invalid records are done.
    written: usize,
}

/// What is wrong with one record.
struct Errors {
    reported: Vec<ValidationError>,
    total: usize,
}

impl<'r> Letters<'r> {
    /// Letters about what `rejection` says of `body`.
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

    /// The next few letters, one behind the other, and where each is; `None` when all are written.
    /// About bytes that are nothing but white space there is nothing to be written.
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
            text.extend_from_slice(&self.letter(record, &errors, &failed_at));
            places.push(start..text.len());
        }
        (!places.is_empty()).then_some((text, places))
    }

    /// What is wrong with the record at `index`.
    fn errors(
        &self,
        index: usize,
        record: &[u8],
        validator: &mut Validator,
        rules: &Rules,
    ) -> Errors {
        if self.rejection.records == 0 {
            // The body as a whole is what is wrong, and that has been said.
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

    /// One letter. Where not all has room, the errors go first, which can be found again; then the
    /// record, of which the length is left.
    fn letter(&self, record: &[u8], errors: &Errors, failed_at: &str) -> Vec<u8> {
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
        // The object goes on where it began.
        let rest = rest.trim_start_matches('{').as_bytes();
        [br#"{"originalRecord":"#, original, b",", rest].concat()
    }
}

impl Errors {
    /// The first, and how many there are besides.
    fn message(&self) -> String {
        let Some(first) = self.reported.first() else {
            return "the record is not valid".to_owned();
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

/// Now, as RFC 3339 in UTC, with microseconds.
fn now() -> String {
    let mut text = String::new();
    // A String takes all.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

#[cfg(test)]
mod tests;
