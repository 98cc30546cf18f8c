//! Just below and just above each limit.

use ringest::model::Rules;
use ringest::validate::{ERRORS_MAX, ErrorCode, Format, RejectionKind, ValidateLimits, Validator};

use super::{LIMITS, code, records};

/// An object of `depth` levels: `object(1, "[")` is `{}`, `object(3, "[")` is `{"a":[[]]}`.
fn object(depth: usize, open: &str) -> String {
    let close = if open == "[" { "]" } else { "}" };
    let inner = open.repeat(depth - 1) + &close.repeat(depth - 1);
    let inner = inner.replace("{{", "{\"a\":{").replace("{{", "{\"a\":{");
    if depth == 1 {
        "{}".to_owned()
    } else {
        format!("{{\"a\":{inner}}}")
    }
}

#[test]
fn depth() {
    for open in ["[", "{"] {
        for max in [1, 2, 3, 10, 128, 1024, 2000] {
            let limits = ValidateLimits {
                json_depth_max: max,
                ..LIMITS
            };
            let (below, above) = (object(max, open), object(max + 1, open));
            for format in [Format::Json, Format::Ndjson] {
                assert_eq!(code(limits, below.as_bytes(), format), None, "{max} {open}");
                let code = code(limits, above.as_bytes(), format);
                assert_eq!(code, Some(ErrorCode::TooDeep), "{max} {open}");
            }
            // The outer array is a level, and so the records within have one less.
            let array = format!("[{{}},{below}]");
            assert_eq!(
                code(limits, array.as_bytes(), Format::Json),
                Some(ErrorCode::TooDeep)
            );
            if max > 1 {
                let array = format!("[{{}},{}]", object(max - 1, open));
                assert_eq!(code(limits, array.as_bytes(), Format::Json), None);
            }
        }
    }
}

#[test]
fn depth_error_points_to_the_excess_bracket() {
    let limits = ValidateLimits {
        json_depth_max: 3,
        ..LIMITS
    };
    let body = "[{\"a\":[]},\n {\"a\":[\"[\",{}]}]";
    let rejection = records(limits, body.as_bytes(), Format::Json).expect_err("too deep");
    let error = &rejection.errors[0];
    assert_eq!((error.index, error.line, error.column), (1, 2, 12));
    assert_eq!(rejection.kind, RejectionKind::Invalid);
}

#[test]
fn depth_bombs_are_rejected_without_recursion() {
    for bomb in ["[", "{\"a\":", "[{\"a\":"] {
        let body = bomb.repeat(2_000_000);
        assert_eq!(
            code(LIMITS, body.as_bytes(), Format::Json),
            Some(if body.starts_with('[') {
                ErrorCode::TooDeep
            } else {
                // Too long for a record, before anything else.
                ErrorCode::RecordTooLarge
            })
        );
        let limits = ValidateLimits {
            record_bytes_max: body.len(),
            ..LIMITS
        };
        let code = code(limits, body.as_bytes(), Format::Json);
        assert_eq!(code, Some(ErrorCode::TooDeep));
    }
}

#[test]
fn record_bytes() {
    let limits = ValidateLimits {
        record_bytes_max: 10,
        ..LIMITS
    };
    let (below, above) = ("{\"a\":1234}", "{\"a\":12345}");
    assert_eq!(below.len(), 10);
    for format in [Format::Json, Format::Ndjson] {
        for around in ["", "   "] {
            let body = format!("{around}{below}{around}");
            assert_eq!(code(limits, body.as_bytes(), format), None);
            let body = format!("{around}{above}{around}");
            let rejection = records(limits, body.as_bytes(), format).expect_err("too large");
            assert_eq!(rejection.kind, RejectionKind::TooLarge);
            assert_eq!(rejection.errors[0].code, ErrorCode::RecordTooLarge);
            assert_eq!(rejection.errors[0].offset, around.len());
            assert_eq!(rejection.records, 1);
        }
    }
    let array = format!("[{below}, {above} ,{below},{above}]");
    let lines = format!("{below}\n{above}\n{below}\n{above}");
    for (body, format) in [(array, Format::Json), (lines, Format::Ndjson)] {
        let rejection = records(limits, body.as_bytes(), format).expect_err("too large");
        let reported = rejection
            .errors
            .iter()
            .map(|error| (error.index, error.code));
        let expected = [1, 3].map(|index| (index, ErrorCode::RecordTooLarge));
        assert_eq!(reported.collect::<Vec<_>>(), expected);
        assert_eq!(
            (rejection.kind, rejection.errors_total, rejection.records),
            (RejectionKind::TooLarge, 2, 4)
        );
    }
}

