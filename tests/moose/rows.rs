//! Every row by itself, as Moose was asked.

use serde_json::{Value, value::RawValue};

use crate::{
    rig::{Part, Rig},
    support::http::{Answer, request},
    table::{self, Disagreement, Expected, Outcome, Row},
};

/// Requests that are sent before the first of their answers is read: few enough for the buffers
/// between, or client and server would wait for one another.
const PIPELINED: usize = 16;

#[test]
fn ringest_gives_every_row_its_outcome() {
    let rig = Rig::start(str::to_owned);
    let disagreements = rig.for_each_model(|part| {
        let mut disagreements = Vec::new();
        let mut accepted = Vec::new();
        for (row, answer) in post_all(part) {
            let outcome = outcome(&answer);
            if !outcome.is_some_and(|outcome| row.expected.allows(outcome)) {
                let got = format!("{answer:?}");
                disagreements.push(Disagreement { row, got });
            }
            if outcome == Some(Outcome::Accept) {
                let records = records(&row.payload);
                assert_eq!(
                    answer.json()["accepted"],
                    records.len(),
                    "{row}\n{answer:?}"
                );
                if let (Expected::Only(_), Some(produced)) = (row.expected, row.produced) {
                    assert_eq!(records.len(), produced, "Moose produced so many: {row}");
                }
                accepted.extend(records);
            } else {
                assert_says_why(row, &answer);
            }
        }
        part.assert_topic_holds(&accepted);
        disagreements
    });
    table::assert_none(&disagreements);
}

/// Each row and its answer, on one connection.
fn post_all<'r>(part: &mut Part<'r>) -> Vec<(&'r Row, Answer)> {
    let mut answers = Vec::new();
    for rows in part.rows.chunks(PIPELINED) {
        let requests = rows.iter();
        let requests = requests.map(|row| request(&row.path, "application/json", &row.payload));
        let requests: Vec<Vec<u8>> = requests.collect();
        part.http.send(&requests.concat()).expect("ringest reads");
        for row in rows {
            let answer = part.http.answer();
            let answer =
                answer.unwrap_or_else(|error| panic!("{error} in place of an answer to {row}"));
            answers.push((row, answer));
        }
    }
    answers
}

fn outcome(answer: &Answer) -> Option<Outcome> {
    match answer.status {
        200 => Some(Outcome::Accept),
        400 => Some(Outcome::Refuse),
        _ => None,
    }
}

/// The bytes of each record of a body that is JSON.
fn records(body: &[u8]) -> Vec<&[u8]> {
    let records = serde_json::from_slice::<Vec<&RawValue>>(body);
    let records = records.or_else(|_| serde_json::from_slice(body).map(|record| vec![record]));
    let records = records.expect("what is accepted is JSON").into_iter();
    records.map(|record| record.get().as_bytes()).collect()
}

/// A refusal has what a program looks for.
fn assert_says_why(row: &Row, answer: &Answer) {
    let errors = errors(answer);
    assert!(!errors.is_empty(), "{row}\n{answer:?}");
    for error in errors {
        let is_text = |member: &str| error[member].as_str().is_some_and(|it| !it.is_empty());
        let is_path = error["path"].as_str().is_some_and(|it| it.starts_with('$'));
        let has_expected = error.get("expected").is_some_and(Value::is_null) || is_text("expected");
        let is_whole = error["index"].is_u64() && is_text("code") && is_text("message");
        assert!(is_path && has_expected && is_whole, "{error}\n{row}");
    }
}

/// What is said about invalid records.
pub(crate) fn errors(answer: &Answer) -> Vec<Value> {
    let answer = answer.json();
    answer["errors"].as_array().cloned().unwrap_or_default()
}
