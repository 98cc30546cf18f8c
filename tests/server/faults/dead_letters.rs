//! Faults of a broker that has the dead-letter topic.

use std::{collections::BTreeSet, time::Duration};

use rdkafka::bindings::rd_kafka_resp_err_t as Fault;

use super::{
    ACK_TIMEOUT_MS, accepts_again, assert_problem, awaits_reports, post, split, take_brokers_away,
};
use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::request,
    mock::{ALL, Mock},
    ringest::Ringest,
    wait::{NEVER, await_that},
};

const DEAD_LETTERS: &str = "dead";
const INVALID: &[u8] = br#"{"n":"one"}"#;
const MIXED: &[u8] = br#"[{"n":1},{"n":"two"},{"n":3},4]"#;

/// Broker 1 has the records' topic, broker 2 that of the dead letters; both have been produced to.
fn with_dead_letters(on_invalid: &str) -> (Mock, Ringest) {
    let mock = Mock::start(2);
    mock.create_topic(TOPIC, 1);
    mock.create_topic(DEAD_LETTERS, 1);
    mock.lead(2, DEAD_LETTERS, 0);
    let ringest = writing_dead_letters(&mock, on_invalid, ACK_TIMEOUT_MS);
    accepts_dead_letters(&ringest);
    (mock, ringest)
}

fn writing_dead_letters(mock: &Mock, on_invalid: &str, ack_timeout_ms: &str) -> Ringest {
    let model = format!(
        "name = \"Event\"\nversion = \"1.0\"\ntopic = \"{TOPIC}\"\n\
         dead_letter_topic = \"{DEAD_LETTERS}\"\non_invalid = \"{on_invalid}\"\n\
         [fields]\nn = \"Int32\"\n"
    );
    let ringest = Ringest::builder(&mock.brokers())
        .model_file(&model)
        .set("timeouts.ack_timeout_ms", ack_timeout_ms)
        .set("workers", "1")
        .start();
    accepts_again(&ringest);
    ringest
}

/// Invalid records are rejected: their dead letters were delivered.
fn accepts_dead_letters(ringest: &Ringest) {
    await_that("no dead letter is delivered", || {
        post(ringest, INVALID).status == 400
    });
}

/// Nothing is produced, and no result is final. A broker that does not answer is known not to after some seconds.
fn assert_no_dead_letter(ringest: &Ringest, status: u16, code: &str) {
    for invalid in [INVALID, b"no JSON"] {
        let answer = post(ringest, invalid);
        assert_problem(&answer, status, "no");
        let found = answer.text("code");
        let is_known = code == "delivery_timed_out" && found == "broker_unavailable";
        assert!(found == code || is_known, "{answer:?}");
        assert_eq!(answer.json().get("errors"), None, "{answer:?}");
    }
}

/// The valid records are delivered, the others are to be sent again.
fn assert_partly_no_dead_letter(ringest: &Ringest, status: u16, code: &str) {
    let answer = post(ringest, MIXED);
    assert_problem(&answer, status, "partial");
    assert_eq!(answer.text("code"), code);
    let [inside, outside, unknown] = split(&answer, 4);
    assert_eq!(inside, BTreeSet::from([0, 2]));
    assert_eq!(outside, BTreeSet::from([1, 3]));
    assert!(unknown.is_empty());
}

#[test]
fn dead_letters_not_acknowledged() {
    let (mock, ringest) = with_dead_letters("reject_all");
    mock.delay(2, NEVER);
    assert_no_dead_letter(&ringest, 503, "delivery_timed_out");
    assert_eq!(post(&ringest, RECORD).status, 200, "records have a broker");
    mock.delay(2, Duration::ZERO);
    accepts_dead_letters(&ringest);
}

#[test]
fn dead_letters_not_acknowledged_beside_records() {
    let (mock, ringest) = with_dead_letters("accept_valid");
    mock.delay(2, NEVER);
    assert_partly_no_dead_letter(&ringest, 503, "delivery_timed_out");
    assert_no_dead_letter(&ringest, 503, "delivery_timed_out");
    mock.delay(2, Duration::ZERO);
    accepts_dead_letters(&ringest);
    assert_eq!(post(&ringest, MIXED).status, 207);
}

/// The dead letters are delivered; the unknown result of the records is reported as always.
#[test]
fn records_not_acknowledged_beside_dead_letters() {
    let (mock, ringest) = with_dead_letters("accept_valid");
    let before = ringest.count("ringest_dead_letters_total");
    mock.delay(1, NEVER);
    let answer = post(&ringest, MIXED);
    assert_problem(&answer, 503, "unknown");
    assert_eq!(answer.text("code"), "delivery_timed_out");
    assert_eq!(ringest.count("ringest_dead_letters_total"), before + 2);
    mock.delay(1, Duration::ZERO);
    accepts_again(&ringest);
}

#[test]
fn a_missing_dead_letter_topic() {
    let refused = "dead_letter_refused";
    for (on_invalid, fault) in [
        ("reject_all", Fault::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART),
        (
            "accept_valid",
            Fault::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        ),
    ] {
        let mock = Mock::with_topics(&[TOPIC]);
        mock.fail_metadata(DEAD_LETTERS, fault);
        // Longer than it takes to learn of that, even on a busy machine.
        let ringest = writing_dead_letters(&mock, on_invalid, "30000");
        assert_no_dead_letter(&ringest, 500, refused);
        if on_invalid == "accept_valid" {
            assert_partly_no_dead_letter(&ringest, 500, refused);
        }
        mock.fail_metadata(DEAD_LETTERS, Fault::RD_KAFKA_RESP_ERR_NO_ERROR);
        accepts_dead_letters(&ringest);
    }
}

/// ringest made the dead letter, and so its size: not the client's fault.
#[test]
fn a_dead_letter_too_large_for_the_broker() {
    let (mock, ringest) = with_dead_letters("reject_all");
    mock.fail_every_produce(Fault::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_no_dead_letter(&ringest, 500, "dead_letter_refused");
    mock.heal_produce();
    accepts_dead_letters(&ringest);
}

#[test]
fn dead_letters_without_a_broker() {
    let (mock, ringest) = with_dead_letters("reject_all");
    take_brokers_away(&mock, &ringest);
    assert_no_dead_letter(&ringest, 503, "broker_unavailable");
    mock.up(ALL);
    accepts_dead_letters(&ringest);
}

#[test]
fn sigterm_while_a_dead_letter_waits() {
    let (mock, ringest) = with_dead_letters("reject_all");
    mock.delay(2, NEVER);
    let mut http = ringest.connect();
    http.send(&request(PATH, "application/json", INVALID))
        .expect("ringest reads");
    awaits_reports(&ringest);
    assert!(ringest.terminate().success());
    let answer = http.answer().expect("an answer");
    assert_problem(&answer, 503, "no");
    assert!(answer.closes() && http.is_closed(), "{answer:?}");
}
