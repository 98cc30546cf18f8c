//! What a client has pipelined is processed before its first request is answered: how far, and what is
//! answered then.

use std::time::Duration;

use super::{
    ALL, PATH, RECORD, Rig, SILENCE, TOPIC, assert_accepted, assert_closes, assert_goes_on,
    assert_problem, assert_refused, head, post, record_of,
};
use crate::support::{
    http::{Answer, Http, chunked_request, request},
    records::numbered,
    wait::NEVER,
};

/// Requests of one connection that are processed and not answered, at most.
const IN_FLIGHT_MAX: usize = 16;

/// Long enough for what has arrived to be processed before the first request is acknowledged.
const SLOW: Duration = Duration::from_millis(200);

/// What is to be seen meanwhile is seen before that is over, even on a busy machine.
const SOON_MS: &str = "3000";

/// Longer than a test waits for anything.
const NEVER_MS: &str = "600000";

const CLOSE: &str = "Connection: close\r\n";

const DEAD_LETTERS: &str = "dead-letters";

fn slow(configure: impl FnOnce(super::Builder) -> super::Builder) -> Rig {
    let rig = Rig::start_with(configure);
    rig.accepts();
    rig.ringest.await_count("ringest_in_flight_records", 0);
    rig.mock.delay(ALL, SLOW);
    rig
}

fn slow_event() -> Rig {
    slow(|it| it.model("Event", "1.0", TOPIC))
}

/// Its broker acknowledges nothing, which a request waits for so long.
fn silent(ack_timeout_ms: &str) -> Rig {
    let rig = Rig::start(|it| it.set("timeouts.ack_timeout_ms", ack_timeout_ms));
    rig.silence_broker();
    rig
}

fn sent(rig: &Rig, requests: &[Vec<u8>]) -> Http {
    let mut http = rig.connect();
    http.send(&requests.concat()).expect("ringest reads");
    http
}

fn next(http: &mut Http) -> Answer {
    http.answer().expect("an answer")
}

#[track_caller]
fn assert_next(http: &mut Http, statuses: &[u16]) {
    let answers: Vec<u16> = statuses.iter().map(|_| next(http).status).collect();
    assert_eq!(answers, statuses);
}

/// A POST of [`RECORD`] with these further lines in its head.
fn post_with(version: &str, lines: &str) -> Vec<u8> {
    let length = format!("{lines}Content-Length: {}\r\n", RECORD.len());
    let head = String::from_utf8(head(PATH, &length)).expect("it is text");
    let head = head.replacen("HTTP/1.1", version, 1);
    [head.as_bytes(), RECORD].concat()
}

fn health(method: &str, lines: &str) -> Vec<u8> {
    format!("{method} /health HTTP/1.1\r\nHost: ringest\r\n{lines}\r\n").into_bytes()
}

#[test]
fn sixteen_at_most() {
    let rig = silent(SOON_MS);
    let requests: Vec<_> = (0..40).map(|n| post(&numbered(n))).collect();
    let mut http = sent(&rig, &requests);
    rig.ringest
        .await_count("ringest_in_flight_records", IN_FLIGHT_MAX as u64);
    assert!(http.is_silent_for(SILENCE));
    let in_flight = rig.ringest.count("ringest_in_flight_records");
    assert_eq!(in_flight, IN_FLIGHT_MAX as u64);
    for _ in 0..IN_FLIGHT_MAX {
        assert_problem(&next(&mut http), 503, "delivery_timed_out");
    }
}

/// Bodies of a few hundred KiB in a row: validating them would hold up others.
#[test]
fn a_mebibyte_of_bodies_at_most() {
    let rig = silent(SOON_MS);
    let requests = vec![post(&record_of(400_000)); 8];
    let mut http = rig.connect();
    let mut second = http.try_clone().expect("a second handle");
    let writer = std::thread::spawn(move || second.send(&requests.concat()));
    assert_problem(&next(&mut http), 503, "delivery_timed_out");
    assert!(rig.ringest.count("ringest_in_flight_records") <= 3 + 3);
    assert_next(&mut http, &[503; 7]);
    let written = writer.join().expect("it does not panic");
    written.expect("ringest reads");
}

/// Also what exceeds the buffer, or gets memory of its own.
#[test]
fn of_any_size() {
    let rig = silent(NEVER_MS);
    for (n, bytes) in (1..).zip([100, 2_000, 16_300, 20_000, 100_000]) {
        let requests = vec![post(&record_of(bytes)); 8];
        let _waiting = sent(&rig, &requests);
        rig.ringest.await_count("ringest_in_flight_records", 8 * n);
    }
}

#[test]
fn chunked() {
    let rig = silent(NEVER_MS);
    let requests = vec![chunked_request(PATH, &record_of(3_000), 500); 8];
    let _waiting = sent(&rig, &requests);
    rig.ringest.await_count("ringest_in_flight_records", 8);
}

