//! Requests that are sent before their predecessors are answered: every answer comes, in order,
//! and what is produced is what was sent.

use std::cell::RefCell;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{PATH, Rig, assert_accepted, assert_goes_on, post, record_of};
use crate::support::{
    http::{Http, chunked_request, request},
    records::{array, numbered},
};

/// One request: its bytes, what it is answered with, what it leaves in the topic.
struct Sent {
    request: Vec<u8>,
    status: u16,
    accepted: usize,
    records: Vec<Vec<u8>>,
}

/// A request that is accepted.
fn good(request: Vec<u8>, records: Vec<Vec<u8>>) -> Sent {
    Sent {
        request,
        status: 200,
        accepted: records.len(),
        records,
    }
}

fn refused(request: Vec<u8>, status: u16) -> Sent {
    Sent {
        request,
        status,
        accepted: 0,
        records: Vec::new(),
    }
}

/// The `n`-th of fifty: no two neighbours have the same answer.
fn sent(n: usize) -> Sent {
    let records: Vec<Vec<u8>> = (0..n).map(|record| numbered(n * 100 + record)).collect();
    let body = array(records.clone());
    match n % 10 {
        // Memory of its own.
        3 => good(post(&record_of(20_000 + n)), vec![record_of(20_000 + n)]),
        4 => good(chunked_request(PATH, &body, 1 + n * 11), records),
        5 => {
            let lines = records.join(&b"\r\n"[..]);
            good(request(PATH, "application/x-ndjson", &lines), records)
        }
        6 => refused(post(b"[{},{]"), 400),
        7 => refused(request("/ingest/Nothing", "application/json", &body), 404),
        8 => refused(chunked_request("/ingest/Nothing", &body, 100), 404),
        _ => good(post(&body), records),
    }
}

fn assert_answered(http: &mut Http, all: &[Sent]) {
    for (n, sent) in all.iter().enumerate() {
        let answer = http.answer().expect("an answer");
        assert_eq!(answer.status, sent.status, "request {n}: {answer:?}");
        if sent.status == 200 {
            assert_accepted(&answer, sent.accepted);
        }
        assert!(!answer.closes(), "request {n}: {answer:?}");
    }
}

fn whole(all: &[Sent]) -> Vec<u8> {
    all.iter().flat_map(|sent| sent.request.clone()).collect()
}

fn produced(all: &[Sent]) -> Vec<Vec<u8>> {
    all.iter().flat_map(|sent| sent.records.clone()).collect()
}

fn assert_same(topic: &[Vec<u8>], expected: &[Vec<u8>]) {
    let different = topic.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!((different, topic.len()), (None, expected.len()));
}

#[test]
fn fifty_at_once() {
    let rig = Rig::start(|it| it);
    let all: Vec<Sent> = (0..50).map(sent).collect();
    let mut http = rig.connect();
    http.send(&whole(&all)).expect("ringest reads");
    assert_answered(&mut http, &all);
    let answer = http.post(PATH, b"[]").expect("an answer");
    assert_goes_on(&mut http, &answer);
    assert_same(&rig.topic(), &produced(&all));
}

/// However the bytes are cut, the answers and the records are the same.
#[test]
fn cut_anywhere() {
    let rig = Rig::start(|it| it);
    let expected = RefCell::new(Vec::new());
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 1..40);
    let cases = (0_usize..30, 1_usize..15, cuts);
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(24)
    };
    let ran = TestRunner::new(config).run(&cases, |(first, count, cuts)| {
        let all: Vec<Sent> = (first..first + count).map(sent).collect();
        let bytes = whole(&all);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut http = rig.connect();
        let mut start = 0;
        for end in ends {
            http.send(&bytes[start..end]).expect("ringest reads");
            start = end;
        }
        assert_answered(&mut http, &all);
        expected.borrow_mut().extend(produced(&all));
        Ok(())
    });
    ran.expect("every case");
    assert_same(&rig.topic(), &expected.into_inner());
}

/// Bodies of every length around the sizes of the server's memory, behind heads that shift them.
#[test]
fn bodies_around_the_sizes_of_memory() {
    const SEGMENT: usize = 2 * 1_024;
    let rig = Rig::start(|it| it);
    let sizes = [1, 2, 4, 8, 16, 32]
        .into_iter()
        .flat_map(|factor| SEGMENT * factor - 2..=SEGMENT * factor + 2)
        .chain(SEGMENT - 130..SEGMENT - 70)
        .chain([8, 9, 100]);
    let all: Vec<Sent> = sizes
        .map(|size| good(post(&record_of(size)), vec![record_of(size)]))
        .collect();
    let mut http = rig.connect();
    // One by one, so that each head is at the buffer's start; then all at once.
    for sent in &all {
        http.send(&sent.request).expect("ringest reads");
        assert_accepted(&http.answer().expect("an answer"), 1);
    }
    let mut second = http.try_clone().expect("a second handle");
    let bytes = whole(&all);
    let writer = std::thread::spawn(move || second.send(&bytes));
    assert_answered(&mut http, &all);
    let written = writer.join().expect("it does not panic");
    written.expect("ringest reads");
    let twice = [produced(&all), produced(&all)].concat();
    assert_same(&rig.topic(), &twice);
}
