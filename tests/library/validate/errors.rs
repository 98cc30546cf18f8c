//! Errors of invalid bodies.

use ringest::validate::{ErrorCode, Format, Rejection, RejectionKind, ValidationError};

use super::{LIMITS, records};

fn reject(body: &[u8]) -> Rejection {
    records(LIMITS, body, Format::Json).expect_err("an error")
}

fn only_error(body: &[u8]) -> ValidationError {
    let rejection = reject(body);
    assert_eq!(rejection.errors_total, 1);
    rejection.errors.into_iter().next().expect("one error")
}

/// What clients get wrong most often is named, with what to do instead.
#[test]
fn likely_causes() {
    let lines = "; one record per line is NDJSON: send it with Content-Type: application/x-ndjson";
    let joined = "; for one record per line the line ends are missing: curl -d removes them, use \
                  --data-binary with Content-Type: application/x-ndjson";
    let form = "; this looks like a form: send JSON, with Content-Type: application/json";
    let encoded = "; this looks percent-encoded, as by curl --data-urlencode: send the JSON itself";
    for (body, expected) in [
        ("{\"a\":1}\n{\"a\":2}\n", lines),
        ("{\"a\":1} \r\n\r\n {\"a\":2}", lines),
        ("[1]\n[2]", lines),
        ("{\"a\":1}{\"a\":2}", joined),
        ("{\"a\":1} {\"a\":2}", joined),
        ("a=1&b=2", form),
        ("user%5Bname%5D=x", form),
        ("%7B%22a%22%3A1%7D", encoded),
        ("%5B%7B%22a%22%3A1%7D%5D", encoded),
    ] {
        let message = only_error(body.as_bytes()).message;
        assert!(message.ends_with(expected), "{body}: {message}");
    }
    for body in [
        "{\"a\":1} x",
        "{\"a\":1},{}",
        "[{} {}]",
        "{\"a\":x=1}",
        "abc",
        "=1",
        "[a=1]",
        "",
    ] {
        let message = only_error(body.as_bytes()).message;
        assert!(!message.contains(';'), "{body}: {message}");
    }
    let ndjson = |body: &[u8]| {
        let rejection = records(LIMITS, body, Format::Ndjson).expect_err("an error");
        rejection.errors[0].message.clone()
    };
    assert!(ndjson(b"{\"a\":1}{\"a\":2}").ends_with(joined));

    // Longer in all than a record may be.
    let count = LIMITS.record_bytes_max / 7 + 1;
    for (record, expected) in [
        ("{\"a\":1}\n", lines),
        ("{\"a\":1}\r\n", lines),
        ("{\"a\":1}", joined),
    ] {
        let error = only_error(record.repeat(count).as_bytes());
        assert_eq!(error.code, ErrorCode::RecordTooLarge);
        assert!(error.message.ends_with(expected), "{}", error.message);
    }
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LIMITS.record_bytes_max));
    let message = only_error(long.as_bytes()).message;
    assert!(!message.contains(';'), "{message}");
}

#[test]
fn offset_record_and_message() {
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
        let error = only_error(body.as_bytes());
        let reported = (
            error.offset,
            error.index,
            error.message.as_str(),
            error.code,
        );
        assert_eq!(
            reported,
            (*offset, *index, *message, ErrorCode::BadJson),
            "{body}"
        );
    }
}

#[test]
fn offsets_count_the_whitespace_before_the_text() {
    let error = only_error(b" \r\n\n  [{},\n   {\"a\" 1}]");
    assert_eq!(
        (error.offset, error.line, error.column, error.index),
        (19, 4, 9, 1)
    );
    let error = only_error(b"\n\n [{}, 7]");
    assert_eq!(
        (error.offset, error.line, error.column, error.index),
        (8, 3, 7, 1)
    );
}

