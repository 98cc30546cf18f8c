//! The bytes of a record in the topic are the bytes that were posted, and what the broker refuses
//! is answered with whose fault it is.

use crate::support::{
    cluster::Cluster,
    event::PATH,
    http::{Answer, request},
    jars::Jars,
    kafka::Kafka,
    ringest::Ringest,
};

/// Well-formed, but every one of them would change if anything re-wrote it.
const ODD_RECORDS: &[&str] = &[
    "{}",
    r#"{"a":1}"#,
    "{ \"a\"\t:\r\n 1 , \"b\" : [ ] }",
    r#"{"escapes":"\u0041\u00e9\ud83e\udd80\/\\\"\b\f\n\r\t"}"#,
    r#"{"\u006bey":"value","key":"twice","key":"thrice"}"#,
    r#"{"é":"日本語 🦀"}"#,
    r#"{"big":123456789012345678901234567890123456789012345678901234567890}"#,
    r#"{"numbers":[1.0,1.10,-0,-0.0,1E5,1e+05,0.1e-7,18446744073709551615,-9223372036854775808]}"#,
    r#"{"nested":[[[{"a":[]}]],{}],"brackets":"}],[{","quote":"\\\""}"#,
];

fn event_to(cluster: &Cluster, topic: &str) -> Ringest {
    Ringest::builder(cluster.brokers())
        .model("Event", "1.0", topic)
        .start()
}

fn accepts(answer: &Answer, records: usize) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["accepted"], records);
}

pub(crate) fn one_record(cluster: &Cluster) {
    let topic = cluster.create_topic("one", 1, &[]);
    let ringest = event_to(cluster, &topic);
    let record = br#"{ "user": "a",  "at": 1.50 }"#;
    accepts(&ringest.connect().post(PATH, record).expect("an answer"), 1);
    assert_eq!(cluster.read(&topic), [record]);
}

pub(crate) fn odd_records(cluster: &Cluster) {
    let topic = cluster.create_topic("odd", 1, &[]);
    let ringest = event_to(cluster, &topic);
    let mut http = ringest.connect();
    for record in ODD_RECORDS {
        // What is around the record is not of it.
        let body = format!("\r\n \t{record}\n");
        accepts(&http.post(PATH, body.as_bytes()).expect("an answer"), 1);
    }
    assert_same(&cluster.read(&topic), ODD_RECORDS);
}

pub(crate) fn array(cluster: &Cluster) {
    let topic = cluster.create_topic("array", 1, &[]);
    let ringest = event_to(cluster, &topic);
    let body = format!(" [\n\t{}\r\n] \n", ODD_RECORDS.join(" ,\n  "));
    let mut http = ringest.connect();
    let answer = http.post(PATH, body.as_bytes()).expect("an answer");
    accepts(&answer, ODD_RECORDS.len());
    accepts(&http.post(PATH, b"[]").expect("an answer"), 0);
    assert_same(&cluster.read(&topic), ODD_RECORDS);
}

pub(crate) fn lines(cluster: &Cluster) {
    let topic = cluster.create_topic("lines", 1, &[]);
    let ringest = event_to(cluster, &topic);
    let lines: Vec<&str> = ODD_RECORDS
        .iter()
        .copied()
        .filter(|record| !record.contains('\n'))
        .collect();
    for (separator, end) in [("\n", "\n"), ("\r\n", "")] {
        let body = lines.join(separator) + end;
        let mut http = ringest.connect();
        http.send(&request(PATH, "application/x-ndjson", body.as_bytes()))
            .expect("ringest reads");
        accepts(&http.answer().expect("an answer"), lines.len());
    }
    assert_same(&cluster.read(&topic), &[lines.clone(), lines].concat());
}

/// On a broker that creates no topic by itself, as any one may be set up to.
pub(crate) fn missing_topic(jars: &Jars) {
    let kafka = Kafka::start(jars);
    let cluster = kafka.cluster();
    let there = cluster.create_topic("there", 1, &[]);
    let ringest = Ringest::builder(cluster.brokers())
        .model("Event", "1.0", "nowhere")
        .model("There", "1.0", &there)
        .start();
    let mut http = ringest.connect();
    let answer = http.post(PATH, b"{}").expect("an answer");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(answer.text("code"), "topic_missing");
    assert_eq!(answer.text("persisted"), "no");

    // The fault of one route is no other's.
    let answer = ringest.connect().post("/ingest/There", b"{}");
    accepts(&answer.expect("an answer"), 1);
}

pub(crate) fn above_the_topics_limit(cluster: &Cluster) {
    let topic = cluster.create_topic("limited", 1, &[("max.message.bytes", "2000")]);
    let ringest = event_to(cluster, &topic);
    let below = padded(1_800);
    let mut http = ringest.connect();
    let refused = http
        .post(PATH, padded(2_000).as_bytes())
        .expect("an answer");
    assert_eq!(refused.status, 413, "{refused:?}");
    assert_eq!(refused.text("code"), "record_too_large_for_broker");
    assert_eq!(refused.text("persisted"), "no");
    let mut http = ringest.connect();
    accepts(&http.post(PATH, below.as_bytes()).expect("an answer"), 1);
    assert_same(&cluster.read(&topic), &[below.as_str()]);
}

/// The broker accepts or refuses batches, not records: which of the small ones are in is its affair and the
/// batching's, but the answer must say what the topic holds.
pub(crate) fn array_above_the_topics_limit(cluster: &Cluster) {
    let topic = cluster.create_topic("limited", 1, &[("max.message.bytes", "2000")]);
    let ringest = event_to(cluster, &topic);
    let records = [padded(100), padded(3_000), padded(200)];
    let body = format!("[{}]", records.join(","));
    let mut http = ringest.connect();
    let answer = http.post(PATH, body.as_bytes()).expect("an answer");
    let said: Vec<&str> = match (answer.status, answer.text("persisted").as_str()) {
        (413, "no") => Vec::new(),
        (500, "partial") => answer.json()["delivered"]
            .as_array()
            .expect("a list of indices")
            .iter()
            .filter_map(|index| usize::try_from(index.as_u64()?).ok())
            .map(|index| records[index].as_str())
            .collect(),
        _ => panic!("{answer:?}"),
    };
    assert_same(&cluster.read(&topic), &said);
}

/// A record of exactly this many bytes, at least 10.
fn padded(length: usize) -> String {
    format!(r#"{{"p":"{}"}}"#, "x".repeat(length - 8))
}

fn assert_same(read: &[Vec<u8>], sent: &[&str]) {
    let read: Vec<_> = read
        .iter()
        .map(|bytes| String::from_utf8_lossy(bytes))
        .collect();
    assert_eq!(read, sent);
}
