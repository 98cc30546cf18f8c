//! `ringest infer`: a model for given records, from what their values have in common.
//!
//! A type is as narrow as is safe: a format that every value has, but no bounds that only these values keep.

mod formats;
mod guess;
mod seen;

use std::{cell::RefCell, fmt::Write as _};

use serde::de::DeserializeSeed as _;

use formats::Formats;
use guess::{guesses, notes};
use seen::{Place, Seen};

use crate::model::text;

/// Why there is no proposal: a fault of the records.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// They are not JSON, with the line and the column.
    #[error("it is not JSON: {0}")]
    Json(serde_json::Error),
    /// They are JSON, but ringest takes no such number.
    #[error(
        "line {0}, column {1}: a number beyond the range of a 64-bit float, which ringest rejects"
    )]
    NumberRange(usize, usize),
    /// They are nested too deeply to be looked at.
    #[error("line {0}, column {1}: more than 127 arrays and objects within one another")]
    Depth(usize, usize),
    /// The first bytes are of something else.
    #[error("{0}")]
    Encoding(&'static str),
    /// With the line.
    #[error("line {0}: it is not UTF-8")]
    NotUtf8(usize),
    /// A value is no record.
    #[error("{0} of {1} values are not objects, and a record is one")]
    NotObjects(u64, u64),
    /// There is none.
    #[error("there is no record in it")]
    Empty,
}

impl From<serde_json::Error> for InferError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        // The only way to know which it is.
        let text = error.to_string();
        if text.starts_with("number out of range") {
            return Self::NumberRange(line, column);
        }
        if text.starts_with("recursion limit exceeded") {
            return Self::Depth(line, column);
        }
        Self::Json(error)
    }
}

/// What a body is instead of JSON, by its first bytes.
const ENCODINGS: [(&[u8], &str); 5] = [
    (
        b"\xef\xbb\xbf",
        "it begins with a byte order mark (EF BB BF), which ringest rejects (RFC 8259 section 8.1): remove it",
    ),
    (b"\xff\xfe", "it is UTF-16: convert it to UTF-8"),
    (b"\xfe\xff", "it is UTF-16: convert it to UTF-8"),
    (b"\x1f\x8b", "it is compressed by gzip: decompress it"),
    (
        b"\x28\xb5\x2f\xfd",
        "it is compressed by zstd: decompress it",
    ),
];

fn check_encoding(body: &[u8]) -> Result<(), InferError> {
    let found = ENCODINGS.iter().find(|(start, _)| body.starts_with(start));
    if let Some((_, text)) = found {
        return Err(InferError::Encoding(text));
    }
    std::str::from_utf8(body).map(drop).map_err(|error| {
        let before = &body[..error.valid_up_to()];
        InferError::NotUtf8(before.split(|&it| it == b'\n').count())
    })
}

/// The text of a model's file for records: an object, an array of objects, or one object a line.
///
/// Comments say what was guessed, and which fields are left out since no type fits all their values; with
/// `unknown_fields = "forward"` they are forwarded nevertheless.
///
/// # Errors
/// [`InferError`].
pub fn infer(name: &str, body: &[u8]) -> Result<String, InferError> {
    check_encoding(body)?;
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
        "# Proposed from {records} record{}. The types fit all of these: narrow them where you know more\n\
         # (UInt8, Enum8('a' = 1), FixedString(2)), and take away Nullable where a field must not be absent.\n\
         name = {}\n\
         version = \"1.0\"\n",
        if records == 1 { "" } else { "s" },
        text::string(name),
    );
    let mut left_out = String::new();
    let mut noted = String::new();
    let mut fields = String::new();
    for (name, seen, guess) in guesses(members, records) {
        let key = text::key(name);
        let _ = match guess {
            Ok(type_) => {
                notes(&key, seen, &mut |path, note| {
                    let _ = writeln!(noted, "# {path}: {note}");
                });
                writeln!(
                    fields,
                    "{key} = {}{}",
                    text::string(&type_),
                    counts(seen, records)
                )
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
    if !noted.is_empty() {
        let _ = write!(file, "# Look at these:\n{noted}");
    }
    if !fields.is_empty() {
        let _ = write!(file, "\n[fields]\n{fields}");
    }
    file
}

/// How often a member was absent or null, as a comment behind its type.
fn counts(seen: &Seen, records: u64) -> String {
    let mut counts = Vec::new();
    if seen.times < records {
        counts.push(format!("in {} of {records}", seen.times));
    }
    if seen.nulls > 0 {
        counts.push(format!("null in {}", seen.nulls));
    }
    match &counts[..] {
        [] => String::new(),
        counts => format!("  # {}", counts.join(", ")),
    }
}
