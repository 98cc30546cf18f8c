//! Every wait ends: for a head, a body, the next request, a client that does not read, a broker.

use std::{io, thread, time::Duration};

use super::{
    ALL, PATH, RECORD, Rig, assert_accepted, assert_closes, assert_problem, assert_refused, head,
    post, record_of,
};
use crate::support::{http::Http, wait::await_that};

/// Shorter than all others in its test.
const SHORT_MS: &str = "1000";

/// Between two bytes of a client that never stops sending: no wait for one of them is long.
const PAUSE: Duration = Duration::from_millis(30);

/// Sends a byte now and then until the server has had enough. The answer must come long before
/// the last byte.
fn drip(http: &mut Http, bytes: &[u8]) {
    for byte in bytes {
        if http.send(&[*byte]).is_err() || !http.is_silent_for(PAUSE) {
            return;
        }
    }
    panic!("a deadline must not start again with each byte");
}

/// As many pauses as one patience has.
fn endless(byte: u8) -> Vec<u8> {
    vec![byte; 2_000]
}

#[test]
fn a_head_has_its_time_as_a_whole() {
    let rig = Rig::start(|it| it.set("timeouts.head_timeout_ms", SHORT_MS));
    let mut http = rig.connect();
    for _ in 0..2 {
        assert_accepted(&http.post(PATH, RECORD).expect("an answer"), 1);
        // Waiting for the first byte of the next head is another matter.
        thread::sleep(Duration::from_millis(1_500));
    }
    http.send(b"POST /ingest/Event HTTP/1.1\r\nX: ")
        .expect("ringest reads");
    drip(&mut http, &endless(b'x'));
    let answer = http.answer().expect("an answer");
    assert_refused(&answer, 408, "head_timeout");
    assert!(answer.closes(), "{answer:?}");

    // One that falls silent, and one that has sent no more than an empty line.
    for start in [&b"POST /in"[..], b"\r\n", b"P"] {
        let mut http = rig.connect();
        http.send(start).expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 408, "head_timeout");
        assert_closes(&mut http, &answer);
    }
    drop(http);
    rig.settles();
}

#[test]
fn a_body_has_its_time_as_a_whole() {
    let rig = Rig::start(|it| it.set("timeouts.body_timeout_ms", SHORT_MS));
    // In place, in memory of its own, in chunks.
    for framing in [
        "Content-Length: 9000\r\n",
        "Content-Length: 90000\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let mut http = rig.connect();
        http.send(&head(PATH, framing)).expect("ringest reads");
        http.send(b"1ffff\r\n").expect("ringest reads");
        drip(&mut http, &endless(b' '));
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 408, "body_timeout");
        assert!(answer.closes(), "{answer:?}");

        let mut http = rig.connect();
        http.send(&head(PATH, framing)).expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 408, "body_timeout");
        assert_closes(&mut http, &answer);
    }
    // The body of a refused request has no more time than one that is wanted.
    let mut http = rig.connect();
    http.send(&head("/nowhere", "Content-Length: 9000\r\n"))
        .expect("ringest reads");
    assert_refused(&http.answer().expect("an answer"), 404, "unknown_route");
    assert!(http.is_closed());
    drop(http);
    rig.settles();
}

/// A body may take longer than a head or an idle connection may.
#[test]
fn a_slow_body_in_time() {
    let rig = Rig::start(|it| {
        it.set("timeouts.head_timeout_ms", SHORT_MS)
            .set("timeouts.idle_timeout_ms", SHORT_MS)
    });
    let mut http = rig.connect();
    let request = post(RECORD);
    let (start, end) = request.split_at(request.len() - 1);
    http.send(start).expect("ringest reads");
    thread::sleep(Duration::from_secs(2));
    http.send(end).expect("ringest reads");
    assert_accepted(&http.answer().expect("an answer"), 1);
}

#[test]
fn an_idle_connection_is_closed_without_an_answer() {
    let rig = Rig::start(|it| {
        it.set("timeouts.head_timeout_ms", SHORT_MS)
            .set("timeouts.idle_timeout_ms", SHORT_MS)
    });
    let mut fresh = rig.connect();
    let mut used = rig.connect();
    assert_accepted(&used.post(PATH, RECORD).expect("an answer"), 1);
    for http in [&mut fresh, &mut used] {
        assert!(http.is_closed(), "an answer without a request");
    }
    drop((fresh, used));
    rig.settles();
}

