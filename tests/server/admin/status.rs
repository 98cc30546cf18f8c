//! `/status`: the state of the process as one document.

use std::{collections::BTreeSet, time::Duration};

use ringest::{
    metrics::{Class, Driver},
    readiness::WorkerState,
};
use serde_json::json;

use super::rig::Rig;
use crate::cli::{ringest, stdout};

/// Documented in `docs/operation.md`.
const MEMBERS: [&str; 18] = [
    "brokers",
    "bucket_bounds_ms",
    "configuration",
    "connections",
    "degraded",
    "detail",
    "in_flight",
    "latency",
    "process",
    "ready",
    "reason",
    "refused",
    "route_bucket_bounds_ms",
    "routes",
    "time_ms",
    "totals",
    "version",
    "workers",
];

#[test]
fn it_has_what_a_page_shows() {
    let rig = Rig::start();
    let row = rig.row(0, 0);
    let [first, second] = rig.workers.as_slice() else {
        panic!("two workers");
    };
    for (code, class) in [
        (0, Class::Accepted),
        (1, Class::Rejected),
        (2, Class::Failed),
    ] {
        first.request(Some(&row), code);
        first.answered(Some(&row), class, Duration::from_millis(7));
    }
    second.request(None, 1);
    row.records_received.add(4);
    row.records_delivered.add(3);
    row.records_rejected.add(2);
    first.body_bytes_received.add(100);
    first.in_flight_bytes.add(4_096);
    first.in_flight_requests.add(1);
    second.connections_open.add(5);
    second.set_driver(Driver::Epoll);
    second.set_thread(nix::unistd::gettid().as_raw());
    let broker = second.brokers.of(3);
    broker.round_trip.observe(Duration::from_millis(2));
    rig.set_all(WorkerState::NoBroker);
    let answer = rig.ask("GET", "/status");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let status = answer.json();
    let members = status.as_object().expect("an object").keys();
    let members: BTreeSet<&str> = members.map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(MEMBERS));
    let at = |pointer: &str| {
        status
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer}: {status}"))
    };
    for (pointer, value) in [
        ("/ready", json!(false)),
        ("/reason", json!("no_broker")),
        ("/degraded", json!(null)),
        ("/configuration/generation", json!(0)),
        ("/configuration/last_reload_successful", json!(true)),
        ("/totals/accepted", json!(1)),
        ("/totals/rejected", json!(2)),
        ("/totals/failed", json!(1)),
        ("/totals/records", json!(4)),
        ("/totals/records_delivered", json!(3)),
        ("/totals/records_rejected", json!(2)),
        ("/totals/body_bytes", json!(100)),
        (
            "/refused",
            json!([
                {"code": "invalid_json", "status": 400, "count": 2},
                {"code": "overloaded", "status": 503, "count": 1},
            ]),
        ),
        ("/in_flight/requests", json!(1)),
        ("/in_flight/bytes", json!(4_096)),
        ("/in_flight/bytes_max", json!(268_435_456)),
        ("/connections", json!({"open": 5, "max": 10_000})),
        ("/latency/accepted/count", json!(1)),
        ("/latency/accepted/sum_ms", json!(7.0)),
        ("/latency/accepted/p50_ms", json!(10.0)),
        ("/latency/failed/count", json!(1)),
        ("/bucket_bounds_ms/0", json!(0.5)),
        ("/route_bucket_bounds_ms/0", json!(5.0)),
        ("/workers/0/driver", json!(null)),
        ("/workers/0/cpu_seconds", json!(null)),
        ("/workers/1/worker", json!(1)),
        ("/workers/1/state", json!("no_broker")),
        ("/workers/1/driver", json!("epoll")),
        ("/workers/1/lag/count", json!(0)),
        ("/workers/1/lag/p99_ms", json!(null)),
        ("/brokers/0/broker", json!(3)),
        ("/brokers/0/up", json!(true)),
        ("/brokers/0/round_trip/p99_ms", json!(2.0)),
        ("/routes/0/path", json!("/ingest/UserEvent/1.0")),
        ("/routes/0/topic", json!("topic")),
        ("/routes/0/records", json!(4)),
        ("/routes/0/latency/count", json!(1)),
        ("/routes/0/latency/p99_ms", json!(10.0)),
        ("/routes/0/latency/buckets", json!([0, 1, 0, 0, 0, 0, 0, 0])),
        ("/routes/1/path", json!("/ingest/odd\"\\name/2")),
    ] {
        assert_eq!(*at(pointer), value, "{pointer}: {status}");
    }
    assert_top_reads_it(&rig);
    assert!(at("/workers/1/cpu_seconds").as_f64() > Some(0.0));
    assert!(at("/process/resident_bytes").as_u64() > Some(100_000));
    assert!(at("/time_ms").as_u64() >= at("/brokers/0/since_ms").as_u64());
}

/// Of `ringest top`, which has types for this document.
fn assert_top_reads_it(rig: &Rig) {
    let handle = rig.handle.as_ref().expect("it runs");
    let address = handle.local_address.to_string();
    let top = ringest(&["top", "--once", "--interval-ms", "100", &address]);
    let text = stdout(&top);
    let lines = text
        .lines()
        .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines: BTreeSet<String> = lines.collect();
    for line in [
        "not ready: at least one worker has no connection to a Kafka broker; \
         `ringest --check --connect` reports why",
        "Requests/s 0",
        "Time p99 -",
        "In flight 4.0 KiB of 256 MiB, 0 %",
        "Connections 5 of 10,000, 0 %",
        "/ingest/UserEvent/1.0 topic 0 0 0 4 2 - -",
        "/ingest/odd\"\\name/2 topic 0 0 0 0 0 - -",
        "invalid_json 400 0 2",
        "overloaded 503 0 1",
        "0 no_broker 0 4.0 KiB - - -",
        "3 answers in time 0 - -",
    ] {
        assert!(lines.contains(line), "{line}: {text}");
    }
    let has_cpu = |it: &String| it.starts_with("1 no_broker 5 0 B ") && it.ends_with(" % - -");
    assert!(lines.iter().any(has_cpu), "{text}");
    assert!(text.contains(", up "), "{text}");
}
