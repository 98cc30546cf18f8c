//! What may be in the house at once: memory, file descriptors.

use super::{
    ALL, PATH, PATIENCE, RECORD, Rig, SILENCE, TOPIC, assert_accepted, assert_goes_on,
    assert_problem, assert_refused, head, post, record_of,
};
use crate::support::{
    http::{Http, chunked_request, request},
    wait::{await_that, eventually},
};
use std::{net::Ipv4Addr, thread, time::Duration};

/// What one small request takes.
const SEGMENT: u64 = 2_048;

/// What there is: as much as the largest body takes while it grows.
const BUDGET: u64 = 98_304;

/// Small requests that one client may have in there at once: about four fifths.
const OF_ONE: usize = 39;

/// Room for 48 small requests, or one of the largest.
fn rig() -> Rig {
    let rig = Rig::start(|it| {
        it.set("limits.body_bytes_max", "65536")
            // A decoder would need more.
            .set("listen.content_encodings", "[]")
            .set("limits.in_flight_bytes_max", &BUDGET.to_string())
    });
    rig.accepts();
    rig
}

/// So many small requests whose bodies never come.
fn unfinished(rig: &Rig, count: usize) -> Vec<Http> {
    let small = head(PATH, "Content-Length: 100\r\n");
    let held = (0..count).map(|_| sent(rig, &small)).collect();
    rig.ringest
        .await_count("ringest_in_flight_bytes", count as u64 * SEGMENT);
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

/// A client of another address.
fn another(rig: &Rig) -> Http {
    let source = Ipv4Addr::new(127, 0, 0, 2).into();
    Http::connect_from(source, rig.ringest.address()).expect("ringest accepts")
}

#[test]
fn records_that_wait_for_the_broker_hold_the_budget() {
    let rig = rig();
    rig.silence_broker();
    let mut waiting: Vec<Http> = (0..OF_ONE).map(|_| sent(&rig, &post(RECORD))).collect();
    let held = OF_ONE as u64 * SEGMENT;
    rig.ringest.await_count("ringest_in_flight_bytes", held);
    let mut late = rig.connect();
    for body in [RECORD, &record_of(20_000)] {
        let answer = late.post(PATH, body).expect("an answer");
        assert_refused(&answer, 503, "in_flight_full");
        assert!(!answer.closes(), "{answer:?}");
    }
    let chunked = rig.exchange(&chunked_request(PATH, RECORD, 3));
    assert_refused(&chunked, 503, "in_flight_full");
    // None of them has had its answer: the refusals did not wait.
    for http in waiting.iter_mut().step_by(10) {
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

/// However much one client holds, there is some left for another.
#[test]
fn one_client_gets_no_more_than_its_share() {
    let rig = rig();
    let held = unfinished(&rig, OF_ONE);
    is_full(&rig);
    let mut other = another(&rig);
    for _ in 0..20 {
        assert_accepted(&other.post(PATH, RECORD).expect("an answer"), 1);
    }
    // Both have something: nobody gets all.
    other
        .send(&head(PATH, "Content-Length: 100\r\n"))
        .expect("ringest reads");
    rig.ringest
        .await_count("ringest_in_flight_bytes", (OF_ONE as u64 + 1) * SEGMENT);
    is_full(&rig);
    drop((held, other));
    rig.settles();
}

/// Forty clients that announce the largest body and send a byte of it: everybody else is served.
#[test]
fn an_announced_length_takes_little() {
    let rig = Rig::start(|it| it);
    rig.accepts();
    let mut announced: Vec<Http> = Vec::new();
    for _ in 0..40 {
        let mut http = sent(&rig, &head(PATH, "Content-Length: 10485760\r\n"));
        http.send(b"[").expect("ringest reads");
        announced.push(http);
    }
    // A quarter of 256 MiB is reserved in advance, and the rest a little each.
    let most = (64 << 20) + 40 * SEGMENT;
    await_that("they are not read", || {
        let held = rig.ringest.count("ringest_in_flight_bytes");
        (6 * 10_485_760 + 34 * SEGMENT..=most).contains(&held)
    });
    for _ in 0..20 {
        assert_accepted(&rig.post(RECORD), 1);
        assert_accepted(&rig.post(&record_of(100_000)), 1);
    }
    // One of them goes on after all: it grows as it arrives.
    let rest = [vec![b' '; 10_485_758], b"]".to_vec()].concat();
    let mut last = announced.pop().expect("forty");
    last.send(&rest).expect("ringest reads");
    assert_accepted(&last.answer().expect("an answer"), 0);
    drop((announced, last));
    rig.settles();
}

#[test]
fn bodies_being_read_hold_what_has_arrived() {
    let rig = rig();
    let others = unfinished(&rig, 2);
    let largest = post(&record_of(65_536));
    let mut half = sent(&rig, &largest[..30_000]);
    rig.ringest
        .await_count("ringest_in_flight_bytes", 2 * SEGMENT + 32_768);
    assert_accepted(&rig.post(RECORD), 1);
    // It takes two segments to grow, for which there is no room.
    half.send(&largest[30_000..]).expect("ringest reads");
    let answer = half.answer().expect("an answer");
    assert_refused(&answer, 503, "in_flight_full");
    assert_goes_on(&mut half, &answer);
    drop(others);
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
    half.send(&largest).expect("ringest reads");
    assert_accepted(&half.answer().expect("an answer"), 1);

    // A client that goes gives its share back.
    drop(half);
    let half = sent(&rig, &largest[..30_000]);
    rig.ringest.await_count("ringest_in_flight_bytes", 32_768);
    drop(half);
    rig.settles();
}

/// A chunked body takes more as it grows, for a moment its last two segments, and may find that
/// there is no more.
#[test]
fn a_chunked_body_that_outgrows_the_budget() {
    let rig = rig();
    let largest = chunked_request(PATH, &record_of(65_536), 1_000);
    assert_accepted(&rig.exchange(&largest), 1);
    let other = unfinished(&rig, 1);
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
    let others = unfinished(&rig, OF_ONE);
    let mut http = rig.connect();
    http.send(&[post(RECORD), post(&record_of(50_000))].concat())
        .expect("ringest reads");
    for _ in 0..2 {
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 503, "in_flight_full");
        assert!(!answer.closes(), "{answer:?}");
    }
    drop(others);
    rig.ringest.await_count("ringest_in_flight_bytes", 0);
    let answer = http.post(PATH, RECORD).expect("an answer");
    assert_accepted(&answer, 1);
    assert_goes_on(&mut http, &answer);
}

/// Where there are several workers, a 503 for want of room ends the connection now and then: the next
/// one may reach another worker.
#[test]
fn a_full_worker_sends_some_clients_away() {
    let rig = Rig::start(|it| {
        it.set("workers", "2")
            .set("limits.body_bytes_max", "65536")
            .set("listen.content_encodings", "[]")
            .set("limits.in_flight_bytes_max", &(2 * BUDGET).to_string())
    });
    rig.accepts();
    let small = head(PATH, "Content-Length: 100\r\n");
    let mut held: Vec<Http> = Vec::new();
    let mut http = rig.connect();
    let last = eventually(PATIENCE, || {
        held.extend((0..4).map(|_| sent(&rig, &small)));
        let answer = http.post(PATH, RECORD).expect("an answer");
        answer.closes().then_some(answer)
    });
    assert_refused(&last.expect("it is never sent away"), 503, "in_flight_full");
    assert!(http.is_closed());
    drop(held);
    rig.settles();
}

/// What validations have found so far takes memory, which is bounded however many of them go on.
#[test]
fn validations_of_long_bodies_share_a_budget() {
    let keyed = format!(
        "name = \"Keyed\"\nversion = \"1\"\ntopic = \"{TOPIC}\"\npartition_key = \"k\"\n\
         [fields]\nk = \"Nullable(String)\"\n"
    );
    let rig = Rig::start(|it| {
        it.set("limits.body_bytes_max", "1048576")
            .model_file(&keyed)
    });
    // As many records as a request may have; the last one is invalid, so that none is produced.
    let body = format!("[{}1]", "{},".repeat(99_999));
    let request = request("/ingest/Keyed/1", "application/json", body.as_bytes());
    let (last, before) = request.split_last().expect("a request");
    let mut clients: Vec<Http> = (0..8).map(|_| sent(&rig, before)).collect();
    let bytes = clients.len() * body.len().next_power_of_two();
    rig.ringest
        .await_count("ringest_in_flight_bytes", bytes as u64);
    for client in &mut clients {
        client.send(&[*last]).expect("ringest reads");
    }
    let answers = clients
        .iter_mut()
        .map(|client| client.answer().expect("an answer"));
    let (refused, validated): (Vec<_>, Vec<_>) = answers.partition(|it| it.status == 503);
    assert!(!refused.is_empty() && !validated.is_empty());
    for answer in refused {
        assert_refused(&answer, 503, "in_flight_full");
    }
    drop(clients);
    // It is given back: one by itself has all that it needs.
    let answer = rig.exchange(&request);
    assert_problem(&answer, 400, "invalid_record");
    rig.settles();
}

/// What an answer took is given back with it, however large it was, and so is what a request took.
#[test]
fn idle_connections_keep_little() {
    const CONNECTIONS: usize = 500;
    let rig = Rig::start(|it| it);
    // A hundred errors are reported of it: about 30 KB.
    let invalid = post(format!("[1{}]", ",1".repeat(150)).as_bytes());
    let exchange = |http: &mut Http| {
        http.send(&invalid).expect("ringest reads");
        assert_eq!(http.answer().expect("an answer").status, 400);
        // Another one like the last is expected, without a segment for it.
        for bytes in [40_000, 10_000, 10_000] {
            let answer = http.post(PATH, &record_of(bytes)).expect("an answer");
            assert_accepted(&answer, 1);
        }
    };
    for _ in 0..20 {
        exchange(&mut rig.connect());
    }
    let before = rig.ringest.resident_bytes();
    let mut idle: Vec<Http> = (0..CONNECTIONS).map(|_| rig.connect()).collect();
    idle.iter_mut().for_each(exchange);
    let each = rig.ringest.resident_bytes().saturating_sub(before) / CONNECTIONS as u64;
    // 6 KiB in a release build; in this one the debug checks, and what is allocated once, count too.
    assert!(each <= 12 * 1_024, "{each} bytes each");
    drop(idle);
    rig.settles();
}

/// Connections that find no file descriptor wait in the kernel's queue until an idle one has given way.
#[test]
fn file_descriptors() {
    let rig = Rig::start(|it| it);
    let mut first = rig.connect();
    assert_accepted(&first.post(PATH, RECORD).expect("an answer"), 1);
    // As long as a few checks of deadlines: it is to have idled longest.
    thread::sleep(Duration::from_millis(100));
    rig.ringest.spare_files(8);
    // More than the files of clients of the brokers that the start has closed since.
    let mut others: Vec<Http> = (0..150).map(|_| sent(&rig, &post(b"[]"))).collect();
    await_that("the shortage is not logged", || {
        let log = rig.ringest.log();
        log.contains("cannot accept connections")
    });
    assert!(first.is_closed(), "it has idled longest");

    // As one gives way, the next is served, to the last.
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
