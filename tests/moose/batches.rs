//! The table's records together: what is good alone is good in company, and a bad one is found.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    reference::tree::Tree,
    rig::{Part, Rig},
    rows::errors,
    support::http::{Answer, request},
    table::{Expected, Outcome, Row},
};

#[test]
fn good_records_are_good_together() {
    let rig = Rig::start(str::to_owned);
    rig.for_each_model(|part| {
        let good = single_records(part.rows, Outcome::Accept);
        let answer = part.http.post(part.path, &array(&good)).expect("an answer");
        assert_eq!(answer.status, 200, "{}: {answer:?}", part.path);
        assert_eq!(answer.json()["accepted"], good.len(), "{}", part.path);

        let lines: Vec<&[u8]> = good.iter().copied().filter(|it| is_line(it)).collect();
        let answer = post_lines(part, &lines);
        assert_eq!(answer.status, 200, "{}: {answer:?}", part.path);
        assert_eq!(answer.json()["accepted"], lines.len(), "{}", part.path);

        part.assert_topic_holds(&[good, lines].concat());
        Vec::new()
    });
}

#[test]
fn a_bad_record_among_good_ones_is_found() {
    let rig = Rig::start(str::to_owned);
    rig.for_each_model(|part| {
        let good = single_records(part.rows, Outcome::Accept);
        for bad in single_records(part.rows, Outcome::Refuse) {
            let (records, place) = surrounded(&good, bad);
            let answer = part
                .http
                .post(part.path, &array(&records))
                .expect("an answer");
            let shown = bad.escape_ascii();
            assert_eq!(answer.status, 400, "{}: {shown}", part.path);
            assert_eq!(indices(&errors(&answer)), [place], "{}: {shown}", part.path);

            if records.iter().all(|it| is_line(it)) {
                let answer = post_lines(part, &records);
                assert_eq!(answer.status, 400, "{}: {shown}", part.path);
                assert_eq!(indices(&errors(&answer)), [place], "{}: {shown}", part.path);
            }
        }
        part.assert_topic_holds(&[]);
        Vec::new()
    });
}

#[test]
fn a_bad_record_is_left_out_where_the_model_says_so() {
    let rig = Rig::start(|model| model.replace("\"reject_all\"", "\"accept_valid\""));
    rig.for_each_model(|part| {
        let good = single_records(part.rows, Outcome::Accept);
        let mut sent = Vec::new();
        for bad in single_records(part.rows, Outcome::Refuse)
            .into_iter()
            .take(5)
        {
            let (records, place) = surrounded(&good, bad);
            let answer = part
                .http
                .post(part.path, &array(&records))
                .expect("an answer");
            let shown = bad.escape_ascii();
            assert_eq!(answer.status, 207, "{}: {shown}", part.path);
            assert_eq!(answer.json()["accepted"], records.len() - 1, "{answer:?}");
            assert_eq!(answer.json()["rejected"], 1, "{answer:?}");
            assert_eq!(indices(&errors(&answer)), [place], "{}: {shown}", part.path);
            sent.extend(records.into_iter().filter(|record| *record != bad));
        }
        part.assert_topic_holds(&sent);
        Vec::new()
    });
}

/// The bodies with this outcome that are one JSON object, and not too deep with an array around
/// them.
fn single_records(rows: &[Row], outcome: Outcome) -> Vec<&[u8]> {
    let rows = rows.iter();
    let rows = rows.filter(|row| row.expected == Expected::Only(outcome));
    let bodies = rows.map(|row| row.payload.as_slice());
    let is_record = |body: &&[u8]| {
        let is_trimmed = body.starts_with(b"{") && body.ends_with(b"}");
        let parsed = Tree::parse(&array(&[body]));
        let is_one = matches!(parsed, Ok(Tree::Array(records)) if records.len() == 1);
        is_trimmed && is_one
    };
    bodies.filter(is_record).collect()
}

/// A bad record with good ones on both sides, and its place.
fn surrounded<'r>(good: &[&'r [u8]], bad: &'r [u8]) -> (Vec<&'r [u8]>, usize) {
    let before = &good[..good.len().min(2)];
    let behind = &good[good.len().saturating_sub(2)..];
    ([before, &[bad], behind].concat(), before.len())
}

fn array(records: &[&[u8]]) -> Vec<u8> {
    [b"[", records.join(&b',').as_slice(), b"]"].concat()
}

fn post_lines(part: &mut Part<'_>, lines: &[&[u8]]) -> Answer {
    let body = lines.join(&b'\n');
    let request = request(part.path, "application/x-ndjson", &body);
    part.http.send(&request).expect("ringest reads");
    part.http.answer().expect("an answer")
}

fn is_line(record: &[u8]) -> bool {
    !record.contains(&b'\n')
}

/// Of the records that are complained of.
fn indices(errors: &[Value]) -> Vec<usize> {
    let indices = errors.iter().map(|error| error["index"].as_u64());
    let indices: BTreeSet<_> = indices.map(|it| it.expect("an index")).collect();
    let indices = indices.into_iter();
    indices
        .map(|it| usize::try_from(it).expect("small"))
        .collect()
}
