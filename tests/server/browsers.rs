//! Pages of other origins: preflights, answers that they can read, and keys for pages. On either driver.

mod keys;

use std::fs;

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::Answer,
    mock::{ALL, Mock},
    ringest::{Builder, Ringest, drivers},
    wait::{NEVER, await_that},
};

const ALLOWED: [&str; 2] = ["https://app.example.com", "https://a.b.example.org"];
const OTHERS: [&str; 4] = [
    "https://example.org",
    "http://app.example.com",
    "https://app.example.com:8443",
    "null",
];

struct Rig {
    mock: Mock,
    ringest: Ringest,
}

impl Rig {
    fn start(driver: &str, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let mock = Mock::with_topics(&[TOPIC]);
        let builder = Ringest::of_events(&mock.brokers(), driver, 1);
        let ringest = configure(builder).start();
        Self { mock, ringest }
    }

    /// For [`ALLOWED`] and no others.
    fn with_origins(driver: &str, configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::start(driver, |it| {
            configure(it).set(
                "listen.cors.origins",
                "https://app.example.com, https://*.example.org",
            )
        })
    }

    /// Sends these bytes on a connection of their own and reads the answer.
    fn exchange(&self, request: &[u8]) -> Answer {
        let mut http = self.ringest.connect();
        http.send(request).expect("ringest reads");
        http.answer().expect("an answer")
    }
}

/// A request with these lines in its head.
fn request(start: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{start} HTTP/1.1\r\nHost: ringest\r\n{lines}\r\n");
    [head.as_bytes(), body].concat()
}

fn post(lines: &str, body: &[u8]) -> Vec<u8> {
    let lines = format!("{lines}Content-Length: {}\r\n", body.len());
    request(&format!("POST {PATH}"), &lines, body)
}

fn preflight(origin: &str) -> Vec<u8> {
    let lines = format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization,content-type\r\n"
    );
    request(&format!("OPTIONS {PATH}?key=x"), &lines, b"")
}

#[track_caller]
fn assert_readable(answer: &Answer, origin: &str) {
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, Some(origin), "{answer:?}");
    let credentials = answer.header("access-control-allow-credentials");
    assert_eq!(credentials, (origin != "*").then_some("true"), "{answer:?}");
    let vary = answer.header("vary");
    assert_eq!(vary, (origin != "*").then_some("Origin"), "{answer:?}");
    let exposed = answer.header("access-control-expose-headers");
    let names: Vec<_> = exposed.unwrap_or_default().split(", ").collect();
    for name in [
        "Retry-After",
        "RateLimit",
        "RateLimit-Policy",
        "WWW-Authenticate",
        "X-Request-Id",
    ] {
        assert!(names.contains(&name), "{answer:?}");
    }
}

/// No browser shows it to a page, and no cache gives it to one that may read it.
#[track_caller]
fn assert_unreadable(answer: &Answer) {
    let fields: Vec<_> = answer.headers.iter().map(|(name, _)| name).collect();
    let of_cors = |name: &&String| name.to_lowercase().starts_with("access-control");
    assert!(!fields.iter().any(of_cors), "{answer:?}");
    assert_eq!(answer.header("vary"), Some("Origin"), "{answer:?}");
}

