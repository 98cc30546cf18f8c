//! Valid and invalid records in one body.

use proptest::{collection::vec, prelude::*};
use ringest::model::{OnInvalid, Rules, UnknownFields};
use ringest::validate::{ErrorCode, Format, RejectionKind, ValidateLimits, Validator};

use super::typed::{LIMITS, rules};

fn model(on_invalid: OnInvalid) -> Rules {
    let mut rules = rules(&[("v", "UInt8")], UnknownFields::Forward);
    rules.on_invalid = on_invalid;
    rules
}

const GOOD: &str = "{\"v\":1}";

#[test]
fn accept_valid_keeps_the_valid_records() {
    let body = format!("[{GOOD},{{\"v\":256}},{GOOD},7,{{}} , {GOOD}]");
    let mut validator = Validator::new(LIMITS);
    let all = model(OnInvalid::RejectAll);
    let rejected = validator.validate(body.as_bytes(), Format::Json, &all);
    let rejected = rejected.expect_err("errors");
    let valid = model(OnInvalid::AcceptValid);
    let valid = validator.validate(body.as_bytes(), Format::Json, &valid);
    let valid = valid.expect("some are good");
    assert_eq!(valid.rejection(), Some(&rejected));
    let records = valid.records();
    let records: Vec<_> = records
        .map(|record| (record.index, record.span.of(body.as_bytes())))
        .collect();
    let good = GOOD.as_bytes();
    assert_eq!(records, [(0, good), (2, good), (5, good)]);
    assert_eq!(
        (valid.len(), rejected.records, rejected.errors_total),
        (3, 6, 3)
    );
}

#[test]
fn all_invalid_or_all_valid() {
    let rules = model(OnInvalid::AcceptValid);
    let mut validator = Validator::new(LIMITS);
    let bad = validator.validate(b"[{},7]", Format::Json, &rules);
    assert_eq!(bad.expect_err("none is good").errors_total, 2);
    let good = validator.validate(GOOD.as_bytes(), Format::Json, &rules);
    assert_eq!(good.expect("good").rejection(), None);
    let none = validator.validate(b"[]", Format::Json, &rules);
    let none = none.expect("nothing is wrong");
    assert!(none.is_empty() && none.rejection().is_none());
}

#[test]
fn errors_of_a_whole_body_reject_all_records() {
    let limits = ValidateLimits {
        records_max: 2,
        ..LIMITS
    };
    let rules = model(OnInvalid::AcceptValid);
    let mut validator = Validator::new(limits);
    let cases = [
        (
            format!("[{GOOD},{{\"v\":]"),
            Format::Json,
            ErrorCode::BadJson,
        ),
        (
            format!("[{GOOD},{GOOD},{GOOD}]"),
            Format::Json,
            ErrorCode::TooManyRecords,
        ),
        (
            format!("{GOOD}\n{GOOD}\n{GOOD}"),
            Format::Ndjson,
            ErrorCode::TooManyRecords,
        ),
        ("\n".to_owned(), Format::Ndjson, ErrorCode::EmptyBody),
    ];
    for (body, format, code) in cases {
        let result = validator.validate(body.as_bytes(), format, &rules);
        let rejection = result.expect_err("rejected");
        assert_eq!((rejection.errors[0].code, rejection.records), (code, 0));
    }
    // A line is a record: one that can't be read takes none with it.
    let body = format!("{GOOD}\n{{\"v\":");
    let valid = validator.validate(body.as_bytes(), Format::Ndjson, &rules);
    let valid = valid.expect("one is good");
    let rejection = valid.rejection().expect("one is bad");
    assert_eq!(
        (valid.len(), rejection.errors[0].code),
        (1, ErrorCode::BadJson)
    );
}

#[test]
fn a_record_that_is_too_large_is_one_invalid_record() {
    let limits = ValidateLimits {
        record_bytes_max: GOOD.len(),
        ..LIMITS
    };
    let rules = model(OnInvalid::AcceptValid);
    let mut validator = Validator::new(limits);
    let long = "{\"v\":10}";
    for (body, format) in [
        (format!("[{long},{GOOD}]"), Format::Json),
        (format!("{long}\n{GOOD}"), Format::Ndjson),
    ] {
        let valid = validator.validate(body.as_bytes(), format, &rules);
        let valid = valid.expect("one is good");
        let rejection = valid.rejection().expect("one is bad");
        assert_eq!(rejection.kind, RejectionKind::TooLarge);
        assert_eq!(rejection.errors[0].code, ErrorCode::RecordTooLarge);
        let (index, span) = rejection.invalid_records[0];
        assert_eq!((index, span.of(body.as_bytes())), (0, long.as_bytes()));
    }
}

proptest! {
    /// Each record of a body is validated as if it were alone, in both formats.
    #[test]
    fn records_are_validated_independently(records in vec(prop_oneof![
        Just(GOOD.to_owned()),
        Just("{\"v\":\"x\",\"v\":-1}".to_owned()),
        Just("{}".to_owned()),
        Just("[]".to_owned()),
        super::any_object(super::any_json()).prop_map(|text| text.replace('\n', " ")),
    ], 0..12)) {
        let rules = model(OnInvalid::AcceptValid);
        let mut validator = Validator::new(LIMITS);
        let errors = records.iter().map(|record| validator.validate_record(record.as_bytes(), &rules));
        let errors: Vec<_> = errors.map(|it| it.map_or(0, |it| it.errors_total)).collect();
        let good = |index: &usize| errors[*index] == 0;
        let indices = 0..records.len();
        let (good, bad): (Vec<_>, Vec<_>) = indices.partition(good);
        let bodies = [
            (format!("[{}]", records.join(",")), Format::Json),
            (records.join("\n"), Format::Ndjson),
        ];
        for (body, format) in bodies {
            if records.is_empty() {
                continue;
            }
            let result = validator.validate(body.as_bytes(), format, &rules);
            let (accepted, rejection) = match result {
                Ok(valid) => {
                    let records = valid.records().map(|record| (record.index, record.span));
                    (records.collect(), valid.rejection().cloned())
                }
                Err(rejection) => (Vec::new(), Some(rejection)),
            };
            let (invalid, total) = rejection.map_or((Vec::new(), 0), |it| (it.invalid_records, it.errors_total));
            prop_assert_eq!(total, errors.iter().sum::<usize>());
            for (reported, expected) in [(accepted, &good), (invalid, &bad)] {
                let indices: Vec<_> = reported.iter().map(|(index, _)| *index).collect();
                prop_assert_eq!(&indices, expected);
                for (index, span) in reported {
                    prop_assert_eq!(span.of(body.as_bytes()), records[index].trim().as_bytes());
                }
            }
        }
    }
}
