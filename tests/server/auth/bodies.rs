//! Bodies of unauthorized requests are neither requested, nor read, nor parsed as requests; and valid
//! and invalid requests are mixed in one stream of bytes.

use super::{
    AUDIT, EVENT, ORDER, Rig,
    case::{bearer, post, record},
    empty,
    issuers::{ApiKey, ES, PB, RS, SHA, SHA_ORDERS},
    unauthenticated::{bad, without_body},
};
use crate::support::http::Http;

#[test]
fn an_unauthenticated_body_is_neither_requested_nor_read() {
    let rig = Rig::start();
    let credentials = [("nothing", Vec::new())].into_iter().chain(bad());
    for (who, lines) in credentials {
        for framing in [
            "Content-Length: 10000000\r\n",
            "Content-Length: 2\r\n",
            "Transfer-Encoding: chunked\r\n",
        ] {
            let expecting = format!("{framing}Expect: 100-continue\r\n");
            for more in [framing, &expecting] {
                let mut http = rig.ringest.connect();
                let lines = [lines.as_slice(), more.as_bytes()].concat();
                http.send(&without_body("POST", EVENT, &lines))
                    .expect("ringest reads");
                // Nothing of the body is ever sent.
                let answer = http.answer().expect("an answer");
                assert_eq!(answer.status, 401, "{who}, {more}: {answer:?}");
            }
        }
    }
    assert_eq!(rig.ringest.count("ringest_in_flight_bytes"), 0);
    assert_eq!(rig.ringest.count("ringest_body_received_bytes_total"), 0);

    // The body of an authorized request is requested.
    let mut http = rig.ringest.connect();
    let mut lines = bearer(&ApiKey::sha256(SHA).token);
    lines.extend_from_slice(b"Content-Length: 2\r\nExpect: 100-continue\r\n");
    http.send(&without_body("POST", EVENT, &lines))
        .expect("ringest reads");
    assert_eq!(http.answer().expect("an interim answer").status, 100);
    http.send(b"[]").expect("ringest reads");
    assert_eq!(http.answer().expect("an answer").status, 200);
}

/// Requests for an unauthorized or unknown route are rejected before their body is requested.
#[test]
fn a_body_for_no_route_is_neither_requested_nor_read() {
    let rig = Rig::start();
    let scoped = bearer(&ApiKey::sha256(SHA_ORDERS).token);
    for (path, status) in [(EVENT, 403), (AUDIT, 403), ("/ingest/Nothing", 404)] {
        for framing in [
            "Content-Length: 10000000\r\n",
            "Transfer-Encoding: chunked\r\n",
        ] {
            for expect in ["", "Expect: 100-continue\r\n"] {
                let mut http = rig.ringest.connect();
                let lines = [&scoped, framing.as_bytes(), expect.as_bytes()].concat();
                http.send(&without_body("POST", path, &lines))
                    .expect("ringest reads");
                let answer = http.answer().expect("an answer");
                assert_eq!(answer.status, status, "{path}, {framing}: {answer:?}");
            }
        }
    }
    assert_eq!(rig.ringest.count("ringest_body_received_bytes_total"), 0);
}

