//! The table's rows on the library, accepted directly or by simd-json's tape: both find the same, and nearly
//! all records are plain enough for the former.

use std::collections::BTreeMap;

use crate::{models, table};
use ringest::{
    model::Rules,
    validate::{Format, Record, Rejection, ValidBody, ValidateLimits, Validator},
};

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000_000,
    records_max: 100_000,
    json_depth_max: 128,
};

/// Of the accepted records, so many are accepted directly.
const DIRECT_PERCENT_MIN: usize = 93;

#[test]
fn rows_are_accepted_directly_as_by_tape() {
    let models = rules();
    let [mut direct, mut by_tape] = [Validator::new(LIMITS), Validator::by_tape(LIMITS)];
    let (mut accepted, mut directly) = (0, 0);
    for row in table::rows() {
        let rules = &models[&row.model];
        let valid = direct.validate(&row.payload, Format::Json, rules);
        if let Ok(valid) = &valid {
            accepted += valid.len();
            directly += valid.accepted_directly();
        }
        let found = found(valid);
        let expected = self::found(by_tape.validate(&row.payload, Format::Json, rules));
        assert_eq!(found, expected, "{row}");
    }
    assert!(
        100 * directly >= DIRECT_PERCENT_MIN * accepted,
        "{directly} of {accepted}"
    );
}

/// Bodies that are made of each row by a change of a few bytes.
const CHANGED_PER_ROW: usize = 8;

/// Bytes that mean something to JSON or to a type.
const BYTES: &[u8] = b"{}[]:,\"\\ \n0919-+.eutfnlTZ/\x00\x1f\x7f\x80\xc3\xa9\xed\xff";

#[test]
fn changed_rows_are_accepted_directly_as_by_tape() {
    let models = rules();
    let [mut direct, mut by_tape] = [Validator::new(LIMITS), Validator::by_tape(LIMITS)];
    let mut accepted = 0;
    // Knuth's MMIX generator.
    let mut state = 1_usize;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    for row in table::rows().iter().filter(|row| !row.payload.is_empty()) {
        for _ in 0..CHANGED_PER_ROW {
            let mut body = row.payload.clone();
            for _ in 0..=below(2) {
                let (place, byte) = (below(body.len()), BYTES[below(BYTES.len())]);
                match below(4) {
                    0 => body.insert(place, byte),
                    1 if body.len() > 1 => drop(body.remove(place)),
                    2 => {
                        let from = below(place + 1);
                        let part = body[from..=place].to_vec();
                        body.splice(place..place, part);
                    }
                    _ => body[place] = byte,
                }
            }
            let rules = &models[&row.model];
            let valid = direct.validate(&body, Format::Json, rules);
            accepted += valid.as_ref().map_or(0, ValidBody::accepted_directly);
            let expected = found(by_tape.validate(&body, Format::Json, rules));
            assert_eq!(
                found(valid),
                expected,
                "{} {}",
                row.model,
                body.escape_ascii()
            );
        }
    }
    assert!(accepted > 1_000, "most changes leave nothing valid");
}

type Found<'v> = Result<(Vec<Record<'v>>, Option<Rejection>), Rejection>;

fn found(valid: Result<ValidBody<'_>, Rejection>) -> Found<'_> {
    valid.map(|valid| (valid.records().collect(), valid.rejection().cloned()))
}

/// The rules of each model by its name.
fn rules() -> BTreeMap<String, Rules> {
    let config = models::load(&table::models()).unwrap_or_else(|errors| panic!("{errors}"));
    let models = config.models.iter();
    models
        .map(|model| (model.name.clone(), model.rules.clone()))
        .collect()
}
