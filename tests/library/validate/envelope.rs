//! The partition key and the timestamp of a record.

use ringest::model::{Rules, UnknownFields};
use ringest::validate::{ErrorCode, Format, Rejection, Validator};

use super::typed::{LIMITS, rules};

type Envelope = (Option<Vec<u8>>, Option<i64>);

fn envelopes(rules: &Rules, body: &str, format: Format) -> Result<Vec<Envelope>, Rejection> {
    let mut validator = Validator::new(LIMITS);
    let valid = validator.validate(body.as_bytes(), format, rules)?;
    let records = valid.records();
    Ok(records
        .map(|record| (record.key.map(<[u8]>::to_vec), record.timestamp_ms))
        .collect())
}

fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

fn key(rules: &Rules, body: &str) -> Result<Option<String>, (ErrorCode, String, usize)> {
    let envelopes = envelopes(rules, body, Format::Json).map_err(|rejection| only(&rejection))?;
    let text = |key: &Vec<u8>| String::from_utf8(key.clone()).expect("text");
    Ok(envelopes[0].0.as_ref().map(text))
}

fn time(rules: &Rules, body: &str) -> Result<Option<i64>, ErrorCode> {
    let envelopes = envelopes(rules, body, Format::Json).map_err(|rejection| only(&rejection).0)?;
    Ok(envelopes[0].1)
}

fn only(rejection: &Rejection) -> (ErrorCode, String, usize) {
    assert_eq!(rejection.errors_total, 1, "{rejection:?}");
    let error = &rejection.errors[0];
    (error.code, error.path.clone(), error.offset)
}

