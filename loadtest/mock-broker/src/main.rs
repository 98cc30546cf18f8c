//! librdkafka's mock cluster in a process of its own, so that its CPU time is not counted as the
//! gateway's. Prints `bootstrap ADDRESS` once its topics exist, answers each line `records TOPIC` on
//! stdin with the number of records ever written to the topic, and ends when stdin is closed.
//!
//! With `--cluster` it starts no broker but waits for a real one, creates the topics there and counts
//! its records: load tests compare the count with the number of 200 responses.

use std::{
    error::Error,
    io::{self, BufRead, Write},
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
    /// Use this real cluster (`host:port,…`) instead of a mock; it must create topics automatically.
    #[arg(long)]
    cluster: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mock = arguments
        .cluster
        .is_none()
        .then(|| MockCluster::new(1))
        .transpose()?;
    let bootstrap = match (&mock, &arguments.cluster) {
        (Some(mock), _) => mock.bootstrap_servers(),
        (None, cluster) => cluster.clone().unwrap_or_default(),
    };
    if let Some(mock) = &mock {
        for topic in &arguments.topic {
            mock.create_topic(topic, arguments.partitions, 1)?;
        }
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

/// Waits until the cluster responds and each partition of `topic` has a leader.
fn await_topic(reader: &BaseConsumer, topic: &str) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    loop {
        match partitions(reader, topic).and_then(|found| records(reader, topic, &found)) {
            Ok(_) => return Ok(()),
            Err(error) if started.elapsed() > START_TIMEOUT => {
                return Err(format!("topic {topic}: {error}").into());
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

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
