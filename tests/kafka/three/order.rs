//! Equal keys from one connection are in the topic in the order in which they were sent, whoever leads
//! their partition meanwhile.

use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::support::{
    http::{Http, request},
    kafka::Kafka,
    ringest::Ringest,
    wait::await_that,
};

const PATH: &str = "/ingest/Ordered/1.0";
const PARTITIONS: usize = 3;
const BROKERS: [i32; 3] = [1, 2, 3];
const CONNECTIONS: usize = 8;
const KEYS_PER_CONNECTION: usize = 3;
const PIPELINED: usize = 4;
const RECORDS_PER_ARRAY: usize = 10;

/// How often every partition gets another leader.
const MOVES: usize = 3;

pub(super) fn holds_while_leaders_move(kafka: &Kafka) {
    let partitions = i32::try_from(PARTITIONS).expect("few");
    let topic = kafka.cluster().create_topic("ordered", partitions, &[]);
    let ringest = Ringest::builder(kafka.cluster().brokers())
        .model_file(&format!(
            "name = \"Ordered\"\nversion = \"1.0\"\ntopic = \"{topic}\"\npartition_key = \"key\"\n"
        ))
        .start();
    let done = AtomicBool::new(false);
    let sent: BTreeMap<String, usize> = thread::scope(|scope| {
        let (done, ringest) = (&done, &ringest);
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|client| scope.spawn(move || send(client, ringest.connect(), done)))
            .collect();
        for round in 0..MOVES {
            move_leaders(kafka, &topic, round);
        }
        done.store(true, Ordering::Relaxed);
        let sent = clients
            .into_iter()
            .map(|client| client.join().expect("a client failed"));
        sent.flatten().collect()
    });
    let mut read: BTreeMap<String, usize> = BTreeMap::new();
    for records in kafka.cluster().read_partitions(&topic) {
        for record in records {
            let record: Value = serde_json::from_slice(&record).expect("as it was sent");
            let key = record["key"].as_str().expect("a key").to_owned();
            let next = read.entry(key).or_default();
            assert_eq!(record["n"], json!(*next), "{record} is out of order");
            *next += 1;
        }
    }
    assert_eq!(read, sent);
}

/// Posts arrays, several at a time, until it is done. How many records of each key there were.
fn send(client: usize, mut http: Http, done: &AtomicBool) -> BTreeMap<String, usize> {
    let keys = (0..KEYS_PER_CONNECTION).map(|key| (format!("c{client}-k{key}"), 0));
    let mut sent: BTreeMap<String, usize> = keys.collect();
    while !done.load(Ordering::Relaxed) {
        let mut requests = Vec::new();
        for _ in 0..PIPELINED {
            let mut records = Vec::new();
            for place in 0..RECORDS_PER_ARRAY {
                let key = format!("c{client}-k{}", place % KEYS_PER_CONNECTION);
                let count = sent.get_mut(&key).expect("one of its keys");
                records.push(json!({ "key": key, "n": *count }));
                *count += 1;
            }
            let body = Value::from(records).to_string();
            requests.extend(request(PATH, "application/json", body.as_bytes()));
        }
        http.send(&requests).expect("ringest reads");
        for _ in 0..PIPELINED {
            let answer = http.answer().expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    sent
}

/// Moves every partition to another broker.
fn move_leaders(kafka: &Kafka, topic: &str, round: usize) {
    let leader = |partition: usize| BROKERS[(partition + round + 1) % BROKERS.len()];
    let partitions = (0..PARTITIONS).map(|partition| {
        json!({ "topic": topic, "partition": partition, "replicas": [leader(partition)] })
    });
    let plan = json!({ "version": 1, "partitions": partitions.collect::<Vec<_>>() });
    let file = kafka.path("plan.json");
    fs::write(&file, plan.to_string()).expect("the directory is ours");
    kafka.tool(
        "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
        &[
            "--bootstrap-server",
            kafka.cluster().brokers(),
            "--reassignment-json-file",
            &file,
            "--execute",
        ],
    );
    let expected: Vec<_> = (0..PARTITIONS).map(leader).collect();
    await_that("the leaders have not moved", || {
        kafka.cluster().leaders(topic) == expected
    });
}
