//! What `/metrics` shows.

use std::{sync::Arc, time::Duration};

use ringest::{
    metrics::{Driver, FetchResult, KeyFetches},
    readiness::WorkerState,
};

use super::rig::{Rig, snapshot};

#[test]
fn invalid_records_and_their_dead_letters_are_counted() {
    let rig = Rig::start();
    for worker in 0..rig.workers.len() {
        rig.row(worker, 0).records_rejected.add(7);
        rig.row(worker, 0).dead_letters.add(6);
    }
    let workers = rig.workers.len();
    let series = rig.scrape();
    for (name, each) in [("records_rejected", 7), ("dead_letters", 6)] {
        let key = format!(r#"ringest_{name}_total{{route="/ingest/UserEvent/1.0"}}"#);
        let expected = f64::from(u32::try_from(workers * each).expect("few"));
        assert_eq!(series.get(&key), Some(&expected), "{name}");
    }
}

#[test]
fn fetches_of_keys_are_counted_by_issuer_and_their_age_is_shown() {
    let rig = Rig::start();
    let issuers = ["https://id.example.com", "odd\"\\name"].map(KeyFetches::new);
    let [good, odd] = issuers.map(Arc::new);
    (rig.process).set_key_fetches(vec![Arc::clone(&good), Arc::clone(&odd)]);
    good.count(FetchResult::Changed);
    good.count(FetchResult::Unchanged);
    odd.count(FetchResult::BadSet);
    let series = rig.scrape();
    let odd = r#"issuer="odd\"\\name""#;
    for (labels, count) in [
        (r#"issuer="https://id.example.com",result="changed""#, 1.0),
        (r#"issuer="https://id.example.com",result="bad_set""#, 0.0),
        (&format!(r#"{odd},result="bad_set""#), 1.0),
        (&format!(r#"{odd},result="unreachable""#), 0.0),
    ] {
        let key = format!("ringest_jwks_fetches_total{{{labels}}}");
        assert_eq!(series.get(&key), Some(&count), "{key}");
    }
    let ages: Vec<_> = (series.iter())
        .filter(|(key, _)| key.starts_with("ringest_jwks_keys_age_seconds"))
        .collect();
    let key = r#"ringest_jwks_keys_age_seconds{issuer="https://id.example.com"}"#;
    let [(only, age)] = ages[..] else {
        panic!("{ages:?}");
    };
    assert!(only == key && *age < 60.0, "{ages:?}");
    rig.process.set_key_fetches(Vec::new());
    assert!(!rig.scrape().contains_key(key), "the issuer is gone");
}

#[test]
fn connections_that_found_no_place_are_counted() {
    let rig = Rig::start();
    for worker in &rig.workers {
        worker.connections_evicted.add(2);
        worker.connections_refused.add(3);
    }
    let series = rig.scrape();
    for (name, count) in [("evicted", 4.0), ("refused", 6.0)] {
        let key = format!("ringest_connections_{name}_total");
        assert_eq!(series.get(&key), Some(&count), "{key}");
    }
}

/// Has both workers count.
fn count_something(rig: &Rig) {
    let [first, second] = rig.workers.as_slice() else {
        panic!("two workers");
    };
    for (index, worker) in [first, second].into_iter().enumerate() {
        let row = rig.row(index, 0);
        for _ in 0..3 {
            worker.request(Some(&row), 0);
        }
        row.records_received.add(10);
        row.records_delivered.add(9);
        worker.body_bytes_received.add(293);
        worker.in_flight_bytes.add(4096);
        worker.in_flight_records.add(2);
        worker.producer_queue_records.add(1);
        worker.connections_accepted.add(5);
        worker.connections_open.add(4);
        worker.delivery_latency.observe(Duration::from_millis(1));
        worker.loop_lag.observe(Duration::from_millis(3));
    }
    second.request(Some(&rig.row(1, 1)), 1);
    second.request(None, 2);
    second.request(None, 3);
    second.connection_panics.add(1);
    second.late_delivery_reports.add(1);
    second.records_sent_again.add(3);
    second.delivery_latency.observe(Duration::from_secs(31));
    second.set_driver(Driver::Epoll);
    rig.process.worker_restarted();
    rig.set_all(WorkerState::Ready);
}

#[test]
fn metrics_add_up_over_the_workers() {
    let rig = Rig::start();
    count_something(&rig);
    let series = rig.scrape();
    let build = concat!(
        r#"build_info{version=""#,
        env!("CARGO_PKG_VERSION"),
        r#""}"#
    );
    let odd = r#"/ingest/odd\"\\name/2"#;
    for (key, value) in [
        (
            r#"requests_total{route="/ingest/UserEvent/1.0",code="accepted",status="200"}"#,
            6.0,
        ),
        (
            &format!(r#"requests_total{{route="{odd}",code="invalid_json",status="400"}}"#),
            1.0,
        ),
        (
            r#"requests_total{route="unrouted",code="overloaded",status="503"}"#,
            1.0,
        ),
        (
            r#"requests_total{route="unrouted",code="topic_missing",status="500"}"#,
            1.0,
        ),
        (r#"rejected_total{code="invalid_json"}"#, 1.0),
        (r#"shed_total{code="overloaded"}"#, 1.0),
        (r#"records_total{route="/ingest/UserEvent/1.0"}"#, 20.0),
        (
            r#"records_delivered_total{route="/ingest/UserEvent/1.0"}"#,
            18.0,
        ),
        (&format!(r#"records_total{{route="{odd}"}}"#), 0.0),
        ("body_received_bytes_total", 586.0),
        ("in_flight_bytes", 8192.0),
        ("in_flight_bytes_max", 268_435_456.0),
        ("in_flight_records", 4.0),
        ("producer_queue_records", 2.0),
        ("connections_total", 10.0),
        ("connections_open", 8.0),
        ("connections_max", 10_000.0),
        ("connection_panics_total", 1.0),
        ("late_delivery_reports_total", 1.0),
        ("records_sent_again_total", 3.0),
        ("topics_missing", 0.0),
        ("worker_restarts_total", 1.0),
        (r#"delivery_latency_seconds_bucket{le="0.0005"}"#, 0.0),
        (r#"delivery_latency_seconds_bucket{le="0.001"}"#, 2.0),
        (r#"delivery_latency_seconds_bucket{le="30.0"}"#, 2.0),
        (r#"delivery_latency_seconds_bucket{le="+Inf"}"#, 3.0),
        ("delivery_latency_seconds_count", 3.0),
        ("delivery_latency_seconds_sum", 31.002),
        (r#"driver{driver="epoll",worker="1"}"#, 1.0),
        (r#"worker_connections_open{worker="1"}"#, 4.0),
        (r#"worker_in_flight_bytes{worker="1"}"#, 4096.0),
        (
            r#"worker_loop_lag_seconds_bucket{le="0.002",worker="0"}"#,
            0.0,
        ),
        (
            r#"worker_loop_lag_seconds_bucket{le="0.005",worker="0"}"#,
            1.0,
        ),
        (r#"worker_loop_lag_seconds_count{worker="1"}"#, 1.0),
        ("ready", 1.0),
        ("draining", 0.0),
        (build, 1.0),
    ] {
        let found = series.get(&format!("ringest_{key}")).copied();
        assert_eq!(found, Some(value), "{key} in {series:#?}");
    }
    for worker in [0, 1] {
        let key = format!(r#"ringest_worker_tick_age_seconds{{worker="{worker}"}}"#);
        assert!(
            series
                .get(&key)
                .is_some_and(|age| (0.0..60.0).contains(age))
        );
    }
    let requests = series
        .keys()
        .filter(|key| key.starts_with("ringest_requests_total"));
    assert_eq!(
        requests.count(),
        4,
        "pairs that never occurred are left out"
    );
    assert!(
        !series.contains_key(r#"ringest_driver{driver="epoll",worker="0"}"#),
        "it did not say"
    );
}

#[test]
fn metrics_of_an_idle_process_are_valid_and_complete() {
    let rig = Rig::start();
    let series = rig.scrape();
    assert_eq!(
        series.get(r#"ringest_shed_total{code="overloaded"}"#),
        Some(&0.0)
    );
    assert_eq!(
        series.get(r#"ringest_rejected_total{code="invalid_json"}"#),
        Some(&0.0)
    );
    assert_eq!(
        series.get("ringest_delivery_latency_seconds_count"),
        Some(&0.0)
    );
    assert_eq!(series.get("ringest_ready"), Some(&0.0));
    rig.readiness.start_draining();
    let series = rig.scrape();
    assert_eq!(series.get("ringest_draining"), Some(&1.0));
}

#[test]
fn scrapes_are_valid_while_a_worker_counts() {
    let rig = Rig::start();
    let worker = &rig.workers[0];
    let row = rig.row(0, 0);
    let key =
        r#"ringest_requests_total{route="/ingest/UserEvent/1.0",code="accepted",status="200"}"#;
    let mut last = 0.0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..200_000 {
                worker.request(Some(&row), 0);
                worker.delivery_latency.observe(Duration::from_millis(3));
            }
        });
        while !writer.is_finished() {
            let now = rig.scrape().get(key).copied().unwrap_or(0.0);
            assert!(now >= last, "a counter went back from {last} to {now}");
            last = now;
        }
    });
    assert_eq!(rig.scrape().get(key), Some(&200_000.0));
}

#[test]
fn a_route_that_is_gone_has_no_series_and_its_requests_still_count() {
    let rig = Rig::start();
    let (stays, goes) = (rig.row(0, 0), rig.row(0, 1));
    for row in [&stays, &goes] {
        rig.workers[0].request(Some(row), 1);
        row.records_rejected.add(1);
    }
    let mut next = snapshot(7, &[("New", "1"), ("UserEvent", "1.0")]);
    next.metrics[0][1] = Arc::clone(&stays);
    rig.published.publish(next);
    // Requests that had begun before.
    for row in [&stays, &goes] {
        rig.workers[0].request(Some(row), 1);
    }
    let series = rig.scrape();
    let of = |name: &str, labels: &str| {
        let key = format!("ringest_{name}_total{{{labels}}}");
        series.get(&key).copied()
    };
    let [user, new, odd] = ["UserEvent/1.0", "New/1", r#"odd\"\\name/2"#];
    for (route, requests, rejected) in [
        (user, Some(2.0), Some(1.0)),
        (new, None, Some(0.0)),
        (odd, None, None),
    ] {
        let route = format!(r#"route="/ingest/{route}""#);
        let labels = format!(r#"{route},code="invalid_json",status="400""#);
        assert_eq!(of("requests", &labels), requests, "{route}");
        assert_eq!(of("records_rejected", &route), rejected, "{route}");
    }
    assert_eq!(of("rejected", r#"code="invalid_json""#), Some(4.0));
    assert_eq!(series.get("ringest_config_generation"), Some(&7.0));
}

#[test]
fn reloads_are_counted_by_how_they_went() {
    let rig = Rig::start();
    rig.process.reloaded(true);
    rig.process.reloaded(false);
    rig.process.reloaded(false);
    let series = rig.scrape();
    for (result, count) in [("ok", 1.0), ("error", 2.0)] {
        let key = format!(r#"ringest_config_reloads_total{{result="{result}"}}"#);
        assert_eq!(series.get(&key), Some(&count));
    }
    assert_eq!(series.get("ringest_config_generation"), Some(&0.0));
}

#[test]
fn scrapers_that_know_plain_text_only_get_the_same_samples() {
    let rig = Rig::start();
    let scrape = |accept: &str| {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
        let answer = rig.send(head.as_bytes());
        let kind = answer.header("content-type").map(str::to_owned);
        (kind.expect("a Content-Type"), answer.body)
    };
    // As Prometheus sends it.
    let both =
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (accept, is_plain) in [
        (both, false),
        ("*/*", false),
        ("text/plain", true),
        ("text/html, Text/Plain; version=0.0.4;q=0.3", true),
    ] {
        let (kind, text) = scrape(accept);
        assert_eq!(
            kind.starts_with("text/plain; version=0.0.4"),
            is_plain,
            "{accept}"
        );
        assert_eq!(text.ends_with("# EOF\n"), !is_plain, "{accept}");
        let samples = |text: &str| {
            let lines = text.lines().filter(|it| !it.starts_with('#'));
            lines
                .map(|it| it.split_once(' ').expect("a value").0.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(samples(&text), samples(&scrape("*/*").1), "{accept}");
    }
}
