//! Every limit, deadline and rule of the public port, just below and just above it, on the binary
//! over real sockets. What is produced goes to librdkafka's mock cluster.

mod bodies;
mod budgets;
mod carried;
mod compressed;
mod connections;
mod costly;
mod deadlines;
mod expectations;
mod invalid;
mod pipelining;
mod proxies;
mod read_ahead;
mod real_proxies;
mod routes;
mod sizes;

use std::time::Duration;

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::{Answer, Http, request},
    mock::{ALL, Mock},
    ringest::{Builder, Ringest},
    wait::{NEVER, PATIENCE, await_that},
};

/// Long enough for a wrong answer to arrive where there must be none.
const SILENCE: Duration = Duration::from_millis(300);

/// A broker and a server with one worker and one route.
struct Rig {
    mock: Mock,
    ringest: Ringest,
}

impl Rig {
    fn start(configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::start_with(|builder| configure(builder.model("Event", "1.0", TOPIC)))
    }

    /// The same without a model.
    fn start_with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        let mock = Mock::with_topics(&[TOPIC]);
        let builder = Ringest::builder(&mock.brokers()).set("workers", "1");
        let ringest = configure(builder).start();
        Self { mock, ringest }
    }

    fn connect(&self) -> Http {
        self.ringest.connect()
    }

    /// Sends these bytes on a connection of their own and reads the answer.
    fn exchange(&self, request: &[u8]) -> Answer {
        let mut http = self.connect();
        http.send(request).expect("ringest reads");
        http.answer().expect("an answer")
    }

    fn post(&self, body: &[u8]) -> Answer {
        self.exchange(&post(body))
    }

    /// Produces a record now and then until that works.
    fn accepts(&self) {
        await_that("it takes no records", || {
            // Where deadlines are short, a busy machine may make a client miss them.
            let answer = self.connect().post(PATH, RECORD);
            answer.is_ok_and(|answer| answer.status == 200)
        });
    }

    /// From now on the broker acknowledges only later than any test lasts.
    fn silence_broker(&self) {
        self.accepts();
        self.ringest.await_count("ringest_in_flight_records", 0);
        self.mock.delay(ALL, NEVER);
    }

    /// Whatever went before has left nothing behind, and the server serves.
    fn settles(&self) {
        for gauge in [
            "ringest_in_flight_bytes",
            "ringest_in_flight_records",
            "ringest_connections_open",
        ] {
            self.ringest.await_count(gauge, 0);
        }
        assert_eq!(self.ringest.count("ringest_connection_panics_total"), 0);
        assert_eq!(self.ringest.count("ringest_worker_restarts_total"), 0);
        self.accepts();
    }

    fn topic(&self) -> Vec<Vec<u8>> {
        self.mock.cluster().read(TOPIC)
    }
}

/// A POST of JSON to the route.
fn post(body: &[u8]) -> Vec<u8> {
    request(PATH, "application/json", body)
}

/// A POST with these further lines in its head, and nothing of its body.
fn head(path: &str, lines: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: ringest\r\n{lines}\r\n").into_bytes()
}

/// A record of exactly this many bytes; 8 at least.
fn record_of(bytes: usize) -> Vec<u8> {
    let padding = "x".repeat(bytes - r#"{"p":""}"#.len());
    format!(r#"{{"p":"{padding}"}}"#).into_bytes()
}

/// RFC 9457, and what every refusal of ringest has.
#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.text("code")),
        (status, code.to_owned()),
        "{answer:?}"
    );
    let media_type = answer.header("content-type");
    assert_eq!(media_type, Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{problem}");
    assert_eq!(problem["type"], "about:blank", "{problem}");
    for member in ["title", "detail"] {
        let text = problem[member].as_str();
        assert!(text.is_some_and(|text| !text.is_empty()), "{problem}");
    }
    let persisted = problem["persisted"].as_str();
    assert!(matches!(persisted, Some("no" | "unknown")), "{problem}");
    let seconds = answer.header("retry-after").map(str::parse::<u32>);
    assert_eq!(matches!(seconds, Some(Ok(_))), status == 503, "{answer:?}");
}

/// A refusal that has kept every record out.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_problem(answer, status, code);
    assert_eq!(answer.text("persisted"), "no", "{answer:?}");
}

#[track_caller]
fn assert_accepted(answer: &Answer, records: usize) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let expected = format!(r#"{{"accepted":{records}}}"#);
    assert_eq!(answer.body, expected.into_bytes());
}

/// The server says that it closes, and does.
#[track_caller]
fn assert_closes(http: &mut Http, answer: &Answer) {
    assert!(answer.closes(), "{answer:?}");
    assert!(http.is_closed(), "more than one answer");
}

/// The connection goes on: the next request on it is answered.
#[track_caller]
fn assert_goes_on(http: &mut Http, answer: &Answer) {
    assert!(!answer.closes(), "{answer:?}");
    let next = http.post(PATH, b"[]").expect("the connection goes on");
    assert_accepted(&next, 0);
}
