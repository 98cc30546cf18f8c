//! Any body, in either format: accepted if and only if `serde_json` accepts it, with the very records
//! that `serde_json` sees, and every fault within the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringest::model::Rules;
use ringest::validate::{FAULTS_MAX, Format, ValidateLimits, Validator};
use serde_json::Value;

/// `serde_json` reads to a depth of 127.
const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: usize::MAX,
    records_max: usize::MAX,
    json_depth_max: 127,
};

fuzz_target!(|body: &[u8]| {
    let json = serde_json::from_slice(body).ok().and_then(as_records);
    check(body, Format::Json, json.as_deref());
    check(body, Format::Ndjson, lines(body).as_deref());
});

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
                rejection.faults.len(),
                rejection.faults_total.min(FAULTS_MAX)
            );
            for fault in rejection.faults {
                assert!(
                    fault.offset <= body.len() && fault.message != "not JSON",
                    "{fault:?}"
                );
            }
        }
    }
}
