//! librdkafka's mock cluster in a process of its own, so that its CPU time is not counted as the
//! gateway's. Prints `bootstrap ADDRESS` once its topics exist, answers each line `records TOPIC` on
//! stdin with the number of records ever written to the topic, and ends when stdin is closed.
//!
//! With `--cluster` it starts no broker but waits for a real one, creates the topics there and counts
//! its records: load tests compare the count with the number of 200 responses.

use std::{
    error::Error,
    io::{self, BufRead, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
    metadata::MetadataPartition,
    mocking::MockCluster,
};

/// Time limit for a real cluster to respond and to create the topics.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Time limit for a request to a broker.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A mock Kafka broker that counts its records.
#[derive(Parser)]
struct Arguments {
    /// Topic to create; may be repeated.
    #[arg(long, required = true)]
    topic: Vec<String>,
    /// Partitions of each topic. The mock broker keeps the last 5 MiB of each.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=64))]
    partitions: i32,
    /// Brokers of the mock cluster.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=16))]
    brokers: i32,
    /// Round trip of each mock broker, in milliseconds: its answers are that late.
    #[arg(long, default_value_t = 0)]
    round_trip_ms: u64,
    /// Use this real cluster (`host:port,…`) instead of a mock; it must create topics automatically.
    #[arg(long)]
    cluster: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mock = arguments
        .cluster
        .is_none()
        .then(|| MockCluster::new(arguments.brokers))
        .transpose()?;
    let bootstrap = match (&mock, &arguments.cluster) {
        (Some(mock), _) => mock.bootstrap_servers(),
        (None, cluster) => cluster.clone().unwrap_or_default(),
    };
    if let Some(mock) = &mock {
        awake(&bootstrap, || {
            for topic in &arguments.topic {
                mock.create_topic(topic, arguments.partitions, 1)?;
            }
            for id in 1..=arguments.brokers {
                mock.broker_round_trip_time(id, Duration::from_millis(arguments.round_trip_ms))?;
            }
            KafkaResult::Ok(())
        })?;
    }
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("allow.auto.create.topics", "true")
        .set("group.id", "loadtest")
        .create()?;
    for topic in &arguments.topic {
        await_topic(&reader, topic)?;
    }
    println!("bootstrap {bootstrap}");
    answer(&reader)
}

/// Runs calls to the mock cluster while connections keep its thread awake: a call that comes while the
/// thread falls asleep waits for a second.
fn awake<T>(bootstrap: &str, calls: impl FnOnce() -> T) -> T {
    let first = bootstrap.split(',').next().unwrap_or_default();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = TcpStream::connect(first);
                thread::sleep(Duration::from_millis(1));
            }
        });
        let result = calls();
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// Waits until the cluster responds and each partition of `topic` has a leader.
fn await_topic(reader: &BaseConsumer, topic: &str) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    loop {
        match partitions(reader, topic).and_then(|found| records(reader, topic, &found)) {
            Ok(_) => return Ok(()),
            Err(error) if started.elapsed() > START_TIMEOUT => {
                return Err(format!("topic {topic}: {error}").into());
            }
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it is all that this thread does")]
fn answer(reader: &BaseConsumer) -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let topic = line
            .strip_prefix("records ")
            .ok_or("expected: records TOPIC")?;
        println!("{}", records(reader, topic, &partitions(reader, topic)?)?);
        io::stdout().flush()?;
    }
    Ok(())
}

/// The ids of `topic`'s partitions.
fn partitions(reader: &BaseConsumer, topic: &str) -> KafkaResult<Vec<i32>> {
    let metadata = reader.fetch_metadata(Some(topic), ASK_TIMEOUT)?;
    let mut ids = Vec::new();
    for found in metadata.topics() {
        if let Some(error) = found.error() {
            return Err(KafkaError::MetadataFetch(error.into()));
        }
        ids.extend(found.partitions().iter().map(MetadataPartition::id));
    }
    Ok(ids)
}

/// The number of records ever written to `topic`: the sum of its partitions' next offsets.
fn records(reader: &BaseConsumer, topic: &str, partitions: &[i32]) -> KafkaResult<i64> {
    partitions
        .iter()
        .map(|&id| {
            reader
                .fetch_watermarks(topic, id, ASK_TIMEOUT)
                .map(|(_, next)| next)
        })
        .sum()
}
