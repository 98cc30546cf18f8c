//! A broker that is away, dies, falls silent; a ringest that is stopped. Whatever happens,
//! what was answered is what the topic holds.

use std::collections::BTreeMap;

use crate::{
    load::{Fate, Load},
    support::{
        cluster::Cluster,
        event::PATH,
        http::Answer,
        jars::Jars,
        kafka::Kafka,
        records::{numbered, tally},
        ringest::Ringest,
        wait::await_that,
    },
};

/// Short, so that outages show as answers and not as waiting.
const ACK_TIMEOUT_MS: &str = "2000";

fn event_to(cluster: &Cluster, topic: &str) -> Ringest {
    Ringest::builder(cluster.brokers())
        .model("Event", "1.0", topic)
        .set("timeouts.ack_timeout_ms", ACK_TIMEOUT_MS)
        .start()
}

fn is_shed(answer: &Answer, persisted: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.text("persisted"), persisted);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

/// Posts this record until it is accepted.
fn is_accepted_in_the_end(ringest: &Ringest, record: &[u8]) {
    await_that("the broker is back and ringest does not see it", || {
        let answer = ringest.connect().post(PATH, record).expect("an answer");
        answer.status == 200
    });
}

/// Waits until clients were answered 200 this many more times.
fn accepts_more(load: &Load, count: usize) {
    let goal = load.accepted() + count;
    await_that(&format!("not {goal} accepted"), || load.accepted() >= goal);
}

/// Compares the answers to clients with what the topic holds.
pub(crate) fn assert_truthful(fates: &[(usize, Fate)], records: &[Vec<u8>]) {
    let counts = tally(records);
    let fates: BTreeMap<usize, Fate> = fates.iter().copied().collect();
    for number in counts.keys() {
        assert!(fates.contains_key(number), "{number} was never sent");
    }
    for (number, fate) in fates {
        let count = counts.get(&number).copied().unwrap_or(0);
        let may_be = match fate {
            Fate::Accepted => count == 1,
            Fate::Refused => count == 0,
            Fate::Unknown | Fate::Cut => count <= 1,
        };
        assert!(
            may_be,
            "record {number}: {fate:?}, and {count} times in the topic"
        );
    }
}

pub(crate) fn absent_at_start(jars: &Jars) {
    let mut kafka = Kafka::start(jars);
    let topic = kafka.cluster().create_topic("absent", 1, &[]);
    kafka.kill();

    let ringest = event_to(kafka.cluster(), &topic);
    assert_eq!(ringest.ready(), 503);
    let answer = ringest.connect().post(PATH, &numbered(0));
    is_shed(&answer.expect("an answer"), "no");

    kafka.start_again();
    is_accepted_in_the_end(&ringest, &numbered(1));
    await_that("serving, but not ready", || ringest.ready() == 200);
    assert!(ringest.terminate().success());
    let counts = tally(&kafka.cluster().read(&topic));
    assert_eq!(counts.get(&0), None, "refused, and yet there");
    // A request that is repeated after `unknown` may be there twice.
    assert!(counts.contains_key(&1), "{counts:?}");
}

pub(crate) fn killed_under_load(jars: &Jars) {
    let mut kafka = Kafka::start(jars);
    let topic = kafka.cluster().create_topic("killed", 3, &[]);
    let ringest = event_to(kafka.cluster(), &topic);
    let load = Load::start(ringest.address(), PATH, 16);
    accepts_more(&load, 500);
    for _ in 0..2 {
        kafka.kill();
        kafka.start_again();
        accepts_more(&load, 500);
    }
    let fates = load.finish();
    let cut = fates.iter().filter(|(_, fate)| *fate == Fate::Cut).count();
    assert_eq!(cut, 0, "a broker's fault is no reason to cut a connection");
    assert_truthful(&fates, &kafka.cluster().read(&topic));
}

pub(crate) fn silent(jars: &Jars) {
    let kafka = Kafka::start(jars);
    let topic = kafka.cluster().create_topic("silent", 1, &[]);
    // One worker, which has a connection then: what another one had not sent would be known as such.
    let ringest = Ringest::builder(kafka.cluster().brokers())
        .model("Event", "1.0", &topic)
        .set("timeouts.ack_timeout_ms", ACK_TIMEOUT_MS)
        .set("workers", "1")
        .start();
    is_accepted_in_the_end(&ringest, &numbered(0));

    kafka.silence();
    let answer = ringest.connect().post(PATH, &numbered(1));
    is_shed(&answer.expect("an answer"), "unknown");
    kafka.resume();

    is_accepted_in_the_end(&ringest, &numbered(2));
    assert!(ringest.terminate().success());
    let counts = tally(&kafka.cluster().read(&topic));
    assert_eq!(counts.get(&0), Some(&1));
    assert!(counts.get(&1).is_none_or(|count| *count == 1), "{counts:?}");
    assert!(counts.contains_key(&2), "{counts:?}");
}

pub(crate) fn sigterm_under_load(cluster: &Cluster) {
    let topic = cluster.create_topic("sigterm", 3, &[]);
    let mut ringest = event_to(cluster, &topic);
    let load = Load::start(ringest.address(), PATH, 32);
    accepts_more(&load, 2_000);

    ringest.begin_drain();
    let status = ringest.exited();
    let fates = load.finish();
    assert!(status.success(), "{status}");
    assert_truthful(&fates, &cluster.read(&topic));
    let cut: Vec<_> = fates
        .iter()
        .filter(|(_, fate)| *fate == Fate::Cut)
        .collect();
    assert!(cut.is_empty(), "requests without an answer: {cut:?}");
}