/// A body that arrives slowly has the time that its bytes take at the least rate, and no more.
#[test]
fn a_slow_body_has_the_time_that_it_needs() {
    const PAUSE: Duration = Duration::from_millis(50);
    let rig = Rig::start(|it| {
        it.set("timeouts.body_timeout_ms", "1500")
            .set("limits.body_rate_min", "2000")
    });
    // 8,000 bytes a second for five seconds, and 400 until it is refused.
    for (part, status) in [(400, 200), (20, 408)] {
        for record in [record_of(1_500), record_of(40_000)] {
            let body = &post(&record);
            let in_parts = || {
                let mut http = rig.connect();
                for part in body.chunks(part) {
                    if http.send(part).is_err() || !http.is_silent_for(PAUSE) {
                        break;
                    }
                }
                http.answer().expect("an answer")
            };
            assert_eq!(in_parts().status, status, "{part}");
        }
    }
}

/// A connection that waits for the broker is not idle.
#[test]
fn waiting_for_the_broker_is_not_idleness() {
    let rig = Rig::start(|it| {
        it.set("timeouts.head_timeout_ms", SHORT_MS)
            .set("timeouts.body_timeout_ms", SHORT_MS)
            .set("timeouts.idle_timeout_ms", SHORT_MS)
    });
    rig.accepts();
    rig.mock.delay(ALL, Duration::from_secs(2));
    let mut http = rig.connect();
    // The next request is there already: its time has not begun.
    http.send(&[post(RECORD), post(b"[]")].concat())
        .expect("ringest reads");
    for records in [1, 0] {
        assert_accepted(&http.answer().expect("an answer"), records);
    }
}

#[test]
fn a_client_that_never_reads_is_cut() {
    let rig = Rig::start(|it| it.set("timeouts.idle_timeout_ms", SHORT_MS));
    let address = rig.ringest.address();
    let mut http = Http::connect_narrow(address).expect("ringest accepts");
    // The answer to this reports a hundred errors.
    let request = post(format!("[1{}]", ",1".repeat(150)).as_bytes());
    let cut = (0..100_000).find_map(|_| http.send(&request).err());
    let error = cut.expect("answers must not be kept without end");
    assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "not cut in time");
    rig.ringest.await_count("ringest_connections_open", 0);
    drop(http);
    rig.settles();
}

#[test]
fn the_broker_has_its_time() {
    let rig = Rig::start(|it| it.set("timeouts.ack_timeout_ms", "1000"));
    rig.silence_broker();
    let mut http = rig.connect();
    let answer = http.post(PATH, RECORD).expect("an answer");
    assert_problem(&answer, 503, "delivery_timed_out");
    assert_eq!(answer.text("persisted"), "unknown", "{answer:?}");
    assert!(!answer.closes(), "{answer:?}");
    rig.mock.delay(ALL, Duration::ZERO);
    await_that("the broker is back", || {
        let answer = http.post(PATH, RECORD).expect("the connection goes on");
        answer.status == 200
    });
    drop(http);
    rig.settles();
}

/// One connection that always has a next request must not keep the worker from all others.
#[test]
fn a_flood_on_one_connection_starves_nobody() {
    let rig = Rig::start(|it| it);
    let address = rig.ringest.address();
    let mut reader = Http::connect(address).expect("ringest accepts");
    let mut writer = reader.try_clone().expect("a second handle");
    let requests = b"GET /health HTTP/1.1\r\nHost: ringest\r\n\r\n".repeat(1_000);
    let flood = thread::spawn(move || while writer.send(&requests).is_ok() {});
    let answers = thread::spawn(move || reader.discard());
    for _ in 0..20 {
        assert_accepted(&rig.post(RECORD), 1);
    }
    // Deadlines and the drain are looked at as well.
    let mut ringest = rig.ringest;
    ringest.begin_drain();
    assert!(ringest.exited().success());
    flood.join().expect("it ends with the connection");
    assert!(answers.join().expect("it ends with the connection") > 0);
}
