use proptest::prelude::*;

use super::super::{ErrorCode, Validator};
use super::*;

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 60,
    records_max: 40,
    json_depth_max: 6,
};

/// The spans and indices of the valid records, and the errors.
type Found = (Vec<(usize, Span)>, Option<Rejection>);

/// What is found in a body whose arrays are split into parts of `part_bytes`.
fn found(mut validator: Validator, body: &[u8], rules: &Rules, part_bytes: usize) -> Found {
    let mut validation = Validation::new(Format::Json);
    validation.part_bytes = part_bytes;
    while !validator.advance(&mut validation, body, rules) {}
    match validation.result(rules) {
        Err(rejection) => (Vec::new(), Some(rejection)),
        Ok(valid) => {
            let records = valid.records().map(|it| (it.index, it.span)).collect();
            (records, valid.rejection().cloned())
        }
    }
}

fn rules(on_invalid: OnInvalid) -> Rules {
    let mut rules = Rules::any();
    rules.on_invalid = on_invalid;
    rules
}

/// Elements of arrays, most of them records that begin alike.
fn element() -> impl Strategy<Value = String> {
    let space = "[ \n]{0,3}";
    let value = prop_oneof![
        Just(r#"{"a":1}"#.to_owned()),
        "[0-9]{1,4}".prop_map(|number| format!(r#"{{"a":{number}}}"#)),
        Just(r#"{"a":[{"a":1},{"a":2},{"a":3},{"a":4}]}"#.to_owned()),
        Just(r#"{"a":"\\\",{\"a\":1},{\"a\":","b":[]}"#.to_owned()),
        Just(r#"{ "a" : {"a":[[],{}]} }"#.to_owned()),
        Just("[]".to_owned()),
        Just("1".to_owned()),
        "[a-z,]{50,70}".prop_map(|text| format!(r#"{{"a":"{text}"}}"#)),
        "[a-z,]{100,200}".prop_map(|text| format!(r#"{{"a":"{text}"}}"#)),
        "[a-z,]{100,200}".prop_map(|text| format!(r#""{text}""#)),
        Just(format!("[{}]", vec!["[1]"; 60].join(","))),
    ];
    (space, value, space).prop_map(|(before, value, after)| before + &value + &after)
}

/// An array, now and then with a fault in it.
fn array() -> impl Strategy<Value = Vec<u8>> {
    let elements = prop::collection::vec(element(), 0..50);
    let fault = prop::option::weighted(0.4, (any::<prop::sample::Index>(), any::<u8>()));
    let cut = prop::option::weighted(0.1, any::<prop::sample::Index>());
    (elements, fault, cut).prop_map(|(elements, fault, cut)| {
        let mut body = format!("[{}]", elements.join(",")).into_bytes();
        if let Some((place, byte)) = fault {
            let place = place.index(body.len());
            body[place] = *b"[]{},:\" 1\\\xff\n"
                .get(usize::from(byte) % 16)
                .unwrap_or(&byte);
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_array_in_parts_is_validated_as_in_one(body in array(), part_bytes in 1_usize..100) {
        for on_invalid in [OnInvalid::RejectAll, OnInvalid::AcceptValid] {
            let rules = rules(on_invalid);
            let whole = found(Validator::by_tape(LIMITS), &body, &rules, usize::MAX / 4);
            let direct = found(Validator::new(LIMITS), &body, &rules, usize::MAX / 4);
            prop_assert_eq!(&whole, &direct, "{}", String::from_utf8_lossy(&body));
            let by_tape = found(Validator::by_tape(LIMITS), &body, &rules, part_bytes);
            let parts = found(Validator::new(LIMITS), &body, &rules, part_bytes);
            // Both end where there are too many records; only the whole has looked at what follows.
            let ends = |found: &Found| {
                let first = found.1.as_ref().and_then(|it| it.errors.first());
                first.is_some_and(|error| error.code == ErrorCode::TooManyRecords)
            };
            if !ends(&parts) {
                prop_assert_eq!(&whole, &parts, "{}", String::from_utf8_lossy(&body));
            }
            if !ends(&by_tape) {
                prop_assert_eq!(whole, by_tape, "{}", String::from_utf8_lossy(&body));
            }
        }
    }
}

/// A step looks at a part of a body only, and finds the same as if it looked at all of it at once.
#[test]
fn a_step_is_short() {
    let long = "x".repeat(3 * PART_BYTES);
    let cases = [
        (format!("[{}]", vec![r#"{"a":1}"#; 39].join(",")), 1),
        (format!("[{}", "[".repeat(3 * PART_BYTES)), 0),
        (format!("[{}", "1,".repeat(3 * PART_BYTES)), 1),
        (format!("[\"{long}\"]"), 1),
        (format!("[\"{long}"), 1),
        (format!("[1,\"{long}\",2]"), 1),
        (format!("\"{long}\""), 3 * PART_BYTES / STEP_BYTES),
        (
            format!("\"{}", "\\u0000".repeat(PART_BYTES)),
            6 * PART_BYTES / STEP_BYTES,
        ),
        (" ".repeat(3 * PART_BYTES), 1),
        (format!("[{}1]", " ".repeat(3 * PART_BYTES)), 1),
    ];
    for (body, steps_min) in cases {
        let mut validator = Validator::new(LIMITS);
        let mut validation = Validation::new(Format::Json);
        let mut steps = 1;
        while !validator.advance(&mut validation, body.as_bytes(), &Rules::any()) {
            steps += 1;
        }
        let start = &body[..body.len().min(20)];
        assert!(steps >= steps_min, "{start}: {steps} steps");
    }
    let lines = "\n".repeat(3 * STEP_BYTES);
    let mut validation = Validation::new(Format::Ndjson);
    let mut validator = Validator::new(LIMITS);
    let mut steps = 1;
    while !validator.advance(&mut validation, lines.as_bytes(), &Rules::any()) {
        steps += 1;
    }
    assert_eq!(steps, 3);
}
