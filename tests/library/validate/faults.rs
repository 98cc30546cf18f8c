//! What is said about a bad body.

use ringest::validate::{Fault, FaultCode, Format, Rejection, RejectionKind};

use super::{LIMITS, records};

fn reject(body: &[u8]) -> Rejection {
    records(LIMITS, body, Format::Json).expect_err("a fault")
}

fn only_fault(body: &[u8]) -> Fault {
    let rejection = reject(body);
    assert_eq!(rejection.faults_total, 1);
    rejection.faults.into_iter().next().expect("one fault")
}

#[test]
fn where_and_what() {
    let cases: &[(&str, usize, usize, &str)] = &[
        // body, offset, record, message
        (
            "{\"a\":1 \"b\":2}",
            7,
            0,
            "expected `,` or `}`, found `\"b\":2}`",
        ),
        (
            "[{\"a\":1} {\"b\":2}]",
            9,
            1,
            "expected `,` or `]`, found `{\"b\":2}]`",
        ),
        (
            "[{},{\"a\":[1,{}],\"b\":nul}]",
            20,
            1,
            "expected `null`, found `nul}]`",
        ),
        ("[{},{},]", 7, 2, "expected no trailing comma, found `]`"),
        ("{\"a\":1,}", 7, 0, "expected no trailing comma, found `}`"),
        ("{\"a\":01}", 6, 0, "expected no leading zero, found `1}`"),
        ("{\"a\":+1}", 5, 0, "expected a value, found `+1}`"),
        ("{\"a\":1.}", 7, 0, "expected a digit, found `}`"),
        (
            "{a:1}",
            1,
            0,
            "expected a key in quotation marks, found `a:1}`",
        ),
        ("{\"a\" 1}", 5, 0, "expected `:` after the key, found `1}`"),
        (
            "{\"a\":1} x",
            8,
            0,
            "expected the end of the document, found `x`",
        ),
        (
            "[{},{\"a\":1",
            10,
            1,
            "expected `,` or `}`, found the end of the input",
        ),
        (
            "{\"a\":\"b",
            7,
            0,
            "expected the string's closing quotation mark, found the end of the input",
        ),
        (
            "{\"a\":\"\t\"}",
            6,
            0,
            "expected control characters to be escaped, found `\\t\"}`",
        ),
        (
            "{\"a\":\"x\\q\"}",
            7,
            0,
            "expected one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX, found `\\q\"}`",
        ),
        (
            "{\"a\":\"\\ud800\"}",
            6,
            0,
            "expected both halves of a surrogate pair, found `\\ud800\"}`",
        ),
        (
            "\u{feff}{}",
            0,
            0,
            "unexpected byte order mark (RFC 8259 section 8.1)",
        ),
    ];
    for (body, offset, index, message) in cases {
        let fault = only_fault(body.as_bytes());
        let told = (
            fault.offset,
            fault.index,
            fault.message.as_str(),
            fault.code,
        );
        assert_eq!(
            told,
            (*offset, *index, *message, FaultCode::BadJson),
            "{body}"
        );
    }
}

#[test]
fn offsets_count_the_whitespace_before_the_text() {
    let fault = only_fault(b" \r\n\n  [{},\n   {\"a\" 1}]");
    assert_eq!(
        (fault.offset, fault.line, fault.column, fault.index),
        (19, 4, 9, 1)
    );
    let fault = only_fault(b"\n\n [{}, 7]");
    assert_eq!(
        (fault.offset, fault.line, fault.column, fault.index),
        (8, 3, 7, 1)
    );
}

