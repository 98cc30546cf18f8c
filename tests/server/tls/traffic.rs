//! Requests over TLS are what they are without it.

use super::{DRIVERS, Rig};
use crate::support::{
    event::{PATH, RECORD},
    http::{Http, chunked_request, request},
    tls::{VERSIONS, client},
};

/// A record of exactly this many bytes.
fn record_of(bytes: usize) -> Vec<u8> {
    let padding = "x".repeat(bytes - r#"{"p":""}"#.len());
    format!(r#"{{"p":"{padding}"}}"#).into_bytes()
}

fn post(body: &[u8]) -> Vec<u8> {
    request(PATH, "application/json", body)
}

/// The answer to `request` says that one record is in.
#[track_caller]
fn is_accepted(http: &mut Http, request: &[u8]) {
    http.send(request).expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn the_bytes_produced_are_those_sent() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it);
        let before = rig.mock.cluster().read("events").len();
        let mut sent = Vec::new();
        for version in VERSIONS {
            let client = client(&[version]);
            let mut http = rig.ringest.connect().secured(&client, "localhost");
            // About the sizes of rustls's reads, of a record of TLS, of the first buffer and of the pooled ones.
            for bytes in [
                8, 300, 2_000, 4_096, 16_000, 16_384, 16_385, 70_000, 999_000,
            ] {
                let body = record_of(bytes);
                is_accepted(&mut http, &post(&body));
                is_accepted(&mut http, &chunked_request(PATH, &body, 5_000));
                sent.extend([body.clone(), body]);
            }
            assert_eq!(http.tls().0.alpn_protocol(), Some(&b"http/1.1"[..]));
        }
        let produced = rig.mock.cluster().read("events").split_off(before);
        assert!(
            produced == sent,
            "{} records of {}",
            produced.len(),
            sent.len()
        );
        assert!(rig.handshakes("full") >= 3);
        rig.settles();
    }
}

#[test]
fn requests_arrive_in_any_pieces() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it);
        let before = rig.mock.cluster().read("events").len();
        let bodies: Vec<_> = (0..40).map(|it| record_of(20 + it * 50)).collect();
        let requests: Vec<_> = bodies.iter().map(|it| post(it)).collect();
        let all = requests.concat();
        // Each piece is a record of its own.
        for piece in [1, 7, 1_500, all.len()] {
            let mut http = rig.connect();
            let text = if piece == 1 { &requests[0] } else { &all };
            for piece in text.chunks(piece) {
                http.send(piece).expect("ringest reads");
            }
            let count = if piece == 1 { 1 } else { bodies.len() };
            for _ in 0..count {
                assert_eq!(http.answer().expect("an answer").status, 200);
            }
        }
        let produced = rig.mock.cluster().read("events").split_off(before);
        let thrice = [&bodies[..1], &bodies, &bodies, &bodies].concat();
        assert!(produced == thrice, "{} records", produced.len());
        rig.settles();
    }
}

#[test]
fn a_client_that_has_ended_its_side_is_answered() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it);
        let mut http = rig.connect();
        http.send(&post(RECORD)).expect("ringest reads");
        let (tls, socket) = http.tls();
        tls.send_close_notify();
        tls.write_tls(socket).expect("ringest reads");
        http.half_close().expect("open");
        assert_eq!(http.answer().expect("an answer").status, 200);
        assert!(http.is_closed(), "and no more");
        rig.settles();
    }
}

/// A rejected body is skipped, and the next request behind it is found.
#[test]
fn rejected_bodies_are_skipped() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it);
        let mut http = rig.connect();
        let unknown = request("/ingest/Other/1.0", "application/json", &record_of(300_000));
        http.send(&unknown).expect("ringest reads");
        assert_eq!(http.answer().expect("an answer").status, 404);
        is_accepted(&mut http, &post(RECORD));
        let large = request(PATH, "application/json", &record_of(11_000_000));
        // It is refused by its length; the client may get the answer before it has sent all.
        let _ = http.send(&large);
        assert_eq!(http.answer().expect("no reset before it").status, 413);
        rig.settles();
    }
}
