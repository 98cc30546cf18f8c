//! Records that are not valid: what is said of them, what becomes of the others, and the dead letters.

use serde_json::{Value, json};

use super::{PATH, Rig, TOPIC, assert_accepted, assert_problem, post};
use crate::support::{
    http::{chunked_request, request},
    ringest::Builder,
};

const DEAD_LETTERS: &str = "dead";
const NDJSON: &str = "application/x-ndjson";

fn rig(model: &str) -> Rig {
    let model = format!(
        "name = \"Event\"\nversion = \"1.0\"\ntopic = \"{TOPIC}\"\n{model}\n[fields]\nn = \"Int32\"\n"
    );
    Rig::start_with(|it| it.model_file(&model).set("limits.record_bytes_max", "1000"))
}

fn indices(answer: &Value) -> Vec<u64> {
    let errors = answer["errors"].as_array().expect("errors");
    let index = |error: &Value| error["index"].as_u64().expect("an index");
    errors.iter().map(index).collect()
}

#[test]
fn one_invalid_record_rejects_the_request() {
    let rig = rig("");
    let answer = rig.post(br#"[{"n":1},{"n":"two"},{"n":3},{}]"#);
    assert_problem(&answer, 400, "invalid_record");
    let problem = answer.json();
    assert_eq!(problem["persisted"], "no");
    assert_eq!(
        (&problem["records"], &problem["rejected"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(problem["errors_total"], 2);
    assert_eq!(indices(&problem), [1, 3]);
    let error = &problem["errors"][0];
    assert_eq!(error["path"], "$.n");
    assert_eq!(error["code"], "bad_format");
    assert_eq!(error["expected"], "Int32");
    assert_eq!(
        (&error["offset"], &error["line"], &error["column"]),
        (&json!(14), &json!(1), &json!(15))
    );
    assert!(error["message"].is_string(), "{error}");
    assert_eq!(rig.topic(), Vec::<Vec<u8>>::new());
    assert_eq!(rig.ringest.count("ringest_records_rejected_total"), 2);
    assert_eq!(rig.ringest.count("ringest_dead_letters_total"), 0);
}

#[test]
fn valid_records_go_without_the_others() {
    let rig = rig("on_invalid = \"accept_valid\"");
    let body = br#"[{"n":1}, {"n":"two"} ,{ "n":3 },4,{"n":5}]"#;
    for request in [post(body), chunked_request(PATH, body, 7)] {
        let answer = rig.exchange(&request);
        assert_eq!(answer.status, 207, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let content = answer.json();
        let members = ["accepted", "rejected", "errors_total"].map(|it| &content[it]);
        assert_eq!(members, [&json!(3), &json!(2), &json!(2)]);
        assert_eq!(indices(&content), [1, 3]);
        assert_eq!(
            content.as_object().expect("an object").len(),
            4,
            "{content}"
        );
    }
    let one = [r#"{"n":1}"#, r#"{ "n":3 }"#, r#"{"n":5}"#].map(|it| it.as_bytes().to_vec());
    assert_eq!(rig.topic(), [&one[..], &one].concat());
    assert_eq!(rig.ringest.count("ringest_records_total"), 6);
    assert_eq!(rig.ringest.count("ringest_records_rejected_total"), 4);

    // Lines that are no JSON are records like others; one that is too large is one of them.
    let long = "x".repeat(1_000);
    let lines = format!("{{\"n\":1}}\nno\n\n{{\"n\":2,\"x\":\"{long}\"}}\n{{\"n\":3}}");
    let answer = rig.exchange(&request(PATH, NDJSON, lines.as_bytes()));
    assert_eq!((answer.status, indices(&answer.json())), (207, vec![1, 2]));

    assert_accepted(&rig.post(br#"[{"n":1},{"n":2}]"#), 2);
    assert_accepted(&rig.post(b"[]"), 0);
}

#[test]
fn a_request_without_a_valid_record_is_refused_as_ever() {
    let rig = rig("on_invalid = \"accept_valid\"");
    for (body, status, code) in [
        (&br#"{"n":"one"}"#[..], 400, "invalid_record"),
        (br#"[{"n":"one"},2]"#, 400, "invalid_record"),
        (br#"[{"n":1},{"n":2}"#, 400, "invalid_json"),
        (b"", 400, "invalid_json"),
    ] {
        let answer = rig.post(body);
        assert_problem(&answer, status, code);
        assert_eq!(answer.json()["persisted"], "no");
    }
    let too_large = format!("{{\"n\":1,\"x\":\"{}\"}}", "x".repeat(1_000));
    assert_problem(&rig.post(too_large.as_bytes()), 413, "record_too_large");
    assert_eq!(rig.topic(), Vec::<Vec<u8>>::new());
}

/// The dead letters of all partitions that the mock has given their topic, in the order of their records.
fn dead_letters(rig: &Rig) -> Vec<(Vec<u8>, Value)> {
    let dead_letters = rig.mock.cluster().read(DEAD_LETTERS).into_iter();
    let mut dead_letters: Vec<(Vec<u8>, Value)> = dead_letters
        .map(|letter| {
            let parsed = serde_json::from_slice(&letter).expect("a letter is JSON");
            (letter, parsed)
        })
        .collect();
    dead_letters.sort_by_key(|(_, letter)| indices(letter));
    dead_letters
}

#[test]
fn each_invalid_record_has_a_dead_letter_and_the_client_an_answer() {
    for (on_invalid, status) in [("reject_all", 400), ("accept_valid", 207)] {
        let rig = rig(&format!(
            "on_invalid = \"{on_invalid}\"\ndead_letter_topic = \"{DEAD_LETTERS}\""
        ));
        let invalid = "{ \"n\" : \"t\\u0077o\" }";
        let body = format!("{{\"n\":1}}\n{invalid}\nno JSON\n{{\"n\":3}}");
        let answer = rig.exchange(&request(PATH, NDJSON, body.as_bytes()));
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(indices(&answer.json()), [1, 2]);

        let dead_letters = dead_letters(&rig);
        assert_eq!(dead_letters.len(), 2);
        let start = format!("{{\"originalRecord\":{invalid},");
        assert!(
            dead_letters[0].0.starts_with(start.as_bytes()),
            "byte for byte"
        );
        for ((_, letter), index) in dead_letters.iter().zip([1, 2]) {
            assert_eq!(letter["errorType"], "ValidationError");
            assert_eq!(
                (&letter["source"], &letter["topic"]),
                (&json!("api"), &json!(TOPIC))
            );
            assert_eq!(indices(letter), [index]);
        }
        let (_, letter) = &dead_letters[1];
        assert_eq!(letter["originalRecord"], Value::Null);
        assert_eq!(letter["originalRecordBase64"], "bm8gSlNPTg==");
        let records = if status == 207 { 2 } else { 0 };
        assert_eq!(rig.topic().len(), records);
        assert_eq!(rig.ringest.count("ringest_dead_letters_total"), 2);
        rig.ringest.await_count("ringest_in_flight_bytes", 0);

        // Nothing to write about.
        assert_problem(&rig.post(b" "), 400, "invalid_json");
        assert_accepted(&rig.post(br#"{"n":1}"#), 1);
        assert_eq!(self::dead_letters(&rig).len(), 2);
    }
}

/// A server whose model has a dead-letter topic and needs an integer `n`.
fn rig_with_dead_letters(configure: impl FnOnce(Builder) -> Builder) -> Rig {
    let model = format!(
        "name = \"Event\"\nversion = \"1.0\"\ntopic = \"{TOPIC}\"\n\
         dead_letter_topic = \"{DEAD_LETTERS}\"\n[fields]\nn = \"Int32\"\n"
    );
    // After half of that time the records that are left have one dead letter in common.
    Rig::start_with(|it| {
        configure(
            it.model_file(&model)
                .set("timeouts.ack_timeout_ms", "60000"),
        )
    })
}

/// Far more than what is written at once, and than the memory that there is: each part waits for the
/// one before.
#[test]
fn dead_letters_of_many_records_take_little_memory() {
    const RECORDS: usize = 4_000;
    let rig = rig_with_dead_letters(|it| {
        it.set("limits.body_bytes_max", "2097152")
            .set("limits.in_flight_bytes_max", "6121984")
    });
    let record = format!("{{\"x\":\"{}\"}}", "x".repeat(500));
    let body = format!("[{}]", vec![record; RECORDS].join(","));
    let answer = rig.post(body.as_bytes());
    assert_problem(&answer, 400, "invalid_record");
    assert_eq!(answer.json()["errors_total"], RECORDS);
    assert_eq!(
        rig.ringest.count("ringest_dead_letters_total"),
        RECORDS as u64
    );
    assert_eq!(rig.ringest.count("ringest_dead_letters_omitted_total"), 0);
    let dead_letters = dead_letters(&rig);
    // The mock keeps the last 5 MiB of a partition.
    let (_, last) = dead_letters.last().expect("a dead letter");
    assert_eq!(indices(last), [RECORDS as u64 - 1]);
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
}

/// Their bytes are bounded by those of the body: what is left has one dead letter in common.
#[test]
fn dead_letters_are_no_amplifier() {
    const RECORDS: usize = 9_000;
    let rig = rig_with_dead_letters(|it| it);
    let body = format!("[{}]", vec!["{}"; RECORDS].join(","));
    let answer = rig.post(body.as_bytes());
    assert_problem(&answer, 400, "invalid_record");
    assert_eq!(answer.json()["errors_total"], RECORDS);
    let dead_letters = rig.mock.cluster().read(DEAD_LETTERS);
    let bytes: usize = dead_letters.iter().map(Vec::len).sum();
    assert!(bytes < 4 * body.len() + 1_000, "{bytes}");
    assert!(dead_letters.len() > 100, "{}", dead_letters.len());
    let omitted = RECORDS - (dead_letters.len() - 1);
    let last = dead_letters
        .iter()
        .map(|it| serde_json::from_slice::<Value>(it).expect("JSON"));
    let last = last.filter(|it| it.get("recordsOmitted").is_some());
    let [last] = &last.collect::<Vec<_>>()[..] else {
        panic!("one for the rest");
    };
    assert_eq!(last["recordsOmitted"], omitted);
    assert_eq!(last["lastIndex"], RECORDS - 1);
    let count = |name| rig.ringest.count(name);
    assert_eq!(
        count("ringest_dead_letters_total"),
        dead_letters.len() as u64
    );
    assert_eq!(count("ringest_dead_letters_omitted_total"), omitted as u64);
    assert_accepted(&rig.post(br#"{"n":1}"#), 1);
}
