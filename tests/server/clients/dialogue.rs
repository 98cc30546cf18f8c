//! What a server answers, request by request, and what a sender then does.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Mutex,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::server::{Server, write_with};

/// Records are numbered from 0.
type Numbers = Vec<usize>;

/// Requests and their answers in this order, and what is left at the end.
pub(super) struct Dialogue {
    pub(super) name: &'static str,
    pub(super) batch: usize,
    pub(super) attempts: usize,
    exchanges: Vec<(Numbers, Answer)>,
    /// In the order in which they are printed.
    pub(super) left: Numbers,
    /// Number of records, those that are never sent included.
    records: usize,
}

#[derive(Clone)]
enum Answer {
    /// A status, `Retry-After`, and the body.
    Status(u16, Option<u64>, String),
    /// 302, to where the next answer is.
    Moved,
    /// The connection is closed.
    None,
}

fn accepted(records: usize) -> Answer {
    Answer::Status(200, None, format!("{{\"accepted\":{records}}}"))
}

/// A problem as ringest sends it, with these members beside those that every problem has.
fn problem(status: u16, retry_after: Option<u64>, code: &str, members: &Value) -> Answer {
    let mut problem = json!({
        "type": "about:blank", "title": "-", "status": status, "detail": "Why.", "code": code, "persisted": "no",
        "request_id": "1",
    });
    for (name, value) in members.as_object().expect("members") {
        problem[name] = value.clone();
    }
    Answer::Status(status, retry_after, problem.to_string())
}

/// Errors of records, in messages that look like members.
fn errors(indices: &[usize]) -> Value {
    let error = |index: &usize| {
        json!({
            "index": index, "path": "$.n", "code": "bad_format", "expected": "UInt64", "offset": 0, "line": 1,
            "column": 1, "message": "expected UInt64, found `{\"index\":0,\"delivered\":[1],\"persisted\":\"partial\"}`",
        })
    };
    indices.iter().map(error).collect()
}

/// All of them, for every sender.
pub(super) fn dialogues() -> Vec<Dialogue> {
    let refused = [(
        vec![0, 1],
        problem(401, None, "unauthenticated", &json!({})),
    )];
    let missing = [
        (vec![0, 1], accepted(2)),
        (vec![2, 3], problem(500, None, "topic_missing", &json!({}))),
    ];
    let halved = [
        (
            vec![0, 1, 2],
            problem(413, None, "too_many_records", &json!({})),
        ),
        (vec![0], problem(403, None, "route_not_allowed", &json!({}))),
    ];
    // A proxy sends to another place, and that answers; something answers that is no ringest.
    let moved = [(vec![0, 1], Answer::Moved)];
    let elsewhere = [(vec![0, 1], Answer::Status(200, None, "{}".to_owned()))];
    let broken = || problem(503, Some(0), "broker_unavailable", &json!({}));
    vec![
        Dialogue {
            name: "retries, and what is refused for good",
            batch: 4,
            attempts: 4,
            exchanges: everything(),
            left: vec![13, 17, 19, 22, 26, 31],
            records: 37,
        },
        stop(
            "a token that is not valid",
            2,
            3,
            refused.into(),
            vec![0, 1, 2, 3, 4],
        ),
        stop(
            "a topic that is missing",
            2,
            3,
            missing.into(),
            vec![2, 3, 4],
        ),
        stop("a redirect", 2, 3, moved.into(), vec![0, 1, 2, 3, 4]),
        stop(
            "a server that is no ringest",
            2,
            3,
            elsewhere.into(),
            vec![0, 1, 2, 3, 4],
        ),
        stop(
            "a refusal within a halved batch",
            3,
            3,
            halved.into(),
            vec![0, 1, 2, 3, 4],
        ),
        stop(
            "brokers that are away for long",
            3,
            2,
            vec![(vec![0, 1, 2], broken()), (vec![0, 1, 2], broken())],
            vec![0, 1, 2, 3, 4],
        ),
    ]
}

/// A sender with five records that does not send all of them.
fn stop(
    name: &'static str,
    batch: usize,
    attempts: usize,
    exchanges: Vec<(Numbers, Answer)>,
    left: Numbers,
) -> Dialogue {
    Dialogue {
        name,
        batch,
        attempts,
        exchanges,
        left,
        records: 5,
    }
}

