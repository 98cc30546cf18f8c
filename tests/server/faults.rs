//! What is answered to each fault of a broker, scripted on librdkafka's mock cluster.
//!
//! The mock proves no delivery (a real Kafka does, in `tests/kafka`): here count the status, what
//! the body says about persistence, and that ringest goes on.

mod dead_letters;

use std::{collections::BTreeSet, net::TcpListener, time::Duration};

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::{Answer, Http, request},
    mock::{ALL, Mock},
    records::{array, numbered},
    ringest::{Builder, Ringest},
    wait::{NEVER, PATIENCE, await_that, eventually},
};
use rdkafka::bindings::rd_kafka_resp_err_t as Fault;

/// Short, so that what never succeeds is answered soon.
const ACK_TIMEOUT_MS: &str = "1500";

fn builder(mock: &Mock) -> Builder {
    Ringest::builder(&mock.brokers())
        .model("Event", "1.0", TOPIC)
        .set("timeouts.ack_timeout_ms", ACK_TIMEOUT_MS)
        .set("workers", "1")
}

/// One broker, one topic, one worker that has produced to it: what follows is the fault's doing.
fn warmed_up() -> (Mock, Ringest) {
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = builder(&mock).start();
    accepts_again(&ringest);
    (mock, ringest)
}

fn post(ringest: &Ringest, body: &[u8]) -> Answer {
    ringest.connect().post(PATH, body).expect("an answer")
}

fn accepts_again(ringest: &Ringest) {
    ringest.await_accepted();
    // The gauge is up to a tick old; what comes next is not to be taken for this record.
    ringest.await_count("ringest_in_flight_records", 0);
}

/// Takes all brokers away and waits until ringest has noticed: a record that is sent into a
/// connection that has just ended may be anywhere.
fn take_brokers_away(mock: &Mock, ringest: &Ringest) {
    mock.down(ALL);
    await_that("without a broker, and ready", || ringest.ready() == 503);
}

/// Waits until the producer has at least one record whose request is not answered.
fn awaits_reports(ringest: &Ringest) {
    await_that("no record waits for the broker", || {
        ringest.metric("ringest_in_flight_records") > 0.0
    });
}

/// RFC 9457, and what every refusal of ringest has.
fn assert_problem(answer: &Answer, status: u16, persisted: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let body = answer.json();
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["persisted"], persisted, "{body}");
    assert!(body["code"].is_string(), "{body}");
    let seconds = answer.header("retry-after").map(str::parse::<u32>);
    assert_eq!(matches!(seconds, Some(Ok(_))), status == 503, "{answer:?}");
}

/// Every produce request meets this fault until it is answered; then it is over.
fn assert_permanent(fault: Fault, status: u16, code: &str) {
    let (mock, ringest) = warmed_up();
    mock.fail_every_produce(fault);
    for body in [RECORD.to_vec(), array([numbered(1), numbered(2)])] {
        let answer = post(&ringest, &body);
        assert_problem(&answer, status, "no");
        assert_eq!(answer.text("code"), code);
    }
    mock.heal_produce();
    accepts_again(&ringest);
}

/// As before, but the answer is that we can't say more now: 503.
fn assert_shed(fault: Fault, persisted: &str) {
    let (mock, ringest) = warmed_up();
    mock.fail_every_produce(fault);
    assert_problem(&post(&ringest, RECORD), 503, persisted);
    mock.heal_produce();
    accepts_again(&ringest);
}

#[test]
fn a_passing_fault_is_not_seen() {
    let (mock, ringest) = warmed_up();
    for fault in [
        Fault::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        Fault::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        Fault::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        Fault::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    ] {
        mock.fail_produce(&[fault]);
        let answer = post(&ringest, RECORD);
        assert_eq!(answer.status, 200, "{fault:?}: {answer:?}");
    }
}

#[test]
fn too_few_replicas() {
    assert_shed(Fault::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, "no");
}

#[test]
fn too_few_replicas_after_the_append() {
    let fault = Fault::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
    assert_shed(fault, "unknown");
}

#[test]
fn a_record_too_large_for_the_broker() {
    let fault = Fault::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    assert_permanent(fault, 413, "record_too_large_for_broker");
}

#[test]
fn a_refused_authorisation() {
    let fault = Fault::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    assert_permanent(fault, 500, "not_authorized_by_broker");
}

