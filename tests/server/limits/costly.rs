//! A body that takes long to validate keeps nobody waiting.

use std::time::Duration;

use crate::support::{
    http::{Http, request},
    mock::Mock,
    ringest::{Ringest, drivers},
};

use super::{TOPIC, assert_accepted, assert_problem};

/// Small requests that are answered at least while a large one is validated.
const ANSWERED: usize = 5;

/// Several clients send bodies of a few MiB, every record of which is looked at, and none is valid.
#[test]
fn small_requests_are_answered_while_large_bodies_are_validated() {
    for driver in &drivers() {
        small_requests_are_answered(driver);
    }
}

fn small_requests_are_answered(driver: &str) {
    let mock = Mock::with_topics(&[TOPIC]);
    let large = format!(
        "name = \"Large\"\nversion = \"1\"\ntopic = \"{TOPIC}\"\non_invalid = \"accept_valid\"\n\
         [fields]\nn = \"Array(UInt8)\"\nm = \"String\"\n"
    );
    let ringest = Ringest::builder(&mock.brokers())
        .set("workers", "1")
        .set("listen.driver", driver)
        .model("Event", "1.0", TOPIC)
        .model_file(&large)
        .start();
    let record = format!("{{\"n\":[{}256]}}", "1,".repeat(500));
    let bodies = [
        // Parsed, and one error found in each record.
        (
            format!("[{}]", vec![&*record; 3_000].join(",")),
            "invalid_record",
        ),
        // No JSON: an error is searched for to the end.
        (format!("[[{}", "1,".repeat(1_200_000)), "invalid_json"),
    ];
    for (body, code) in bodies {
        let mut clients: Vec<Http> = (0..3).map(|_| ringest.connect()).collect();
        for client in &mut clients {
            let request = request("/ingest/Large/1", "application/json", body.as_bytes());
            client.send(&request).expect("ringest reads");
        }
        let mut small = ringest.connect();
        let mut answered = 0;
        while clients[2].is_silent_for(Duration::from_millis(1)) {
            small
                .send(&super::post(br#"{"n":1}"#))
                .expect("ringest reads");
            assert_accepted(&small.answer().expect("an answer"), 1);
            answered += 1;
        }
        assert!(
            answered >= ANSWERED,
            "{driver}, {code}: {answered} answers meanwhile"
        );
        for client in &mut clients {
            assert_problem(&client.answer().expect("an answer"), 400, code);
        }
    }
}

/// Several clients send as many records as fit into the queue, for the topic of the small requests.
#[test]
fn small_requests_are_answered_while_many_records_are_enqueued() {
    for driver in &drivers() {
        small_requests_are_answered_beside_many_records(driver);
    }
}

fn small_requests_are_answered_beside_many_records(driver: &str) {
    const RECORDS: usize = 40_000;
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = Ringest::builder(&mock.brokers())
        .set("workers", "1")
        .set("listen.driver", driver)
        .model("Event", "1.0", TOPIC)
        .start();
    let mut small = ringest.connect();
    let mut accepts = || {
        small
            .send(&super::post(br#"{"n":1}"#))
            .expect("ringest reads");
        assert_accepted(&small.answer().expect("an answer"), 1);
    };
    accepts();
    let body = format!("[{}]", vec!["{   }"; RECORDS].join(","));
    let mut clients: Vec<Http> = (0..3).map(|_| ringest.connect()).collect();
    for client in &mut clients {
        client
            .send(&super::post(body.as_bytes()))
            .expect("ringest reads");
    }
    let mut answered = 0;
    while clients[2].is_silent_for(Duration::from_millis(1)) {
        accepts();
        answered += 1;
    }
    assert!(
        answered >= ANSWERED,
        "{driver}: {answered} answers meanwhile"
    );
    for client in &mut clients {
        assert_accepted(&client.answer().expect("an answer"), RECORDS);
    }
}
