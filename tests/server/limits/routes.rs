//! Which path, method and format leads where.

use super::{PATH, RECORD, Rig, assert_accepted, assert_goes_on, assert_refused};
use crate::support::http::{Answer, request};

fn bodiless(method: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: ringest\r\n\r\n").into_bytes()
}

#[test]
fn a_route_takes_post_alone() {
    let rig = Rig::start(|it| it);
    let mut http = rig.connect();
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "QUERY"] {
        http.send(&bodiless(method, PATH)).expect("ringest reads");
        let answer = http.answer().expect("an answer");
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
        assert_goes_on(&mut http, &answer);
    }
    http.send(&bodiless("HEAD", PATH)).expect("ringest reads");
    let answer = http.answer_to_head().expect("an answer");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert_goes_on(&mut http, &answer);

    // A path that is no route is unknown, whatever the method.
    for method in ["GET", "POST"] {
        let answer = rig.exchange(&bodiless(method, "/ingest"));
        assert_refused(&answer, 404, "unknown_route");
    }
    let connect = b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n";
    assert_refused(&rig.exchange(connect), 404, "unknown_route");
    // OPTIONS, which needs no credential, reveals no routes.
    for path in ["/ingest", "/elsewhere", "*"] {
        let answer = rig.exchange(&bodiless("OPTIONS", path));
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("POST"), "{path}");
    }
}

#[test]
fn health() {
    let rig = Rig::start(|it| it);
    let mut http = rig.connect();
    http.send(&bodiless("GET", "/health?from=balancer"))
        .expect("ringest reads");
    let answer = http.answer().expect("an answer");
    assert_eq!(
        (answer.status, answer.text("status")),
        (200, "ok".to_owned())
    );
    http.send(&bodiless("HEAD", "/health"))
        .expect("ringest reads");
    let with_head = http.answer_to_head().expect("an answer");
    assert_eq!(with_head.status, 200);
    assert_eq!(
        with_head.header("content-length"),
        answer.header("content-length")
    );
    assert_goes_on(&mut http, &with_head);

    for method in ["PUT", "DELETE", "OPTIONS"] {
        let answer = rig.exchange(&bodiless(method, "/health"));
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method}");
    }
    let mut http = rig.connect();
    let answer = http.post("/health", RECORD).expect("an answer");
    assert_refused(&answer, 405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    assert_goes_on(&mut http, &answer);
}

#[test]
fn a_prefix_is_before_every_route_and_not_before_health() {
    let rig = Rig::start(|it| it.set("listen.path_prefix", "/api"));
    for path in ["/api/ingest/Event/1.0", "/API/ingest/event/?x=/ingest"] {
        let answer = rig.connect().post(path, RECORD).expect("an answer");
        assert_accepted(&answer, 1);
    }
    for path in [PATH, "/ingest/Event", "/api", "/api/Event", "/api/health"] {
        let answer = rig.connect().post(path, RECORD).expect("an answer");
        assert_refused(&answer, 404, "unknown_route");
    }
    assert_eq!(rig.exchange(&bodiless("GET", "/health")).status, 200);
}

fn typed(rig: &Rig, field: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: ringest\r\n{field}Content-Length: {}\r\n\r\n",
        body.len()
    );
    rig.exchange(&[head.as_bytes(), body].concat())
}

