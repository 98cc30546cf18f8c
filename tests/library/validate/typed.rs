//! Typed models: accepted and rejected values at the limits of each type.

mod structure;

use ringest::model::{Field, Kind, Rules, Type, UnknownFields};
use ringest::validate::{ErrorCode, Format, Rejection, ValidateLimits, ValidationError, Validator};

use ErrorCode::{BadFormat, NotInEnum, OutOfRange, TooLong, WrongType};

pub(crate) const LIMITS: ValidateLimits = super::LIMITS;

/// A field of a type in `ClickHouse` notation.
pub(crate) fn field(name: &str, type_: &str) -> Field {
    Field::declared(name.to_owned(), Type::parse(type_).expect(type_), false)
}

/// Rules of fields in `ClickHouse` notation; a name with `=` behind it has a default.
pub(crate) fn rules(fields: &[(&str, &str)], unknown_fields: UnknownFields) -> Rules {
    let fields = fields.iter().map(|(name, type_)| {
        Field::declared(
            name.trim_end_matches('=').to_owned(),
            Type::parse(type_).expect(type_),
            name.ends_with('='),
        )
    });
    Rules::compile(&fields.collect::<Vec<_>>(), unknown_fields)
}

pub(crate) fn validate(rules: &Rules, body: &str) -> Result<usize, Rejection> {
    let mut validator = Validator::new(LIMITS);
    let valid = validator.validate(body.as_bytes(), Format::Json, rules)?;
    Ok(valid.len())
}

/// The only error.
pub(crate) fn error(rules: &Rules, body: &str) -> ValidationError {
    let rejection = validate(rules, body).expect_err(body);
    assert_eq!(rejection.errors_total, 1, "{body}: {rejection:?}");
    rejection.errors.into_iter().next().expect("one")
}

fn codes(rules: &Rules, body: &str) -> Vec<ErrorCode> {
    match validate(rules, body) {
        Ok(_) => Vec::new(),
        Err(rejection) => rejection.errors.iter().map(|error| error.code).collect(),
    }
}

/// Checks values of a type; with a code, the value must be rejected with it.
fn check(type_: &str, cases: &[(&str, Option<ErrorCode>)]) {
    check_rules(
        &rules(&[("v", type_)], UnknownFields::Forward),
        cases,
        type_,
    );
}

/// The same for a type without a text form.
fn check_kind(kind: Kind, cases: &[(&str, Option<ErrorCode>)]) {
    let text = "a type".to_owned();
    let field = Field::declared("v".to_owned(), Type { kind, text }, false);
    check_rules(&Rules::compile(&[field], UnknownFields::Forward), cases, "");
}

/// The same for the field `v` of these rules; `type_` is for the failure's message.
fn check_rules(rules: &Rules, cases: &[(&str, Option<ErrorCode>)], type_: &str) {
    for (value, code) in cases {
        let reported = codes(rules, &format!("{{\"v\":{value}}}"));
        assert_eq!(
            reported,
            code.iter().copied().collect::<Vec<_>>(),
            "{type_} {value}"
        );
    }
}

#[test]
fn integers() {
    let edges = [
        ("UInt8", "-0", "255", "-1", "256"),
        ("Int8", "-128", "127", "-129", "128"),
        ("UInt16", "0", "65535", "-1", "65536"),
        ("Int16", "-32768", "32767", "-32769", "32768"),
        ("UInt32", "0", "4294967295", "-1", "4294967296"),
        (
            "Int32",
            "-2147483648",
            "2147483647",
            "-2147483649",
            "2147483648",
        ),
        (
            "UInt64",
            "0",
            "18446744073709551615",
            "-1",
            "18446744073709551616",
        ),
        (
            "Int64",
            "-9223372036854775808",
            "9223372036854775807",
            "-9223372036854775809",
            "9223372036854775808",
        ),
        (
            "UInt128",
            "0",
            "340282366920938463463374607431768211455",
            "-1",
            "340282366920938463463374607431768211456",
        ),
        (
            "Int128",
            "-170141183460469231731687303715884105728",
            "170141183460469231731687303715884105727",
            "-170141183460469231731687303715884105729",
            "170141183460469231731687303715884105728",
        ),
        (
            "UInt256",
            "0",
            "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            "-1",
            "115792089237316195423570985008687907853269984665640564039457584007913129639936",
        ),
        (
            "Int256",
            "-57896044618658097711785492504343953926634992332820282019728792003956564819968",
            "57896044618658097711785492504343953926634992332820282019728792003956564819967",
            "-57896044618658097711785492504343953926634992332820282019728792003956564819969",
            "57896044618658097711785492504343953926634992332820282019728792003956564819968",
        ),
    ];
    for (type_, least, greatest, below, above) in edges {
        let signed = type_.starts_with('I');
        let quoted = |number: &str| format!("\"{number}\"");
        let no_sign_of_zero = (!signed).then_some(BadFormat);
        check(
            type_,
            &[
                ("0", None),
                ("-0", None),
                ("\"0\"", None),
                ("\"-0\"", no_sign_of_zero),
                (least, None),
                (greatest, None),
                (below, Some(OutOfRange)),
                (above, Some(OutOfRange)),
                (&quoted(greatest), None),
                (&quoted(below), Some(OutOfRange)),
                (&quoted(above), Some(OutOfRange)),
                ("1.0", Some(WrongType)),
                ("1e2", Some(WrongType)),
                ("-0.0", Some(WrongType)),
                ("1e300", Some(WrongType)),
                ("\"1.0\"", Some(BadFormat)),
                ("\"01\"", Some(BadFormat)),
                ("\"\\u0031\"", None),
                ("\"\"", Some(BadFormat)),
                ("true", Some(WrongType)),
                ("null", Some(WrongType)),
                ("[1]", Some(WrongType)),
                ("{}", Some(WrongType)),
            ],
        );
    }
}

