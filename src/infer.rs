//! `ringest infer`: a model for given records, from what their values have in common.
//!
//! A type is as narrow as is safe: a format that every value has, but no bounds that only these values keep.

mod formats;
mod guess;
mod seen;

use std::{cell::RefCell, fmt::Write as _};

use serde::de::DeserializeSeed as _;

use formats::Formats;
use guess::guesses;
use seen::{Place, Seen};

use crate::model::text;

/// Why there is no proposal: a fault of the records.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// They are not JSON, with the line and the column.
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A value is no record.
    #[error("{0} of {1} values are no objects: records are")]
    NotObjects(u64, u64),
    /// There is none.
    #[error("there is no record in it")]
    Empty,
}

/// The text of a model's file for records: an object, an array of objects, or one object a line.
///
/// Comments say what was guessed, and which fields are left out since no type fits all their values; with
/// `unknown_fields = "forward"` they are forwarded nevertheless.
///
/// # Errors
/// [`InferError`].
pub fn infer(name: &str, body: &[u8]) -> Result<String, InferError> {
    let mut values = Seen::default();
    let formats = RefCell::new(Formats::new());
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    while deserializer.end().is_err() {
        let place = Place {
            seen: &mut values,
            formats: &formats,
        };
        place.deserialize(&mut deserializer)?;
    }
    let records = match (values.arrays, values.elements.as_deref()) {
        (1, Some(elements)) if values.times == 1 => elements,
        _ => &values,
    };
    match (records.times, records.objects) {
        (0, _) => Err(InferError::Empty),
        (values, objects) if objects < values => {
            Err(InferError::NotObjects(values - objects, values))
        }
        (_, objects) => Ok(model(name, &records.members, objects)),
    }
}

fn model(name: &str, members: &[(String, Seen)], records: u64) -> String {
    // Writing to a String never fails.
    let mut file = format!(
        "# Proposed from {records} records. The types fit all of these: narrow them where you know more\n\
         # (UInt8, Enum8('a' = 1), FixedString(2)), and take away Nullable where a field must not be absent.\n\
         name = {}\n\
         version = \"1.0\"\n",
        text::string(name),
    );
    let mut left_out = String::new();
    let mut fields = String::new();
    for (name, seen, guess) in guesses(members, records) {
        let key = text::key(name);
        let _ = match guess {
            Ok(type_) => {
                let mut notes = Vec::new();
                if seen.times < records {
                    notes.push(format!("in {} of {records}", seen.times));
                }
                if seen.nulls > 0 {
                    notes.push(format!("null in {}", seen.nulls));
                }
                let notes = match &notes[..] {
                    [] => String::new(),
                    notes => format!("  # {}", notes.join(", ")),
                };
                writeln!(fields, "{key} = {}{notes}", text::string(&type_))
            }
            Err(reason) => writeln!(left_out, "# {key}: {reason}"),
        };
    }
    if !left_out.is_empty() {
        let _ = write!(
            file,
            "# Without a type, and forwarded as they are:\n{left_out}"
        );
    }
    if !fields.is_empty() {
        let _ = write!(file, "\n[fields]\n{fields}");
    }
    file
}