/// Requests with a line in their heads, each with the status and the code of its answer.
fn of_every_kind(line: &str) -> Vec<(Vec<u8>, u16, &'static str)> {
    let path = format!("POST {PATH}");
    let token = "Authorization: Bearer secret-of-a-server\r\n";
    let with = |more: &str| format!("{line}{token}{more}");
    let chunked = with("Transfer-Encoding: chunked\r\n");
    let long = format!("POST {PATH}?{} HTTP/1.1\r\n{line}\r\n", "x".repeat(8_192));
    let many = format!("{line}{}", "a: b\r\n".repeat(20));
    vec![
        (post(&with(""), RECORD), 200, ""),
        (
            post(&with("Content-Type: text/plain;charset=UTF-8\r\n"), RECORD),
            200,
            "",
        ),
        (post(&with(""), b"{"), 400, "invalid_json"),
        (post(line, RECORD), 401, "unauthenticated"),
        (
            post(&format!("{line}Authorization: Bearer other\r\n"), RECORD),
            401,
            "unauthenticated",
        ),
        (
            request("POST /ingest/Other", &with("Content-Length: 0\r\n"), b""),
            404,
            "unknown_route",
        ),
        (
            request(&format!("PUT {PATH}"), &with(""), b""),
            405,
            "method_not_allowed",
        ),
        (
            request(&format!("OPTIONS {PATH}"), line, b""),
            405,
            "method_not_allowed",
        ),
        (request("GET /health", line, b""), 200, ""),
        (
            request(&path, &with("Content-Length: 2000\r\n"), b""),
            413,
            "body_too_large",
        ),
        (
            post(&with("Content-Type: image/png\r\n"), RECORD),
            415,
            "unsupported_media_type",
        ),
        (request(&path, &chunked, b"x\r\n"), 400, "malformed_body"),
        (
            request(
                &path,
                &with("Content-Length: 1\r\nContent-Length: 1\r\n"),
                b"x",
            ),
            400,
            "malformed_request",
        ),
        (
            request(&path, &format!("{line} folded\r\n"), b""),
            400,
            "malformed_request",
        ),
        (
            request(
                &path,
                &with("Expect: a-miracle\r\nContent-Length: 0\r\n"),
                b"",
            ),
            417,
            "unsupported_expectation",
        ),
        (long.into_bytes(), 414, "request_line_too_long"),
        (request(&path, &many, b""), 431, "too_many_headers"),
        (
            request(&path, &with("Content-Length: 9\r\n"), b"{"),
            408,
            "body_timeout",
        ),
        (
            format!("POST {PATH} HTTP/1.1\r\n{line}Host: ringest\r\n").into_bytes(),
            408,
            "head_timeout",
        ),
    ]
}

#[test]
fn every_answer_can_be_read_by_a_page_that_is_allowed_and_by_no_other() {
    for driver in &drivers() {
        let rig = Rig::with_origins(driver, |it| {
            keys::configure(it)
                .set("limits.body_bytes_max", "1000")
                .set("limits.headers_max", "15")
                .set("timeouts.head_timeout_ms", "200")
                .set("timeouts.body_timeout_ms", "200")
        });
        let [first, second] = ALLOWED;
        let [other, ..] = OTHERS;
        for origin in [Some(first), Some(second), Some(other), None] {
            let line = origin.map_or(String::new(), |it| format!("origin:{it}\r\n"));
            for (request, status, code) in of_every_kind(&line) {
                let answer = rig.exchange(&request);
                let text = String::from_utf8_lossy(&request).into_owned();
                assert_eq!(
                    (answer.status, &*answer.text("code")),
                    (status, code),
                    "{text}"
                );
                match origin {
                    // The request line is refused before anything behind it is there.
                    Some(_) if status == 414 && answer.header("vary").is_some() => {}
                    Some(origin) if ALLOWED.contains(&origin) => assert_readable(&answer, origin),
                    Some(_) | None => assert_unreadable(&answer),
                }
            }
        }
        // Two are none.
        let two = format!("Origin: {first}\r\nOrigin: {first}\r\n");
        assert_unreadable(&rig.exchange(&post(&two, RECORD)));
    }
}

/// One page's answers do not get another page's fields, in whatever order requests are answered.
#[test]
fn pipelined_answers_have_the_fields_of_their_own_requests() {
    for driver in &drivers() {
        let rig = Rig::with_origins(driver, |it| it);
        let [first, second] = ALLOWED;
        let lines = |origin: &str| format!("Origin: {origin}\r\n");
        let requests = [
            post(&lines(first), RECORD),
            post("", RECORD),
            post(&lines(second), b"{"),
            preflight(first),
            post(&lines(OTHERS[0]), RECORD),
            post(&lines(first), RECORD),
        ];
        let mut http = rig.ringest.connect();
        http.send(&requests.concat()).expect("ringest reads");
        let statuses = [200, 200, 400, 204, 200, 200];
        let origins = [
            Some(first),
            None,
            Some(second),
            Some(first),
            None,
            Some(first),
        ];
        for (status, origin) in statuses.into_iter().zip(origins) {
            let answer = http.answer().expect("an answer");
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                origin,
                "{answer:?}"
            );
        }
    }
}

