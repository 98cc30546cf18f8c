//! What goes with a record: key, time, headers, the prefix of its schema. Read back by a consumer.

use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Headers as _, OwnedMessage},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};

use super::{Bench, PATIENCE, settings};
use crate::{
    admission::Holder,
    auth,
    model::{Field, Kind, Model, Rules, SchemaPrefix, Type, UnknownFields, schema_prefix},
    produce::{Delivery, Failure, Fault, Headers, Payloads},
    validate::Format,
};

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// With so many partitions as Java's clients were asked about, below.
const PARTITIONS: i32 = 7;

fn cluster(partitions: i32) -> Cluster {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    for topic in ["events", "dead"] {
        cluster.create_topic(topic, partitions, 1).expect("a topic");
    }
    cluster
}

/// A bench whose model takes key and time from these members of a record.
fn bench(cluster: &Cluster, key: Option<&str>, time: Option<&str>) -> Bench {
    let brokers = cluster.bootstrap_servers();
    let mut bench = Bench::open(&settings(&[
        ("bootstrap.servers", &brokers),
        ("partitioner", "murmur2_random"),
        ("message.max.bytes", "20000"),
    ]));
    let field = |name: &str, kind| {
        Field::declared(
            name.to_owned(),
            Type {
                kind,
                text: String::new(),
            },
            true,
        )
    };
    let fields = [field("k", Kind::String), field("t", Kind::DateTime)];
    let path = |name: &str| vec![name.to_owned()];
    let mut rules = Rules::compile(&fields, UnknownFields::Forward);
    rules.partition_key = key.map(path);
    rules.timestamp_field = time.map(path);
    let model = &bench.routes.routes()[0].model;
    let model = Model {
        rules,
        dead_letter_topic: Some("dead".to_owned()),
        ..Model::clone(model)
    };
    bench.serve(model.into());
    bench
}

impl Bench {
    fn enqueue_with(
        &mut self,
        body: &str,
        headers: &Headers,
        prefix: Option<SchemaPrefix>,
    ) -> Result<Delivery, Failure> {
        let mut buffer = self.pool.take(body.len());
        buffer.append(body.as_bytes());
        let permit = self
            .admission
            .admit(Holder::UNKNOWN, buffer.capacity())
            .expect("room");
        let route = &self.routes.routes()[0];
        let records = self
            .validator
            .validate(body.as_bytes(), Format::Json, &route.model.rules);
        let records = records.expect("valid");
        let payloads = match prefix {
            None => Payloads::as_received(buffer.freeze(0..body.len()), permit),
            Some(prefix) => {
                let bytes = body.as_bytes();
                Payloads::prefixed_copies(prefix, bytes, &records, &self.pool, &permit)
                    .expect("room")
            }
        };
        let route = auth::anonymous()
            .authorize(route)
            .expect("all routes are allowed");
        self.producer
            .enqueue(route, &records, payloads, headers.clone())
    }

    fn send_with(&mut self, body: &str, headers: &Headers, prefix: Option<SchemaPrefix>) {
        let delivery = self.enqueue_with(body, headers, prefix).expect("enqueued");
        self.finish(delivery).expect("delivered");
        assert_eq!(self.admission.in_flight_bytes(), 0);
    }
}

/// So many records of a topic, in no order that counts.
fn read(cluster: &Cluster, topic: &str, partitions: i32, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "carried")
        .create()
        .expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&assignment).expect("partitions");
    let record = |_| {
        let message = consumer.poll(PATIENCE).expect("a record");
        message.expect("no error").detach()
    };
    let records = (0..count).map(record).collect();
    assert!(
        consumer.poll(Duration::from_millis(300)).is_none(),
        "more records than were sent"
    );
    records
}

