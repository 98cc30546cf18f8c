//! The validate stage: untyped against `serde_json` as its oracle, typed by what each type takes, and
//! at the edges of its limits.

mod batches;
mod costly;
mod envelope;
mod errors;
mod grammar;
mod limits;
mod messages;
mod ndjson;
mod planted;
mod spans;
mod typed;

use ringest::model::Rules;
use ringest::validate::{ErrorCode, Format, Rejection, ValidateLimits, Validator};

/// Wide enough for every test that is not about limits. `serde_json` reads to a depth of 127.
const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000_000,
    records_max: 100_000,
    json_depth_max: 127,
};

/// Each record's bytes.
fn records(limits: ValidateLimits, body: &[u8], format: Format) -> Result<Vec<&[u8]>, Rejection> {
    let [mut direct, mut by_tape] = [Validator::new(limits), Validator::by_tape(limits)];
    let [direct, by_tape] = [&mut direct, &mut by_tape].map(|it| {
        let valid = it.validate(body, format, &Rules::any())?;
        Ok(valid.records().map(|it| it.span.of(body)).collect())
    });
    assert_eq!(direct, by_tape, "{}", body.escape_ascii());
    direct
}

/// The first error's code, if there is any.
fn code(limits: ValidateLimits, body: &[u8], format: Format) -> Option<ErrorCode> {
    let rejection = records(limits, body, format).err()?;
    Some(rejection.errors.first().expect("a rejection says why").code)
}

/// Any JSON text within `serde_json`'s reach, with any whitespace and any spelling of strings and
/// numbers.
fn any_json() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|bool| bool.to_string()),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        any_string(),
    ];
    scalar.prop_recursive(6, 48, 6, |value| {
        prop_oneof![any_array(value.clone()), any_object(value)]
    })
}

/// Any JSON object whose values are `value`s.
fn any_object<V>(value: V) -> impl proptest::strategy::Strategy<Value = String>
where
    V: proptest::strategy::Strategy<Value = String>,
{
    use proptest::{collection::vec, prelude::*};
    let space = || "[ \t\r\n]{0,2}";
    let entry = (space(), any_string(), space(), space(), value, space());
    (vec(entry, 0..5), space()).prop_map(|(entries, inside)| {
        let entries = entries.iter().map(|(a, key, b, c, value, d)| {
            // serde_json's arbitrary spelling is kept; keys may repeat.
            format!("{a}{key}{b}:{c}{value}{d}")
        });
        let entries = entries.collect::<Vec<_>>().join(",");
        let inside = if entries.is_empty() {
            inside
        } else {
            String::new()
        };
        format!("{{{inside}{entries}}}")
    })
}

/// Any JSON array of `value`s.
fn any_array<V>(value: V) -> impl proptest::strategy::Strategy<Value = String>
where
    V: proptest::strategy::Strategy<Value = String>,
{
    use proptest::{collection::vec, prelude::*};
    let space = || "[ \t\r\n]{0,2}";
    (vec((space(), value, space()), 0..6), space()).prop_map(|(elements, inside)| {
        let elements = elements
            .iter()
            .map(|(a, value, b)| format!("{a}{value}{b}"));
        let elements = elements.collect::<Vec<_>>().join(",");
        let inside = if elements.is_empty() {
            inside
        } else {
            String::new()
        };
        format!("[{inside}{elements}]")
    })
}

/// Any string literal: structural characters, escapes, text beyond ASCII, longer than a SIMD lane.
fn any_string() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::{collection::vec, prelude::*};
    let piece = prop_oneof![
        "[ -!#-\\[\\]-~]{0,40}",
        "[\\[\\]{}:,]{0,6}",
        Just(r#"\""#.to_owned()),
        Just(r"\\".to_owned()),
        Just(r"\/\b\f\n\r\t".to_owned()),
        Just(r"\u0000\uD83D\ude00\u00e9".to_owned()),
        Just("é€😀\u{7f}\u{2028}".to_owned()),
    ];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}
