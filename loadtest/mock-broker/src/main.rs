//! librdkafka's mock cluster in a process of its own, so that its work is not counted as the
//! gateway's. Prints `bootstrap ADDRESS` when its topics are there, answers each line
//! `records TOPIC` on stdin with how many records the topic ever took, and ends with its stdin.
//!
//! With `--cluster` it starts no broker but waits for a real one, has it create the topics and
//! answers the same question: a load test's proof that what was answered 200 arrived.

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

/// How long a real cluster may take to answer and to create the topics.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// How long one question to a broker may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// A mock Kafka broker that counts what it took.
#[derive(Parser)]
struct Arguments {
    /// A topic to create; may be given several times.
    #[arg(long, required = true)]
    topic: Vec<String>,
    /// Partitions of each topic. The mock broker keeps the last 5 MiB of each.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=64))]
    partitions: i32,
    /// Use this real cluster (`host:port,…`), which must create topics by itself, instead of a mock.
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

/// Waits until the cluster answers and each partition of `topic` has a leader.
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

/// How many records `topic` ever took: the sum of its partitions' next offsets.
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
