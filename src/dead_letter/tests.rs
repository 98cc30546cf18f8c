use super::*;
use crate::{
    model::{Field, Kind, OnInvalid, Type, UnknownFields},
    validate::{ERRORS_MAX, Format, ValidateLimits},
};

const LIMITS: ValidateLimits = ValidateLimits {
    record_bytes_max: 1_000,
    records_max: 100_000,
    json_depth_max: 8,
};
const ROOM: usize = 1_000_000;

/// Records need an integer `n`.
fn rules() -> Rules {
    let n = Field::declared(
        "n".to_owned(),
        Type {
            kind: Kind::Integer {
                signed: true,
                bits: 32,
            },
            text: "Int32".to_owned(),
        },
        false,
    );
    Rules::compile(&[n], UnknownFields::Forward)
}

fn rejection(body: &[u8], format: Format) -> Rejection {
    let mut validator = Validator::new(LIMITS);
    let validated = validator.validate(body, format, &rules());
    validated.expect_err("an invalid body")
}

/// The dead letters for a body, part by part, each as its text.
fn parts(body: &[u8], format: Format, bytes_max: usize) -> Vec<Vec<String>> {
    let rejection = rejection(body, format);
    let mut dead_letters = DeadLetters::new("events", &rejection, body, bytes_max);
    let mut validator = Validator::new(LIMITS);
    let text = |text: &[u8]| String::from_utf8(text.to_vec()).expect("UTF-8");
    std::iter::from_fn(|| {
        let mut part = Part::default();
        while !part.is_full() && dead_letters.next(&mut part, &mut validator, &rules()) {}
        let Part { text: all, places } = part;
        (!places.is_empty()).then(|| places.into_iter().map(|it| text(&all[it])).collect())
    })
    .collect()
}

fn dead_letters(body: &[u8], format: Format, bytes_max: usize) -> Vec<String> {
    parts(body, format, bytes_max).concat()
}

fn parsed(dead_letter: &str) -> Value {
    serde_json::from_str(dead_letter).expect("a dead letter is JSON")
}

#[test]
fn a_dead_letter_has_the_members_of_moose() {
    let record = r#"{ "n" : "\u0031\u002e5",  "big": 1e5 }"#;
    let body = format!("[{{\"n\":1}},\n {record} ]");
    let [dead_letter] = &dead_letters(body.as_bytes(), Format::Json, ROOM)[..] else {
        panic!("one record is invalid");
    };
    let start = format!("{{\"originalRecord\":{record},");
    assert!(
        dead_letter.starts_with(&start),
        "byte for byte: {dead_letter}"
    );
    let dead_letter = parsed(dead_letter);
    assert_eq!(dead_letter["errorType"], "ValidationError");
    assert_eq!(dead_letter["source"], "api");
    assert_eq!(dead_letter["topic"], "events");
    let message = dead_letter["errorMessage"].as_str().expect("a text");
    assert!(message.starts_with("$.n: expected Int32"), "{message}");
    // 2026-11-23T08:00:00.123456Z
    let failed_at = dead_letter["failedAt"].as_str().expect("a text");
    assert_eq!((failed_at.len(), &failed_at[10..11]), (27, "T"));
    assert!(failed_at.ends_with('Z'), "{failed_at}");
    let [error] = &dead_letter["errors"].as_array().expect("errors")[..] else {
        panic!("one error");
    };
    assert_eq!(
        (&error["index"], &error["path"]),
        (&json!(1), &json!("$.n"))
    );
    assert_eq!((&error["line"], &error["offset"]), (&json!(1), &json!(8)));
    assert_eq!(dead_letter["errorsTotal"], 1);
    let names = dead_letter.as_object().expect("an object").keys();
    assert_eq!(names.count(), 8, "no other member: {dead_letter}");
}

