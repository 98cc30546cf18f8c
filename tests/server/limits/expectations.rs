//! `Expect: 100-continue` (RFC 9110 section 10.1.1): a client is asked for its body only when that
//! may be sent, and gets its final answer instead where it is refused.

use super::{
    PATH, RECORD, Rig, assert_accepted, assert_closes, assert_goes_on, assert_refused, head,
    record_of,
};
use crate::support::http::Http;

const EXPECT: &str = "Expect: 100-continue\r\n";

fn expecting(path: &str, lines: &str) -> Vec<u8> {
    head(path, &format!("{EXPECT}{lines}"))
}

fn is_asked(http: &mut Http) {
    let interim = http.answer().expect("an interim answer");
    assert_eq!((interim.status, interim.headers.len()), (100, 0));
}

#[test]
fn a_body_that_waits_to_be_asked_for() {
    let rig = Rig::start(|it| it);
    let mut http = rig.connect();
    for bytes in [8, 16_384, 40_000] {
        let body = record_of(bytes);
        http.send(&expecting(PATH, &format!("Content-Length: {bytes}\r\n")))
            .expect("ringest reads");
        is_asked(&mut http);
        http.send(&body).expect("ringest reads");
        assert_accepted(&http.answer().expect("an answer"), 1);
    }
    http.send(&expecting(PATH, "Transfer-Encoding: chunked\r\n"))
        .expect("ringest reads");
    is_asked(&mut http);
    http.send(b"3\r\n[{}\r\n").expect("ringest reads");
    http.send(b"1\r\n]\r\n0\r\n\r\n").expect("ringest reads");
    let answer = http.answer().expect("asked for once only");
    assert_accepted(&answer, 1);
    assert_goes_on(&mut http, &answer);
}

/// A client that sends the body at once has not waited: it need not be asked for, but may be.
#[test]
fn a_body_that_comes_along() {
    let rig = Rig::start(|it| it);
    let mut http = rig.connect();
    for bytes in [8, 1_000, 40_000] {
        let mut request = expecting(PATH, &format!("Content-Length: {bytes}\r\n"));
        request.extend_from_slice(&record_of(bytes));
        http.send(&request).expect("ringest reads");
        let mut answer = http.answer().expect("an answer");
        if answer.status == 100 {
            answer = http.answer().expect("an answer");
        }
        assert_accepted(&answer, 1);
        assert_goes_on(&mut http, &answer);
    }
}

#[test]
fn a_refusal_comes_instead() {
    let rig = Rig::start(|it| it.set("limits.body_bytes_max", "20000"));
    let small = "Content-Length: 7\r\n";
    let refused = [
        (expecting("/nowhere", small), 404, "unknown_route"),
        (expecting("/health", small), 405, "method_not_allowed"),
        (
            expecting(PATH, "Content-Length: 20001\r\n"),
            413,
            "body_too_large",
        ),
        (
            expecting(PATH, "Content-Type: text/csv\r\nContent-Length: 7\r\n"),
            415,
            "unsupported_media_type",
        ),
        (
            expecting(PATH, "Content-Encoding: br\r\nContent-Length: 7\r\n"),
            415,
            "unsupported_content_encoding",
        ),
    ];
    for (request, status, code) in &refused {
        let mut http = rig.connect();
        http.send(request).expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, *status, code);
        // What comes next on it may be the body, or the next request: neither is certain.
        assert_closes(&mut http, &answer);
    }
    let put = String::from_utf8(expecting(PATH, small)).expect("it is text");
    let mut http = rig.connect();
    http.send(put.replacen("POST", "PUT", 1).as_bytes())
        .expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_refused(&answer, 405, "method_not_allowed");
    assert_closes(&mut http, &answer);

    // The body comes along, and is refused all the same.
    for (mut request, status, code) in refused {
        request.extend_from_slice(RECORD);
        let mut http = rig.connect();
        http.send(&request).expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, status, code);
        assert_closes(&mut http, &answer);
    }
    assert_eq!(rig.topic(), Vec::<Vec<u8>>::new());
}

/// Where there is no room for the body it is not asked for.
#[test]
fn no_room() {
    let rig = Rig::start(|it| {
        it.set("limits.body_bytes_max", "65536")
            .set("listen.content_encodings", "[]")
            .set("limits.in_flight_bytes_max", "98304")
    });
    // As much as one client gets.
    let unfinished = [(); 39].map(|()| {
        let mut http = rig.connect();
        http.send(&head(PATH, "Content-Length: 100\r\n"))
            .expect("ringest reads");
        http
    });
    rig.ringest
        .await_count("ringest_in_flight_bytes", 39 * 2_048);
    let mut http = rig.connect();
    http.send(&expecting(PATH, "Content-Length: 7\r\n"))
        .expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_refused(&answer, 503, "in_flight_full");
    assert_closes(&mut http, &answer);
    drop(unfinished);
}

/// HTTP/1.0 knows no interim answers: the expectation is ignored.
#[test]
fn an_old_client_is_not_asked() {
    let rig = Rig::start(|it| it);
    let mut http = rig.connect();
    let head = format!("POST {PATH} HTTP/1.0\r\n{EXPECT}Content-Length: 7\r\n\r\n");
    http.send(head.as_bytes()).expect("ringest reads");
    assert!(http.is_silent_for(super::SILENCE));
    http.send(RECORD).expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_accepted(&answer, 1);
    assert_closes(&mut http, &answer);
}
