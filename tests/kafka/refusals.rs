//! Records that a broker refuses, among those of other clients: it refuses the whole batch, and each
//! record still gets its own answer.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use crate::support::{cluster::Cluster, event::PATH, http::Answer, ringest::Ringest};

/// Until ringest has read the topics' configurations, which it then knows for minutes.
const KNOWN_AFTER: Duration = Duration::from_secs(1);

/// Clients whose records the topic takes.
const CLIENTS: usize = 100;
const RECORDS_PER_CLIENT: usize = 30;

/// Which records are posted, and what is answered to those that are refused.
struct Case<'a> {
    topic: &'a str,
    /// The record with that number, which the topic takes.
    valid: fn(usize) -> String,
    /// Bodies whose records are all refused.
    rejected: &'a [String],
    status: u16,
    code: &'a str,
}

/// Posts both at the same time, from this many clients that are refused. Every valid record is
/// accepted and arrives as it was sent; every rejected body gets its own answer.
fn each_gets_its_own_answer(
    cluster: &Cluster,
    ringest: &Ringest,
    case: &Case<'_>,
    rejected: usize,
) {
    let (done, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..rejected {
            scope.spawn(|| {
                let mut http = ringest.connect();
                for body in case.rejected.iter().cycle() {
                    let answer = http.post(PATH, body.as_bytes()).expect("an answer");
                    assert_refused(&answer, case);
                    refused.fetch_add(1, Ordering::Relaxed);
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let valid: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn(move || {
                    let mut http = ringest.connect();
                    for number in 0..RECORDS_PER_CLIENT {
                        let record = (case.valid)(client * RECORDS_PER_CLIENT + number);
                        let answer = http.post(PATH, record.as_bytes()).expect("an answer");
                        assert_eq!(answer.status, 200, "{answer:?}");
                    }
                })
            })
            .collect();
        let ends: Vec<_> = valid
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Relaxed);
        assert!(
            ends.iter().all(Result::is_ok),
            "a client with valid records failed"
        );
    });
    assert!(refused.load(Ordering::Relaxed) >= rejected);
    let mut read = cluster.read(case.topic);
    let sent = (0..CLIENTS * RECORDS_PER_CLIENT).map(|number| (case.valid)(number).into_bytes());
    let mut sent: Vec<_> = sent.collect();
    read.sort();
    sent.sort();
    assert!(read == sent, "{} records of {}", read.len(), sent.len());
}

fn assert_refused(answer: &Answer, case: &Case<'_>) {
    assert_eq!(answer.status, case.status, "{answer:?}");
    assert_eq!(answer.text("code"), case.code);
    assert_eq!(answer.text("persisted"), "no");
}

/// Whether ringest knows the limit, or has read the topic's configuration before it was set.
pub(crate) fn too_large_among_others(cluster: &Cluster) {
    for (rejected, is_known) in [(1, false), (20, false), (20, true)] {
        let settings = [("max.message.bytes", "20000")];
        let first = if is_known { &settings[..] } else { &[] };
        let topic = cluster.create_topic("limited", 3, first);
        let ringest = Ringest::builder(cluster.brokers())
            .model("Event", "1.0", &topic)
            .start();
        thread::sleep(KNOWN_AFTER);
        cluster.configure(&topic, &settings);
        let bodies = [padded(0, 20_000), padded(0, 60_000)];
        let case = Case {
            topic: &topic,
            valid: |number| padded(number, 300),
            rejected: &bodies,
            status: 413,
            code: "record_too_large_for_broker",
        };
        each_gets_its_own_answer(cluster, &ringest, &case, rejected);
    }
}

/// Also where librdkafka places the keys, so that records without one share batches with the others.
pub(crate) fn null_keys_on_a_compacted_topic(cluster: &Cluster) {
    for (partitioner, rejected) in [("murmur2_random", 1), ("murmur2_random", 20), ("fnv1a", 1)] {
        let topic = cluster.create_topic("compacted", 3, &[("cleanup.policy", "compact")]);
        let ringest = Ringest::builder(cluster.brokers())
            .kafka("partitioner", partitioner)
            .model_file(&format!(
                "name = \"Event\"\nversion = \"1.0\"\ntopic = \"{topic}\"\npartition_key = \"key\"\n"
            ))
            .start();
        let bodies = [
            r#"{"n":1}"#.to_owned(),
            r#"[{"key":null,"n":2},{"n":3}]"#.to_owned(),
        ];
        let case = Case {
            topic: &topic,
            valid: |number| format!(r#"{{"key":"k{number}", "n":{number}}}"#),
            rejected: &bodies,
            status: 400,
            code: "null_key_on_compacted_topic",
        };
        each_gets_its_own_answer(cluster, &ringest, &case, rejected);

        let mixed = br#"[{"key":"here"},{"n":1}]"#;
        let answer = ringest.connect().post(PATH, mixed).expect("an answer");
        assert_partly_refused(&answer);
    }
}

pub(crate) fn old_records_on_a_topic_with_bounds(cluster: &Cluster) {
    for rejected in [1, 20] {
        let bounds = [
            ("message.timestamp.before.max.ms", "3600000"),
            ("message.timestamp.after.max.ms", "3600000"),
        ];
        let topic = cluster.create_topic("bounded", 3, &[]);
        let ringest = Ringest::builder(cluster.brokers())
            .model_file(&format!(
                "name = \"Event\"\nversion = \"1.0\"\ntopic = \"{topic}\"\ntimestamp_field = \"at\"\n\
                 [fields]\nat = \"Nullable(DateTime64(3))\"\nn = \"UInt32\"\n"
            ))
            .start();
        thread::sleep(KNOWN_AFTER);
        // After the start, when ringest has read that there are none: it keeps to those that it knows.
        cluster.configure(&topic, &bounds);
        let old = r#"{"at":"2001-09-09T01:46:40Z","n":1}"#;
        let bodies = [old.to_owned(), format!("[{old}, {old}, {old}]")];
        let case = Case {
            topic: &topic,
            valid: |number| format!(r#"{{ "n":{number} }}"#),
            rejected: &bodies,
            status: 400,
            code: "timestamp_out_of_topic_bounds",
        };
        each_gets_its_own_answer(cluster, &ringest, &case, rejected);

        let now = jiff::Timestamp::now();
        let mixed = format!(r#"[{{"at":"{now:.3}","n":1}}, {old}]"#);
        let answer = ringest.connect().post(PATH, mixed.as_bytes());
        assert_partly_refused(&answer.expect("an answer"));
    }
}

/// The first of two records is delivered, the other one refused.
fn assert_partly_refused(answer: &Answer) {
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(answer.text("code"), "record_refused_by_broker");
    assert_eq!(answer.text("persisted"), "partial");
    let answer = answer.json();
    assert_eq!(answer["delivered"], serde_json::json!([0]));
    assert_eq!(answer["not_delivered"], serde_json::json!([1]));
}

/// A record of exactly that many bytes, at least 40.
fn padded(number: usize, length: usize) -> String {
    let start = format!(r#"{{"n":{number},"p":""#);
    format!("{start}{}\"}}", "x".repeat(length - start.len() - 2))
}
