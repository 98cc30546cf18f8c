//! Good and bad records in one body.

use proptest::{collection::vec, prelude::*};
use ringest::model::{OnInvalid, Rules, UnknownFields};
use ringest::validate::{FaultCode, Format, RejectionKind, ValidateLimits, Validator};

use super::typed::{LIMITS, rules};

fn model(on_invalid: OnInvalid) -> Rules {
    let mut rules = rules(&[("v", "UInt8")], UnknownFields::Forward);
    rules.on_invalid = on_invalid;
    rules
}

const GOOD: &str = "{\"v\":1}";

#[test]
fn only_the_good_ones_if_the_model_says_so() {
    let body = format!("[{GOOD},{{\"v\":256}},{GOOD},7,{{}} , {GOOD}]");
    let mut validator = Validator::new(LIMITS);
    let all = model(OnInvalid::RejectAll);
    let rejected = validator.validate(body.as_bytes(), Format::Json, &all);
    let rejected = rejected.expect_err("faults");
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
        (valid.len(), rejected.records, rejected.faults_total),
        (3, 6, 3)
    );
}

#[test]
fn none_good_or_none_bad() {
    let rules = model(OnInvalid::AcceptValid);
    let mut validator = Validator::new(LIMITS);
    let bad = validator.validate(b"[{},7]", Format::Json, &rules);
    assert_eq!(bad.expect_err("none is good").faults_total, 2);
    let good = validator.validate(GOOD.as_bytes(), Format::Json, &rules);
    assert_eq!(good.expect("good").rejection(), None);
    let none = validator.validate(b"[]", Format::Json, &rules);
    let none = none.expect("nothing is wrong");
    assert!(none.is_empty() && none.rejection().is_none());
}

#[test]
fn what_refuses_a_body_refuses_all_of_it() {
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
            FaultCode::BadJson,
        ),
        (
            format!("[{GOOD},{GOOD},{GOOD}]"),
            Format::Json,
            FaultCode::TooManyRecords,
        ),
        (
            format!("{GOOD}\n{GOOD}\n{GOOD}"),
            Format::Ndjson,
            FaultCode::TooManyRecords,
        ),
        ("\n".to_owned(), Format::Ndjson, FaultCode::EmptyBody),
    ];
    for (body, format, code) in cases {
        let verdict = validator.validate(body.as_bytes(), format, &rules);
        let rejection = verdict.expect_err("refused");
        assert_eq!((rejection.faults[0].code, rejection.records), (code, 0));
    }
    // A line is a record: one that can't be read takes none with it.
    let body = format!("{GOOD}\n{{\"v\":");
    let valid = validator.validate(body.as_bytes(), Format::Ndjson, &rules);
    let valid = valid.expect("one is good");
    let rejection = valid.rejection().expect("one is bad");
    assert_eq!(
        (valid.len(), rejection.faults[0].code),
        (1, FaultCode::BadJson)
    );
}

#[test]
fn a_record_that_is_too_large_is_one_bad_record() {
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
        assert_eq!(rejection.faults[0].code, FaultCode::RecordTooLarge);
        let (index, span) = rejection.faulty[0];
        assert_eq!((index, span.of(body.as_bytes())), (0, long.as_bytes()));
    }
}

proptest! {
    /// In whatever company, each record is judged as it is alone, in either format.
    #[test]
    fn each_as_alone(records in vec(prop_oneof![
        Just(GOOD.to_owned()),
        Just("{\"v\":\"x\",\"v\":-1}".to_owned()),
        Just("{}".to_owned()),
        Just("[]".to_owned()),
        super::any_object(super::any_json()).prop_map(|text| text.replace('\n', " ")),
    ], 0..12)) {
        let rules = model(OnInvalid::AcceptValid);
        let mut validator = Validator::new(LIMITS);
        let faults = records.iter().map(|record| validator.explain(record.as_bytes(), &rules));
        let faults: Vec<_> = faults.map(|it| it.map_or(0, |it| it.faults_total)).collect();
        let good = |index: &usize| faults[*index] == 0;
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
            let verdict = validator.validate(body.as_bytes(), format, &rules);
            let (accepted, rejection) = match verdict {
                Ok(valid) => {
                    let records = valid.records().map(|record| (record.index, record.span));
                    (records.collect(), valid.rejection().cloned())
                }
                Err(rejection) => (Vec::new(), Some(rejection)),
            };
            let (faulty, total) = rejection.map_or((Vec::new(), 0), |it| (it.faulty, it.faults_total));
            prop_assert_eq!(total, faults.iter().sum::<usize>());
            for (told, expected) in [(accepted, &good), (faulty, &bad)] {
                let indices: Vec<_> = told.iter().map(|(index, _)| *index).collect();
                prop_assert_eq!(&indices, expected);
                for (index, span) in told {
                    prop_assert_eq!(span.of(body.as_bytes()), records[index].trim().as_bytes());
                }
            }
        }
    }
}