/// Four records a request: each four meet another answer.
fn everything() -> Vec<(Numbers, Answer)> {
    let all = |first: usize| (first..first + 4).collect::<Numbers>();
    let unknown = json!({"persisted": "unknown"});
    let partial = |delivered: &[usize], not_delivered: &[usize], unknown: &[usize]| {
        json!({
            "persisted": "partial", "delivered": delivered, "not_delivered": not_delivered, "unknown": unknown,
        })
    };
    let invalid =
        json!({"records": 4, "rejected": 2, "errors": errors(&[1, 1, 3]), "errors_total": 3});
    let partly = json!({"accepted": 3, "rejected": 1, "errors": errors(&[2]), "errors_total": 1});
    let mut split = partial(&[0], &[2], &[3]);
    split["errors"] = errors(&[1]);
    let too_large = |code| problem(413, None, code, &json!({}));
    vec![
        (all(0), accepted(4)),
        (
            all(4),
            problem(503, Some(1), "broker_unavailable", &json!({})),
        ),
        (all(4), accepted(4)),
        (
            all(8),
            problem(503, Some(0), "delivery_timed_out", &unknown),
        ),
        (
            all(8),
            problem(429, Some(0), "principal_records_exceeded", &json!({})),
        ),
        (all(8), Answer::None),
        (all(8), accepted(4)),
        (all(12), problem(503, Some(0), "delivery_timed_out", &split)),
        (vec![14, 15], accepted(2)),
        (all(16), problem(400, None, "invalid_record", &invalid)),
        (vec![16, 18], accepted(2)),
        (all(20), Answer::Status(207, None, partly.to_string())),
        (all(24), too_large("body_too_large")),
        (vec![24, 25], accepted(2)),
        (vec![26, 27], too_large("record_too_large")),
        (vec![26], too_large("record_too_large")),
        (vec![27], accepted(1)),
        (
            all(28),
            problem(
                500,
                None,
                "record_refused_by_broker",
                &partial(&[0, 1, 2], &[3], &[]),
            ),
        ),
        (
            all(32),
            Answer::Status(502, None, "<html>Bad Gateway</html>".to_owned()),
        ),
        (all(32), accepted(4)),
        (vec![36], accepted(1)),
    ]
}

fn record(number: usize) -> String {
    format!("{{\"n\": {number}}}")
}

impl Dialogue {
    /// As NDJSON.
    pub(super) fn records(&self) -> String {
        (0..self.records)
            .map(|number| record(number) + "\n")
            .collect()
    }

    /// The lines of each request's body.
    pub(super) fn expected_requests(&self) -> Vec<Vec<String>> {
        let lines = |numbers: &Numbers| numbers.iter().map(|it| record(*it)).collect();
        self.exchanges
            .iter()
            .map(|(numbers, _)| lines(numbers))
            .collect()
    }

    /// What is printed.
    pub(super) fn expected_left(&self) -> String {
        let lines = self.left.iter().map(|it| record(*it) + "\n");
        lines.collect::<String>().escape_default().to_string()
    }

    /// The last line that is logged.
    pub(super) fn expected_total(&self) -> String {
        let left: BTreeSet<_> = self.left.iter().collect();
        format!(
            "accepted {}, left {}",
            self.records - left.len(),
            left.len()
        )
    }

    /// After each answer.
    pub(super) fn least_waits(&self) -> impl Iterator<Item = Duration> {
        self.exchanges.iter().map(|(_, answer)| match answer {
            Answer::Status(502, ..) => Duration::from_secs(1),
            Answer::Status(_, wait, _) => Duration::from_secs(wait.unwrap_or(0)),
            Answer::Moved | Answer::None => Duration::ZERO,
        })
    }

    /// Answers so; a request without the token or with another type gets a status that no sender retries.
    pub(super) fn serve(&self, token: &str) -> Server {
        let answers: VecDeque<Answer> = self
            .exchanges
            .iter()
            .map(|(_, answer)| answer.clone())
            .collect();
        let answers = Mutex::new(answers);
        let token = format!("Bearer {token}");
        Server::over(
            |stream| stream,
            move |request, stream| {
                let answer = answers.lock().expect("no test panicked here").pop_front();
                let is_as_expected = request.field("Authorization") == Some(&*token)
                    && request.field("Content-Type") == Some("application/x-ndjson");
                match answer.filter(|_| is_as_expected) {
                    Some(Answer::Status(status, wait, body)) => {
                        let wait = wait.map(|seconds| format!("Retry-After: {seconds}"));
                        let fields: Vec<&str> = wait.as_deref().into_iter().collect();
                        write_with(stream, status, &fields, body.as_bytes());
                    }
                    Some(Answer::Moved) => {
                        write_with(stream, 302, &["Location: /elsewhere"], b"");
                    }
                    Some(Answer::None) => {}
                    None => write_with(stream, 418, &[], b"{}"),
                }
            },
        )
    }
}