/// A body that looks like a request with a valid credential is not parsed as one.
#[test]
fn a_request_within_a_body_is_ignored() {
    let rig = Rig::start();
    let good = bearer(&ApiKey::sha256(SHA).token);
    let smuggled = post(EVENT, &good, &record("smuggled"));
    let orders = bearer(&ApiKey::sha256(SHA_ORDERS).token);
    let none = ("nothing", Vec::new());
    let rejected = bad().into_iter().chain([none, ("another scope", orders)]);
    for (name, lines) in rejected {
        for times in [1, 20, 1_000] {
            let body = smuggled.repeat(times);
            let chunk = format!("{:x}\r\n", body.len());
            let chunked = [chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
            let te = b"Transfer-Encoding: chunked\r\n";
            let head = without_body("POST", EVENT, &[lines.as_slice(), te].concat());
            for request in [post(EVENT, &lines, &body), [head, chunked].concat()] {
                let mut http = rig.ringest.connect();
                // The connection may end before all of it is sent.
                let _ = http.send(&request);
                let answer = http.answer().expect("an answer");
                assert!(matches!(answer.status, 401 | 403), "{name}: {answer:?}");
                let _ = http.send(&post(ORDER, b"", b"[]"));
                if let Ok(next) = http.answer() {
                    assert_eq!(next.status, 401, "{name}, {times}: {next:?}");
                }
            }
        }
    }
    assert_eq!(rig.mock.cluster().read("events"), Vec::<Vec<u8>>::new());
}

/// Pipelined requests are answered in order, each by its own credential.
#[test]
fn pipelined() {
    let rig = Rig::start();
    let good = [
        RS.jwt().token(),
        ApiKey::sha256(SHA).token,
        ApiKey::pbkdf2(PB).token,
        ES.jwt().token(),
    ];
    let bad = bad();
    for _ in 0..3 {
        let mut http = rig.ringest.connect();
        let mut requests = Vec::new();
        let mut expected = Vec::new();
        for (n, (name, lines)) in bad.iter().enumerate() {
            let name = format!("pipelined: {name}");
            requests.extend(post(EVENT, &bearer(&good[n % good.len()]), b"[]"));
            requests.extend(post(EVENT, lines, &record(&name)));
            requests.extend(post(EVENT, b"", &record(&name)));
            expected.extend([200, 401, 401]);
        }
        requests.extend(empty(&good[0]));
        expected.push(200);
        http.send(&requests).expect("ringest reads");
        let answers: Vec<u16> = expected
            .iter()
            .map(|_| http.answer().expect("an answer").status)
            .collect();
        assert_eq!(answers, expected);
    }
    assert_eq!(rig.mock.cluster().read("events"), Vec::<Vec<u8>>::new());
}

/// Each request keeps its own credential, wherever the stream is split.
#[test]
fn split_anywhere() {
    let rig = Rig::start();
    let long = format!("\"{}\"", "x".repeat(3_000));
    let jwt = ES.jwt().claim("x", &long);
    let good = jwt.token();
    let forged = jwt.token_resigned(|mut signature| {
        signature[9] ^= 1;
        signature
    });
    let requests = [
        empty(&good),
        empty(&forged),
        post(EVENT, b"", b"[]"),
        empty(&good),
    ]
    .concat();
    for step in [1, 7, 61, 1_000, 4_096] {
        let mut http = rig.ringest.connect();
        http.send_in_parts(requests.chunks(step))
            .expect("ringest reads");
        let answers = [200, 401, 401, 200].map(|_| http.answer().expect("an answer").status);
        assert_eq!(answers, [200, 401, 401, 200], "parts of {step}");
    }
    for cut in (1..requests.len()).step_by(97) {
        let mut http = rig.ringest.connect();
        let (first, second) = requests.split_at(cut);
        http.send_in_parts([first, second]).expect("ringest reads");
        let answers = [200, 401, 401, 200].map(|_| http.answer().expect("an answer").status);
        assert_eq!(answers, [200, 401, 401, 200], "cut at {cut}");
    }
}

/// A rejected credential does not close the connection, so that the client can retry with another.
#[test]
fn a_connection_survives_rejected_credentials() {
    let rig = Rig::start();
    let mut http: Http = rig.ringest.connect();
    let good = empty(&ApiKey::sha256(SHA).token);
    for (name, lines) in bad() {
        for body in [2, 1_000, 40_000] {
            let body = "x".repeat(body);
            http.send(&post(EVENT, &lines, body.as_bytes()))
                .expect("ringest reads");
            let answer = http.answer().expect("an answer");
            assert_eq!(
                (answer.status, answer.closes()),
                (401, false),
                "{name}: {answer:?}"
            );
            http.send(&good).expect("ringest reads");
            let answer = http.answer().expect("an answer");
            assert_eq!(
                (answer.status, answer.closes()),
                (200, false),
                "{name}: {answer:?}"
            );
        }
    }
}