/// An answer that is complete does not wait for the next one, however much has arrived behind it.
#[test]
fn complete_answers_do_not_wait() {
    let rig = silent(SOON_MS);
    let requests = [
        health("GET", ""),
        post(b"[]"),
        request("/ingest/Nothing", "application/json", RECORD),
        post(RECORD),
        health("GET", ""),
    ];
    let mut http = sent(&rig, &requests);
    assert_next(&mut http, &[200, 200, 404]);
    assert!(http.is_silent_for(SILENCE));
    assert_next(&mut http, &[503, 200]);
}

/// Nor does it wait for the rest of a request, which the client may hold back for the answer.
#[test]
fn half_a_request_behind() {
    let rig = slow_event();
    let whole = post(RECORD);
    let chunked = chunked_request(PATH, RECORD, 3);
    let large = post(&record_of(20_000));
    for behind in [whole, chunked, large] {
        for cut in [1, 30, behind.len() - 2] {
            let (first, second) = behind.split_at(cut);
            let mut http = sent(&rig, &[post(RECORD), post(RECORD), first.to_vec()]);
            assert_next(&mut http, &[200, 200]);
            http.send(second).expect("ringest reads");
            let answer = next(&mut http);
            assert_accepted(&answer, 1);
            assert_goes_on(&mut http, &answer);
        }
    }
}

/// A client that asks whether to send its body is asked for it behind the answers before.
#[test]
fn an_expectation_behind() {
    let rig = slow_event();
    let lines = format!(
        "Expect: 100-continue\r\nContent-Length: {}\r\n",
        RECORD.len()
    );
    let expecting = head(PATH, &lines);
    let mut http = sent(&rig, &[post(RECORD), post(RECORD), expecting.clone()]);
    assert_next(&mut http, &[200, 200, 100]);
    http.send(RECORD).expect("ringest reads");
    assert_next(&mut http, &[200]);
    // With its body it need not be asked for.
    let whole = [&expecting[..], RECORD].concat();
    http.send(&[post(RECORD), whole, post(RECORD)].concat())
        .expect("ringest reads");
    assert_next(&mut http, &[200, 200, 200]);
}

