//! Metrics of what is around the requests: brokers, threads, the process, the configuration; and whether the manual
//! has them all.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ringest::{
    metrics::{Class, KafkaError},
    readiness::{NotReady, WorkerState},
};

use super::{openmetrics::families, rig::Rig};

fn unix_now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock").as_secs_f64()
}

#[test]
fn the_process_is_shown_as_prometheus_names_it() {
    let rig = Rig::start();
    let series = rig.scrape();
    let value = |name: &str| {
        *series
            .get(name)
            .unwrap_or_else(|| panic!("{name} in {series:#?}"))
    };
    assert!(value("process_cpu_seconds_total") > 0.0);
    assert!(value("process_resident_memory_bytes") > 1e5);
    assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
    assert!((1.0..=value("process_max_fds")).contains(&value("process_open_fds")));
    assert!(value("process_threads") >= 2.0);
    assert!((0.0..86_400.0).contains(&(unix_now() - value("process_start_time_seconds"))));
}

#[test]
fn a_worker_has_the_times_of_its_thread() {
    let rig = Rig::start();
    let thread = nix::unistd::gettid().as_raw();
    rig.workers[1].set_thread(thread);
    let series = rig.scrape();
    for name in ["worker_cpu_seconds_total", "worker_cpu_wait_seconds_total"] {
        let of = |worker: u8| series.get(&format!(r#"ringest_{name}{{worker="{worker}"}}"#));
        assert!(of(1).is_some(), "{name} in {series:#?}");
        assert!(of(0).is_none(), "{name}: its thread is not known");
    }
}

#[test]
fn brokers_are_shown_as_the_workers_find_them() {
    let rig = Rig::start();
    for worker in &rig.workers {
        let broker = worker.brokers.of(3);
        broker.round_trip.observe(Duration::from_millis(4));
        broker.batches_failed.add(2);
        broker.batches_out.add(1);
        worker.kafka_errors[KafkaError::Tls as usize].add(1);
    }
    rig.workers[1].brokers.of(7).set_in_time(false);
    let series = rig.scrape();
    for (key, value) in [
        (r#"broker_round_trip_seconds_count{broker="3"}"#, 2.0),
        (
            r#"broker_round_trip_seconds_bucket{le="0.002",broker="3"}"#,
            0.0,
        ),
        (
            r#"broker_round_trip_seconds_bucket{le="0.005",broker="3"}"#,
            2.0,
        ),
        (r#"broker_batches_failed_total{broker="3"}"#, 4.0),
        (r#"broker_batches_in_flight{broker="3"}"#, 2.0),
        (r#"broker_up{broker="3"}"#, 1.0),
        (r#"broker_up{broker="7"}"#, 0.0),
        (r#"kafka_errors_total{error="tls"}"#, 2.0),
        (r#"kafka_errors_total{error="authentication"}"#, 0.0),
        ("partitions_without_leader", 0.0),
    ] {
        let found = series.get(&format!("ringest_{key}")).copied();
        assert_eq!(found, Some(value), "{key} in {series:#?}");
    }
    let since = series[r#"ringest_broker_state_timestamp_seconds{broker="7"}"#];
    assert!((-1.0..600.0).contains(&(unix_now() - since)), "{since}");
}

#[test]
fn the_reason_for_not_being_ready_is_shown() {
    let rig = Rig::start();
    let reasons = || {
        let series = rig.scrape();
        let is = |reason: &NotReady| {
            series[&format!(r#"ringest_not_ready{{reason="{}"}}"#, reason.code())] > 0.5
        };
        NotReady::ALL.into_iter().filter(is).collect::<Vec<_>>()
    };
    assert_eq!(reasons(), [NotReady::Starting]);
    rig.set_all(WorkerState::NoBroker);
    assert_eq!(reasons(), [NotReady::NoBroker]);
    rig.set_all(WorkerState::Ready);
    assert_eq!(reasons(), []);
    rig.readiness.start_draining();
    assert_eq!(reasons(), [NotReady::Draining]);
}

#[test]
fn the_last_reload_is_shown() {
    let rig = Rig::start();
    let last = || {
        let series = rig.scrape();
        (
            series["ringest_config_last_reload_successful"],
            series["ringest_config_last_reload_success_timestamp_seconds"],
        )
    };
    let (succeeded, started) = last();
    assert!(succeeded > 0.5 && (-1.0..600.0).contains(&(unix_now() - started)));
    std::thread::sleep(Duration::from_millis(5));
    rig.process.reloaded(false);
    let (succeeded, at) = last();
    assert!(succeeded < 0.5 && (at - started).abs() < 1e-9);
    rig.process.reloaded(true);
    let (succeeded, at) = last();
    assert!(succeeded > 0.5 && at > started);
}

/// Each is in the table of the manual, and nothing else is.
#[test]
fn the_manual_has_the_metrics() {
    let rig = Rig::start();
    let row = rig.row(0, 0);
    rig.workers[0].answered(Some(&row), Class::Accepted, Duration::ZERO);
    rig.workers[0].brokers.of(1);
    rig.workers[0].set_thread(nix::unistd::gettid().as_raw());
    rig.process.tokens.succeeded(Some(SystemTime::now()));
    let text = rig.ask("GET", "/metrics").body;
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operation.md");
    let page = fs::read_to_string(page).expect("the manual");
    let (_, section) = page.split_once("\n## Metrics\n").expect("a section");
    let (section, _) = section.split_once("\n## ").expect("another one");
    let cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let names = cells.flat_map(|cell| cell.split('`').step_by(2));
    let is_of_the_table = |name: &&str| families(&text).contains_key(name);
    let documented: BTreeSet<&str> = names.clone().filter(is_of_the_table).collect();
    let shown: BTreeSet<&str> = families(&text).into_keys().collect();
    assert_eq!(documented, shown, "docs/operation.md, and /metrics");
    // What is to be done of it names series, as rules do.
    for name in names.filter(|name| name.starts_with("ringest_") && !is_of_the_table(name)) {
        let is_a_series = text.lines().any(|line| line.starts_with(name));
        assert!(is_a_series, "{name}: no such metric");
    }
}
