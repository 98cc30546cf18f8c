//! What a record carries beside its bytes (key, time, headers, prefix), and dead letters: written by
//! ringest, read back by Kafka's own Java consumer.

use serde_json::Value;

use crate::support::{
    http::{Answer, Http},
    jars::Jars,
    kafka::Kafka,
    ringest::Ringest,
};

/// Kafka's consumer and producer for the command line.
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";

/// Enough that keys which a partitioner puts elsewhere show.
const PARTITIONS: i32 = 16;

/// A record as the console consumer prints it.
#[derive(Debug)]
struct Consumed {
    timestamp: String,
    partition: String,
    headers: String,
    key: String,
    value: String,
}

pub(crate) fn as_java_reads_it(jars: &Jars) {
    let kafka = Kafka::start(jars);
    keys_land_where_java_puts_them(&kafka);
    times_and_headers_arrive(&kafka);
    prefixes_stand_before_records(&kafka);
    bad_records_become_dead_letters(&kafka);
}

fn keys_land_where_java_puts_them(kafka: &Kafka) {
    let (ours, javas) = (topic(kafka, "keyed"), topic(kafka, "keyed-java"));
    let ringest = start(kafka, &[model(&ours, "partition_key = \"user.id\"\n")]);
    // The key of each is unescaped; numbers are keys as they are written.
    let keys = ["a", "é", "user-17", "42", "1.50", "true", "quo\"te"].map(str::to_owned);
    let keys: Vec<String> = keys
        .into_iter()
        .chain((0..40).map(|n| format!("customer {n}")))
        .collect();
    let records = keys.iter().map(|key| match key.as_str() {
        "42" | "1.50" | "true" => format!(r#"{{"user":{{"id":{key}}}}}"#),
        "é" => r#"{"user":{"id":"\u00e9"}}"#.to_owned(),
        _ => format!(r#"{{"user":{{"id":{}}}}}"#, Value::from(key.as_str())),
    });
    let records: Vec<String> = records.collect();
    let mut http = ringest.connect();
    // One by one, and together.
    for record in &records {
        accepts(&post(&mut http, record), 1);
    }
    accepts(
        &post(&mut http, &format!("[{}]", records.join(", "))),
        records.len(),
    );

    let lines: Vec<String> = keys.iter().map(|key| format!("{key}\tvalue\n")).collect();
    produce_with_java(kafka, &javas, &lines.concat());
    let partition_of = |topic: &str, key: &str, consumed: &[Consumed]| {
        let mut partitions: Vec<String> = consumed
            .iter()
            .filter(|it| it.key == key)
            .map(|it| it.partition.clone())
            .collect();
        partitions.dedup();
        assert_eq!(partitions.len(), 1, "{key} in {topic}: {partitions:?}");
        partitions.remove(0)
    };
    let (by_us, by_java) = (
        consume(kafka, &ours, 2 * keys.len()),
        consume(kafka, &javas, keys.len()),
    );
    for key in &keys {
        assert_eq!(
            partition_of(&ours, key, &by_us),
            partition_of(&javas, key, &by_java),
            "{key}"
        );
    }
    // Without a key: the sticky partitioner, and no key.
    accepts(&post(&mut http, r#"{"user":{}}"#), 1);
    let without = consume(kafka, &ours, 2 * keys.len() + 1);
    assert_eq!(without.iter().filter(|it| it.key == "null").count(), 1);
}

fn times_and_headers_arrive(kafka: &Kafka) {
    const BESIDE: &str = "timestamp_field = \"at\"\n\
         [kafka_headers]\nsource = \"edge\"\ntraceparent = { header = \"TraceParent\" }\n";
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let topic = topic(kafka, "timed");
    let ringest = start(
        kafka,
        &[model(
            &topic,
            &format!("{BESIDE}[fields]\nat = \"Nullable(DateTime64(3))\"\nn = \"UInt8\"\n"),
        )],
    );
    let body = r#"[{"at":"2026-11-24T01:02:03.456+01:00","n":1}, {"n":2,"at":"2001-09-09 01:46:40Z"},{"n":3}]"#;
    let mut http = ringest.connect();
    http.send(
        format!(
            "POST {PATH} HTTP/1.1\r\nHost: ringest\r\ntraceparent: {TRACE}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    )
    .expect("ringest reads");
    accepts(&http.answer().expect("an answer"), 3);
    accepts(
        &post(&mut http, r#"{"n":4,"at":"1970-01-01T00:00:00.001Z"}"#),
        1,
    );

    let consumed = consume(kafka, &topic, 4);
    let of = |n: u8| {
        let member = format!("\"n\":{n}");
        let mut of = consumed.iter().filter(|it| it.value.contains(&member));
        of.next().expect("each record is there")
    };
    let both = format!("source:edge,traceparent:{TRACE}");
    assert_eq!(of(1).timestamp, "CreateTime:1795478523456");
    assert_eq!(of(2).timestamp, "CreateTime:1000000000000");
    assert_eq!(of(4).timestamp, "CreateTime:1");
    // Without a time of its own a record has that of its arrival.
    assert!(of(3).timestamp > of(2).timestamp, "{:?}", of(3));
    assert_eq!([of(1), of(2), of(3)].map(|it| &it.headers), [&both; 3]);
    assert_eq!(
        of(4).headers,
        "source:edge",
        "this request had no traceparent"
    );
}

fn prefixes_stand_before_records(kafka: &Kafka) {
    // 0x01020304: a number whose bytes are told apart.
    let topic = topic(kafka, "prefixed");
    let ringest = start(kafka, &[model(&topic, "schema_id = 16909060\n")]);
    let long = format!(r#"{{"long":"{}"}}"#, "x".repeat(40_000));
    let records = [
        r#"{"n":1}"#,
        r#" {"n":2} "#,
        &long,
        r#"{"a":[]}"#,
        r#"{"b":"\u00e9"}"#,
    ];
    let mut http = ringest.connect();
    for record in &records[..3] {
        accepts(&post(&mut http, record), 1);
    }
    accepts(
        &post(&mut http, &format!("[{}, {}]", records[3], records[4])),
        2,
    );
    let expected: Vec<Vec<u8>> = records
        .iter()
        .map(|record| [&[0, 1, 2, 3, 4], record.trim().as_bytes()].concat())
        .collect();
    let mut read = kafka.cluster().read(&topic);
    read.sort();
    let mut sorted = expected.clone();
    sorted.sort();
    assert_eq!(read, sorted);
    let consumed = consume(kafka, &topic, records.len());
    for value in &expected {
        let value = String::from_utf8(value.clone()).expect("ASCII");
        assert!(consumed.iter().any(|it| it.value == value), "{value:?}");
    }
}

fn bad_records_become_dead_letters(kafka: &Kafka) {
    let (topic, dead_letters) = (
        topic(kafka, "with-dead-letters"),
        topic(kafka, "dead-letters"),
    );
    let typed = format!("dead_letter_topic = \"{dead_letters}\"\n[fields]\nn = \"UInt8\"\n");
    let strict = model(&topic, &typed);
    let lenient = model(&topic, &format!("on_invalid = \"accept_valid\"\n{typed}"))
        .replace("name = \"Event\"", "name = \"Lenient\"");
    let ringest = start(kafka, &[strict, lenient]);
    let mut http = ringest.connect();
    let answer = post(&mut http, r#"[{"n":1}, { "n" : 256 }]"#);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(post(&mut http, r#"{"n": nonsense"#).status, 400);
    let answer = http
        .post("/ingest/Lenient/1", br#"[{"n":2},{"n":"x"},{"m":3}]"#)
        .expect("an answer");
    assert_eq!(answer.status, 207, "{answer:?}");
    assert_eq!(answer.json()["accepted"], 1);
    assert_eq!(answer.json()["rejected"], 2);

    // What was answered is there: nothing is waited for.
    assert_eq!(kafka.cluster().read(&topic), [br#"{"n":2}"#]);
    let consumed = consume(kafka, &dead_letters, 4);
    let dead_letters: Vec<Value> = consumed
        .iter()
        .map(|it| serde_json::from_str(&it.value).expect("dead letters are JSON"))
        .collect();
    for letter in &dead_letters {
        for member in ["errorMessage", "errorType", "failedAt", "source"] {
            assert!(letter[member].is_string(), "{member} in {letter}");
        }
        assert!(letter["errors"][0]["code"].is_string(), "{letter}");
    }
    // The record is in the letter byte for byte.
    assert!(
        consumed
            .iter()
            .any(|it| it.value.contains(r#"{ "n" : 256 }"#)),
        "{consumed:?}"
    );
    let codes = |code: &str| {
        let with = dead_letters
            .iter()
            .filter(|it| it["errors"][0]["code"] == code);
        with.count()
    };
    assert_eq!(codes("out_of_range"), 1);
    assert_eq!(codes("bad_json"), 1);
    assert_eq!(codes("missing_field"), 1);
}

const PATH: &str = "/ingest/Event/1";

fn topic(kafka: &Kafka, prefix: &str) -> String {
    kafka.cluster().create_topic(prefix, PARTITIONS, &[])
}

fn model(topic: &str, rest: &str) -> String {
    format!("name = \"Event\"\nversion = \"1\"\ntopic = \"{topic}\"\n{rest}")
}

fn start(kafka: &Kafka, models: &[String]) -> Ringest {
    let builder = Ringest::builder(kafka.cluster().brokers());
    models
        .iter()
        .fold(builder, |builder, model| builder.model_file(model))
        .start()
}

fn post(http: &mut Http, body: &str) -> Answer {
    http.post(PATH, body.as_bytes()).expect("an answer")
}

fn accepts(answer: &Answer, records: usize) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["accepted"], records);
}

/// Puts lines, each a key, a tabulator and a value, into the topic.
fn produce_with_java(kafka: &Kafka, topic: &str, lines: &str) {
    let arguments = [
        "--bootstrap-server",
        kafka.cluster().brokers(),
        "--topic",
        topic,
        "--property",
        "parse.key=true",
    ];
    kafka.tool_with_input(PRODUCER, &arguments, lines);
}

/// The first `count` records of the topic.
fn consume(kafka: &Kafka, topic: &str, count: usize) -> Vec<Consumed> {
    let count_text = count.to_string();
    let mut arguments = vec![
        "--bootstrap-server",
        kafka.cluster().brokers(),
        "--topic",
        topic,
        "--from-beginning",
        "--timeout-ms",
        "30000",
        "--max-messages",
        &count_text,
    ];
    for property in [
        "print.timestamp=true",
        "print.partition=true",
        "print.headers=true",
        "print.key=true",
    ] {
        arguments.extend(["--property", property]);
    }
    let printed = kafka.tool_with_input(CONSUMER, &arguments, "");
    let consumed: Vec<Consumed> = printed.lines().map(consumed).collect();
    assert_eq!(consumed.len(), count, "{printed}");
    consumed
}

fn consumed(line: &str) -> Consumed {
    let mut columns = line.splitn(5, '\t').map(str::to_owned);
    let mut column = || columns.next().expect("five columns");
    Consumed {
        timestamp: column(),
        partition: column(),
        headers: column(),
        key: column(),
        value: column(),
    }
}