#[test]
fn a_record_refused_for_what_it_is() {
    let fault = Fault::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    assert_permanent(fault, 500, "record_refused_by_broker");
}

/// A client can send a key, or another time, where the model takes them from the record.
#[test]
fn a_record_refused_for_the_key_or_the_time_that_a_client_chose() {
    let mock = Mock::with_topics(&[TOPIC]);
    let model = "name = \"Event\"\nversion = \"1.0\"\ntopic = \"events\"\npartition_key = \"key\"\n\
                 timestamp_field = \"at\"\n[fields]\nkey = \"Nullable(String)\"\n\
                 at = \"Nullable(DateTime64(3))\"\nn = \"UInt8\"\n";
    let ringest = Ringest::builder(&mock.brokers())
        .model_file(model)
        .set("workers", "1")
        .start();
    accepts_again(&ringest);
    let null_key = Fault::RD_KAFKA_RESP_ERR_INVALID_RECORD;
    let time = Fault::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
    let (refused, operator) = ((500, "record_refused_by_broker"), r#"{"n":1}"#);
    for (fault, record, (status, code)) in [
        (null_key, operator, (400, "null_key_on_compacted_topic")),
        (null_key, r#"{"n":1,"key":"k"}"#, refused),
        (
            time,
            r#"{"n":1,"at":"2001-09-09T01:46:40Z"}"#,
            (400, "timestamp_out_of_topic_bounds"),
        ),
        (time, operator, refused),
    ] {
        mock.fail_every_produce(fault);
        for body in [record.to_owned(), format!("[{record},{record}]")] {
            let answer = post(&ringest, body.as_bytes());
            assert_problem(&answer, status, "no");
            assert_eq!(answer.text("code"), code, "{body}");
        }
        mock.heal_produce();
        accepts_again(&ringest);
    }
}

#[test]
fn a_record_refused_by_a_policy() {
    let fault = Fault::RD_KAFKA_RESP_ERR_POLICY_VIOLATION;
    assert_permanent(fault, 500, "record_refused_by_broker");
}

#[test]
fn a_topic_that_is_missing() {
    let mock = Mock::start(1);
    mock.fail_metadata(TOPIC, Fault::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    let ringest = builder(&mock).start();
    let answer = post(&ringest, RECORD);
    assert_problem(&answer, 500, "no");
    assert_eq!(answer.text("code"), "topic_missing");

    mock.fail_metadata(TOPIC, Fault::RD_KAFKA_RESP_ERR_NO_ERROR);
    accepts_again(&ringest);
}

#[test]
fn a_topic_that_may_not_be_seen() {
    let mock = Mock::start(1);
    mock.fail_metadata(TOPIC, Fault::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    let ringest = builder(&mock).start();
    let answer = post(&ringest, RECORD);
    assert_problem(&answer, 500, "no");
    assert_eq!(answer.text("code"), "not_authorized_by_broker");

    mock.fail_metadata(TOPIC, Fault::RD_KAFKA_RESP_ERR_NO_ERROR);
    accepts_again(&ringest);
}

#[test]
fn no_broker_at_start() {
    let mock = Mock::start(1);
    mock.down(ALL);
    let ringest = builder(&mock).start();
    assert_eq!(ringest.ready(), 503);
    assert_problem(&post(&ringest, RECORD), 503, "no");

    mock.up(ALL);
    accepts_again(&ringest);
    await_that("serving, but not ready", || ringest.ready() == 200);
}

/// Connections come about, and nothing is ever answered.
#[test]
fn brokers_that_hang_from_the_start() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let address = silent.local_addr().expect("it is bound").to_string();
    let ringest = Ringest::builder(&address)
        .model("Event", "1.0", TOPIC)
        .start();
    assert_eq!(ringest.ready(), 503);
    let answer = post(&ringest, RECORD);
    assert_problem(&answer, 503, "no");
    assert_eq!(answer.text("code"), "broker_unavailable");
}

#[test]
fn a_broker_that_goes_and_comes_back() {
    let (mock, ringest) = warmed_up();
    take_brokers_away(&mock, &ringest);
    assert_problem(&post(&ringest, RECORD), 503, "no");
    mock.up(ALL);
    accepts_again(&ringest);
}

#[test]
fn a_broker_that_is_slow_but_in_time() {
    let (mock, ringest) = warmed_up();
    mock.delay(ALL, Duration::from_millis(300));
    assert_eq!(post(&ringest, RECORD).status, 200);
}

#[test]
fn a_broker_that_does_not_answer() {
    let (mock, ringest) = warmed_up();
    mock.delay(ALL, NEVER);
    let answer = post(&ringest, RECORD);
    assert_problem(&answer, 503, "unknown");
    assert_eq!(answer.text("code"), "delivery_timed_out");
    mock.delay(ALL, Duration::ZERO);
    accepts_again(&ringest);
}

#[test]
fn a_full_queue() {
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = builder(&mock)
        .set("limits.records_max", "2")
        .kafka("queue.buffering.max.messages", "2")
        .start();
    accepts_again(&ringest);
    mock.delay(ALL, NEVER);
    let mut waiting: Vec<_> = (0..5).map(|_| ringest.connect()).collect();
    for http in &mut waiting {
        http.send(&request(PATH, "application/json", RECORD))
            .expect("ringest reads");
    }
    let answers = waiting
        .iter_mut()
        .map(|http| http.answer().expect("an answer"));
    let (full, queued): (Vec<_>, Vec<_>) =
        answers.partition(|answer| answer.text("code") == "queue_full");
    assert_eq!((full.len(), queued.len()), (3, 2), "{full:?} {queued:?}");
    for answer in full {
        assert_problem(&answer, 503, "no");
    }
    // The second batch waits in the worker until the first is answered: it may never have been sent.
    let mut persisted: Vec<_> = queued.iter().map(|it| it.text("persisted")).collect();
    for (answer, persisted) in queued.iter().zip(&persisted) {
        assert_problem(answer, 503, persisted);
    }
    persisted.sort();
    assert_eq!(persisted.pop().as_deref(), Some("unknown"));
    assert!(["no", "unknown"].contains(&persisted[0].as_str()));
    mock.delay(ALL, Duration::ZERO);
    accepts_again(&ringest);
}

/// There is room for some records of the array, not for all: none is taken.
#[test]
fn an_array_that_overfills_the_queue() {
    const ROOM: usize = 50;
    const TAKEN: usize = 30;
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = builder(&mock)
        .set("limits.records_max", &ROOM.to_string())
        .kafka("queue.buffering.max.messages", &ROOM.to_string())
        .start();
    accepts_again(&ringest);
    mock.delay(ALL, NEVER);
    let mut first = ringest.connect();
    let body = array((0..TAKEN).map(numbered));
    first
        .send(&request(PATH, "application/json", &body))
        .expect("ringest reads");
    awaits_reports(&ringest);

    let answer = post(&ringest, &array((0..ROOM).map(numbered)));
    assert_problem(&answer, 503, "no");
    assert_eq!(answer.text("code"), "queue_full");
    assert_problem(&first.answer().expect("an answer"), 503, "unknown");
    mock.delay(ALL, Duration::ZERO);
    accepts_again(&ringest);
}

#[test]
fn an_array_that_is_split_by_its_brokers() {
    const RECORDS: usize = 60;
    let mock = Mock::start(3);
    mock.create_topic(TOPIC, 3);
    let ringest = Ringest::builder(&mock.brokers())
        // A key chooses its partition whatever state that is in; without one librdkafka avoids it.
        .model_file(&format!(
            "name = 'Event'\nversion = '1.0'\ntopic = '{TOPIC}'\npartition_key = 'n'\n\
             [fields]\nn = 'UInt64'\n"
        ))
        // Time enough for the broker that works, on a busy machine.
        .set("timeouts.ack_timeout_ms", "4000")
        .set("workers", "1")
        .start();
    let body = array((0..RECORDS).map(numbered));
    // Connected to all three before two of them fail.
    assert_eq!(post(&ringest, &body).status, 200);
    mock.down(2);
    // What is written to a connection before its end is seen may have arrived: `unknown`, not `out`.
    // Whether librdkafka connects anew before there is something to send depends on its timers.
    await_that("librdkafka does not see that broker 2 has gone", || {
        let is_seen = |line: &str| {
            line.contains("/2: ")
                && (line.contains("Disconnected") || line.contains("Connection refused"))
        };
        ringest.log().lines().any(is_seen)
    });
    mock.delay(3, NEVER);

    let answer = post(&ringest, &body);
    assert_problem(&answer, 503, "partial");
    let [inside, outside, unknown] = split(&answer, RECORDS);
    assert!(!inside.is_empty(), "broker 1 works: {answer:?}");
    assert!(!outside.is_empty(), "broker 2 is down: {answer:?}");
    assert!(!unknown.is_empty(), "broker 3 is silent: {answer:?}");
}

/// The indices that the answer lists as delivered, not delivered and unknown; panics unless each
/// is in exactly one list.
fn split(answer: &Answer, records: usize) -> [BTreeSet<u64>; 3] {
    let body = answer.json();
    let sets = ["delivered", "not_delivered", "unknown"].map(|member| {
        let indices = body[member].as_array().map_or(&[][..], Vec::as_slice);
        indices
            .iter()
            .map(|index| index.as_u64().expect("an index"))
            .collect::<BTreeSet<u64>>()
    });
    let all: BTreeSet<u64> = sets.iter().flatten().copied().collect();
    let count: usize = sets.iter().map(BTreeSet::len).sum();
    assert_eq!(count, records, "every record, and none twice: {body}");
    assert!(all.into_iter().eq(0..records as u64), "{body}");
    sets
}

/// `OUT_OF_ORDER_SEQUENCE_NUMBER` for the only request in flight ends an idempotent producer.
#[test]
fn a_producer_that_dies() {
    let (mock, ringest) = warmed_up();
    mock.fail_produce(&[Fault::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
    let answer = post(&ringest, RECORD);
    assert_problem(&answer, 503, "unknown");
    assert_eq!(answer.text("code"), "producer_fatal");
    accepts_again(&ringest);
}

#[test]
fn a_client_that_goes_before_its_answer() {
    let (mock, ringest) = warmed_up();
    mock.delay(ALL, Duration::from_millis(700));
    let body = array((0..100).map(numbered));
    for _ in 0..10 {
        let mut http = ringest.connect();
        http.send(&request(PATH, "application/json", &body))
            .expect("ringest reads");
    }
    await_that(
        "bytes that wait for a delivery report are in flight",
        || in_flight_bytes(&ringest) > 0.0,
    );
    mock.delay(ALL, Duration::ZERO);
    accepts_again(&ringest);
    let released = eventually(PATIENCE, || {
        (in_flight_bytes(&ringest) == 0.0).then_some(())
    });
    assert!(
        released.is_some(),
        "{} bytes are still held",
        in_flight_bytes(&ringest)
    );
}

fn in_flight_bytes(ringest: &Ringest) -> f64 {
    ringest.metric("ringest_in_flight_bytes")
}

/// What waits for its delivery report when the end comes is answered as ever.
#[test]
fn sigterm_while_the_broker_is_silent() {
    let (mock, ringest) = warmed_up();
    mock.delay(ALL, NEVER);
    let mut http = in_flight(&ringest);
    assert!(ringest.terminate().success());
    let answer = http.answer().expect("an answer");
    assert_problem(&answer, 503, "unknown");
    assert!(answer.closes() && http.is_closed(), "{answer:?}");
}

/// What would take longer than the drain may is given up, answered, and counted in the log.
#[test]
fn sigterm_with_too_little_time() {
    let mock = Mock::with_topics(&[TOPIC]);
    let mut ringest = builder(&mock)
        .set("timeouts.ack_timeout_ms", "60000")
        .set("timeouts.drain_timeout_ms", "2000")
        .start();
    accepts_again(&ringest);
    mock.delay(ALL, NEVER);
    let mut http = in_flight(&ringest);
    ringest.begin_drain();
    assert_problem(&http.answer().expect("an answer"), 503, "unknown");
    drop(http); // which ends the connection; a server that closes waits a little for that
    assert!(ringest.exited().success());
    let log = ringest.log();
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains('1'), "one record was given up: {last}");
}

/// A connection whose record waits for the broker.
fn in_flight(ringest: &Ringest) -> Http {
    let mut http = ringest.connect();
    http.send(&request(PATH, "application/json", RECORD))
        .expect("ringest reads");
    awaits_reports(ringest);
    http
}
