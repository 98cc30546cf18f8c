//! Any body, in both formats: accepted if and only if `serde_json` accepts it, with the same records, and
//! with every error within the body. With types: never more valid records than without, and errors are
//! within the body and at most [`ERRORS_MAX`].
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ringest::model::{Field, OnInvalid, Rules, Type, UnknownFields};
use ringest::validate::{ERRORS_MAX, Format, ValidateLimits, Validator};
use serde_json::Value;

/// `serde_json` parses to a depth of 127.
const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: usize::MAX,
    records_max: usize::MAX,
    json_depth_max: 127,
};

fuzz_target!(|body: &[u8]| {
    let json = serde_json::from_slice(body).ok().and_then(as_records);
    check(body, Format::Json, json.as_deref());
    check(body, Format::Ndjson, lines(body).as_deref());
    check_typed(body, Format::Json);
    check_typed(body, Format::Ndjson);
});

/// Fields of many types; valid records are accepted.
static TYPED: LazyLock<Rules> = LazyLock::new(|| {
    let types = [
        ("a", "Nullable(Map(Int256, Nullable(Array(Int8))))"),
        (
            "b",
            "Nullable(Tuple(x Float64, y Decimal(9, 2), z Nullable(UUID)))",
        ),
        ("c", "Nullable(Tuple(DateTime64(3), Date, IPv4, IPv6))"),
        ("d", "Nullable(JSON(a.b Enum8('x' = 1), e FixedString(2)))"),
        ("k", "Nullable(String)"),
    ];
    let fields = types.map(|(name, type_)| {
        Field::declared(name.to_owned(), Type::parse(type_).expect("a type"), false)
    });
    let mut rules = Rules::compile(&fields, UnknownFields::Forward);
    rules.on_invalid = OnInvalid::AcceptValid;
    rules.partition_key = Some(vec!["k".to_owned()]);
    rules.timestamp_field = Some(vec!["t".to_owned(), "ms".to_owned()]);
    rules
});

fn check_typed(body: &[u8], format: Format) {
    let mut validator = Validator::new(LIMITS);
    let untyped = validator.validate(body, format, &Rules::any());
    let all = untyped.map_or(0, |valid| valid.len());
    let (accepted, rejection) = match validator.validate(body, format, &TYPED) {
        Ok(valid) => (valid.len(), valid.rejection().cloned()),
        Err(rejection) => (0, Some(rejection)),
    };
    assert!(all == 0 || accepted <= all);
    if let Some(rejection) = rejection {
        assert_eq!(
            rejection.errors.len(),
            rejection.errors_total.min(ERRORS_MAX)
        );
        assert!(
            rejection
                .errors
                .iter()
                .all(|error| error.offset <= body.len())
        );
        assert!(rejection.errors.is_sorted_by_key(|error| error.offset));
        if rejection.records > 0 {
            assert_eq!(
                accepted + rejection.invalid_records.len(),
                rejection.records
            );
        }
    }
}

/// The records of a JSON text, if all are objects.
fn as_records(text: Value) -> Option<Vec<Value>> {
    let records = match text {
        Value::Array(elements) => elements,
        value => vec![value],
    };
    records.iter().all(Value::is_object).then_some(records)
}

/// The records of an NDJSON body, if all are objects and there is one.
fn lines(body: &[u8]) -> Option<Vec<Value>> {
    let is_whitespace = |byte: &u8| b" \t\r".contains(byte);
    let lines = body.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.iter().all(is_whitespace));
    let records = lines.map(|line| serde_json::from_slice(line).ok().filter(Value::is_object));
    records
        .collect::<Option<Vec<_>>>()
        .filter(|records| !records.is_empty())
}

fn check(body: &[u8], format: Format, expected: Option<&[Value]>) {
    let mut validator = Validator::new(LIMITS);
    match validator.validate(body, format, &Rules::any()) {
        Ok(valid) => {
            let bytes = valid.records().map(|record| record.span.of(body));
            let tight = |record: &[u8]| record.starts_with(b"{") && record.ends_with(b"}");
            assert!(bytes.clone().all(tight));
            let records = bytes.map(|record| serde_json::from_slice(record).expect("a record"));
            assert_eq!(Some(&*records.collect::<Vec<Value>>()), expected);
        }
        Err(rejection) => {
            assert_eq!(expected, None, "{rejection:?}");
            assert_eq!(
                rejection.errors.len(),
                rejection.errors_total.min(ERRORS_MAX)
            );
            for error in rejection.errors {
                assert!(
                    error.offset <= body.len() && error.message != "not JSON",
                    "{error:?}"
                );
            }
        }
    }
}