#[test]
fn keys_of_any_record() {
    let mut rules = Rules::any();
    assert_eq!(key(&rules, r#"{"k":"a"}"#), Ok(None));
    rules.partition_key = Some(path("user.id"));
    let cases = [
        (r#"{"user":{"id":"a b"}}"#, Some("a b")),
        (r#"{"user":{"id":"\u0041\"\ud83d\ude00"}}"#, Some("A\"😀")),
        (r#"{"us\u0065r":{"id":""}}"#, Some("")),
        (
            r#"{"x":[{}],"user":{"y":{},"id": -1.50e+3 }}"#,
            Some("-1.50e+3"),
        ),
        (
            r#"{"user":{"id":99999999999999999999999}}"#,
            Some("99999999999999999999999"),
        ),
        (r#"{"user":{"id":true}}"#, Some("true")),
        (r#"{"user":{"id":null}}"#, None),
        (r#"{"user":{"ID":1}}"#, None),
        (r#"{"user":{}}"#, None),
        (r#"{"user":[{"id":1}]}"#, None),
        (r#"{"user":"id"}"#, None),
        (r#"{"user.id":1}"#, None),
        // The last counts.
        (r#"{"user":{"id":1,"id":2},"x":{"id":3}}"#, Some("2")),
        (r#"{"user":{"id":1},"user":{"id":2}}"#, Some("2")),
        (r#"{"user":{"id":1},"user":{}}"#, None),
    ];
    for (body, expected) in cases {
        assert_eq!(key(&rules, body), Ok(expected.map(str::to_owned)), "{body}");
    }
    for (value, offset) in [("{}", 14), ("[1]", 14), (" {\"a\":1}", 15)] {
        let body = format!(r#"{{"user":{{"id":{value}}}}}"#);
        let reported = (ErrorCode::WrongType, "$.user.id".to_owned(), offset);
        assert_eq!(key(&rules, &body), Err(reported), "{body}");
    }
}

#[test]
fn each_record_has_its_own_key_and_timestamp() {
    let mut rules = Rules::any();
    rules.partition_key = Some(path("k"));
    rules.timestamp_field = Some(path("t"));
    let records = [
        (r#"{"k":"one","t":1}"#, (Some(b"one".to_vec()), Some(1))),
        (r#"{"t":2}"#, (None, Some(2))),
        (r#"{"k":"","t":null}"#, (Some(Vec::new()), None)),
        (r#"{"k":"\u0000","t":4}"#, (Some(vec![0]), Some(4))),
    ];
    let expected: Vec<_> = records.iter().map(|it| it.1.clone()).collect();
    let texts: Vec<_> = records.iter().map(|it| it.0).collect();
    let array = format!("[{}]", texts.join(","));
    assert_eq!(
        envelopes(&rules, &array, Format::Json),
        Ok(expected.clone())
    );
    assert_eq!(
        envelopes(&rules, &texts.join("\n"), Format::Ndjson),
        Ok(expected)
    );
}

#[test]
fn times_of_any_record() {
    let mut rules = Rules::any();
    rules.timestamp_field = Some(path("t"));
    let cases = [
        ("\"1970-01-01T00:00:00Z\"", Ok(Some(0))),
        (
            "\"2026-11-24 09:00:00.1239+01:00\"",
            Ok(Some(1_795_507_200_123)),
        ),
        ("\"2016-12-31T23:59:60Z\"", Ok(Some(1_483_228_800_000))),
        ("\"1969-12-31T23:59:59.999Z\"", Err(ErrorCode::OutOfRange)),
        ("\"2026-11-24\"", Err(ErrorCode::BadFormat)),
        ("\"1700000000000\"", Err(ErrorCode::BadFormat)),
        ("\"\"", Err(ErrorCode::BadFormat)),
        ("0", Ok(Some(0))),
        ("-0", Ok(Some(0))),
        ("1700000000000", Ok(Some(1_700_000_000_000))),
        ("9223372036854775807", Ok(Some(i64::MAX))),
        ("9223372036854775808", Err(ErrorCode::OutOfRange)),
        ("99999999999999999999999", Err(ErrorCode::OutOfRange)),
        ("-1", Err(ErrorCode::OutOfRange)),
        ("1.0", Err(ErrorCode::WrongType)),
        ("1e3", Err(ErrorCode::WrongType)),
        ("true", Err(ErrorCode::WrongType)),
        ("{}", Err(ErrorCode::WrongType)),
        ("null", Ok(None)),
    ];
    for (value, expected) in cases {
        assert_eq!(
            time(&rules, &format!("{{\"t\":{value}}}")),
            expected,
            "{value}"
        );
    }
    assert_eq!(time(&rules, "{}"), Ok(None));
}

#[test]
fn type_errors_are_reported_once() {
    let fields = [
        ("k", "Nullable(String)"),
        ("t", "Nullable(Date)"),
        ("i", "Nullable(Int64)"),
        ("d", "Nullable(DateTime)"),
    ];
    let model = |field: &str| {
        let mut rules = rules(&fields, UnknownFields::Forward);
        rules.timestamp_field = Some(path(field));
        rules.partition_key = Some(path("k"));
        rules
    };
    let cases = [
        ("t", r#"{"t":"2026-11-24"}"#, Ok(Some(1_795_478_400_000))),
        ("t", r#"{"t":"2026-02-30"}"#, Err(ErrorCode::BadFormat)),
        ("t", r#"{"t":"1969-12-31"}"#, Err(ErrorCode::OutOfRange)),
        ("t", r#"{"t":[]}"#, Err(ErrorCode::WrongType)),
        ("i", r#"{"i":"1700000000000"}"#, Ok(Some(1_700_000_000_000))),
        ("i", r#"{"i":1.5}"#, Err(ErrorCode::WrongType)),
        ("i", r#"{"i":"x"}"#, Err(ErrorCode::BadFormat)),
        ("i", r#"{"i":"-5"}"#, Err(ErrorCode::OutOfRange)),
        (
            "d",
            r#"{"d":"2026-11-24T00:00:00Z"}"#,
            Ok(Some(1_795_478_400_000)),
        ),
        ("d", r#"{"d":"2026-11-24"}"#, Err(ErrorCode::BadFormat)),
        ("k", r#"{"k":"2026-11-24"}"#, Err(ErrorCode::BadFormat)),
        ("d", r#"{"k":{}}"#, Err(ErrorCode::WrongType)),
        ("d", r#"{"d":null}"#, Ok(None)),
        ("d", "{}", Ok(None)),
    ];
    for (field, body, expected) in cases {
        assert_eq!(time(&model(field), body), expected, "{field} of {body}");
    }
}
