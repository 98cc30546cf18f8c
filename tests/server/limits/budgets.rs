//! What may be in the house at once: memory, connections, file descriptors.

use super::{
    ALL, PATH, PATIENCE, RECORD, Rig, SILENCE, assert_accepted, assert_goes_on, assert_problem,
    assert_refused, head, post, record_of,
};
use crate::support::{
    http::{Http, chunked_request},
    wait::{await_that, eventually},
};
use std::time::Duration;

/// What one small request takes.
const SEGMENT: u64 = 16_384;

/// What there is: as much as the largest body takes while it grows.
const BUDGET: u64 = 98_304;

/// Room for six small requests, or one of the largest and two small ones.
fn rig() -> Rig {
    let rig = Rig::start(|it| {
        it.set("limits.body_bytes_max", "65536")
            .set("limits.in_flight_bytes_max", &BUDGET.to_string())
    });
    rig.accepts();
    rig
}

/// So many small requests whose bodies never come.
fn unfinished<const N: usize>(rig: &Rig) -> [Http; N] {
    let held = [(); N].map(|()| sent(rig, &head(PATH, "Content-Length: 100\r\n")));
    rig.ringest
        .await_count("ringest_in_flight_bytes", N as u64 * SEGMENT);
    held
}

fn sent(rig: &Rig, request: &[u8]) -> Http {
    let mut http = rig.connect();
    http.send(request).expect("ringest reads");
    http
}

fn is_full(rig: &Rig) {
    let mut http = rig.connect();
    let answer = http.post(PATH, RECORD).expect("an answer");
    assert_refused(&answer, 503, "in_flight_full");
    assert!(!answer.closes(), "a small body is skipped: {answer:?}");
}

#[test]
fn records_that_wait_for_the_broker_hold_the_budget() {
    let rig = rig();
    rig.silence_broker();
    let mut waiting: Vec<Http> = (0..6).map(|_| sent(&rig, &post(RECORD))).collect();
    rig.ringest.await_count("ringest_in_flight_bytes", BUDGET);
    let mut late = rig.connect();
    for body in [RECORD, &record_of(20_000)] {
        let answer = late.post(PATH, body).expect("an answer");
        assert_refused(&answer, 503, "in_flight_full");
        assert!(!answer.closes(), "{answer:?}");
    }
    let chunked = rig.exchange(&chunked_request(PATH, RECORD, 3));
    assert_refused(&chunked, 503, "in_flight_full");
    // None of them has had its answer: the refusals did not wait.
    for http in &mut waiting {
        assert!(http.is_silent_for(SILENCE / 10));
    }
    // Paths that need no memory are served.
    let health = b"GET /health HTTP/1.1\r\nHost: ringest\r\n\r\n";
    assert_eq!(rig.exchange(health).status, 200);

    rig.mock.delay(ALL, Duration::ZERO);
    for http in &mut waiting {
        assert_accepted(&http.answer().expect("an answer"), 1);
    }
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
    assert_accepted(&late.post(PATH, RECORD).expect("an answer"), 1);
    drop((waiting, late));
    rig.settles();
}

#[test]
fn bodies_being_read_hold_the_budget() {
    let rig = rig();
    let others = unfinished::<2>(&rig);
    // Its whole length is reserved before its first byte is there.
    let largest = post(&record_of(65_536));
    let mut half = sent(&rig, &largest[..30_000]);
    rig.ringest.await_count("ringest_in_flight_bytes", BUDGET);
    is_full(&rig);
    half.send(&largest[30_000..]).expect("ringest reads");
    assert_accepted(&half.answer().expect("an answer"), 1);
    assert_accepted(&rig.post(RECORD), 1);
    drop(half);

    // A client that goes gives its share back.
    let half = sent(&rig, &largest[..30_000]);
    rig.ringest.await_count("ringest_in_flight_bytes", BUDGET);
    is_full(&rig);
    drop(half);
    rig.ringest
        .await_count("ringest_in_flight_bytes", 2 * SEGMENT);
    assert_accepted(&rig.post(RECORD), 1);
    drop(others);
    rig.settles();
}

