//! A line of a request, as `log.requests` says, and the identifier that it has in common with its answer.

use std::time::Instant;

use crate::support::{
    event::{PATH, TOPIC},
    http::Answer,
    mock::Mock,
    ringest::{Ringest, drivers},
    wait::{PATIENCE, await_that, eventually},
};

const RECORD: &[u8] = br#"{"secret":"of-a-body"}"#;
const TRACEPARENT: &str =
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

struct Rig {
    /// Until the test ends.
    _mock: Mock,
    ringest: Ringest,
}

impl Rig {
    fn start(requests: &str, driver: &str) -> Self {
        Self::start_at("10", requests, driver)
    }

    fn start_at(rate_max: &str, requests: &str, driver: &str) -> Self {
        let mock = Mock::with_topics(&[TOPIC]);
        let hash = ringest::auth::KeyHash::sha256(b"a-token-of-the-test");
        let ringest = Ringest::of_events(&mock.brokers(), driver, 1)
            .auth(&format!(
                "[[auth.keys]]\nname = \"till 3\"\nhash = \"{hash}\"\n"
            ))
            .set("log.requests", requests)
            .set("log.requests_rate_max", rate_max)
            .start();
        Self {
            _mock: mock,
            ringest,
        }
    }

    fn post(&self, lines: &str, body: &[u8]) -> Answer {
        let mut http = self.ringest.connect();
        let head = format!(
            "POST {PATH}?key=secret-in-a-query HTTP/1.1\r\nHost: ringest\r\n\
             Authorization: Bearer a-token-of-the-test\r\n{lines}Content-Length: {}\r\n\r\n",
            body.len()
        );
        http.send(&[head.as_bytes(), body].concat())
            .expect("ringest reads");
        http.answer().expect("an answer")
    }

    /// The lines of requests so far.
    fn lines(&self) -> Vec<String> {
        let log = self.ringest.log();
        let lines = log.lines().filter(|line| line.contains(" request_id="));
        lines.map(str::to_owned).collect()
    }

    #[track_caller]
    fn line_of(&self, id: &str) -> String {
        let id = format!(" request_id=\"{id}\"");
        let found = eventually(PATIENCE, || {
            self.lines().into_iter().find(|line| line.contains(&id))
        });
        found.unwrap_or_else(|| panic!("{id} is not in the log"))
    }
}

fn is_number(line: &str, name: &str) -> bool {
    value(line, name).is_some_and(|it| it.parse::<f64>().is_ok())
}

/// The value of a line's field, as it is written.
pub(super) fn value<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (_, rest) = line.split_once(&format!(" {name}="))?;
    match rest.strip_prefix('"') {
        Some(text) => text.split('"').next(),
        None => rest.split(' ').next(),
    }
}

#[test]
fn a_refused_request_has_a_line_with_what_its_answer_has() {
    for driver in &drivers() {
        let rig = Rig::start("refused", driver);
        let accepted = rig.post("X-Request-Id: an-accepted-one\r\n", RECORD);
        assert_eq!(accepted.header("x-request-id"), Some("an-accepted-one"));
        let body = br#"[1,{"secret":"of-a-body"}]"#;
        for (lines, id) in [
            ("X-Request-Id: 7f/a~1\r\n", Some("7f/a~1")),
            (TRACEPARENT, Some("4bf92f3577b34da6a3ce929d0e0e4736")),
            ("X-Request-Id: no \"good\"\r\n", None),
            ("", None),
        ] {
            let answer = rig.post(lines, body);
            let given = answer
                .header("x-request-id")
                .expect("each has one")
                .to_owned();
            assert_eq!(answer.json()["request_id"], given.as_str());
            assert!(id.is_none_or(|id| id == given), "{given}");
            let line = rig.line_of(&given);
            assert!(
                line.contains(" INFO answered 400: At least one record is invalid"),
                "{line}"
            );
            for (name, expected) in [
                ("route", PATH),
                ("code", "invalid_record"),
                ("status", "400"),
                ("principal", "till 3"),
                ("client", "127.0.0.1"),
                ("bytes", &body.len().to_string()),
                ("records", "2"),
            ] {
                assert_eq!(value(&line, name), Some(expected), "{line}");
            }
            assert!(is_number(&line, "ms"), "{line}");
        }
        let malformed = {
            let mut http = rig.ringest.connect();
            http.send(b"nonsense\r\n\r\n").expect("ringest reads");
            http.answer().expect("an answer")
        };
        let line = rig.line_of(malformed.header("x-request-id").expect("each has one"));
        let (code, route) = (value(&line, "code"), value(&line, "route"));
        assert_eq!((code, route), (Some("malformed_request"), Some("-")));
        let log = rig.ringest.log();
        for secret in [
            "of-a-body",
            "a-token-of-the-test",
            "secret-in-a-query",
            "an-accepted-one",
        ] {
            assert!(!log.contains(secret), "{log}");
        }
    }
}