#[test]
fn a_size_among_other_faults_is_not_413() {
    let limits = ValidateLimits {
        record_bytes_max: 10,
        ..LIMITS
    };
    let bodies = [
        ("[{\"a\":12345},7]", Format::Json),
        ("[7,{\"a\":12345}]", Format::Json),
        ("{\"a\":12345}\n{", Format::Ndjson),
    ];
    for (body, format) in bodies {
        let rejection = records(limits, body.as_bytes(), format).expect_err("two errors");
        assert_eq!(
            (rejection.kind, rejection.errors_total),
            (RejectionKind::Invalid, 2),
            "{body}"
        );
    }
    // Also when the error that decides is not among those reported.
    let body = format!("[{}7]", "{\"a\":12345},".repeat(ERRORS_MAX));
    let rejection = records(limits, body.as_bytes(), Format::Json).expect_err("many errors");
    assert_eq!(rejection.kind, RejectionKind::Invalid);
}

#[test]
fn records_of_a_body() {
    for max in [0, 1, 3, 1000] {
        let limits = ValidateLimits {
            records_max: max,
            ..LIMITS
        };
        for (count, expected) in [(max, None), (max + 1, Some(ErrorCode::TooManyRecords))] {
            let array = format!("[{}]", vec!["{}"; count].join(", "));
            assert_eq!(code(limits, array.as_bytes(), Format::Json), expected);
            if count > 0 {
                let lines = vec!["{}"; count].join("\n\n");
                assert_eq!(code(limits, lines.as_bytes(), Format::Ndjson), expected);
            }
        }
        let array = format!("[1{}]", ",1".repeat(max));
        let rejection = records(limits, array.as_bytes(), Format::Json).expect_err("too many");
        assert_eq!(
            (rejection.kind, rejection.errors_total),
            (RejectionKind::TooLarge, 1)
        );
    }
}

#[test]
fn the_first_hundred_errors_are_reported_and_all_are_counted() {
    for count in [ERRORS_MAX - 1, ERRORS_MAX, ERRORS_MAX + 1, 5_000] {
        let array = format!("[{}]", vec!["1"; count].join(","));
        let lines = vec!["{"; count].join("\n");
        for (body, format) in [(array, Format::Json), (lines, Format::Ndjson)] {
            let rejection = records(LIMITS, body.as_bytes(), format).expect_err("all bad");
            assert_eq!(rejection.errors.len(), count.min(ERRORS_MAX));
            assert_eq!((rejection.errors_total, rejection.records), (count, count));
            let last = rejection.errors.last().expect("has errors");
            assert_eq!(last.index, count.min(ERRORS_MAX) - 1);
        }
    }
}

#[test]
fn a_body_after_the_scratch_was_released() {
    let mut validator = Validator::new(LIMITS);
    let huge = format!("[{}]", vec!["{\"a\":[1,2,3]}"; 90_000].join(","));
    for _ in 0..2 {
        let valid = validator
            .validate(huge.as_bytes(), Format::Json, &Rules::any())
            .expect("valid");
        assert_eq!(valid.len(), 90_000);
        let valid = validator
            .validate(b"{}", Format::Json, &Rules::any())
            .expect("valid");
        assert_eq!(valid.len(), 1);
    }
}