#[test]
fn each_invalid_record_has_its_own_dead_letter() {
    let body = b"{\"n\":1}\n{}\n[1]\n{\"n\"\n\xff\n {\"n\":null} ";
    let dead_letters = dead_letters(body, Format::Ndjson, ROOM);
    let reported: Vec<_> = dead_letters
        .iter()
        .map(|dead_letter| {
            let dead_letter = parsed(dead_letter);
            let error = &dead_letter["errors"][0];
            let code = error["code"].as_str().expect("a code").to_owned();
            (
                dead_letter["originalRecord"].clone(),
                dead_letter.get("originalRecordBase64").cloned(),
                error["index"].clone(),
                code,
            )
        })
        .collect();
    let expected = [
        (json!({}), None, json!(1), "missing_field".to_owned()),
        (json!([1]), None, json!(2), "not_an_object".to_owned()),
        (
            Value::Null,
            Some(json!("eyJuIg==")),
            json!(3),
            "bad_json".to_owned(),
        ),
        (
            Value::Null,
            Some(json!("/w==")),
            json!(4),
            "invalid_utf8".to_owned(),
        ),
        (json!({"n": null}), None, json!(5), "wrong_type".to_owned()),
    ];
    assert_eq!(reported, expected);
}

#[test]
fn an_element_that_is_an_array_is_one_record() {
    let dead_letters = dead_letters(br#"[[{"n":1}],[],{"n":1}]"#, Format::Json, ROOM);
    let originals: Vec<_> = dead_letters
        .iter()
        .map(|it| parsed(it)["originalRecord"].clone())
        .collect();
    assert_eq!(originals, [json!([{"n": 1}]), json!([])]);
    for dead_letter in dead_letters {
        assert_eq!(parsed(&dead_letter)["errors"][0]["code"], "not_an_object");
    }
}

#[test]
fn a_body_that_can_t_be_read_is_one_record() {
    let body = b"[{\"n\":1},]";
    let [dead_letter] = &dead_letters(body, Format::Json, ROOM)[..] else {
        panic!("one dead letter");
    };
    let dead_letter = parsed(dead_letter);
    assert_eq!(dead_letter["originalRecord"], Value::Null);
    assert_eq!(dead_letter["originalRecordBase64"], BASE64.encode(body));
    assert_eq!(dead_letter["errors"][0]["code"], "bad_json");
    assert_eq!(dead_letters(b" \n", Format::Json, ROOM), [""; 0]);
}

#[test]
fn a_record_above_the_size_limit_is_replaced_with_its_length() {
    let body = br#"{"n":"twelve"}"#;
    let [whole] = &dead_letters(body, Format::Json, ROOM)[..] else {
        panic!("one dead letter");
    };
    let members = |bytes_max| {
        let dead_letter = &dead_letters(body, Format::Json, bytes_max)[0];
        let dead_letter = parsed(dead_letter);
        let original = (
            &dead_letter["originalRecord"],
            dead_letter.get("originalRecordBytes"),
        );
        let is_whole = original == (&json!({"n": "twelve"}), None);
        assert!(is_whole || original == (&Value::Null, Some(&json!(body.len()))));
        assert!(
            dead_letter.get("originalRecordBase64").is_none(),
            "{dead_letter}"
        );
        assert_eq!(dead_letter["errorsTotal"], 1);
        (is_whole, dead_letter["errors"] != json!([]))
    };
    let mut shown = vec![(true, true)];
    for bytes_max in (0..whole.len() + NAMES_BYTES).rev() {
        let dead_letter = &dead_letters(body, Format::Json, bytes_max)[0];
        let members = members(bytes_max);
        if shown.last() != Some(&members) {
            shown.push(members);
        }
        let least = members == (false, false);
        assert!(
            dead_letter.len() <= bytes_max || least,
            "{bytes_max}: {dead_letter}"
        );
    }
    // Here the record is shorter than its errors.
    assert_eq!(shown, [(true, true), (true, false), (false, false)]);
}

#[test]
fn a_record_larger_than_its_errors_is_left_out_for_them() {
    let body = format!("{{\"n\":\"{}\"}}", "x".repeat(900));
    let dead_letter = &dead_letters(body.as_bytes(), Format::Json, 1_000)[0];
    assert!(dead_letter.len() <= 1_000, "{dead_letter}");
    let dead_letter = parsed(dead_letter);
    assert_eq!(dead_letter["originalRecord"], Value::Null);
    assert_eq!(dead_letter["originalRecordBytes"], body.len());
    assert_eq!(dead_letter["errors"][0]["code"], "bad_format");
}

#[test]
fn many_dead_letters_come_in_parts_that_contain_them_all() {
    const RECORDS: usize = 2_000;
    let record = format!("{{\"x\":\"{}\"}}", "x".repeat(300));
    let body = vec![record; RECORDS].join("\n");
    let parts = parts(body.as_bytes(), Format::Ndjson, ROOM);
    assert!(parts.len() > 1);
    let (last, before) = parts.split_last().expect("several");
    for part in before {
        let lens = part.iter().map(String::len);
        let bytes: usize = lens.clone().sum();
        let longest = lens.max().expect("some");
        assert!(
            (PART_BYTES..PART_BYTES + longest).contains(&bytes),
            "{bytes}"
        );
    }
    assert!(!last.is_empty());
    let all = parts.concat();
    let indices = all
        .iter()
        .map(|it| parsed(it)["errors"][0]["index"].clone());
    assert!(indices.eq((0..RECORDS).map(|index| json!(index))));
    let bytes: usize = all.iter().map(String::len).sum();
    assert!(bytes <= BYTES_PER_BODY_BYTE * body.len(), "{bytes}");
    assert_eq!(
        rejection(body.as_bytes(), Format::Ndjson).errors.len(),
        ERRORS_MAX
    );
}

/// A hundred errors in each of many short records.
#[test]
fn dead_letters_are_bounded_by_their_body() {
    const RECORDS: usize = 20_000;
    let fields: Vec<Field> = (0..100)
        .map(|field| {
            let type_ = Type {
                kind: Kind::String,
                text: "String".to_owned(),
            };
            Field::declared(format!("field{field}"), type_, false)
        })
        .collect();
    for (on_invalid, written) in [
        (OnInvalid::RejectAll, 100),
        (OnInvalid::AcceptValid, RECORDS),
    ] {
        let mut rules = Rules::compile(&fields, UnknownFields::Forward);
        rules.on_invalid = on_invalid;
        let body = vec!["{}"; RECORDS].join("\n");
        let mut validator = Validator::new(LIMITS);
        let validated = validator.validate(body.as_bytes(), Format::Ndjson, &rules);
        let rejection = validated.expect_err("an invalid body");
        assert_eq!(rejection.invalid_records.len(), written);
        let mut dead_letters = DeadLetters::new("events", &rejection, body.as_bytes(), ROOM);
        let mut part = Part::default();
        while dead_letters.next(&mut part, &mut validator, &rules) {}
        assert!(part.text.len() <= BYTES_PER_BODY_BYTE * body.len() + 1_000);
        let count = part.places.len() - 1;
        assert!(count > 0 && dead_letters.records_left() == written - count);
        let last = &part.text[part.places[count].clone()];
        let last: Value = serde_json::from_slice(last).expect("JSON");
        assert_eq!(last["originalRecord"], Value::Null);
        assert_eq!(last["recordsOmitted"], written - count);
        assert_eq!(last["errorsTotal"], 100 * written);
        let ended_early = (on_invalid == OnInvalid::RejectAll).then_some(true);
        assert_eq!(
            last.get("countingEndedEarly"),
            ended_early.map(Value::from).as_ref()
        );
        if on_invalid == OnInvalid::AcceptValid {
            assert_eq!(
                (&last["firstIndex"], &last["lastIndex"]),
                (&json!(count), &json!(RECORDS - 1))
            );
        }
        assert!(
            !dead_letters.next(&mut part, &mut validator, &rules),
            "only once"
        );
    }
}

#[test]
fn records_have_none_of_their_own_once_the_time_is_over() {
    let body = b"{}\n{}\n{}";
    let rejection = rejection(body, Format::Ndjson);
    let mut dead_letters = DeadLetters::new("events", &rejection, body, ROOM);
    let (mut part, mut validator) = (Part::default(), Validator::new(LIMITS));
    assert!(dead_letters.next(&mut part, &mut validator, &rules()));
    dead_letters.end();
    assert!(dead_letters.next(&mut part, &mut validator, &rules()));
    assert!(!dead_letters.next(&mut part, &mut validator, &rules()));
    assert_eq!((part.places.len(), dead_letters.records_left()), (2, 2));
    let last: Value = serde_json::from_slice(&part.text[part.places[1].clone()]).expect("JSON");
    let members = ["recordsOmitted", "firstIndex", "lastIndex"].map(|it| &last[it]);
    assert_eq!(members, [&json!(2), &json!(1), &json!(2)]);
}