#[test]
fn equal_keys_keep_their_order_in_slices() {
    const RECORDS: usize = 12_000;
    let cluster = cluster(PARTITIONS);
    let mut bench = bench(&cluster, Some("k"), None);
    bench.await_partitions();
    let record = |number| format!("{{\"k\":\"{}\",\"n\":{number}}}", number % 10);
    let records: Vec<_> = (0..RECORDS).map(record).collect();
    let body = format!("[{}]", records.join(","));
    let rules = bench.routes.routes()[0].model.rules.clone();
    let delivery = bench.enqueue_in_slices(body.as_bytes(), &rules, |producer| {
        producer.resume(Instant::now());
    });
    bench.finish(delivery.expect("room")).expect("delivered");
    let mut last = HashMap::new();
    for message in read(&cluster, "events", PARTITIONS, RECORDS) {
        let payload = message.payload().expect("a value");
        let value: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
        let number = value["n"].as_u64().expect("a number");
        let key = message.key().expect("a key").to_vec();
        assert_eq!(Some(&*key), value["k"].as_str().map(str::as_bytes));
        let before = last.insert(key, number);
        assert!(before.is_none_or(|it| it < number), "{before:?}, {number}");
    }
    assert_eq!(last.len(), 10);
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.expect("past 1970").as_millis()).expect("it fits")
}

/// Where Kafka's own Java client puts these keys: `toPositive(murmur2(key)) % 7`, the hash as its
/// `UtilsTest` has it for the first two, the others by the same function.
#[test]
fn keys_choose_the_partitions_that_they_do_in_java() {
    let cluster = cluster(PARTITIONS);
    let mut bench = bench(&cluster, Some("k"), None);
    let keys = ["21", "foobar", "", "a-little-bit-long-string", "caf\u{e9}"];
    let single = keys.map(|key| format!("{{\"k\":{key:?}}}"));
    for body in &single {
        bench.send_with(body, &Headers::default(), None);
    }
    bench.send_with(
        &format!("[{},{{}}]", single.join(",")),
        &Headers::default(),
        None,
    );
    let mut headers = Headers::default();
    headers.push("h", b"1");
    bench.send_with(&format!("[{}]", single.join(",")), &headers, None);

    let messages = read(&cluster, "events", PARTITIONS, 3 * keys.len() + 1);
    for key in keys {
        let of_key = |it: &&OwnedMessage| it.key() == Some(key.as_bytes());
        let of_key: Vec<_> = messages.iter().filter(of_key).collect();
        assert_eq!(of_key.len(), 3, "{key:?}");
        let expected = murmur2(key.as_bytes()) & 0x7fff_ffff;
        let expected = i32::try_from(expected).expect("31 bits") % PARTITIONS;
        for message in of_key {
            assert_eq!(message.partition(), expected, "{key:?}");
            let value = format!("{{\"k\":{key:?}}}");
            assert_eq!(message.payload(), Some(value.as_bytes()));
        }
    }
    let keyless = messages.iter().filter(|it| it.key().is_none());
    assert_eq!(keyless.count(), 1);
    // As `UtilsTest.testMurmur2` has them.
    assert_eq!(murmur2(b"21").cast_signed(), -973_932_308);
    assert_eq!(murmur2(b"foobar").cast_signed(), -790_332_482);
    let long = murmur2(b"a-little-bit-long-string").cast_signed();
    assert_eq!(long, -985_981_536);
}

/// `org.apache.kafka.common.utils.Utils.murmur2`, from its definition.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let len = u32::try_from(data.len()).expect("short");
    let mut hash = 0x9747_b28c ^ len;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let word = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        let word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let shifted = rest.iter().rev();
        hash ^= shifted.fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// A record without a key does not keep the keyed records behind it on its partition.