#[test]
fn other_codes() {
    let fault = only_fault(b"[{},{\"a\":\"\xff\"}]");
    let told = (
        fault.code,
        fault.offset,
        fault.index,
        fault.message.as_str(),
    );
    let expected = (
        FaultCode::InvalidUtf8,
        10,
        1,
        "expected UTF-8, found the byte 0xFF",
    );
    assert_eq!(told, expected);

    let fault = only_fault(b"{\"a\":-1e400}");
    let message = "expected a number that a 64-bit float can hold, found `-1e400`";
    let told = (fault.code, fault.offset, fault.message.as_str());
    assert_eq!(told, (FaultCode::NumberOutOfRange, 5, message));

    let digits = format!("{{\"a\":{}}}", "9".repeat(310));
    assert_eq!(
        only_fault(digits.as_bytes()).code,
        FaultCode::NumberOutOfRange
    );
    let digits = format!("{{\"a\":{}}}", "9".repeat(308));
    assert_eq!(
        records(LIMITS, digits.as_bytes(), Format::Json),
        Ok(vec![digits.as_bytes()])
    );

    // The first fault of the text is told, whatever its sort.
    assert_eq!(
        only_fault(b"{\"a\":1e400,\"b\":\xff}").code,
        FaultCode::NumberOutOfRange
    );
    assert_eq!(
        only_fault(b"{\"a\":\"\xff\",\"b\":1e400}").code,
        FaultCode::InvalidUtf8
    );
    assert_eq!(
        only_fault(b"{\"a\":\"\xff\",}").code,
        FaultCode::InvalidUtf8
    );
    assert_eq!(only_fault(b"{\"a\":1,}\xff").code, FaultCode::BadJson);
}

#[test]
fn every_element_that_is_no_object() {
    let rejection = reject(b"[{}, [1, 2] ,\"a\\u00e9\",{},null,true,-1.50 ]");
    let told = rejection.faults.iter();
    let told = told.map(|fault| (fault.index, fault.offset, fault.message.as_str()));
    let expected = [
        (1, 5, "expected an object, found an array: `[1, 2]`"),
        (2, 13, "expected an object, found a string: `\"a\\u00e9\"`"),
        (4, 26, "expected an object, found null: `null`"),
        (5, 31, "expected an object, found a boolean: `true`"),
        (6, 36, "expected an object, found a number: `-1.50`"),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(
        rejection
            .faults
            .iter()
            .all(|fault| fault.code == FaultCode::NotAnObject)
    );
    assert_eq!(
        (rejection.records, rejection.kind),
        (7, RejectionKind::Invalid)
    );
}

#[test]
fn quotes_are_short_and_printable() {
    let quoted = |message: &str| message.split('`').nth(1).expect("a quote").to_owned();
    for (len, cut) in [(62, false), (63, true)] {
        let body = format!("\"{}\"", "é".repeat(len));
        let quote = quoted(&only_fault(body.as_bytes()).message);
        assert_eq!(quote.ends_with('…'), cut, "{quote}");
        assert_eq!(quote.trim_end_matches('…').chars().count(), 64);
    }
    // Right-to-left override, a C1 control, an escape: none gets into a terminal.
    let body = "[\u{202e}\u{9b}31m";
    let quote = quoted(&only_fault(body.as_bytes()).message);
    assert_eq!(quote, "\\u{202e}\\u{9b}31m");
}

#[test]
fn codes_have_stable_names() {
    let names = [
        (FaultCode::EmptyBody, "empty_body"),
        (FaultCode::BadJson, "bad_json"),
        (FaultCode::InvalidUtf8, "invalid_utf8"),
        (FaultCode::NumberOutOfRange, "number_out_of_range"),
        (FaultCode::NotAnObject, "not_an_object"),
        (FaultCode::TooDeep, "too_deep"),
        (FaultCode::RecordTooLarge, "record_too_large"),
        (FaultCode::TooManyRecords, "too_many_records"),
        (FaultCode::MissingField, "missing_field"),
        (FaultCode::UnknownField, "unknown_field"),
        (FaultCode::WrongType, "wrong_type"),
        (FaultCode::OutOfRange, "out_of_range"),
        (FaultCode::BadFormat, "bad_format"),
        (FaultCode::NotInEnum, "not_in_enum"),
        (FaultCode::TooLong, "too_long"),
        (FaultCode::WrongLength, "wrong_length"),
    ];
    for (code, name) in names {
        assert_eq!(code.as_str(), name);
    }
}