#[test]
fn a_flood_of_requests_is_some_lines_that_count_all() {
    const REQUESTS: u64 = 300;
    for (requests, rate_max, body, message) in [
        (
            "refused",
            10,
            &b"{"[..],
            " INFO answered 400: The body is not well-formed JSON. ",
        ),
        ("sampled", 3, RECORD, " INFO answered 200: accepted "),
    ] {
        let rig = Rig::start_at(&rate_max.to_string(), requests, "auto");
        let began = Instant::now();
        for _ in 0..REQUESTS {
            assert!([200, 400].contains(&rig.post("", body).status));
        }
        let counts = || {
            let log = rig.ringest.log();
            let lines = log.lines().filter(|line| line.contains(message));
            let counts = lines.map(|line| {
                assert!(
                    value(line, "code").is_some() && is_number(line, "status"),
                    "{line}"
                );
                let count = value(line, "count");
                // The last ones have a line without a request's own fields, and one of them has no count.
                let stands_for_others = count.is_some() || value(line, "request_id").is_none();
                let clients = (stands_for_others && requests == "refused").then_some("127.0.0.1");
                assert_eq!(value(line, "clients"), clients, "{line}");
                count.map_or(Some(1), |it| it.parse::<u64>().ok())
            });
            counts.flatten().collect::<Vec<_>>()
        };
        await_that("each is counted", || {
            counts().iter().sum::<u64>() == REQUESTS
        });
        let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
        let lines = counts().len();
        assert!(
            (rate_max..=rate_max * (seconds + 2)).contains(&lines),
            "{lines} in {seconds} s"
        );
    }
}

#[test]
fn accepted_requests_have_lines_where_that_is_wanted() {
    for (requests, has_refused, has_accepted) in [
        ("none", false, false),
        ("sampled", true, true),
        ("all", true, true),
    ] {
        let rig = Rig::start(requests, "auto");
        assert_eq!(rig.post("X-Request-Id: good\r\n", RECORD).status, 200);
        assert_eq!(rig.post("X-Request-Id: bad\r\n", b"{").status, 400);
        if has_accepted {
            let line = rig.line_of("good");
            for name in [
                "ms",
                "authenticate_ms",
                "receive_ms",
                "validate_ms",
                "deliver_ms",
            ] {
                assert!(is_number(&line, name), "{name}: {line}");
            }
            assert_eq!(value(&line, "records"), Some("1"), "{line}");
            let bytes = RECORD.len().to_string();
            assert_eq!(value(&line, "bytes"), Some(&*bytes), "{line}");
        }
        if has_refused {
            let line = rig.line_of("bad");
            assert!(is_number(&line, "receive_ms"), "{line}");
            assert_eq!(value(&line, "deliver_ms"), None, "{line}");
        } else {
            assert_eq!(rig.lines(), [""; 0]);
        }
    }
}
