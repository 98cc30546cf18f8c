use super::*;
use crate::{
    model::{Field, Kind, Type, UnknownFields},
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
    let judged = validator.validate(body, format, &rules());
    judged.expect_err("something is wrong with it")
}

/// The letters about a body, part by part, each as its text.
fn parts(body: &[u8], format: Format, bytes_max: usize) -> Vec<Vec<String>> {
    let rejection = rejection(body, format);
    let mut letters = Letters::new("events", &rejection, body, bytes_max);
    let mut validator = Validator::new(LIMITS);
    let text = |text: &[u8]| String::from_utf8(text.to_vec()).expect("UTF-8");
    std::iter::from_fn(|| letters.next(&mut validator, &rules()))
        .map(|(all, places)| places.into_iter().map(|it| text(&all[it])).collect())
        .collect()
}

fn letters(body: &[u8], format: Format, bytes_max: usize) -> Vec<String> {
    parts(body, format, bytes_max).concat()
}

fn parsed(letter: &str) -> Value {
    serde_json::from_str(letter).expect("a letter is JSON")
}

#[test]
fn a_letter_has_what_moose_s_have() {
    let record = r#"{ "n" : "\u0031\u002e5",  "big": 1e5 }"#;
    let body = format!("[{{\"n\":1}},\n {record} ]");
    let [letter] = &letters(body.as_bytes(), Format::Json, ROOM)[..] else {
        panic!("one record is faulty");
    };
    let start = format!("{{\"originalRecord\":{record},");
    assert!(letter.starts_with(&start), "byte for byte: {letter}");
    let letter = parsed(letter);
    assert_eq!(letter["errorType"], "ValidationError");
    assert_eq!(letter["source"], "api");
    assert_eq!(letter["topic"], "events");
    let message = letter["errorMessage"].as_str().expect("a text");
    assert!(message.starts_with("$.n: expected Int32"), "{message}");
    // 2026-11-23T08:00:00.123456Z
    let failed_at = letter["failedAt"].as_str().expect("a text");
    assert_eq!((failed_at.len(), &failed_at[10..11]), (27, "T"));
    assert!(failed_at.ends_with('Z'), "{failed_at}");
    let [error] = &letter["errors"].as_array().expect("errors")[..] else {
        panic!("one fault");
    };
    assert_eq!(
        (&error["index"], &error["path"]),
        (&json!(1), &json!("$.n"))
    );
    assert_eq!((&error["line"], &error["offset"]), (&json!(1), &json!(8)));
    assert_eq!(letter["errorsTotal"], 1);
    let names = letter.as_object().expect("an object").keys();
    assert_eq!(names.count(), 8, "no other member: {letter}");
}

#[test]
fn each_faulty_record_has_its_own_letter() {
    let body = b"{\"n\":1}\n{}\n[1]\n{\"n\"\n\xff\n {\"n\":null} ";
    let letters = letters(body, Format::Ndjson, ROOM);
    let told: Vec<_> = letters
        .iter()
        .map(|letter| {
            let letter = parsed(letter);
            let error = &letter["errors"][0];
            let code = error["code"].as_str().expect("a code").to_owned();
            (
                letter["originalRecord"].clone(),
                letter.get("originalRecordBase64").cloned(),
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
    assert_eq!(told, expected);
}

#[test]
fn an_element_that_is_an_array_is_one_record() {
    let letters = letters(br#"[[{"n":1}],[],{"n":1}]"#, Format::Json, ROOM);
    let originals: Vec<_> = letters
        .iter()
        .map(|it| parsed(it)["originalRecord"].clone())
        .collect();
    assert_eq!(originals, [json!([{"n": 1}]), json!([])]);
    for letter in letters {
        assert_eq!(parsed(&letter)["errors"][0]["code"], "not_an_object");
    }
}

#[test]
fn a_body_that_can_t_be_read_is_one_record() {
    let body = b"[{\"n\":1},]";
    let [letter] = &letters(body, Format::Json, ROOM)[..] else {
        panic!("one letter");
    };
    let letter = parsed(letter);
    assert_eq!(letter["originalRecord"], Value::Null);
    assert_eq!(letter["originalRecordBase64"], BASE64.encode(body));
    assert_eq!(letter["errors"][0]["code"], "bad_json");
    assert_eq!(letters(b" \n", Format::Json, ROOM), [""; 0]);
}

#[test]
fn a_record_without_room_is_told_by_its_length() {
    let body = br#"{"n":"twelve"}"#;
    let [whole] = &letters(body, Format::Json, ROOM)[..] else {
        panic!("one letter");
    };
    let members = |bytes_max| {
        let letter = &letters(body, Format::Json, bytes_max)[0];
        let letter = parsed(letter);
        let original = (&letter["originalRecord"], letter.get("originalRecordBytes"));
        let is_whole = original == (&json!({"n": "twelve"}), None);
        assert!(is_whole || original == (&Value::Null, Some(&json!(body.len()))));
        assert!(letter.get("originalRecordBase64").is_none(), "{letter}");
        assert_eq!(letter["errorsTotal"], 1);
        (is_whole, letter["errors"] != json!([]))
    };
    let mut shown = vec![(true, true)];
    for bytes_max in (0..whole.len() + NAMES_BYTES).rev() {
        let letter = &letters(body, Format::Json, bytes_max)[0];
        let members = members(bytes_max);
        if shown.last() != Some(&members) {
            shown.push(members);
        }
        let least = members == (false, false);
        assert!(letter.len() <= bytes_max || least, "{bytes_max}: {letter}");
    }
    // The record is shorter here than what is said of it.
    assert_eq!(shown, [(true, true), (true, false), (false, false)]);
}

#[test]
fn a_record_that_is_larger_than_its_faults_gives_way_to_them() {
    let body = format!("{{\"n\":\"{}\"}}", "x".repeat(900));
    let letter = &letters(body.as_bytes(), Format::Json, 1_000)[0];
    assert!(letter.len() <= 1_000, "{letter}");
    let letter = parsed(letter);
    assert_eq!(letter["originalRecord"], Value::Null);
    assert_eq!(letter["originalRecordBytes"], body.len());
    assert_eq!(letter["errors"][0]["code"], "bad_format");
}

#[test]
fn many_letters_come_in_parts_that_hold_them_all() {
    const RECORDS: usize = 2_000;
    let body = vec!["{}"; RECORDS].join("\n");
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
    assert_eq!(
        rejection(body.as_bytes(), Format::Ndjson).errors.len(),
        ERRORS_MAX
    );
}
