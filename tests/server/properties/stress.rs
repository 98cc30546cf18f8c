//! Memory that is used again too early shows as a record that nobody sent. So: many clients, some
//! of which leave before their answer or in the middle of a body, brokers that acknowledge later
//! than a request waits, and then recover. Whatever the topic holds must be what some client sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    thread,
    time::Duration,
};

use super::{PREFIX, WITH_SCHEMA, topic::Topic, without};
use crate::support::{
    event::{PATH, TOPIC},
    http::{Http, request},
    mock::{ALL, Mock},
    ringest::{Builder, Ringest},
    wait::await_that,
};

const CLIENTS: usize = 24;

/// Requests of each client in each phase. All records together stay below the 5 MiB that the mock
/// keeps of a partition.
const REQUESTS: usize = 40;
/// The same while every one waits for its timeout.
const LATE_REQUESTS: usize = 6;

/// How long requests wait, and a delay of the brokers that none outlasts.
const ACK_TIMEOUT_MS: &str = "400";
const TOO_LATE: Duration = Duration::from_millis(700);

/// A request beyond those of the phases.
const PROBE: usize = 800_002;

/// What a client knows of a request's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// 200: they are in the topic.
    Accepted,
    /// 503: some may be.
    Unknown,
    /// The client left without having read the answer.
    Left,
    /// The client left in the middle of the body: they must not be in the topic.
    Unsent,
}

/// Record `part` of request `request`, in which each 16 bytes name the two and the place.
fn record(request: usize, part: usize) -> String {
    let len = match request % 80 {
        // Segments of their own; beyond 65,535 librdkafka does not copy before it sends.
        0 => 100_000,
        1 | 41 => 20_000 + request % 15_000,
        _ => request * 31 % 600,
    };
    let mut record = format!("{{\"request\":{request},\"part\":{part},\"fill\":\"");
    for place in (0..len).step_by(16) {
        write!(record, "{request:06}.{part}.{place:06}-").expect("a String takes all");
    }
    record + "\"}"
}

/// Its request and part, if these are the bytes of a record that a client may have sent.
fn identify(bytes: &[u8]) -> Option<(usize, usize)> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let number = |key: &str| usize::try_from(value[key].as_u64()?).ok();
    let (request, part) = (number("request")?, number("part")?);
    (part < parts(request) && record(request, part).as_bytes() == bytes).then_some((request, part))
}

/// How many records a request has.
fn parts(request: usize) -> usize {
    if request % 7 == 4 { 3 } else { 1 }
}

fn body(request: usize) -> Vec<u8> {
    let records: Vec<String> = (0..parts(request))
        .map(|part| record(request, part))
        .collect();
    match records.as_slice() {
        [record] => record.clone().into_bytes(),
        records => format!("[{}]", records.join(",")).into_bytes(),
    }
}

/// Every client's requests of one phase.
fn phase(ringest: &Ringest, phase: usize, requests: usize) -> Vec<(usize, Fate)> {
    let client = |client: usize| {
        let mut connection = None;
        let first = (phase * CLIENTS + client) * REQUESTS;
        let requests = first..first + requests;
        let fates = requests.map(|number| (number, post(ringest, number, &mut connection)));
        fates.collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|it| scope.spawn(move || client(it)))
            .collect();
        let fates = clients
            .into_iter()
            .flat_map(|client| client.join().expect("no panic"));
        fates.collect()
    })
}

fn post(ringest: &Ringest, number: usize, connection: &mut Option<Http>) -> Fate {
    let mut http = connection.take().unwrap_or_else(|| ringest.connect());
    let bytes = request(PATH, "application/json", &body(number));
    match number % 11 {
        // As every fifth or so does after all of its body, for the next to get its memory.
        3 | 8 => {
            http.send(&bytes).expect("ringest reads");
            Fate::Left
        }
        5 => {
            http.send(&bytes[..bytes.len() - 2]).expect("ringest reads");
            Fate::Unsent
        }
        _ => {
            http.send(&bytes).expect("ringest reads");
            let answer = http.answer().expect("an answer");
            if !answer.closes() {
                *connection = Some(http);
            }
            match answer.status {
                200 => Fate::Accepted,
                503 => Fate::Unknown,
                _ => panic!("{answer:?}"),
            }
        }
    }
}

fn count(fates: &[(usize, Fate)], fate: Fate) -> usize {
    fates.iter().filter(|(_, it)| *it == fate).count()
}

#[test]
fn what_the_topic_holds_was_sent() {
    assert_sent(|it| it.model("Event", "1.0", TOPIC), b"");
}

/// A prefix is written before a record although an earlier one of the same connection, whose time
/// was over, may still be read.
#[test]
fn what_the_topic_holds_was_sent_and_has_a_prefix() {
    assert_sent(|it| it.model_file(WITH_SCHEMA), PREFIX);
}

fn assert_sent(model: impl FnOnce(Builder) -> Builder, prefix: &[u8]) {
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = model(Ringest::builder(&mock.brokers()))
        .set("timeouts.ack_timeout_ms", ACK_TIMEOUT_MS)
        // Longer in librdkafka's queue: the payload is read only when its batch is made.
        .kafka("linger.ms", "20")
        .start();
    let topic = Topic::open(&mock.brokers(), TOPIC);

    let mut fates = phase(&ringest, 0, REQUESTS);
    // Not all: the first ones wait for the topic's leader and the producer's id.
    assert!(
        count(&fates, Fate::Accepted) > CLIENTS * REQUESTS / 2,
        "a healthy broker"
    );
    mock.delay(ALL, TOO_LATE);
    let late = phase(&ringest, 1, LATE_REQUESTS);
    assert!(
        count(&late, Fate::Unknown) > CLIENTS,
        "acknowledgements come too late"
    );
    fates.extend(late);
    mock.delay(ALL, Duration::ZERO);
    await_that("it does not recover", || {
        let answer = ringest.connect().post(PATH, &body(PROBE));
        answer.expect("an answer").status == 200
    });
    let healed = phase(&ringest, 2, REQUESTS);
    assert!(
        count(&healed, Fate::Accepted) > CLIENTS,
        "it does not recover"
    );
    fates.extend(healed);
    await_that("memory is held for ever", || {
        ringest.metric("ringest_in_flight_bytes") == 0.0
    });

    let mut held = BTreeSet::new();
    for bytes in topic.read() {
        let known = identify(&without(prefix, &bytes));
        held.extend(Some(known.unwrap_or_else(|| {
            panic!("nobody sent {}", String::from_utf8_lossy(&bytes))
        })));
    }
    let fates: BTreeMap<usize, Fate> = fates.into_iter().collect();
    for (request, fate) in fates {
        for part in 0..parts(request) {
            match (fate, held.contains(&(request, part))) {
                (Fate::Accepted, false) => panic!("{request}, part {part} is lost"),
                (Fate::Unsent, true) => panic!("{request}, part {part} was not sent in full"),
                _ => {}
            }
        }
    }
}
