//! What ringest reads of its topics' configurations, and what it makes of that.

use std::{thread, time::Duration};

use crate::support::{cluster::Cluster, event::PATH, ringest::Ringest, wait::await_that};

/// After the start, until every worker has taken over what was read.
const TAKEN_OVER: Duration = Duration::from_millis(500);

const CLIENTS: usize = 100;
const RECORDS_PER_CLIENT: usize = 30;

/// Records that were refused with others and sent again.
const SENT_AGAIN: &str = "ringest_records_sent_again_total";

/// No batch is refused, although without the topic's limit each would hold hundreds of records.
pub(crate) fn batches_stay_below_the_topics_limit(cluster: &Cluster) {
    let topic = cluster.create_topic("small", 1, &[("max.message.bytes", "20000")]);
    let ringest = Ringest::builder(cluster.brokers())
        .model("Event", "1.0", &topic)
        .start();
    thread::sleep(TAKEN_OVER);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let ringest = &ringest;
            scope.spawn(move || {
                let mut http = ringest.connect();
                let record = format!(r#"{{"n":{},"p":"{}"}}"#, 100 + client, "x".repeat(300 - 16));
                let array = format!("[{}]", vec![record; 10].join(","));
                for _ in 0..RECORDS_PER_CLIENT {
                    let answer = http.post(PATH, array.as_bytes()).expect("an answer");
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
    });
    assert_eq!(ringest.count(SENT_AGAIN), 0);
    let count = cluster.read(&topic).len();
    assert_eq!(count, CLIENTS * RECORDS_PER_CLIENT * 10);
}

/// A record whose own time the topic would refuse gets the time of its arrival.
pub(crate) fn times_are_held_to_the_topics_bounds(cluster: &Cluster) {
    let bounds = [
        ("message.timestamp.before.max.ms", "3600000"),
        ("message.timestamp.after.max.ms", "60000"),
    ];
    let topic = cluster.create_topic("bounds", 1, &bounds);
    let ringest = Ringest::builder(cluster.brokers())
        .model_file(&format!(
            "name = \"Event\"\nversion = \"1.0\"\ntopic = \"{topic}\"\ntimestamp_field = \"at\"\n\
             [fields]\nat = \"DateTime64(3)\"\n"
        ))
        .start();
    thread::sleep(TAKEN_OVER);
    let now = jiff::Timestamp::now();
    let soon = now + Duration::from_mins(10);
    for at in [jiff::Timestamp::UNIX_EPOCH, now, soon] {
        let record = format!(r#"{{"at":"{at:.3}"}}"#);
        let answer = ringest.connect().post(PATH, record.as_bytes());
        assert_eq!(answer.expect("an answer").status, 200, "{at}");
    }
    assert_eq!(ringest.count(SENT_AGAIN), 0);
    assert_eq!(cluster.read(&topic).len(), 3);
}

/// The log names each topic that does not fit its model, and topics that are missing.
pub(crate) fn what_does_not_fit_is_logged(cluster: &Cluster) {
    let settings = [
        ("cleanup.policy", "compact"),
        ("max.message.bytes", "20000"),
    ];
    let topic = cluster.create_topic("unfit", 1, &settings);
    let ringest = Ringest::builder(cluster.brokers())
        .model("Event", "1.0", &topic)
        .model("Other", "1.0", &format!("{topic}-not"))
        .start();
    for line in [
        format!(
            "model Event/1.0: topic {topic} is compacted (cleanup.policy) and refuses records without \
             a key: the model has no partition_key"
        ),
        format!("answered 413 by the broker's limit: {topic} (20_000, model Event/1.0)"),
        format!("has the record, for these topics: {topic}"),
        format!("the brokers do not have these topics: {topic}-not"),
    ] {
        await_that(&line, || ringest.log().contains(&line));
        assert_eq!(ringest.log().matches(&line).count(), 1);
    }
    ringest.await_count("ringest_topics_missing", 1);
    // Said again after a reload.
    ringest.reload();
    for line in ["cleanup.policy", "these topics: ", "-not"] {
        await_that(line, || ringest.log().matches(line).count() > 1);
    }
}
