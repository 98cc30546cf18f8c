//! A hundred thousand numbered records: none lost, none changed, none doubled, none invented.

use std::thread;

use crate::support::{
    cluster::Cluster,
    event::PATH,
    http::request,
    records::{array, assert_all_once, numbered},
    ringest::Ringest,
};

const RECORDS: usize = 100_000;
const PARTITIONS: i32 = 4;

/// 50 keep-alive connections, each with five pipelined requests at a time.
pub(crate) fn single_records(cluster: &Cluster) {
    const CONNECTIONS: usize = 50;
    const PIPELINED: usize = 5;

    let topic = cluster.create_topic("single", PARTITIONS, &[]);
    let ringest = Ringest::builder(cluster.brokers())
        .model("Event", "1.0", &topic)
        .start();
    let client = |connection: usize| {
        let mut http = ringest.connect();
        let numbers: Vec<usize> = (connection..RECORDS).step_by(CONNECTIONS).collect();
        for numbers in numbers.chunks(PIPELINED) {
            let requests = numbers
                .iter()
                .flat_map(|n| request(PATH, "application/json", &numbered(*n)));
            http.send(&requests.collect::<Vec<u8>>())
                .expect("ringest reads");
            for _ in numbers {
                let answer = http.answer().expect("an answer");
                assert_eq!(answer.status, 200, "{answer:?}");
                assert_eq!(answer.json()["accepted"], 1);
            }
        }
    };
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            scope.spawn(move || client(connection));
        }
    });
    assert_all_once(&cluster.read(&topic), RECORDS);
}

/// 1,000 records an array, four connections.
pub(crate) fn arrays(cluster: &Cluster) {
    const CONNECTIONS: usize = 4;
    const RECORDS_PER_ARRAY: usize = 1_000;

    let topic = cluster.create_topic("arrays", PARTITIONS, &[]);
    let ringest = Ringest::builder(cluster.brokers())
        .model("Event", "1.0", &topic)
        .start();
    let client = |connection: usize| {
        let mut http = ringest.connect();
        let firsts = (0..RECORDS).step_by(RECORDS_PER_ARRAY);
        for first in firsts.skip(connection).step_by(CONNECTIONS) {
            let body = array((first..first + RECORDS_PER_ARRAY).map(numbered));
            let answer = http.post(PATH, &body).expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.json()["accepted"], RECORDS_PER_ARRAY);
        }
    };
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            scope.spawn(move || client(connection));
        }
    });
    assert_all_once(&cluster.read(&topic), RECORDS);
}
