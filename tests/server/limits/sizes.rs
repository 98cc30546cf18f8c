//! How large a head, a body, a record may be.

use super::{
    PATH, Rig, assert_accepted, assert_closes, assert_goes_on, assert_refused, head, post,
    record_of,
};
use crate::support::{
    http::{chunked_request, request},
    records::array,
};

/// A request of no records, with this in its head.
fn empty_post(path: &str, lines: &str) -> Vec<u8> {
    let mut bytes = head(path, &format!("{lines}Content-Length: 2\r\n"));
    bytes.extend_from_slice(b"[]");
    bytes
}

#[test]
fn head_bytes() {
    const MAX: usize = 2_000;
    let rig = Rig::start(|it| it.set("limits.head_bytes_max", &MAX.to_string()));
    let with_head_of = |bytes: usize| {
        let rest = empty_post(PATH, "X-Padding: \r\n").len() - b"[]".len();
        let padding = "x".repeat(bytes - rest);
        empty_post(PATH, &format!("X-Padding: {padding}\r\n"))
    };
    let mut http = rig.connect();
    http.send(&with_head_of(MAX)).expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_accepted(&answer, 0);

    // The connection that was served before fares as a new one.
    http.send(&with_head_of(MAX + 1)).expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_refused(&answer, 431, "head_too_large");
    assert_closes(&mut http, &answer);
}

#[test]
fn header_fields() {
    const MAX: usize = 12;
    let rig = Rig::start(|it| it.set("limits.headers_max", &MAX.to_string()));
    // Host and Content-Length are there already.
    let with_fields = |count: usize| empty_post(PATH, &"X-Field: 1\r\n".repeat(count - 2));
    assert_accepted(&rig.exchange(&with_fields(MAX)), 0);
    let answer = rig.exchange(&with_fields(MAX + 1));
    assert_refused(&answer, 431, "too_many_headers");
    assert!(answer.closes());
}

#[test]
fn the_request_line() {
    const MAX: usize = ringest::http::REQUEST_LINE_BYTES_MAX;
    let rig = Rig::start(|it| it);
    let with_line_of = |bytes: usize| {
        let rest = format!("POST {PATH}? HTTP/1.1\r\n").len();
        let query = "q".repeat(bytes - rest);
        empty_post(&format!("{PATH}?{query}"), "")
    };
    assert_accepted(&rig.exchange(&with_line_of(MAX)), 0);
    let mut http = rig.connect();
    http.send(&with_line_of(MAX + 1)).expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_refused(&answer, 414, "request_line_too_long");
    assert_closes(&mut http, &answer);
}

#[test]
fn body_bytes() {
    const MAX: usize = 100_000;
    let rig = Rig::start(|it| it.set("limits.body_bytes_max", &MAX.to_string()));
    let body = |bytes: usize| {
        let mut body = b"[]".to_vec();
        body.resize(bytes, b' ');
        body
    };
    assert_accepted(&rig.post(&body(MAX)), 0);
    for chunk in [1, 1_000, MAX] {
        assert_accepted(&rig.exchange(&chunked_request(PATH, &body(MAX), chunk)), 0);
    }

    // Nothing of the body is sent: its announced length is enough.
    for bytes in [MAX + 1, 8 * MAX] {
        let mut http = rig.connect();
        http.send(&head(PATH, &format!("Content-Length: {bytes}\r\n")))
            .expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 413, "body_too_large");
        // So much is not read only to be discarded.
        if bytes > MAX + 1 {
            assert_closes(&mut http, &answer);
        }
    }

    for chunk in [1, 1_000, MAX, MAX + 1] {
        let mut http = rig.connect();
        http.send(&chunked_request(PATH, &body(MAX + 1), chunk))
            .expect("ringest reads on");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 413, "body_too_large");
        assert_closes(&mut http, &answer);
    }
    rig.settles();
}

/// No length is too great to be understood, nor for the answer.
#[test]
fn announced_lengths_beyond_all_memory() {
    let rig = Rig::start(|it| it);
    for length in [u64::from(u32::MAX) + 1, i64::MAX as u64 + 1, u64::MAX] {
        let answer = rig.exchange(&head(PATH, &format!("Content-Length: {length}\r\n")));
        assert_refused(&answer, 413, "body_too_large");
    }
    let mut request = head(PATH, "Transfer-Encoding: chunked\r\n");
    request.extend_from_slice(b"ffffffffffffffff\r\n");
    assert_refused(&rig.exchange(&request), 413, "body_too_large");
    rig.settles();
}

#[test]
fn record_bytes() {
    const MAX: usize = 2_000;
    let rig = Rig::start(|it| it.set("limits.record_bytes_max", &MAX.to_string()));
    let (longest, too_long) = (record_of(MAX), record_of(MAX + 1));
    let padded = [b" \r\n".as_slice(), &longest, b"\t "].concat();
    let mut http = rig.connect();
    for body in [&longest, &padded] {
        assert_accepted(&http.post(PATH, body).expect("an answer"), 1);
    }
    let pair = array([longest.clone(), longest.clone()]);
    assert_accepted(&http.post(PATH, &pair).expect("an answer"), 2);

    let answer = http.post(PATH, &too_long).expect("an answer");
    assert_refused(&answer, 413, "record_too_large");
    let pair = array([longest.clone(), too_long.clone()]);
    let answer = http.post(PATH, &pair).expect("an answer");
    assert_refused(&answer, 413, "record_too_large");
    assert_eq!(answer.json()["errors"][0]["index"], 1, "{answer:?}");
    let lines = [longest.as_slice(), &too_long].join(&b'\n');
    let lines = request(PATH, "application/x-ndjson", &lines);
    http.send(&lines).expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_refused(&answer, 413, "record_too_large");
    assert_goes_on(&mut http, &answer);
    assert_eq!(
        rig.topic(),
        vec![longest; 4],
        "nothing of a refused request"
    );
}

#[test]
fn records() {
    const MAX: usize = 100;
    let rig = Rig::start(|it| it.set("limits.records_max", &MAX.to_string()));
    let bodies = |count: usize| {
        let records = vec![b"{}".to_vec(); count];
        let lines = records.join(&b'\n');
        [
            post(&array(records)),
            request(PATH, "application/x-ndjson", &lines),
        ]
    };
    for request in bodies(MAX) {
        assert_accepted(&rig.exchange(&request), MAX);
    }
    for request in bodies(MAX + 1) {
        let mut http = rig.connect();
        http.send(&request).expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 413, "too_many_records");
        assert_goes_on(&mut http, &answer);
    }
    assert_eq!(rig.topic().len(), 2 * MAX);
}

#[test]
fn json_depth() {
    const MAX: usize = 20;
    let rig = Rig::start(|it| it.set("limits.json_depth_max", &MAX.to_string()));
    let nested = |depth: usize| {
        let inner = "[".repeat(depth - 1) + &"]".repeat(depth - 1);
        format!(r#"{{"a":{inner}}}"#).into_bytes()
    };
    assert_accepted(&rig.post(&nested(MAX)), 1);
    assert_accepted(&rig.post(&array([nested(MAX - 1)])), 1);
    for body in [nested(MAX + 1), array([nested(MAX)]), nested(MAX * 1_000)] {
        let answer = rig.post(&body);
        // Deeper than the limit is no JSON to ringest, as far as the whole document is concerned.
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.json()["errors"][0]["code"], "too_deep", "{answer:?}");
        assert_eq!(answer.text("persisted"), "no");
    }
    assert_eq!(rig.topic().len(), 2);
}