#[test]
fn preflights_need_no_credential() {
    for driver in &drivers() {
        let rig = Rig::with_origins(driver, |it| {
            keys::configure(it).set("listen.cors.max_age_ms", "600000")
        });
        let mut http = rig.ringest.connect();
        for origin in ALLOWED {
            http.send(&preflight(origin)).expect("ringest reads");
            let answer = http.answer().expect("an answer");
            assert_eq!(
                (answer.status, answer.header("content-length")),
                (204, None)
            );
            for (name, value) in [
                ("access-control-allow-origin", origin),
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-methods", "POST"),
                (
                    "access-control-allow-headers",
                    "Authorization, Content-Type, Content-Encoding, X-Request-Id, traceparent",
                ),
                ("access-control-max-age", "600"),
                ("vary", "Origin"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{answer:?}");
            }
        }
        for origin in OTHERS {
            http.send(&preflight(origin)).expect("ringest reads");
            let answer = http.answer().expect("an answer");
            assert_eq!(
                (answer.status, &*answer.text("code")),
                (403, "origin_not_allowed")
            );
            assert_unreadable(&answer);
        }
        let counted =
            "ringest_requests_total{route=\"unrouted\",code=\"preflight\",status=\"204\"}";
        rig.ringest.await_count(counted, 2);
    }
}

/// A page learns that the server is full, though its browser asks before it sends.
#[test]
fn preflights_are_answered_where_connections_are_full() {
    for driver in &drivers() {
        let rig = Rig::with_origins(driver, |it| it.set("limits.connections_max", "1"));
        let [origin, _] = ALLOWED;
        rig.ringest.await_accepted();
        rig.ringest.await_count("ringest_connections_open", 0);
        rig.mock.delay(ALL, NEVER);
        let mut busy = rig.ringest.connect();
        busy.send(&post("", RECORD)).expect("ringest reads");
        rig.ringest.await_count("ringest_in_flight_records", 1);
        let answer = rig.exchange(&preflight(origin));
        assert_eq!(answer.status, 204, "{answer:?}");
        let full = rig.exchange(&post(&format!("Origin: {origin}\r\n"), RECORD));
        assert_eq!(
            (full.status, &*full.text("code")),
            (503, "connections_full")
        );
        assert_readable(&full, origin);
    }
}

#[test]
fn every_origin_is_allowed_aloud() {
    let rig = Rig::start("auto", |it| it.set("listen.cors.origins", "*"));
    let warning =
        "listen.cors.origins: \"*\": pages of every origin may send, and read the answers";
    assert!(rig.ringest.log().contains(warning), "{}", rig.ringest.log());
    for line in ["", "Origin: null\r\n", "Origin: https://a.example\r\n"] {
        assert_readable(&rig.exchange(&post(line, RECORD)), "*");
    }
    let answer = rig.exchange(&preflight("null"));
    assert_eq!(answer.status, 204, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[test]
fn without_origins_nothing_is_said_and_a_reload_brings_them() {
    let rig = Rig::start("auto", |it| it);
    let [origin, _] = ALLOWED;
    let line = format!("Origin: {origin}\r\n");
    let fields = |answer: &Answer| {
        let names = answer.headers.iter().map(|(name, _)| name.to_lowercase());
        let of_cors = |name: &String| name.starts_with("access-control") || name == "vary";
        names.filter(of_cors).count()
    };
    for request in [post(&line, RECORD), post("", b"{"), preflight(origin)] {
        let answer = rig.exchange(&request);
        assert_eq!(fields(&answer), 0, "{answer:?}");
    }
    assert_eq!(rig.exchange(&preflight(origin)).status, 405);

    let mut kept = rig.ringest.connect();
    let file = rig.ringest.directory().join("ringest.toml");
    let before = fs::read_to_string(file).expect("the file is ours");
    let cors = format!("[listen.cors]\norigins = [\"{origin}\"]\n[auth]\n");
    rig.ringest
        .write("ringest.toml", before.replace("[auth]\n", &cors).as_bytes());
    rig.ringest.reload();
    await_that("it is reloaded", || {
        kept.send(&preflight(origin)).expect("ringest reads");
        kept.answer().expect("an answer").status == 204
    });
    assert_readable(&rig.exchange(&post(&line, RECORD)), origin);
}