#[test]
fn results_of_every_kind() {
    let model = format!(
        "name = \"Event\"\nversion = \"1.0\"\ntopic = \"{TOPIC}\"\non_invalid = \"accept_valid\"\n\
         dead_letter_topic = \"{DEAD_LETTERS}\"\n[fields]\nn = \"Nullable(Int32)\"\n"
    );
    let rig = slow(|it| it.model_file(&model));
    rig.mock.delay(ALL, Duration::from_millis(20));
    let all = [
        (post(br#"{"n":11}"#), 200),
        (post(br#"[{"n":12},{"n":"x"},{"n":13}]"#), 207),
        (post(br#"{"n":14}"#), 200),
        (post(br#"{"n":"x"}"#), 400),
        (post(b"[{},{]"), 400),
        (health("HEAD", ""), 200),
        (post(br#"[{"n":15},{"n":16}]"#), 200),
        (post_with("HTTP/1.0", "Connection: keep-alive\r\n"), 200),
        (chunked_request("/ingest/Nothing", b"{}", 1), 404),
        (request("/ingest/Nothing", "application/json", RECORD), 404),
        (request(PATH, "text/csv", RECORD), 415),
        (chunked_request(PATH, br#"{"n":17}"#, 2), 200),
        (post(br#"{"n":18}"#), 200),
    ];
    let mut http = sent(&rig, &all.clone().map(|(request, _)| request));
    for (request, status) in &all {
        let answer = if request.starts_with(b"HEAD") {
            http.answer_to_head().expect("an answer")
        } else {
            next(&mut http)
        };
        assert_eq!(answer.status, *status, "{answer:?}");
        assert!(!answer.closes(), "{answer:?}");
        let is_old = request.windows(8).any(|it| it == b"HTTP/1.0");
        assert_eq!(answer.header("connection").is_some(), is_old, "{answer:?}");
    }
    let answer = http.post(PATH, b"[]").expect("an answer");
    assert_goes_on(&mut http, &answer);
    let records = rig.topic().into_iter().filter(|record| record != RECORD);
    let expected = (11..=18).map(|n| format!("{{\"n\":{n}}}").into_bytes());
    assert_eq!(records.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(rig.mock.cluster().read(DEAD_LETTERS).len(), 3);
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
}

/// Behind a request whose answer ends the connection nothing is processed; before it everything is answered.
#[test]
fn the_last_request() {
    let refused_body = [
        &head("/ingest/Nothing", "Content-Length: 10000000\r\n")[..],
        b"{",
    ];
    let last = [
        (post_with("HTTP/1.1", CLOSE), 200),
        (post_with("HTTP/1.0", ""), 200),
        (health("GET", CLOSE), 200),
        (request("/ingest/Nothing", "application/json", RECORD), 404),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(),
            400,
        ),
        (b"\x16\x03\x01".to_vec(), 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_vec(), 505),
        (
            [&head(PATH, "Transfer-Encoding: chunked\r\n")[..], b"x\r\n"].concat(),
            400,
        ),
        (refused_body.concat(), 404),
    ];
    let rig = slow_event();
    let before = rig.topic().len();
    let mut accepted = 0;
    for (n, (mut last, status)) in last.into_iter().enumerate() {
        if n == 3 {
            // As the others, but for what it asks for.
            last = String::from_utf8(last)
                .expect("it is text")
                .replacen("\r\n", &format!("\r\n{CLOSE}"), 1)
                .into_bytes();
        }
        let requests = [post(RECORD), post(RECORD), last, post(RECORD), post(RECORD)];
        let mut http = sent(&rig, &requests);
        for _ in 0..2 {
            let answer = next(&mut http);
            assert_accepted(&answer, 1);
            assert!(!answer.closes(), "{n}: {answer:?}");
        }
        let answer = next(&mut http);
        assert_eq!(answer.status, status, "{n}: {answer:?}");
        assert_closes(&mut http, &answer);
        accepted += 2 + usize::from(n < 2);
    }
    assert_eq!(rig.topic().len() - before, accepted);
}

/// A client that closes its side is answered.
#[test]
fn a_half_closed_client() {
    let rig = slow_event();
    let mut http = sent(&rig, &vec![post(RECORD); 20]);
    http.half_close().expect("it is connected");
    assert_next(&mut http, &[200; 20]);
    assert!(http.is_closed());
}

#[test]
fn a_client_that_disappears() {
    let rig = Rig::start(|it| it.set("timeouts.ack_timeout_ms", NEVER_MS));
    for bytes in [100, 20_000] {
        rig.settles();
        let before = rig.topic().len();
        rig.mock.delay(ALL, NEVER);
        let clients: Vec<_> = (0..10)
            .map(|_| sent(&rig, &vec![post(&record_of(bytes)); IN_FLIGHT_MAX]))
            .collect();
        rig.ringest.await_count("ringest_in_flight_records", 160);
        drop(clients);
        rig.mock.delay(ALL, Duration::ZERO);
        rig.ringest.await_count("ringest_in_flight_records", 0);
        // What was processed is delivered all the same.
        assert_eq!(rig.topic().len(), before + 160);
    }
    rig.settles();
}

/// No request is refused for what those before it on its connection have.
#[test]
fn within_the_budget() {
    let rig = slow(|it| {
        it.model("Event", "1.0", TOPIC)
            .set("limits.body_bytes_max", "65536")
            .set("listen.content_encodings", "[]")
            .set("limits.in_flight_bytes_max", "98304")
            .set("limits.records_max", "1000")
            .kafka("queue.buffering.max.messages", "1000")
    });
    rig.mock.delay(ALL, Duration::from_millis(20));
    let many = format!("[{}]", vec!["{}"; 1_000].join(",")).into_bytes();
    let requests = [
        vec![post(RECORD); 20],
        vec![post(&record_of(60_000)); 3],
        vec![chunked_request(PATH, &record_of(60_000), 10_000); 3],
        vec![post(&many); 5],
        vec![post(RECORD); 20],
    ]
    .concat();
    let mut http = rig.connect();
    let mut second = http.try_clone().expect("a second handle");
    let bytes = requests.concat();
    let writer = std::thread::spawn(move || second.send(&bytes));
    for _ in 0..requests.len() {
        let answer = next(&mut http);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let written = writer.join().expect("it does not panic");
    written.expect("ringest reads");
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
}

/// One that is refused for want of room is answered in its place.
#[test]
fn beyond_the_budget() {
    let rig = Rig::start(|it| {
        it.set("limits.body_bytes_max", "65536")
            .set("listen.content_encodings", "[]")
            .set("limits.in_flight_bytes_max", "98304")
    });
    rig.accepts();
    let mut held = sent(&rig, &[head(PATH, "Content-Length: 65000\r\n")]);
    held.send(&vec![b' '; 60_000]).expect("ringest reads");
    rig.ringest.await_count("ringest_in_flight_bytes", 65_536);
    let large = post(&record_of(60_000));
    let mut http = sent(&rig, &[post(RECORD), large, post(RECORD), post(b"[]")]);
    assert_next(&mut http, &[200]);
    assert_refused(&next(&mut http), 503, "in_flight_full");
    assert_next(&mut http, &[200, 200]);
}