#[test]
fn other_codes() {
    let error = only_error(b"[{},{\"a\":\"\xff\"}]");
    let reported = (
        error.code,
        error.offset,
        error.index,
        error.message.as_str(),
    );
    let expected = (
        ErrorCode::InvalidUtf8,
        10,
        1,
        "expected UTF-8, found the byte 0xFF",
    );
    assert_eq!(reported, expected);

    let error = only_error(b"{\"a\":-1e400}");
    let message = "expected a number that a 64-bit float can hold, found `-1e400`";
    let reported = (error.code, error.offset, error.message.as_str());
    assert_eq!(reported, (ErrorCode::NumberOutOfRange, 5, message));

    let digits = format!("{{\"a\":{}}}", "9".repeat(310));
    assert_eq!(
        only_error(digits.as_bytes()).code,
        ErrorCode::NumberOutOfRange
    );
    let digits = format!("{{\"a\":{}}}", "9".repeat(308));
    assert_eq!(
        records(LIMITS, digits.as_bytes(), Format::Json),
        Ok(vec![digits.as_bytes()])
    );

    // The first error of the text is reported, whatever its sort.
    assert_eq!(
        only_error(b"{\"a\":1e400,\"b\":\xff}").code,
        ErrorCode::NumberOutOfRange
    );
    assert_eq!(
        only_error(b"{\"a\":\"\xff\",\"b\":1e400}").code,
        ErrorCode::InvalidUtf8
    );
    assert_eq!(
        only_error(b"{\"a\":\"\xff\",}").code,
        ErrorCode::InvalidUtf8
    );
    assert_eq!(only_error(b"{\"a\":1,}\xff").code, ErrorCode::BadJson);
}

#[test]
fn every_element_that_is_not_an_object() {
    let rejection = reject(b"[{}, [1, 2] ,\"a\\u00e9\",{},null,true,-1.50 ]");
    let reported = rejection.errors.iter();
    let reported = reported.map(|error| (error.index, error.offset, error.message.as_str()));
    let expected = [
        (1, 5, "expected an object, found an array: `[1, 2]`"),
        (2, 13, "expected an object, found a string: `\"a\\u00e9\"`"),
        (4, 26, "expected an object, found null: `null`"),
        (5, 31, "expected an object, found a boolean: `true`"),
        (6, 36, "expected an object, found a number: `-1.50`"),
    ];
    assert_eq!(reported.collect::<Vec<_>>(), expected);
    assert!(
        rejection
            .errors
            .iter()
            .all(|error| error.code == ErrorCode::NotAnObject)
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
        let quote = quoted(&only_error(body.as_bytes()).message);
        assert_eq!(quote.ends_with('…'), cut, "{quote}");
        assert_eq!(quote.trim_end_matches('…').chars().count(), 64);
    }
    // Right-to-left override, a C1 control, an escape: none gets into a terminal.
    let body = "[\u{202e}\u{9b}31m";
    let quote = quoted(&only_error(body.as_bytes()).message);
    assert_eq!(quote, "\\u{202e}\\u{9b}31m");
}

#[test]
fn codes_have_stable_names() {
    let names = [
        (ErrorCode::EmptyBody, "empty_body"),
        (ErrorCode::BadJson, "bad_json"),
        (ErrorCode::InvalidUtf8, "invalid_utf8"),
        (ErrorCode::NumberOutOfRange, "number_out_of_range"),
        (ErrorCode::NotAnObject, "not_an_object"),
        (ErrorCode::TooDeep, "too_deep"),
        (ErrorCode::RecordTooLarge, "record_too_large"),
        (ErrorCode::TooManyRecords, "too_many_records"),
        (ErrorCode::MissingField, "missing_field"),
        (ErrorCode::UnknownField, "unknown_field"),
        (ErrorCode::WrongType, "wrong_type"),
        (ErrorCode::OutOfRange, "out_of_range"),
        (ErrorCode::BadFormat, "bad_format"),
        (ErrorCode::NotInEnum, "not_in_enum"),
        (ErrorCode::TooLong, "too_long"),
        (ErrorCode::WrongLength, "wrong_length"),
    ];
    for (code, name) in names {
        assert_eq!(code.as_str(), name);
    }
}
