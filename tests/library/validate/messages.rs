//! Messages for records that are invalid for their model.

use proptest::prelude::*;
use ringest::model::{Rules, UnknownFields};
use ringest::validate::{ERRORS_MAX, ErrorCode, Format, Validator};

use super::typed::{LIMITS, error, rules, validate};

fn model(unknown_fields: UnknownFields) -> Rules {
    let fields = [
        ("name", "String"),
        ("count", "UInt8"),
        ("at", "Nullable(DateTime64(3))"),
        ("kind", "Nullable(Enum8('view' = 1, 'click' = 2))"),
        ("items", "Array(Tuple(sku String, price Decimal(10, 2)))"),
        ("ratios", "Map(UInt8, Float64)"),
    ];
    rules(&fields, unknown_fields)
}

/// The members that are left as they are.
fn body(members: &str) -> String {
    let good = [
        ("name", r#""name":"n""#),
        ("count", r#""count":1"#),
        ("items", r#""items":[]"#),
        ("ratios", r#""ratios":{}"#),
    ];
    let good = good
        .iter()
        .filter(|(name, _)| !members.contains(&format!("\"{name}\":")));
    let good: Vec<_> = good.map(|(_, member)| *member).collect();
    format!("{{{members},{}}}", good.join(","))
}

#[test]
fn messages() {
    let rules = model(UnknownFields::Reject);
    let cases = [
        (
            r#""count":300"#,
            "$.count",
            9,
            "expected UInt8, found the number 300: out of range, 0 to 255",
        ),
        (
            r#""count":"300""#,
            "$.count",
            9,
            "expected UInt8, found `300`: out of range, 0 to 255",
        ),
        (
            r#""count": 1.50"#,
            "$.count",
            10,
            "expected UInt8, found the number 1.50: an integer has no fraction or exponent",
        ),
        (
            r#""count":null"#,
            "$.count",
            9,
            "expected UInt8, found null",
        ),
        (
            r#""at":"2026-11-24""#,
            "$.at",
            6,
            "expected Nullable(DateTime64(3)) such as 2026-11-24T08:00:00Z, found `2026-11-24`: the time is missing",
        ),
        (
            r#""at":1700000000"#,
            "$.at",
            6,
            "expected Nullable(DateTime64(3)) such as 2026-11-24T08:00:00Z, found the number 1700000000",
        ),
        (
            r#""kind":"clik""#,
            "$.kind",
            8,
            "expected Nullable(Enum8('view' = 1, 'click' = 2)), found `clik`: not a member of the enum; did you mean `click`?",
        ),
        (
            r#""name":{}"#,
            "$.name",
            8,
            "expected String, found an object",
        ),
        (
            r#""items":[{"sku":"a","price":1},{"sku":"b","price":"1,5"}]"#,
            "$.items[1].price",
            51,
            "expected Decimal(10, 2), found `1,5`: not a decimal number",
        ),
        (
            r#""items":[{"sku":"a"}]"#,
            "$.items[0].price",
            10,
            "required field `price` (Decimal(10, 2)) is missing",
        ),
        (
            r#""ratios":{"7":1,"x'y":2}"#,
            r"$.ratios['x\'y']",
            17,
            "expected a key of type UInt8, found `x'y`: not an integer",
        ),
        (
            r#""ratios":{"7":1,"8":[]}"#,
            "$.ratios['8']",
            21,
            "expected Float64, found an empty array",
        ),
        (
            r#""Kind":1"#,
            "$.Kind",
            1,
            "field `Kind` is not declared; did you mean `kind`?",
        ),
        (
            r#""zzzzzzzz":1"#,
            "$.zzzzzzzz",
            1,
            "field `zzzzzzzz` is not declared",
        ),
    ];
    for (members, path, offset, message) in cases {
        let error = error(&rules, &body(members));
        let reported = (error.path.as_str(), error.offset, error.message.as_str());
        assert_eq!(reported, (path, offset, message));
    }
}

#[test]
fn similar_names_are_suggested() {
    let rules = model(UnknownFields::Forward);
    let error = error(&rules, r#"{"Name":"n","count":1,"items":[],"ratios":{}}"#);
    let message = "required field `name` (String) is missing; found `Name` instead";
    assert_eq!(
        (error.path.as_str(), error.message.as_str()),
        ("$.name", message)
    );
    assert_eq!(error.expected.as_deref(), Some("String"));
}

#[test]
fn every_error_of_every_record() {
    let rules = model(UnknownFields::Reject);
    let bad = r#"{"x":1,"items":[{"price":null}],"count":-1}"#;
    let good = body(r#""at":null"#);
    let text = format!("[{good},\n {bad},\n{good},7,\n{bad}]");
    let rejection = validate(&rules, &text).expect_err("errors");
    let reported = rejection.errors.iter();
    let reported: Vec<_> = reported
        .map(|error| {
            (
                error.index,
                error.line,
                error.column,
                error.path.as_str(),
                error.code,
            )
        })
        .collect();
    let of = |index, line, space: usize| {
        [
            (index, line, 1 + space, "$.name", ErrorCode::MissingField),
            (index, line, 1 + space, "$.ratios", ErrorCode::MissingField),
            (index, line, 2 + space, "$.x", ErrorCode::UnknownField),
            (
                index,
                line,
                17 + space,
                "$.items[0].sku",
                ErrorCode::MissingField,
            ),
            (
                index,
                line,
                26 + space,
                "$.items[0].price",
                ErrorCode::WrongType,
            ),
            (index, line, 41 + space, "$.count", ErrorCode::OutOfRange),
        ]
    };
    let seven = (3, 3, good.len() + 2, "$", ErrorCode::NotAnObject);
    let expected = [&of(1, 2, 1)[..], &[seven], &of(4, 4, 0)].concat();
    assert_eq!(reported, expected);
    assert_eq!((rejection.errors_total, rejection.records), (13, 5));
    let invalid = rejection.invalid_records.iter().map(|(index, span)| {
        let bytes = span.of(text.as_bytes());
        (*index, std::str::from_utf8(bytes).expect("text"))
    });
    assert_eq!(invalid.collect::<Vec<_>>(), [(1, bad), (3, "7"), (4, bad)]);
}

#[test]
fn a_hundred_errors_are_reported_and_all_are_counted() {
    let rules = rules(
        &[("v", "Array(UInt8)"), ("w", "UInt8")],
        UnknownFields::Reject,
    );
    for count in [ERRORS_MAX - 1, ERRORS_MAX, ERRORS_MAX + 1, 5_000] {
        let values = vec!["-1"; count].join(",");
        let one = format!("{{\"v\":[{values}],\"w\":1}}");
        let each = vec!["{\"v\":[],\"w\":\"x\"}"; count].join(",");
        for body in [one, format!("[{each}]")] {
            let rejection = validate(&rules, &body).expect_err("errors");
            let reported = rejection.errors.len();
            assert_eq!(
                (reported, rejection.errors_total),
                (count.min(ERRORS_MAX), count)
            );
            let offsets: Vec<_> = rejection.errors.iter().map(|error| error.offset).collect();
            assert!(offsets.is_sorted());
        }
    }
    // What is not reported is counted, whatever it is.
    let body = format!(
        "{{\"v\":[{}],\"x\":1,\"y\":1}}",
        vec!["-1"; ERRORS_MAX].join(",")
    );
    let rejection = validate(&rules, &body).expect_err("errors");
    assert_eq!(rejection.errors_total, ERRORS_MAX + 3);
}

#[test]
fn client_text_is_truncated_and_escaped() {
    let rules = rules(&[("m", "Map(String, UInt8)")], UnknownFields::Reject);
    let (longest, longer) = ("é".repeat(64), "é".repeat(65));
    for (name, shown) in [
        (&longest, longest.clone()),
        (&longer, format!("{longest}…")),
    ] {
        let reported = error(&rules, &format!("{{\"m\":{{}},\"{name}\":1}}"));
        assert_eq!(reported.path, format!("$['{shown}']"));
        let message = format!("field `{shown}` is not declared");
        assert_eq!(reported.message, message);
        let reported = error(&rules, &format!("{{\"m\":{{\"{name}\":\"{name}\"}}}}"));
        assert_eq!(reported.path, format!("$.m['{shown}']"));
        assert_eq!(
            reported.message,
            format!("expected UInt8, found `{shown}`: not an integer")
        );
    }
    let reported = error(&rules, "{\"m\":{\"\\u001b'\\n\":\"\\u001b\\u0000\"}}");
    assert_eq!(reported.path, r"$.m['\u001b\'\n']");
    assert_eq!(
        reported.message,
        r"expected UInt8, found `\u{1b}\0`: not an integer"
    );
    let digits = "9".repeat(100);
    let reported = error(&rules, &format!("{{\"m\":{{\"a\":{digits}}}}}"));
    let message = format!(
        "expected UInt8, found the number {}…: out of range, 0 to 255",
        &digits[..64]
    );
    assert_eq!(reported.message, message);
}

#[test]
fn the_type_is_truncated_in_the_message_only() {
    let members: Vec<_> = (0..100)
        .map(|number| format!("'m{number}' = {number}"))
        .collect();
    let type_ = format!("Enum8({})", members.join(", "));
    let rules = rules(&[("v", &type_)], UnknownFields::Forward);
    let reported = error(&rules, "{\"v\":true}");
    assert_eq!(reported.expected.as_deref(), Some(type_.as_str()));
    assert_eq!(
        reported.message,
        format!("expected {}…, found true", &type_[..64])
    );
}

#[test]
fn a_single_record() {
    let rules = model(UnknownFields::Forward);
    let mut validator = Validator::new(LIMITS);
    let good = body(r#""at":null"#);
    assert_eq!(validator.validate_record(good.as_bytes(), &rules), None);
    // Lines within a record end nothing.
    let lines = good.replace(',', ",\r\n");
    assert_eq!(validator.validate_record(lines.as_bytes(), &rules), None);
    let cases = [
        ("[{}]", ErrorCode::NotAnObject),
        ("{\"a\":}", ErrorCode::BadJson),
        ("{}", ErrorCode::MissingField),
        ("", ErrorCode::BadJson),
    ];
    for (record, code) in cases {
        let rejection = validator
            .validate_record(record.as_bytes(), &rules)
            .expect("errors");
        assert_eq!(
            (rejection.errors[0].index, rejection.errors[0].code),
            (0, code),
            "{record}"
        );
    }
}

#[test]
fn a_body_that_is_rejected_as_a_whole() {
    let rules = model(UnknownFields::Forward);
    let mut validator = Validator::new(LIMITS);
    let mut invalid = |body: &str, format| {
        let result = validator.validate(body.as_bytes(), format, &rules);
        result.expect_err("rejected").invalid_records
    };
    let whole = invalid(" [{},{\"a\":] ", Format::Json);
    assert_eq!(whole.len(), 1);
    assert_eq!((whole[0].0, whole[0].1.offset, whole[0].1.len), (0, 0, 12));
    assert_eq!(invalid("  ", Format::Json), []);
    let lines = invalid("{}\n{\"a\":\n7", Format::Ndjson);
    let lines: Vec<_> = lines
        .iter()
        .map(|(index, span)| (*index, span.offset, span.len))
        .collect();
    assert_eq!(lines, [(0, 0, 2), (1, 3, 5), (2, 9, 1)]);
}

proptest! {
    /// Offsets are within the body, and arbitrary text does not panic.
    #[test]
    fn errors_are_within_the_body(value in super::any_json(), key in super::any_string()) {
        let rules = model(UnknownFields::Reject);
        let text = format!("[{value},{{\"items\":[{value}],\"ratios\":{{{key}:{value}}},\"name\":{value}, {key} :1}}]");
        if let Err(rejection) = validate(&rules, &text) {
            prop_assert_eq!(rejection.errors.len(), rejection.errors_total.min(ERRORS_MAX));
            for error in rejection.errors {
                prop_assert!(error.offset < text.len());
                let line_start = text[..error.offset].rfind('\n').map_or(0, |lf| lf + 1);
                prop_assert_eq!(error.column, error.offset - line_start + 1);
                let line = 1 + text[..error.offset].matches('\n').count();
                prop_assert_eq!(error.line, line);
            }
        }
    }
}