#[test]
fn the_content_type_chooses_the_format() {
    let rig = Rig::start(|it| it);
    let lines = b"{\"a\":1}\r\n\n {\"b\":2} ";
    let array = br#"[{"a":1},{"b":2}]"#;
    for json in [
        "",
        "Content-Type: application/json\r\n",
        "Content-Type: Application/JSON; charset=UTF-8\r\n",
        "Content-Type: application/cloudevents+json\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
    ] {
        assert_accepted(&typed(&rig, json, array), 2);
        assert_refused(&typed(&rig, json, lines), 400, "invalid_json");
    }
    for ndjson in ["application/x-ndjson", "application/jsonl"] {
        let field = format!("content-type: {ndjson}\r\n");
        assert_accepted(&typed(&rig, &field, lines), 2);
        assert_refused(&typed(&rig, &field, array), 400, "invalid_record");
    }
    for other in [
        "multipart/form-data; boundary=x",
        "application/avro",
        "application/x-protobuf",
        "text/csv",
        "application/xml",
        "application/json; charset=utf-16",
    ] {
        let answer = typed(&rig, &format!("Content-Type: {other}\r\n"), RECORD);
        assert_refused(&answer, 415, "unsupported_media_type");
        assert!(!answer.closes(), "{answer:?}");
    }
}

#[test]
fn no_content_coding() {
    let rig = Rig::start(|it| it.set("listen.content_encodings", "[]"));
    let identity = "Content-Encoding: identity\r\n";
    assert_accepted(&typed(&rig, identity, RECORD), 1);
    for coding in ["gzip", "deflate", "zstd", "identity, gzip", "x"] {
        let answer = typed(&rig, &format!("Content-Encoding: {coding}\r\n"), RECORD);
        assert_refused(&answer, 415, "unsupported_content_encoding");
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
        assert!(!answer.closes(), "{answer:?}");
    }
}

/// Each topic holds the paths that led to it.
#[test]
fn paths() {
    let rig = Rig::start(|it| {
        it.model("Event", "1.9", "events-1.9")
            .model("Event", "1.10", "events-1.10")
            .model("Eve", "1", "eve")
    });
    let paths = [
        (
            "events-1.9",
            &["/ingest/Event/1.9", "/INGEST/EVENT/1.9/?q=/x&y=%00"][..],
        ),
        (
            "events-1.10",
            &[
                "/ingest/Event",
                "/ingest/event/",
                "/ingest/Event/1.10",
                "/%69ngest/%45vent/1%2E10",
                "http://somewhere.test:99/ingest/Event?x",
            ],
        ),
        ("eve", &["/ingest/Eve", "/ingest/EVE/1"]),
    ];
    let mut http = rig.connect();
    for path in paths.iter().flat_map(|(_, paths)| *paths) {
        let body = format!(r#"{{"path":"{path}"}}"#);
        let host = path
            .strip_prefix("http://")
            .map_or("ringest", |_| "somewhere.test:99");
        let text = String::from_utf8(request(path, "", body.as_bytes())).expect("it is text");
        let bytes = text.replacen("Host: ringest", &format!("Host: {host}"), 1);
        http.send(bytes.as_bytes()).expect("ringest reads");
        assert_accepted(&http.answer().expect("an answer"), 1);
    }
    for (topic, paths) in paths {
        let mut expected: Vec<String> = paths
            .iter()
            .map(|path| format!(r#"{{"path":"{path}"}}"#))
            .collect();
        let found = rig.mock.cluster().read(topic);
        let mut found: Vec<String> = found
            .into_iter()
            .map(|record| String::from_utf8(record).expect("it is text"))
            .collect();
        // The mock makes several partitions of a topic that it does not know.
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{topic}");
    }
    for path in [
        "/",
        "/ingest/",
        "/ingest/Even",
        "/ingest/Events",
        "/ingest/Event/1",
        "/ingest/Event/1.1",
        "/ingest/Event/1.100",
        "/ingest//Event",
        "/ingest/Event//",
        "/ingest/Event/1.9/x",
        "/ingest/Event%2F1.9",
        "/ingest/%2545vent",
        "/health/",
        "/metrics",
        "/ready",
    ] {
        let answer = http.post(path, RECORD).expect("an answer");
        assert_refused(&answer, 404, "unknown_route");
        assert!(!answer.closes(), "{answer:?}");
    }
    let malformed = rig.exchange(&bodiless("POST", "/ingest/Event%2"));
    assert_refused(&malformed, 400, "malformed_request");
}
