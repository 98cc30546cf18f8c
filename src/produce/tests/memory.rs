//! The memory that librdkafka reads is what it was until the delivery report, although it is not
//! awaited any more and the pool is in use.

use std::{
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
};

use super::{Bench, PATIENCE, settings};
use crate::{
    admission::Holder,
    auth,
    buffer::Pool,
    produce::{
        Failure, Fault, Headers, Payloads, Persisted, ProducerSettings, batcher::BatchKey,
        in_flight::RequestKey, kafka::Handle, message::Scratch, record::Record,
    },
    validate::Format,
};

/// Longer than `message.copy.max.bytes`: no copy is made on librdkafka's side either.
const RECORD_BYTES: usize = 100_000;
/// Each goes to a partition of its own, and no more than may be out at one broker.
const RECORDS: usize = 5;
const PARTITIONS: i32 = 5;

/// A record that is its number all over.
fn numbered(number: usize) -> String {
    let fill = format!("{number:08}").repeat(RECORD_BYTES / 8);
    format!("{{\"fill\":\"{fill}\"}}")
}

#[test]
fn what_is_read_late_is_what_was_enqueued() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    cluster
        .create_topic("events", PARTITIONS, 1)
        .expect("a topic");
    let brokers = cluster.bootstrap_servers();
    // Each request's time is over long before librdkafka can send its records.
    let report_timeout = Duration::from_millis(5);
    let mut bench = Bench::open(&ProducerSettings {
        report_timeout,
        ..settings(&[("bootstrap.servers", &brokers)])
    });
    bench.await_partitions();
    cluster.broker_down(1).expect("there is one");
    for number in 0..RECORDS {
        let delivery = bench.enqueue(numbered(number).as_bytes()).expect("room");
        let unknown = Failure {
            fault: Fault::TimedOut,
            persisted: Persisted::Unknown,
        };
        assert_eq!(bench.finish(delivery), Err(unknown));
        // What would be written to, were the record's memory in the pool.
        let mut other = bench.pool.take(RECORD_BYTES);
        other.append(&vec![b'!'; other.room()]);
    }
    cluster.broker_up(1).expect("there is one");
    bench.turn_until(|bench| bench.producer.queued_records() == 0);
    assert_eq!(bench.admission.in_flight_bytes(), 0);

    let mut read = read(&brokers, RECORDS);
    read.sort_unstable();
    let sent: Vec<String> = (0..RECORDS).map(numbered).collect();
    for (number, (read, sent)) in read.iter().zip(&sent).enumerate() {
        assert!(read == sent.as_bytes(), "record {number} was changed");
    }
}

fn read(brokers: &str, records: usize) -> Vec<Vec<u8>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "memory")
        .create()
        .expect("a consumer");
    let mut partition = TopicPartitionList::new();
    for index in 0..PARTITIONS {
        partition
            .add_partition_offset("events", index, Offset::Beginning)
            .expect("an offset");
    }
    consumer.assign(&partition).expect("partitions");
    let record = || {
        consumer
            .poll(PATIENCE)
            .expect("a record")
            .expect("no error")
    };
    let value = |_| record().payload().unwrap_or_default().to_vec();
    (0..records).map(value).collect()
}

#[test]
fn records_beyond_their_body_are_not_enqueued() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    let mut buffer = bench.pool.take(2);
    buffer.append(b"{}");
    let short = buffer.freeze(0..2);
    let permit = bench
        .admission
        .admit(Holder::UNKNOWN, buffer.capacity())
        .expect("room");
    let route = auth::anonymous()
        .authorize(&bench.routes.routes()[0])
        .expect("all routes are allowed");
    let long = bench
        .validator
        .validate(b"[{}, {}]", Format::Json, &crate::model::Rules::any());
    let long = long.expect("valid");
    let enqueued = catch_unwind(AssertUnwindSafe(|| {
        let payloads = Payloads::as_received(short, permit);
        bench
            .producer
            .enqueue(route, &long, payloads, Headers::default())
    }));
    assert!(enqueued.is_err(), "it must not get that far");
    assert_eq!(bench.producer.queued_records(), 0);
    assert_eq!(bench.admission.in_flight_bytes(), 0);
    // And what came before leaves nothing behind.
    bench.producer.tick(Instant::now());
    assert_eq!(bench.send(b"[{},{}]").map(|it| it.records()), Ok(2));
}

/// A planted fault: the memory of a record is given back before its report. Other tests compare what is read
/// from the brokers with what was sent, and so would see it; in an `unpooled` build `AddressSanitizer` and
/// Valgrind see it, and end the process (`fuzz/sanitize`).
#[test]
#[cfg(any(debug_assertions, unpooled))]
#[cfg_attr(unpooled, ignore = "it ends the process: see fuzz/sanitize")]
#[expect(unsafe_code, reason = "a promise to librdkafka is broken")]
fn a_record_whose_memory_is_given_back_too_early_is_seen() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    cluster
        .create_topic("events", PARTITIONS, 1)
        .expect("a topic");
    let brokers = cluster.bootstrap_servers();
    let (wake, _wake_reader) = UnixStream::pair().expect("a socket pair");
    let access = settings(&[("bootstrap.servers", &brokers)]).access;
    let mut handle = Handle::open(&access, false, wake).expect("a handle");
    let topic = handle.topic(0, "events").expect("a topic");
    let pool = Rc::new(Pool::default());
    let sent = numbered(0);
    let mut buffer = pool.take(sent.len());
    buffer.append(sent.as_bytes());
    let frozen = buffer.freeze(0..sent.len());
    let mut record = Record::for_test(RequestKey::for_test(0), 0, 0);
    (record.bytes, record.len) = (frozen.as_ptr(), u32::try_from(sent.len()).expect("short"));
    let (batch, _) = BatchKey::from_opaque(ptr::null_mut());

    cluster.broker_down(1).expect("there is one");
    let refused = |_, code| panic!("{code}");
    let mut scratch = Scratch::default();
    // SAFETY: none; the bytes do not stay. They do stay readable, as the pool keeps them.
    unsafe { handle.produce(topic, Some(0), batch, (0, &[record]), &mut scratch, refused) };
    drop((frozen, buffer));
    cluster.broker_up(1).expect("there is one");
    let read = read(&brokers, 1).remove(0);
    assert_eq!(read.len(), sent.len());
    assert!(read.iter().all(|byte| *byte == read[0]), "not the pattern");
}
