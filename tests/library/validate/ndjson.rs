//! One record per line.

use proptest::prelude::*;
use ringest::validate::{ErrorCode, Format};

use super::{LIMITS, any_json, any_object, code, records};

#[test]
fn line_ends() {
    let a: &[u8] = b"{\"a\":1}";
    let bodies = [
        "{\"a\":1}\n{\"a\":1}\n",
        "{\"a\":1}\n{\"a\":1}",
        "{\"a\":1}\r\n{\"a\":1}\r\n",
        "{\"a\":1}\r\n{\"a\":1}\r",
        "\n\r\n \t\n{\"a\":1}\n\n\n  {\"a\":1}\t\r\n \r\n",
        "{\"a\":1} \n {\"a\":1} ",
    ];
    for body in bodies {
        let records = records(LIMITS, body.as_bytes(), Format::Ndjson);
        assert_eq!(records, Ok(vec![a, a]), "{body:?}");
    }
}

#[test]
fn an_empty_body_is_an_error() {
    for body in ["", " ", "\n", "\r\n\r\n", " \t\n \r\n"] {
        for format in [Format::Json, Format::Ndjson] {
            let code = code(LIMITS, body.as_bytes(), format);
            assert_eq!(code, Some(ErrorCode::EmptyBody), "{body:?} as {format:?}");
        }
    }
}

#[test]
fn every_invalid_line_is_reported() {
    let body = "{\"a\":1}\n[{\"a\":1}]\n\n3\r\n{\"a\":\n{\"a\":2} {\"a\":3}\n{\"a\":4}\rnull\n\u{feff}{}\n{\"ok\":1}";
    let rejection = records(LIMITS, body.as_bytes(), Format::Ndjson).expect_err("bad lines");
    let reported = rejection.errors.iter();
    let reported = reported.map(|error| (error.index, error.line, error.column, error.code));
    let expected = [
        (1, 2, 1, ErrorCode::NotAnObject),
        (2, 4, 1, ErrorCode::NotAnObject),
        (3, 5, 6, ErrorCode::BadJson),
        (4, 6, 9, ErrorCode::BadJson),
        (5, 7, 9, ErrorCode::BadJson),
        (6, 8, 1, ErrorCode::BadJson),
    ];
    assert_eq!(reported.collect::<Vec<_>>(), expected);
    assert_eq!((rejection.errors_total, rejection.records), (6, 8));
}

#[test]
fn a_pretty_printed_object_is_not_ndjson() {
    let body = "{\n  \"a\": 1\n}\n";
    let rejection = records(LIMITS, body.as_bytes(), Format::Ndjson).expect_err("no objects");
    assert_eq!(rejection.errors_total, 3);
}

proptest! {
    #[test]
    fn lines_as_a_splitter_sees_them(
        lines in prop::collection::vec(("[ \t\r]{0,2}", any_object(any_json()), "[ \t\r]{0,2}", "\r?\n(\n| \t\n)?"), 1..8),
        last in any::<bool>(),
    ) {
        let lines = lines.iter().map(|(before, object, after, end)| {
            // A line feed between tokens would end the line.
            (before, object.replace('\n', " "), after, end)
        });
        let lines = lines.collect::<Vec<_>>();
        let body = lines.iter().map(|(a, object, b, end)| format!("{a}{object}{b}{end}"));
        let body = body.collect::<String>();
        let body = if last { body.trim_end() } else { &body };
        let expected = body.split('\n').map(|line| line.trim_matches([' ', '\t', '\r']));
        let expected = expected.filter(|line| !line.is_empty()).map(str::as_bytes);
        let records = records(LIMITS, body.as_bytes(), Format::Ndjson);
        prop_assert_eq!(records, Ok(expected.collect()));
    }

    #[test]
    fn any_lines_as_each_line_alone(lines in prop::collection::vec(prop_oneof![any_json(), any_object(any_json()), ".{0,20}"], 1..8)) {
        let lines = lines.iter().map(|line| line.replace('\n', " ")).collect::<Vec<_>>();
        let body = lines.join("\n");
        let reported = lines.iter().map(|line| line.trim_matches([' ', '\t', '\r']));
        let reported = reported.filter(|line| !line.is_empty()).enumerate().filter_map(|(index, line)| {
            let is_array = line.starts_with('[');
            let code = code(LIMITS, line.as_bytes(), Format::Json);
            // The one difference: an array is no line.
            let code = if is_array && !matches!(code, Some(ErrorCode::BadJson | ErrorCode::TooDeep | ErrorCode::NumberOutOfRange)) {
                Some(ErrorCode::NotAnObject)
            } else {
                code
            };
            Some((index, code?))
        });
        let reported = reported.collect::<Vec<_>>();
        match records(LIMITS, body.as_bytes(), Format::Ndjson) {
            Ok(_) => prop_assert_eq!(reported, vec![]),
            Err(rejection) if rejection.records == 0 => prop_assert_eq!(rejection.errors[0].code, ErrorCode::EmptyBody),
            Err(rejection) => {
                let errors = rejection.errors.iter().map(|error| (error.index, error.code));
                prop_assert_eq!(errors.collect::<Vec<_>>(), reported);
            }
        }
    }
}
