//! One record a line.

use proptest::prelude::*;
use ringest::validate::{FaultCode, Format};

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
fn nothing_is_a_fault() {
    for body in ["", " ", "\n", "\r\n\r\n", " \t\n \r\n"] {
        for format in [Format::Json, Format::Ndjson] {
            let code = code(LIMITS, body.as_bytes(), format);
            assert_eq!(code, Some(FaultCode::EmptyBody), "{body:?} as {format:?}");
        }
    }
}

#[test]
fn every_bad_line_is_told() {
    let body = "{\"a\":1}\n[{\"a\":1}]\n\n3\r\n{\"a\":\n{\"a\":2} {\"a\":3}\n{\"a\":4}\rnull\n\u{feff}{}\n{\"ok\":1}";
    let rejection = records(LIMITS, body.as_bytes(), Format::Ndjson).expect_err("bad lines");
    let told = rejection.faults.iter();
    let told = told.map(|fault| (fault.index, fault.line, fault.column, fault.code));
    let expected = [
        (1, 2, 1, FaultCode::NotAnObject),
        (2, 4, 1, FaultCode::NotAnObject),
        (3, 5, 6, FaultCode::BadJson),
        (4, 6, 9, FaultCode::BadJson),
        (5, 7, 9, FaultCode::BadJson),
        (6, 8, 1, FaultCode::BadJson),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert_eq!((rejection.faults_total, rejection.records), (6, 8));
}

#[test]
fn a_pretty_printed_object_is_no_ndjson() {
    let body = "{\n  \"a\": 1\n}\n";
    let rejection = records(LIMITS, body.as_bytes(), Format::Ndjson).expect_err("no objects");
    assert_eq!(rejection.faults_total, 3);
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
        let told = lines.iter().map(|line| line.trim_matches([' ', '\t', '\r']));
        let told = told.filter(|line| !line.is_empty()).enumerate().filter_map(|(index, line)| {
            let is_array = line.starts_with('[');
            let code = code(LIMITS, line.as_bytes(), Format::Json);
            // The one difference: an array is no line.
            let code = if is_array && !matches!(code, Some(FaultCode::BadJson | FaultCode::TooDeep | FaultCode::NumberOutOfRange)) {
                Some(FaultCode::NotAnObject)
            } else {
                code
            };
            Some((index, code?))
        });
        let told = told.collect::<Vec<_>>();
        match records(LIMITS, body.as_bytes(), Format::Ndjson) {
            Ok(_) => prop_assert_eq!(told, vec![]),
            Err(rejection) if rejection.records == 0 => prop_assert_eq!(rejection.faults[0].code, FaultCode::EmptyBody),
            Err(rejection) => {
                let faults = rejection.faults.iter().map(|fault| (fault.index, fault.code));
                prop_assert_eq!(faults.collect::<Vec<_>>(), told);
            }
        }
    }
}