#[test]
fn many_keys_of_one_array_spread_over_the_partitions() {
    let cluster = cluster(PARTITIONS);
    let mut bench = bench(&cluster, Some("k"), None);
    bench.send_with("{}", &Headers::default(), None);
    let keys: Vec<_> = (0..50).map(|key| format!("{{\"k\":\"{key}\"}}")).collect();
    let body = format!("[{}]", keys.join(","));
    bench.send_with(&body, &Headers::default(), None);
    let messages = read(&cluster, "events", PARTITIONS, 51);
    let partitions: std::collections::BTreeSet<_> =
        messages.iter().map(Message::partition).collect();
    assert_eq!(partitions.len(), 7, "{partitions:?}");
}

#[test]
fn times_are_the_records_own_if_brokers_take_them() {
    let cluster = cluster(1);
    let mut bench = bench(&cluster, None, Some("t"));
    let before = now_ms();
    for body in [
        r#"{"t":"2001-09-09T01:46:40.123Z"}"#,
        r#"[{"t":"1970-01-01T00:00:00.001Z"},{"t":"1970-01-01T00:00:00Z"},{}]"#,
        r#"{"t":"9999-12-31T23:59:59Z"}"#,
    ] {
        bench.send_with(body, &Headers::default(), None);
    }
    let after = now_ms();
    let times: Vec<i64> = read(&cluster, "events", 1, 5)
        .iter()
        .map(|message| message.timestamp().to_millis().expect("a time"))
        .collect();
    assert_eq!(times[..2], [1_000_000_000_123, 1]);
    for time in &times[2..] {
        assert!((before..=after).contains(time), "now, not {time}");
    }
}

