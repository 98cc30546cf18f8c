//! The client's address behind trusted proxies, as the log and a record's Kafka header have it.

use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
    time::Duration,
};

use super::{
    PATH, Rig, TOPIC, assert_problem,
    carried::{headers, messages},
};
use crate::support::http::Http;

/// Addresses of loopback: a trusted proxy, and a client that is not.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const DIRECT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n";
/// 192.0.2.2, with a TLV.
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xc0\0\x02\x02\xc6\x33\x64\x01\xdc\x04\x01\xbb\
                    \x04\0\x01\0";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
/// A trusted proxy of the same network as the first one.
const V1_TRUSTED: &[u8] = b"PROXY TCP4 127.0.0.3 198.51.100.1 56324 443\r\n";

pub(super) fn rig() -> Rig {
    let model = format!(
        "name = \"Event\"\nversion = \"1.0\"\ntopic = \"{TOPIC}\"\n\
         [kafka_headers]\nclient = {{ client = \"address\" }}\n"
    );
    Rig::start_with(|it| {
        it.model_file(&model)
            .set("listen.trusted_proxies", "127.0.0.2/31, fd00::/8")
    })
}

fn connect(rig: &Rig, source: IpAddr) -> Http {
    Http::connect_from(source, rig.ringest.address()).expect("ringest accepts")
}

/// A request with a record and these lines in its head.
pub(super) fn post(lines: &str) -> Vec<u8> {
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: 2\r\n\r\n{{}}");
    head.into_bytes()
}

#[test]
fn the_address_of_a_request_is_that_of_its_client() {
    let rig = rig();
    let mut expected = Vec::new();
    for (source, start, lines, client) in [
        (DIRECT, &b""[..], "", "127.0.0.1"),
        (
            DIRECT,
            b"",
            "X-Forwarded-For: 192.0.2.3\r\nForwarded: for=192.0.2.3\r\n",
            "127.0.0.1",
        ),
        (PROXY, b"", "", "127.0.0.2"),
        (
            PROXY,
            b"",
            "X-Forwarded-For: 192.0.2.9, 192.0.2.3\r\n",
            "192.0.2.3",
        ),
        (
            PROXY,
            b"",
            "Forwarded: for=\"[2001:db8::1]:80\", for=127.0.0.3\r\n",
            "2001:db8::1",
        ),
        (
            PROXY,
            b"",
            "X-Forwarded-For: 192.0.2.3, what\r\n",
            "127.0.0.2",
        ),
        (PROXY, V1, "", "192.0.2.1"),
        (PROXY, V2, "", "192.0.2.2"),
        (PROXY, LOCAL, "", "127.0.0.2"),
        // What a client of the proxy has written is not believed, what another proxy has is.
        (PROXY, V1, "X-Forwarded-For: 192.0.2.3\r\n", "192.0.2.1"),
        (
            PROXY,
            V1_TRUSTED,
            "X-Forwarded-For: 192.0.2.3\r\n",
            "192.0.2.3",
        ),
        (PROXY, LOCAL, "X-Forwarded-For: 192.0.2.3\r\n", "192.0.2.3"),
    ] {
        let mut http = connect(&rig, source);
        http.send(&[start, &post(lines)].concat())
            .expect("ringest reads");
        // Each request of a connection has its own.
        http.send(&post("X-Forwarded-For: 127.0.0.3\r\n"))
            .expect("ringest reads");
        for _ in 0..2 {
            assert_eq!(http.answer().expect("an answer").status, 200, "{lines}");
        }
        let second = match (source, start) {
            (DIRECT, _) => "127.0.0.1",
            (_, it) if it == V1 => "192.0.2.1",
            (_, it) if it == V2 => "192.0.2.2",
            _ => "127.0.0.3",
        };
        expected.extend([client, second]);
    }
    let messages = messages(&rig, expected.len());
    for (message, client) in messages.iter().zip(expected) {
        assert_eq!(headers(message), [("client", client.as_bytes())]);
    }
}

/// The header may arrive byte by byte, and without the request behind it.
#[test]
fn a_header_may_arrive_in_parts() {
    let rig = rig();
    for header in [V1, V2] {
        let mut http = connect(&rig, PROXY);
        for byte in header {
            http.send(&[*byte]).expect("ringest reads");
            thread::sleep(Duration::from_micros(200));
        }
        http.send(&post("")).expect("ringest reads");
        assert_eq!(http.answer().expect("an answer").status, 200);
    }
    let found: Vec<_> = messages(&rig, 2)
        .iter()
        .map(|it| headers(it)[0].1.to_vec())
        .collect();
    assert_eq!(found, [b"192.0.2.1", b"192.0.2.2"]);
}

/// From anyone else it is what it is in HTTP; from a proxy there is one, and only at the start.
#[test]
fn a_header_out_of_place_is_malformed_http() {
    let rig = rig();
    for (source, bytes) in [
        (DIRECT, V1.to_vec()),
        (DIRECT, V2.to_vec()),
        (PROXY, [V1, V1].concat()),
        (PROXY, [V2, V2].concat()),
        (PROXY, [&b"\r\n"[..], V1].concat()),
        (PROXY, V2[..12].iter().chain(b"\x11").copied().collect()),
        (PROXY, b"PROXY TCP4 192.0.2.1\r\n".to_vec()),
        (
            PROXY,
            vec![b'x'; 0]
                .into_iter()
                .chain(*b"PROXY UNKNOWN")
                .chain([b'x'; 100])
                .collect(),
        ),
    ] {
        let mut http = connect(&rig, source);
        http.send(&[&bytes[..], &post("")].concat())
            .expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_problem(&answer, 400, "malformed_request");
        assert!(answer.closes(), "{answer:?}");
    }
    let mut http = connect(&rig, PROXY);
    http.send(&post("")).expect("ringest reads");
    assert_eq!(http.answer().expect("an answer").status, 200);
    http.send(&[V1, &post("")].concat()).expect("ringest reads");
    assert_problem(&http.answer().expect("an answer"), 400, "malformed_request");
    rig.settles();
}
