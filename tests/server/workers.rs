//! Workers that make no progress, and processes that must end nevertheless.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    frozen::Frozen,
    http::{Http, request},
    mock::{ALL, Mock},
    ringest::{Builder, Ringest, drivers},
    wait::{NEVER, PATIENCE, await_that, eventually},
};

/// Exit codes.
const DRAINED: Option<i32> = Some(0);
const NOT_DRAINED: Option<i32> = Some(3);
const WORKER_LOST: Option<i32> = Some(4);

/// Far above what any of these ends takes, and far below what would hide that nothing ends it.
const SOON: Duration = Duration::from_secs(20);

/// A server with two workers that serves.
fn start(driver: &str, configure: impl FnOnce(Builder) -> Builder) -> (Mock, Ringest) {
    let mock = Mock::with_topics(&[TOPIC]);
    let builder = Ringest::of_events(&mock.brokers(), driver, 2);
    let ringest = configure(builder).start();
    ringest.await_accepted();
    (mock, ringest)
}

/// The exit code, where some of its threads are stopped.
#[track_caller]
fn exited(ringest: &mut Ringest, frozen: &[Frozen]) -> Option<i32> {
    let began = Instant::now();
    let ended = eventually(PATIENCE, || {
        frozen.iter().all(Frozen::has_ended).then_some(())
    });
    assert!(ended.is_some(), "it does not end");
    let code = ringest.exited().code();
    assert!(began.elapsed() < SOON, "after {:?}", began.elapsed());
    code
}