/// A chunked body takes more as it grows, for a moment its last two segments, and may find that
/// there is no more.
#[test]
fn a_chunked_body_that_outgrows_the_budget() {
    let rig = rig();
    let largest = chunked_request(PATH, &record_of(65_536), 1_000);
    assert_accepted(&rig.exchange(&largest), 1);
    let other = unfinished::<1>(&rig);
    let fits = chunked_request(PATH, &record_of(32_768), 1_000);
    assert_accepted(&rig.exchange(&fits), 1);
    let answer = rig.exchange(&chunked_request(PATH, &record_of(32_769), 1_000));
    assert_problem(&answer, 503, "in_flight_full");
    assert!(answer.closes(), "the rest of it is unread: {answer:?}");
    rig.ringest.await_count("ringest_in_flight_bytes", SEGMENT);
    drop(other);
    rig.settles();
}

#[test]
fn a_refusal_for_want_of_room_keeps_the_connection() {
    let rig = rig();
    let others = unfinished::<2>(&rig);
    let largest = post(&record_of(65_536));
    let half = sent(&rig, &largest[..30_000]);
    rig.ringest.await_count("ringest_in_flight_bytes", BUDGET);
    let mut http = rig.connect();
    http.send(&[post(RECORD), post(&record_of(50_000))].concat())
        .expect("ringest reads");
    for _ in 0..2 {
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 503, "in_flight_full");
    }
    drop((half, others));
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
    let answer = http.post(PATH, RECORD).expect("an answer");
    assert_accepted(&answer, 1);
    assert_goes_on(&mut http, &answer);
}

/// The connection beyond the last place is not refused: it waits for one.
#[test]
fn connections() {
    // Two workers: the places are those of the process.
    let rig = Rig::start(|it| it.set("workers", "2").set("limits.connections_max", "2"));
    let mut first = rig.connect();
    let mut second = rig.connect();
    for http in [&mut first, &mut second] {
        assert_accepted(&http.post(PATH, RECORD).expect("an answer"), 1);
    }
    let mut third = sent(&rig, &post(b"[{},{}]"));
    let mut fourth = sent(&rig, &post(b"[{},{},{}]"));
    assert!(third.is_silent_for(SILENCE) && fourth.is_silent_for(SILENCE));
    assert_eq!(rig.ringest.count("ringest_connections_open"), 2);
    for http in [&mut first, &mut second] {
        let answer = http.post(PATH, RECORD).expect("the others are served on");
        assert_accepted(&answer, 1);
    }
    drop(first);
    // Which of the two comes first depends on the worker that each was given to.
    let mut open = vec![(third, 2), (fourth, 3)];
    let served = eventually(PATIENCE, || {
        open.iter_mut()
            .position(|(http, _)| !http.is_silent_for(SILENCE / 10))
    });
    let (mut http, records) = open.swap_remove(served.expect("a place is free, and nobody served"));
    assert_accepted(&http.answer().expect("an answer"), records);
    let (mut other, records) = open.remove(0);
    assert!(other.is_silent_for(SILENCE));
    drop((second, http));
    assert_accepted(&other.answer().expect("an answer"), records);
    drop(other);
    rig.settles();
}

/// Connections that find no file descriptor wait in the kernel's queue until there is one.
#[test]
fn file_descriptors() {
    let rig = Rig::start(|it| it);
    let mut first = rig.connect();
    assert_accepted(&first.post(PATH, RECORD).expect("an answer"), 1);
    rig.ringest.spare_files(8);
    let mut others: Vec<Http> = (0..40).map(|_| sent(&rig, &post(b"[]"))).collect();
    await_that("the shortage is not logged", || {
        let log = rig.ringest.log();
        log.contains("cannot accept connections")
    });
    let answer = first.post(PATH, RECORD).expect("the first is served on");
    assert_accepted(&answer, 1);

    // As one ends, the next is served, to the last.
    drop(first);
    let in_turn = eventually(PATIENCE, || {
        others.retain_mut(|http| {
            if http.is_silent_for(SILENCE / 100) {
                return true;
            }
            assert_accepted(&http.answer().expect("an answer"), 0);
            false
        });
        others.is_empty().then_some(())
    });
    assert!(in_turn.is_some(), "{} are not served", others.len());
    rig.settles();
    let complaints = rig
        .ringest
        .log()
        .matches("cannot accept connections")
        .count();
    assert!(complaints < 40, "{complaints} lines of the same");
}
