//! Bodies that are refused, half sent, or left behind: the answer arrives, and nothing stays.

use super::{
    PATH, RECORD, Rig, assert_accepted, assert_closes, assert_goes_on, assert_refused, head, post,
    record_of,
};
use crate::support::http::{Http, chunked_request, request};

const NOWHERE: &str = "/ingest/Nothing/1.0";

/// What is read and dropped of a refused body so that the connection can go on.
const SKIPPED_BYTES_MAX: usize = 512 * 1024;

#[test]
fn a_small_refused_body_is_skipped_and_a_large_one_ends_the_connection() {
    let rig = Rig::start(|it| it);
    for bytes in [0, 1, 20_000, SKIPPED_BYTES_MAX] {
        let mut http = rig.connect();
        http.send(&request(NOWHERE, "application/json", &vec![b'x'; bytes]))
            .expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 404, "unknown_route");
        assert_goes_on(&mut http, &answer);
    }
    let mut http = rig.connect();
    let body = vec![b'x'; SKIPPED_BYTES_MAX + 1];
    http.send(&request(NOWHERE, "application/json", &body))
        .expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_refused(&answer, 404, "unknown_route");
    assert_closes(&mut http, &answer);
    rig.settles();
}

/// The answer comes before the body, and what follows the body is the next request all the same.
#[test]
fn a_refused_body_that_comes_after_its_answer() {
    let rig = Rig::start(|it| it);
    let mut http = rig.connect();
    http.send(&head(NOWHERE, "Content-Length: 30000\r\n"))
        .expect("ringest reads");
    let answer = http.answer().expect("an answer before the body");
    assert_refused(&answer, 404, "unknown_route");
    let rest = [vec![b'x'; 30_000], post(RECORD)].concat();
    http.send_in_parts(rest.chunks(7_001))
        .expect("ringest reads");
    assert_accepted(&http.answer().expect("an answer"), 1);
}

/// Far more than the socket's buffers take: a client that sends all of it before it reads gets
/// rid of it, and finds the whole answer afterwards.
#[test]
fn the_answer_to_a_large_refused_body_arrives() {
    const MIB: usize = 1 << 20;
    let rig = Rig::start(|it| it.set("limits.body_bytes_max", &MIB.to_string()));
    let body = vec![b' '; 5 * MIB];
    for (request, status, code) in [
        (request(NOWHERE, "", &body), 404, "unknown_route"),
        (request(PATH, "", &body), 413, "body_too_large"),
        (
            request(PATH, "text/csv", &body),
            415,
            "unsupported_media_type",
        ),
        (
            chunked_request(NOWHERE, &body, 10_000),
            404,
            "unknown_route",
        ),
        (chunked_request(PATH, &body, 10_000), 413, "body_too_large"),
        (chunked_request(PATH, &body, 5 * MIB), 413, "body_too_large"),
        (
            [b"nonsense\r\n\r\n", &body[..]].concat(),
            400,
            "malformed_request",
        ),
    ] {
        let mut http = rig.connect();
        http.send(&request).expect("the whole request is taken");
        let answer = http.answer().expect("the whole answer");
        assert_refused(&answer, status, code);
        assert!(http.is_closed(), "more than one answer");
    }
    rig.settles();
}

#[test]
fn a_half_closed_client_is_answered() {
    let rig = Rig::start(|it| it);
    for request in [
        post(RECORD),
        post(&record_of(40_000)),
        chunked_request(PATH, RECORD, 3),
    ] {
        let mut http = rig.connect();
        http.send(&request).expect("ringest reads");
        http.half_close().expect("still connected");
        assert_accepted(&http.answer().expect("an answer"), 1);
        assert!(http.is_closed());
    }
    // Two requests, and then the end.
    let mut http = rig.connect();
    http.send(&[post(b"[]"), post(RECORD)].concat())
        .expect("ringest reads");
    http.half_close().expect("still connected");
    assert_accepted(&http.answer().expect("an answer"), 0);
    assert_accepted(&http.answer().expect("an answer"), 1);
    assert!(http.is_closed());
    rig.settles();
}

/// No part of a request is produced that does not arrive whole.
#[test]
fn a_request_that_ends_too_early() {
    let rig = Rig::start(|it| it);
    let longer = |body: &[u8]| {
        let mut request = head(PATH, &format!("Content-Length: {}\r\n", body.len() + 1));
        request.extend_from_slice(body);
        request
    };
    let chunked = chunked_request(PATH, RECORD, 3);
    for request in [
        longer(RECORD),
        longer(&record_of(40_000)),
        chunked[..chunked.len() - 1].to_vec(),
        chunked[..chunked.len() - 7].to_vec(),
        post(RECORD)[..20].to_vec(),
    ] {
        let mut http = rig.connect();
        http.send(&request).expect("ringest reads");
        http.half_close().expect("still connected");
        assert!(http.is_closed(), "there is nothing to answer");
    }
    assert_eq!(rig.topic(), Vec::<Vec<u8>>::new());
    rig.settles();
}

#[test]
fn a_client_that_goes_away() {
    let rig = Rig::start(|it| it);
    rig.silence_broker();
    let large = post(&record_of(40_000));
    let partial = [
        &b"POST "[..],
        &head(PATH, "Content-Length: 9\r\n")[..30],
        &large[..10_000],
        &large[..30_000],
        &chunked_request(PATH, &record_of(40_000), 30_000)[..35_000],
    ];
    let mut waiting: Vec<Http> = Vec::new();
    for request in partial.into_iter().chain([&post(RECORD)[..], &large]) {
        let mut http = rig.connect();
        http.send(request).expect("ringest reads");
        waiting.push(http);
    }
    rig.ringest.await_count("ringest_connections_open", 7);
    rig.ringest.await_count("ringest_in_flight_records", 2);
    drop(waiting);
    // The two in flight stay until they are delivered; their memory is librdkafka's to read.
    rig.ringest.await_count("ringest_connections_open", 2);
    assert!(rig.ringest.count("ringest_in_flight_bytes") >= 65_536 + 2_048);
    rig.mock.delay(super::ALL, std::time::Duration::ZERO);
    rig.settles();
}