/// Opens connections until one is the second worker's. All of them are answered.
fn reaches_second_worker(ringest: &Ringest) {
    let mut open = Vec::new();
    await_that("no connection reaches the worker", || {
        let mut http = ringest.connect();
        assert_eq!(http.post(PATH, RECORD).expect("an answer").status, 200);
        open.push(http);
        ringest.count(r#"ringest_worker_connections_open{worker="1"}"#) > 0
    });
}

/// Stops the second worker, and waits until no new connections reach it.
fn out_of_service(ringest: &Ringest) -> Vec<Frozen> {
    let stuck = ringest.freeze("ringest-1");
    await_that("it is ready", || ringest.not_ready() == "worker_stuck");
    await_that("the listener is open", || {
        ringest
            .log()
            .contains("new connections go to the other workers")
    });
    stuck
}

#[test]
fn new_connections_go_to_the_workers_that_are_not_stuck() {
    for driver in &drivers() {
        let (_mock, ringest) = start(driver, |it| it.set("timeouts.worker_stuck_ms", "0"));
        reaches_second_worker(&ringest);
        let stuck = out_of_service(&ringest);
        for _ in 0..40 {
            let answer = ringest.connect().post(PATH, RECORD).expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let age = ringest.metric(r#"ringest_worker_tick_age_seconds{worker="1"}"#);
        assert!((1.0..60.0).contains(&age), "{age}");

        drop(stuck);
        await_that("it stays stuck", || ringest.ready() == 200);
        reaches_second_worker(&ringest);
        assert!(ringest.count(r#"ringest_worker_loop_lag_seconds_count{worker="1"}"#) > 0);
        assert_eq!(ringest.terminate().code(), DRAINED);
    }
}

/// The kernel has accepted them for the stuck worker before anyone could know.
#[test]
fn connections_that_wait_for_a_stuck_worker_are_served_by_the_others() {
    for driver in &drivers() {
        let (_mock, mut ringest) = start(driver, |it| it.set("timeouts.worker_stuck_ms", "0"));
        let stuck = ringest.freeze("ringest-1");
        let mut waiting: Vec<Http> = (0..40).map(|_| ringest.connect()).collect();
        for http in &mut waiting {
            http.send(&request(PATH, "application/json", RECORD))
                .expect("the kernel takes it");
        }
        for http in &mut waiting {
            assert_eq!(http.answer().expect("an answer").status, 200);
        }
        assert_eq!(ringest.not_ready(), "worker_stuck");
        drop(stuck);
        drop(waiting);
        ringest.begin_drain();
        assert_eq!(ringest.exited().code(), DRAINED);
    }
}

/// There is nobody else to go to: connections wait in the kernel's queue.
#[test]
fn the_only_worker_keeps_its_connections() {
    for driver in &drivers() {
        let (_mock, ringest) = start(driver, |it| it.set("workers", "1"));
        let stuck = ringest.freeze("ringest-0");
        await_that("it is ready", || ringest.not_ready() == "worker_stuck");
        let mut http = ringest.connect();
        http.send(&request(PATH, "application/json", RECORD))
            .expect("the kernel takes it");
        drop(stuck);
        assert_eq!(http.answer().expect("an answer").status, 200);
        await_that("it stays stuck", || ringest.ready() == 200);
        assert_eq!(ringest.terminate().code(), DRAINED);
    }
}

#[test]
fn a_worker_that_stays_stuck_ends_the_process_when_the_others_have_drained() {
    for driver in &drivers() {
        let (mock, mut ringest) = start(driver, |it| {
            it.set("timeouts.worker_stuck_ms", "3000")
                .set("timeouts.ack_timeout_ms", "60000")
        });
        let stuck = out_of_service(&ringest);
        mock.delay(ALL, Duration::from_secs(4));
        let mut waiting = ringest.connect();
        waiting
            .send(&request(PATH, "application/json", RECORD))
            .expect("ringest reads");
        let answer = waiting.answer().expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.closes(), "no drain: {answer:?}");
        assert_eq!(exited(&mut ringest, &stuck), WORKER_LOST);
        let log = ringest.log();
        assert!(log.contains("timeouts.worker_stuck_ms"), "{log}");
    }
}

#[test]
fn a_drain_ends_in_time_with_a_stuck_worker() {
    for driver in &drivers() {
        let (_mock, mut ringest) = start(driver, |it| it.set("timeouts.drain_timeout_ms", "2000"));
        let stuck = ringest.freeze("ringest-1");
        ringest.begin_drain();
        assert_eq!(exited(&mut ringest, &stuck), NOT_DRAINED);
        let log = ringest.log();
        assert!(log.contains("worker 1 has not drained in time"), "{log}");
    }
}

/// librdkafka can't close a producer whose threads hang. Nothing is lost by not waiting for that.
#[test]
fn a_drain_ends_in_time_with_a_producer_that_can_not_be_closed() {
    let (_mock, mut ringest) = start("auto", |it| it);
    let stuck = ringest.freeze("rdk:main");
    ringest.begin_drain();
    assert_eq!(exited(&mut ringest, &stuck), DRAINED);
}

#[test]
fn a_drain_ends_in_time_with_a_broker_that_hangs() {
    for driver in &drivers() {
        let (mock, mut ringest) = start(driver, |it| {
            it.set("timeouts.drain_timeout_ms", "2000")
                .set("timeouts.ack_timeout_ms", "60000")
        });
        mock.delay(ALL, NEVER);
        let mut waiting = ringest.connect();
        waiting
            .send(&request(PATH, "application/json", RECORD))
            .expect("ringest reads");
        ringest.await_count("ringest_in_flight_records", 1);
        let began = Instant::now();
        ringest.begin_drain();
        let answer = waiting.answer().expect("an answer");
        assert_eq!(answer.text("code"), "draining", "{answer:?}");
        assert_eq!(ringest.exited().code(), DRAINED);
        assert!(began.elapsed() < SOON, "after {:?}", began.elapsed());
    }
}

/// As some supervisors send it: to the process, and to its group.
#[test]
fn a_sigterm_that_comes_twice_drains() {
    let (mock, mut ringest) = start("auto", |it| it);
    mock.delay(ALL, Duration::from_millis(1_500));
    let mut waiting: Http = ringest.connect();
    waiting
        .send(&request(PATH, "application/json", RECORD))
        .expect("ringest reads");
    ringest.await_count("ringest_in_flight_records", 1);
    ringest.begin_drain();
    thread::sleep(Duration::from_micros(200));
    ringest.begin_drain();
    let answer = waiting.answer().expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(ringest.exited().code(), DRAINED);
}

/// Several processes with one worker each are not all pinned to the first CPU.
#[test]
fn a_worker_is_pinned_only_where_it_takes_every_cpu() {
    let cpus = |pin: &str| {
        let (_mock, ringest) = start("auto", |it| it.set("workers", "1").set("pin", pin));
        let cpus = ringest.thread_status("ringest-0", "Cpus_allowed_list");
        assert_eq!(cpus.len(), 1);
        let of_process = ringest.thread_status("ringest", "Cpus_allowed_list");
        (cpus[0].clone(), of_process[0].clone())
    };
    let (pinned, all) = cpus("always");
    assert!(pinned.parse::<usize>().is_ok(), "{pinned}");
    assert_eq!(cpus("never"), (all.clone(), all.clone()));
    // On one CPU a worker takes every one.
    if pinned != all {
        assert_eq!(cpus("auto"), (all.clone(), all));
    }
}
