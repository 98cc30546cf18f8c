//! Heartbeats that are missed, and the delays of restarts.

use std::sync::Arc;

use super::*;
use crate::{
    config::{Config, DriverChoice},
    connections::Connections,
    produce::{BrokerAccess, BrokerWatch},
    snapshot::{Published, Snapshot},
    supervisor::start::worker_settings,
};

/// A worker whose thread is said to run.
fn worker() -> Worker {
    let environment = [
        ("RINGEST_WORKERS", "1"),
        ("RINGEST_MANAGEMENT__ADDRESS", ""),
    ];
    let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let config = Config::development("127.0.0.1:1", None, environment.into_iter());
    let config = Arc::new(config.expect("it is good"));
    let watch =
        BrokerWatch::start(&BrokerAccess::new(config.kafka.clone())).expect("librdkafka takes it");
    watch.stop();
    let published = Arc::new(Published::new(Snapshot::first(&config, &[])));
    let settings = worker_settings(
        &config,
        &published,
        DriverChoice::Epoll,
        &watch,
        &Arc::new(Connections::new(1, 0)),
    );
    let mut worker = Worker::new(settings.expect("it is good").remove(0));
    let listener = bind("127.0.0.1:0".parse().expect("an address"), true);
    worker.started(Some(listener.expect("a port")));
    worker
}

fn beats(worker: &Worker, state: WorkerState) {
    // Heartbeats of the same millisecond are one.
    std::thread::sleep(Duration::from_millis(2));
    worker.settings.readiness.set_worker(0, state);
}

#[test]
fn a_worker_is_stuck_after_a_second_without_a_heartbeat_until_the_next() {
    let mut worker = worker();
    beats(&worker, WorkerState::Ready);
    worker.look(WATCH_INTERVAL);
    assert!(worker.serves());
    for _ in 0..9 {
        worker.look(WATCH_INTERVAL);
        assert!(worker.serves());
    }
    worker.look(WATCH_INTERVAL);
    assert!(worker.is_stuck() && !worker.serves());
    assert_eq!(
        worker.settings.readiness.heartbeat(0).state(),
        WorkerState::Stuck
    );
    worker.look(WATCH_INTERVAL);
    assert!(worker.is_stuck());
    beats(&worker, WorkerState::NoBroker);
    worker.look(WATCH_INTERVAL);
    assert!(worker.serves());
    assert_eq!(
        worker.settings.readiness.heartbeat(0).state(),
        WorkerState::NoBroker
    );
}

#[test]
fn a_worker_that_starts_slowly_is_starting() {
    let mut worker = worker();
    for _ in 0..20 {
        worker.look(WATCH_INTERVAL);
    }
    assert!(worker.is_stuck());
    assert_eq!(
        worker.settings.readiness.heartbeat(0).state(),
        WorkerState::Starting
    );
}

#[test]
fn restarts_are_delayed_more_and_more_and_end() {
    let mut worker = worker();
    let delays: Vec<u128> = std::iter::from_fn(|| worker.fail())
        .map(|delay| delay.as_millis())
        .collect();
    assert_eq!(
        delays,
        [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]
    );
    let long_ago = Instant::now().checked_sub(STEADY_AFTER);
    if let Some(since) = long_ago {
        worker.thread = Thread::Running { since };
        assert_eq!(worker.fail(), Some(RESTART_DELAY_MIN));
    }
}