#[test]
fn texts() {
    check(
        "LowCardinality(String)",
        &[
            ("\"\"", None),
            ("\"\\u0000\"", None),
            ("1", Some(WrongType)),
            ("true", Some(WrongType)),
            ("null", Some(WrongType)),
        ],
    );
    check(
        "FixedString(4)",
        &[
            ("\"\"", None),
            ("\"abcd\"", None),
            ("\"\\u00e9\\u00e9\"", None),
            ("\"abcde\"", Some(TooLong)),
            ("\"abc\\u00e9\"", Some(TooLong)),
            ("1", Some(WrongType)),
        ],
    );
    check(
        "Bool",
        &[
            ("true", None),
            ("false", None),
            ("0", Some(WrongType)),
            ("\"true\"", Some(WrongType)),
        ],
    );
    check(
        "UUID",
        &[
            ("\"0198c7a2-4b1e-7d3a-9f00-5e2c8a41b7d6\"", None),
            ("\"0198c7a2-4b1e-7d3a-9f00-5e2c8a41b7dg\"", Some(BadFormat)),
            ("0", Some(WrongType)),
        ],
    );
    check(
        "IPv4",
        &[("\"010.0.0.1\"", None), ("\"256.0.0.1\"", Some(BadFormat))],
    );
    check(
        "IPv6",
        &[("\"::1\"", None), ("\"1.2.3.4\"", Some(BadFormat))],
    );
}

#[test]
fn numbers_and_times() {
    for type_ in ["Float32", "Float64"] {
        check(
            type_,
            &[
                ("0", None),
                ("1e39", None),
                ("99999999999999999999999", None),
                ("\"-inf\"", None),
                ("\"1e400\"", None),
                ("\"1_0\"", Some(BadFormat)),
                ("true", Some(WrongType)),
                ("null", Some(WrongType)),
            ],
        );
    }
    check(
        "Decimal(10, 2)",
        &[
            ("1e5", None),
            ("123456789012.345", None),
            ("\"-007.5\"", None),
            ("\"1e5\"", Some(BadFormat)),
        ],
    );
    for type_ in ["Date", "Date32"] {
        check(
            type_,
            &[
                ("\"0000-01-01\"", None),
                ("\"1900-02-29\"", Some(BadFormat)),
                ("\"2026-11-24T08:00:00Z\"", Some(BadFormat)),
                ("0", Some(WrongType)),
            ],
        );
    }
    for type_ in ["DateTime", "DateTime64(3)", "DateTime64(9, 'UTC')"] {
        check(
            type_,
            &[
                ("\"2026-11-24T08:00:00Z\"", None),
                ("\"2026-11-24\"", Some(BadFormat)),
                ("1700000000", Some(WrongType)),
                ("1700000000.5", Some(WrongType)),
                ("\"1700000000\"", Some(BadFormat)),
            ],
        );
    }
}

#[test]
fn enums() {
    check(
        "Enum16('red' = 1, 'deep blue' = -300, '1.0' = 7)",
        &[
            ("\"red\"", None),
            ("\"deep\\u0020blue\"", None),
            ("\"Red\"", Some(NotInEnum)),
            ("\"\"", Some(NotInEnum)),
            ("\"1\"", Some(NotInEnum)),
            ("1", None),
            ("-300", None),
            ("7", None),
            ("0", Some(NotInEnum)),
            ("-1", Some(NotInEnum)),
            ("65537", Some(NotInEnum)),
            ("99999999999999999999999", Some(NotInEnum)),
            ("1.0", Some(WrongType)),
            ("true", Some(WrongType)),
        ],
    );
    check_kind(
        Kind::Literals(vec!["a".to_owned(), "b".to_owned()]),
        &[
            ("\"a\"", None),
            ("\"c\"", Some(NotInEnum)),
            ("1", Some(WrongType)),
        ],
    );
}

#[test]
fn json_schema_numbers() {
    check_kind(
        Kind::Number,
        &[
            ("1", None),
            ("1.5e3", None),
            ("\"1\"", Some(WrongType)),
            ("true", Some(WrongType)),
        ],
    );
    let whole = |minimum, maximum| Kind::WholeNumber { minimum, maximum };
    check_kind(
        whole(None, None),
        &[
            ("1.0", None),
            ("1e2", None),
            ("-1e300", None),
            ("1.5", Some(WrongType)),
            ("1e-1", Some(WrongType)),
            ("\"1\"", Some(WrongType)),
        ],
    );
    check_kind(
        whole(Some(-5), Some(500)),
        &[
            ("-5", None),
            ("-6", Some(OutOfRange)),
            ("500", None),
            ("5e2", None),
            ("500.0", None),
            ("501.0", Some(OutOfRange)),
            ("18446744073709551615", Some(OutOfRange)),
            ("1e300", Some(OutOfRange)),
            ("-1e300", Some(OutOfRange)),
        ],
    );
    let greatest = i128::MAX.to_string();
    check_kind(
        whole(Some(i128::MAX), None),
        &[
            (&greatest, None),
            ("170141183460469231731687303715884105726", Some(OutOfRange)),
            ("170141183460469231731687303715884105728", Some(OutOfRange)),
        ],
    );
    check_kind(Kind::Any, &[("null", None), ("[{}]", None), ("1", None)]);
}
