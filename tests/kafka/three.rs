//! Three brokers. Leaders move, and equal keys keep their order. One broker accepts connections and never
//! answers: what it leads fails, the rest goes on.

mod order;

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    load::Load,
    outage::assert_truthful,
    support::{
        cluster::Cluster,
        event::PATH,
        http::Answer,
        jars::Jars,
        kafka::Kafka,
        ringest::Ringest,
        wait::{PATIENCE, await_that, eventually},
    },
};

const ACK_TIMEOUT: Duration = Duration::from_secs(2);

/// What a request may take beyond that on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

/// Over which throughput is counted.
const PERIOD: Duration = Duration::from_secs(3);

const KEYED: &str = "/ingest/Keyed/1.0";

/// The broker that hangs.
const HUNG: i32 = 2;

fn start(cluster: &Cluster, topic: &str, keyed: &str) -> Ringest {
    Ringest::builder(cluster.brokers())
        .model("Event", "1.0", topic)
        .model_file(&format!(
            "name = \"Keyed\"\nversion = \"1.0\"\ntopic = \"{keyed}\"\npartition_key = \"key\"\n"
        ))
        .set(
            "timeouts.ack_timeout_ms",
            &ACK_TIMEOUT.as_millis().to_string(),
        )
        .set("workers", "1")
        .start()
}

/// One after the other, as three brokers take their time to start.
pub(crate) fn three_brokers(jars: &Jars) {
    // The first is the controller too.
    let kafka = Kafka::start(jars);
    let (second, _third) = (kafka.join(HUNG), kafka.join(3));
    order::holds_while_leaders_move(&kafka);
    one_hangs(kafka.cluster(), &second);
}

fn one_hangs(cluster: &Cluster, second: &Kafka) {
    let topic = cluster.create_topic("hung", 6, &[]);
    let keyed = cluster.create_topic("hung-keyed", 6, &[]);
    assert!(cluster.leaders(&topic).contains(&HUNG));
    let ringest = start(cluster, &topic, &keyed);
    let (hung_key, other_keys) = keys(cluster, &ringest, &keyed);
    let load = Load::start(ringest.address(), PATH, 16);
    await_that("no load", || load.accepted() > 500);
    let before = accepted_in(&load, PERIOD);

    second.silence();
    let hung_since = Instant::now();
    let post = |key: &str| {
        let record = format!(r#"{{"key":"{key}"}}"#);
        let answer = ringest.connect().post(KEYED, record.as_bytes());
        answer.expect("an answer")
    };
    assert_shed(&post(&hung_key));
    // One request in a second may be let through to try.
    let is_refused_at_once = || {
        let begin = Instant::now();
        for _ in 0..50 {
            assert_shed(&post(&hung_key));
            for key in &other_keys {
                assert_eq!(post(key).status, 200);
            }
        }
        assert!(begin.elapsed() < 10 * ACK_TIMEOUT, "{:?}", begin.elapsed());
    };
    is_refused_at_once();

    thread::sleep(Duration::from_secs(5).saturating_sub(hung_since.elapsed()));
    let recovered = eventually(Duration::from_secs(15), || {
        let after = accepted_in(&load, PERIOD);
        (2 * after >= before).then_some(after)
    });
    assert!(recovered.is_some(), "far below {before} in {PERIOD:?}");

    // The cluster gives the broker up: its partitions have no other replica, and so no leader.
    await_that("it leads", || cluster.leaders(&keyed).contains(&-1));
    is_refused_at_once();

    second.resume();
    let again = eventually(PATIENCE, || (post(&hung_key).status == 200).then_some(()));
    assert!(again.is_some(), "the broker is back and gets no record");
    let longest = load.longest_wait();
    assert!(longest < ACK_TIMEOUT + SLACK, "{longest:?}");
    let led_by_it = |cluster: &Cluster| {
        let partitions = cluster.read_partitions(&topic).into_iter();
        let led = partitions.zip(cluster.leaders(&topic));
        let led = led.filter(|(_, leader)| *leader == HUNG);
        led.map(|(records, _)| records.len()).sum::<usize>()
    };
    let at_first = led_by_it(cluster);
    await_that("records without a key do not go there", || {
        led_by_it(cluster) > at_first + 10
    });
    let fates = load.finish();
    assert!(ringest.terminate().success());
    assert_truthful(&fates, &cluster.read(&topic));
}

fn assert_shed(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

fn accepted_in(load: &Load, period: Duration) -> usize {
    let before = load.accepted();
    thread::sleep(period);
    load.accepted() - before
}

/// A key whose records go to the broker that is to hang, and keys of the others.
fn keys(cluster: &Cluster, ringest: &Ringest, topic: &str) -> (String, Vec<String>) {
    let keys: Vec<_> = (0..24).map(|number| format!("k{number}")).collect();
    let records: Vec<_> = keys
        .iter()
        .map(|key| format!(r#"{{"key":"{key}"}}"#))
        .collect();
    let body = format!("[{}]", records.join(","));
    let answer = ringest.connect().post(KEYED, body.as_bytes());
    assert_eq!(answer.expect("an answer").status, 200);
    let (mut there, mut elsewhere) = (Vec::new(), Vec::new());
    let partitions = cluster.read_partitions(topic).into_iter();
    for (records_there, leader) in partitions.zip(cluster.leaders(topic)) {
        for (record, key) in records.iter().zip(&keys) {
            if records_there.iter().any(|it| it == record.as_bytes()) {
                let of = if leader == HUNG {
                    &mut there
                } else {
                    &mut elsewhere
                };
                of.push(key.clone());
            }
        }
    }
    elsewhere.truncate(3);
    assert_eq!(elsewhere.len(), 3);
    (
        there.pop().expect("of so many keys some go there"),
        elsewhere,
    )
}
