//! A record's bytes are exactly what `serde_json`'s `RawValue` keeps of it.

use proptest::prelude::*;
use ringest::model::Rules;
use ringest::validate::{Format, Validator};
use serde_json::value::RawValue;

use super::{LIMITS, any_array, any_json, any_object, records};

fn raw_values(array: &str) -> Vec<&[u8]> {
    let values = serde_json::from_str::<Vec<&RawValue>>(array).expect("an array");
    values.iter().map(|value| value.get().as_bytes()).collect()
}

#[test]
fn known_arrays() {
    let object: &[u8] = b"{\"a\":1}";
    let cases: &[(&str, &[&[u8]])] = &[
        ("[]", &[]),
        (" [ ] ", &[]),
        ("{\"a\":1}", &[object]),
        (" \r\n\t{\"a\":1}\r\n", &[object]),
        ("[{\"a\":1}]", &[object]),
        ("\n[\n  {\"a\":1},\n\t{\"a\":1}\n]\n", &[object, object]),
        ("[{},{}]", &[b"{}", b"{}"]),
        ("[{ } , { }]", &[b"{ }", b"{ }"]),
        (
            "[{\"[\":\"]},{\"},{\"b\":[[],{}]}]",
            &[b"{\"[\":\"]},{\"}", b"{\"b\":[[],{}]}"],
        ),
        ("[{\"\\\"\":\"\\\\\"},{}]", &[b"{\"\\\"\":\"\\\\\"}", b"{}"]),
    ];
    for (body, expected) in cases {
        let records = records(LIMITS, body.as_bytes(), Format::Json);
        assert_eq!(records.as_deref(), Ok(*expected), "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_array_of_objects(
        array in any_array(any_object(any_json())),
        around in ("[ \t\r\n]{0,3}", "[ \t\r\n]{0,3}"),
    ) {
        let body = format!("{}{array}{}", around.0, around.1);
        let records = records(LIMITS, body.as_bytes(), Format::Json);
        prop_assert_eq!(records, Ok(raw_values(&body)));
    }

    /// Elements that are not objects are reported with the very bytes that they have, and don't shift
    /// the others.
    #[test]
    fn elements_that_are_not_objects(array in any_array(prop_oneof![any_json(), any_object(any_json())])) {
        let values = raw_values(&array);
        let is_object = |value: &&[u8]| value.starts_with(b"{");
        let objects = values.iter().copied().filter(is_object).collect::<Vec<_>>();
        match records(LIMITS, array.as_bytes(), Format::Json) {
            Ok(records) => prop_assert_eq!(records, values),
            Err(rejection) => {
                prop_assert_eq!(rejection.errors_total, values.len() - objects.len());
                prop_assert_eq!(rejection.records, values.len());
                for error in rejection.errors {
                    let value = values[error.index];
                    prop_assert!(!is_object(&value));
                    let place = value.as_ptr() as usize - array.as_ptr() as usize;
                    prop_assert_eq!(error.offset, place);
                }
            }
        }
    }

    /// What one body leaves in the scratch does not show in the next one's outcome.
    #[test]
    fn a_used_validator_as_a_new_one(
        bodies in prop::collection::vec(prop_oneof![any_json(), any_object(any_json()), ".{0,40}"], 1..6),
    ) {
        let mut used = Validator::new(LIMITS);
        for body in &bodies {
            for format in [Format::Json, Format::Ndjson] {
                let again = used.validate(body.as_bytes(), format, &Rules::any());
                let again = again.map(|valid| valid.records().map(|record| record.span.of(body.as_bytes())).collect());
                prop_assert_eq!(again, records(LIMITS, body.as_bytes(), format));
            }
        }
    }
}