#[test]
fn each_record_carries_all_headers_in_their_order() {
    let cluster = cluster(1);
    let mut bench = bench(&cluster, None, None);
    let mut headers = Headers::default();
    headers.push("trace", b"00-\xff\0-01");
    headers.push("empty", b"");
    headers.push("trace", b"again");
    bench.send_with(r#"[{"n":1},{"n":2}]"#, &headers, None);
    bench.send_with(r#"{"n":3}"#, &headers, None);
    bench.send_with(r#"{"n":4}"#, &Headers::default(), None);
    for (message, n) in read(&cluster, "events", 1, 4).iter().zip(1..) {
        assert_eq!(message.payload(), Some(format!("{{\"n\":{n}}}").as_bytes()));
        let Some(read) = message.headers() else {
            assert_eq!(n, 4, "these have some");
            continue;
        };
        let read: Vec<_> = read.iter().map(|it| (it.key, it.value)).collect();
        let expected: [(_, Option<&[u8]>); 3] = [
            ("trace", Some(b"00-\xff\0-01")),
            ("empty", Some(b"")),
            ("trace", Some(b"again")),
        ];
        assert_eq!(read, expected);
    }
}

#[test]
fn prefixed_records_go_with_their_keys_times_and_headers() {
    let cluster = cluster(1);
    let mut bench = bench(&cluster, Some("k"), Some("t"));
    let prefix = schema_prefix(0x0a0b_0c0d);
    let records = [
        r#"{"k":"one","t":"2001-09-09T01:46:40Z"}"#,
        r#"{"k":"two","t":"2002-09-09T01:46:40Z"}"#,
    ];
    let body = format!(" [ {} , {} ] ", records[0], records[1]);
    let mut headers = Headers::default();
    headers.push("h", b"v");
    bench.send_with(&body, &headers, Some(prefix));
    bench.send_with(records[0], &Headers::default(), Some(prefix));
    let messages = read(&cluster, "events", 1, 3);
    for (message, at) in messages.iter().zip([0, 1, 0]) {
        let expected = [b"\0\x0a\x0b\x0c\x0d", records[at].as_bytes()].concat();
        assert_eq!(message.payload(), Some(&expected[..]));
        let key: &[u8] = [b"one", b"two"][at];
        assert_eq!(message.key(), Some(key));
        let seconds = [1_000_000_000, 1_031_536_000][at];
        assert_eq!(message.timestamp().to_millis(), Some(seconds * 1_000));
    }
}

/// The size of all that goes with a record is checked before the first of its request is produced.
#[test]
fn a_record_too_large_with_its_key_and_headers_leaves_the_others_out() {
    let cluster = cluster(1);
    let mut bench = bench(&cluster, Some("k"), None);
    let key = |len: usize| format!("[{{}},{{\"k\":\"{}\"}}]", "x".repeat(len));
    // Twice the key, once within its record of 8 bytes more, and 36 of framing.
    let most = (20_000 - 36 - 8) / 2;
    bench.send_with(&key(most), &Headers::default(), None);
    let too_large = Failure::before_enqueue(Fault::RecordTooLarge);
    let refused = bench.enqueue_with(&key(most + 1), &Headers::default(), None);
    assert_eq!(refused.err(), Some(too_large.clone()));
    let mut headers = Headers::default();
    headers.push("h", b"");
    let refused = bench.enqueue_with(&key(most), &headers, None);
    assert_eq!(refused.err(), Some(too_large));
    assert_eq!(bench.admission.in_flight_bytes(), 0);
    assert_eq!(read(&cluster, "events", 1, 2).len(), 2);
}

/// librdkafka has its own copies of keys and headers: what they were made of may be gone.
#[test]
fn keys_and_headers_need_not_outlive_the_call() {
    let cluster = cluster(1);
    let brokers = cluster.bootstrap_servers();
    let mut bench = bench(&cluster, Some("k"), None);
    let late = bench_that_lingers(&brokers, bench.routes.routes()[0].model.clone());
    bench = late;
    let mut headers = Headers::default();
    headers.push("h", b"before");
    let first = bench
        .enqueue_with(r#"[{"k":"first"}]"#, &headers, None)
        .expect("room");
    drop(headers);
    // The scratch that its key was in is another's now.
    let second = bench
        .enqueue_with(r#"[{"k":"other"},{"k":"more"}]"#, &Headers::default(), None)
        .expect("room");
    bench.finish(first).expect("delivered");
    bench.finish(second).expect("delivered");
    let messages = read(&cluster, "events", 1, 3);
    let keys: Vec<_> = messages.iter().filter_map(Message::key).collect();
    assert_eq!(keys, [&b"first"[..], b"other", b"more"]);
    let header = messages[0].headers().expect("one").get(0);
    assert_eq!(header.value, Some(&b"before"[..]));
}

/// One whose records are looked at long after they were enqueued.
fn bench_that_lingers(brokers: &str, model: std::sync::Arc<Model>) -> Bench {
    let mut bench = Bench::open(&settings(&[
        ("bootstrap.servers", brokers),
        ("linger.ms", "500"),
    ]));
    bench.serve(model);
    bench
}

#[test]
fn dead_letters_go_to_their_own_topic() {
    let cluster = cluster(1);
    let bench = bench(&cluster, Some("k"), Some("t"));
    let mut memory = bench.pool.take(1);
    memory.append(b"onetwo");
    let permit = bench
        .admission
        .admit(Holder::UNKNOWN, memory.capacity())
        .expect("room");
    let route = auth::anonymous()
        .authorize(&bench.routes.routes()[0])
        .expect("all routes are allowed");
    let dead_letters = [0..3, 3..6];
    let enqueued =
        bench
            .producer
            .enqueue_dead_letters(route, &dead_letters, memory.freeze(0..6), permit);
    let delivered = bench.finish(enqueued.expect("room"));
    assert_eq!(delivered.map(|it| it.records()), Ok(2));
    assert_eq!(bench.admission.in_flight_bytes(), 0);
    let messages = read(&cluster, "dead", 1, 2);
    let values: Vec<_> = messages.iter().filter_map(Message::payload).collect();
    assert_eq!(values, [b"one", b"two"]);
    assert!(messages.iter().all(|it| it.key().is_none()));
    assert_eq!(read(&cluster, "events", 1, 0).len(), 0);
}
