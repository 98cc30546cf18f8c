//! SIGTERM: what was accepted is answered, what comes later is refused, and the end is in time.

mod under_load;

use std::{
    io,
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::{Answer, Http, request},
    mock::{ALL, Mock},
    records::numbered,
    ringest::{Builder, Ringest, drivers},
    wait::{NEVER, PATIENCE, await_that, eventually},
};

/// Exit codes.
const DRAINED: Option<i32> = Some(0);
const NOT_DRAINED: Option<i32> = Some(3);

/// A server that has produced to its topic.
fn start(configure: impl FnOnce(Builder) -> Builder) -> (Mock, Ringest) {
    let mock = Mock::with_topics(&[TOPIC]);
    let builder = Ringest::builder(&mock.brokers())
        .model("Event", "1.0", TOPIC)
        .set("workers", "1");
    let ringest = configure(builder).start();
    ringest.await_accepted();
    has_in_flight(&ringest, 0);
    (mock, ringest)
}

fn sent(ringest: &Ringest, request: &[u8]) -> Http {
    let mut http = ringest.connect();
    http.send(request).expect("ringest reads");
    http
}

/// Connections that each have sent this many records and wait for the broker.
fn in_flight(ringest: &Ringest, connections: u32, records: usize) -> Vec<Http> {
    let body = format!("[{}]", vec!["{}"; records].join(","));
    let request = request(PATH, "application/json", body.as_bytes());
    let waiting = (0..connections).map(|_| sent(ringest, &request)).collect();
    has_in_flight(ringest, u64::from(connections) * records as u64);
    waiting
}

/// Waits until so many records wait for the broker.
fn has_in_flight(ringest: &Ringest, records: u64) {
    ringest.await_count("ringest_in_flight_records", records);
}

/// The drain has begun, and the listener is closed.
fn refuses_connections(ringest: &Ringest) {
    await_that("still listening", || {
        let connected = TcpStream::connect(ringest.address());
        connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    });
}

fn last_line(ringest: &Ringest) -> String {
    // Its colours are no part of it.
    let log = ringest.log();
    let line = log.lines().last().unwrap_or_default();
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| {
        line + part.split_once('m').map_or("", |(_, text)| text)
    })
}

#[track_caller]
fn assert_last_line(ringest: &Ringest, undelivered: usize, cut: usize) {
    let expected = format!("drained records_undelivered={undelivered} connections_cut={cut}");
    let read = eventually(PATIENCE, || {
        last_line(ringest).ends_with(&expected).then_some(())
    });
    assert!(read.is_some(), "{} is not {expected}", last_line(ringest));
}

/// The last answer on its connection.
#[track_caller]
fn assert_last(mut http: Http, status: u16, code: &str) -> Answer {
    let answer = http.answer().expect("an answer");
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.text("code"), code, "{answer:?}");
    assert!(answer.closes(), "{answer:?}");
    assert_eq!(status == 503, answer.header("retry-after").is_some());
    assert!(http.is_closed(), "more than one answer");
    answer
}

#[test]
fn idle() {
    let (_mock, mut ringest) = start(|it| it);
    let mut fresh = ringest.connect();
    let mut used = ringest.connect();
    assert_eq!(used.post(PATH, RECORD).expect("an answer").status, 200);
    let began = Instant::now();
    ringest.begin_drain();
    // No answer without a request: the client is the next to speak.
    assert!(fresh.is_closed() && used.is_closed());
    assert_eq!(ringest.exited().code(), DRAINED);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it has waited for nothing: the drain may take 30 s"
    );
    assert_last_line(&ringest, 0, 0);
}

/// Connections that appear, silent, while the drain begins do not hold it up.
#[test]
fn silent_newcomers() {
    for _ in 0..3 {
        let (_mock, mut ringest) = start(|it| it);
        let began = Instant::now();
        ringest.begin_drain();
        let newcomers: Vec<_> = (0..200)
            .map_while(|_| Http::connect(ringest.address()).ok())
            .collect();
        assert_eq!(ringest.exited().code(), DRAINED);
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_last_line(&ringest, 0, 0);
        drop(newcomers);
    }
}

#[test]
fn in_flight_requests_are_answered() {
    let (mock, mut ringest) = start(|it| it);
    mock.delay(ALL, Duration::from_millis(1_500));
    let waiting = in_flight(&ringest, 10, 3);
    ringest.begin_drain();
    for http in waiting {
        let answer = assert_last(http, 200, "");
        assert_eq!(answer.body, br#"{"accepted":3}"#);
    }
    assert_eq!(ringest.exited().code(), DRAINED);
    assert_last_line(&ringest, 0, 0);
    mock.delay(ALL, Duration::ZERO);
    assert_eq!(mock.cluster().read(TOPIC).len(), 1 + 30);
}

/// Half a request before SIGTERM, the rest after it; and pipelined ones behind it.
#[test]
fn requests_that_end_during_the_drain() {
    let (mock, mut ringest) = start(|it| it.set("timeouts.head_timeout_ms", "60000"));
    mock.delay(ALL, Duration::from_secs(2));
    let whole = request(PATH, "application/json", RECORD);
    let body_begun = whole.len() - 3;
    let mut in_body = sent(&ringest, &whole[..body_begun]);
    let mut in_head = sent(&ringest, &whole[..20]);
    let mut health = sent(&ringest, b"GET /health HTTP/1.1\r\n");
    let mut waiting = in_flight(&ringest, 1, 1);
    let pipelined = waiting.remove(0);
    ringest.begin_drain();
    refuses_connections(&ringest);

    // Its head was accepted, so that it is delivered; the others came too late.
    in_body.send(&whole[body_begun..]).expect("ringest reads");
    in_head.send(&whole[20..]).expect("ringest reads");
    health
        .send(b"Host: ringest\r\n\r\n")
        .expect("ringest reads");
    let refused = assert_last(in_head, 503, "draining");
    assert_eq!(refused.text("persisted"), "no");
    assert_last(health, 503, "unhealthy");
    assert_last(pipelined, 200, "");
    assert_last(in_body, 200, "");
    assert_eq!(ringest.exited().code(), DRAINED);
    assert_last_line(&ringest, 0, 0);
    mock.delay(ALL, Duration::ZERO);
    assert_eq!(mock.cluster().read(TOPIC).len(), 3);
}

/// Every request of a connection that was processed before is answered, and only the last of these answers
/// ends the connection.
#[test]
fn pipelined_requests() {
    const PROCESSED: usize = 16;
    let (mock, mut ringest) = start(|it| it);
    mock.delay(ALL, Duration::from_millis(1_500));
    let one = request(PATH, "application/json", RECORD);
    let mut some = sent(&ringest, &one.repeat(5));
    let mut more = sent(&ringest, &one.repeat(PROCESSED + 4));
    has_in_flight(&ringest, 5 + PROCESSED as u64);
    ringest.begin_drain();
    for (http, processed) in [(&mut some, 5), (&mut more, PROCESSED)] {
        for _ in 1..processed {
            let answer = http.answer().expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(!answer.closes(), "{answer:?}");
        }
    }
    assert_last(some, 200, "");
    assert_last(more, 200, "");
    assert_eq!(ringest.exited().code(), DRAINED);
    assert_last_line(&ringest, 0, 0);
    mock.delay(ALL, Duration::ZERO);
    assert_eq!(mock.cluster().read(TOPIC).len(), 1 + 5 + PROCESSED);
}

/// What waits for a broker that is gone is given up shortly before the end, answered and counted.
#[test]
fn a_dead_broker() {
    let (mock, mut ringest) = start(|it| {
        it.set("timeouts.ack_timeout_ms", "60000")
            .set("timeouts.drain_timeout_ms", "2000")
    });
    mock.delay(ALL, NEVER);
    let waiting = in_flight(&ringest, 4, 5);
    mock.down(ALL);
    let began = Instant::now();
    ringest.begin_drain();
    for http in waiting {
        let answer = assert_last(http, 503, "draining");
        let persisted = answer.text("persisted");
        assert!(
            ["no", "unknown"].contains(&persisted.as_str()),
            "{answer:?}"
        );
    }
    assert_eq!(ringest.exited().code(), DRAINED);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "long after its time"
    );
    assert_last_line(&ringest, 20, 0);
}

/// Records that time out of themselves during the drain are undelivered as well.
#[test]
fn a_silent_broker() {
    let (mock, mut ringest) = start(|it| it.set("timeouts.ack_timeout_ms", "1500"));
    mock.delay(ALL, NEVER);
    let first = in_flight(&ringest, 1, 3).remove(0);
    let second = sent(&ringest, &request(PATH, "application/json", b"[{},{},{}]"));
    has_in_flight(&ringest, 6);
    ringest.begin_drain();
    let answer = assert_last(first, 503, "delivery_timed_out");
    assert_eq!(answer.text("persisted"), "unknown", "{answer:?}");
    // The next batch waits in the worker until the first is answered: it may never have been sent.
    let answer = assert_last(second, 503, "delivery_timed_out");
    let persisted = answer.text("persisted");
    assert!(
        ["no", "unknown"].contains(&persisted.as_str()),
        "{answer:?}"
    );
    assert_eq!(ringest.exited().code(), DRAINED);
    assert_last_line(&ringest, 6, 0);
}

/// Records that were never enqueued are not undelivered: of a short request, and of one enqueued in slices.
#[test]
fn a_full_queue() {
    for records in [3, 20_000] {
        let room = records.to_string();
        let (mock, mut ringest) = start(|it| {
            it.set("limits.records_max", &room)
                .kafka("queue.buffering.max.messages", &room)
        });
        mock.delay(ALL, Duration::from_millis(1_500));
        let body = format!("[{}]", vec!["{}"; records].join(","));
        let whole = request(PATH, "application/json", body.as_bytes());
        let mut refused = sent(&ringest, &whole[..whole.len() - 1]);
        let accepted = in_flight(&ringest, 1, records).remove(0);
        ringest.begin_drain();
        refuses_connections(&ringest);
        refused.send(b"]").expect("ringest reads");
        assert_last(refused, 503, "queue_full");
        assert_last(accepted, 200, "");
        assert_eq!(ringest.exited().code(), DRAINED);
        assert_last_line(&ringest, 0, 0);
    }
}

/// A client that holds back the rest of a request is answered in time; nothing has to be cut.
#[test]
fn half_sent_requests() {
    let (_mock, mut ringest) = start(|it| {
        it.set("timeouts.head_timeout_ms", "60000")
            .set("timeouts.drain_timeout_ms", "2000")
    });
    let whole = request(PATH, "application/json", RECORD);
    let halves: Vec<Http> = [&whole[..10], &whole[..whole.len() - 1]]
        .into_iter()
        .map(|half| sent(&ringest, half))
        .collect();
    await_that("one body is being read", || {
        ringest.count("ringest_in_flight_bytes") > 0
    });
    ringest.begin_drain();
    for http in halves {
        let answer = assert_last(http, 503, "draining");
        assert_eq!(answer.text("persisted"), "no", "{answer:?}");
    }
    assert_eq!(ringest.exited().code(), DRAINED);
    assert_last_line(&ringest, 0, 0);
}

/// A client that does not take its answers can only be cut, and that is no clean end.
#[test]
fn a_client_that_does_not_read() {
    let (_mock, mut ringest) = start(|it| it.set("timeouts.drain_timeout_ms", "2000"));
    let mut http = Http::connect_narrow(ringest.address()).expect("ringest accepts");
    let mut writer = http.try_clone().expect("a second handle");
    let invalid = format!("[1{}]", ",1".repeat(150));
    let invalid = request(PATH, "application/json", invalid.as_bytes());
    let flood = thread::spawn(move || while writer.send(&invalid).is_ok() {});
    await_that("it takes more and more answers", || {
        let before = ringest.count("ringest_rejected_total");
        thread::sleep(Duration::from_millis(200));
        before > 1 && ringest.count("ringest_rejected_total") == before
    });
    ringest.begin_drain();
    assert_eq!(ringest.exited().code(), NOT_DRAINED);
    assert_last_line(&ringest, 0, 1);
    http.discard();
    flood.join().expect("it ends with the connection");
}

#[test]
fn a_second_sigterm_ends_at_once() {
    let (mock, mut ringest) = start(|it| it);
    mock.delay(ALL, NEVER);
    let _waiting = in_flight(&ringest, 1, 1);
    ringest.begin_drain();
    refuses_connections(&ringest);
    // Until then it would be taken for the same request.
    thread::sleep(Duration::from_millis(1_100));
    let began = Instant::now();
    ringest.begin_drain();
    assert_eq!(ringest.exited().code(), NOT_DRAINED);
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "the delivery's own time is 10 s"
    );
}

/// Connections that the kernel has accepted are served, even if the process has not seen them before the
/// signal.
#[test]
fn connections_that_wait_to_be_accepted() {
    for driver in &drivers() {
        let (_mock, mut ringest) = start(|it| it.set("listen.driver", driver).set("workers", "2"));
        ringest.pause();
        let whole = request(PATH, "application/json", RECORD);
        let waiting: Vec<Http> = (0..100).map(|_| sent(&ringest, &whole)).collect();
        ringest.begin_drain();
        ringest.resume();
        for mut http in waiting {
            let answer = http.answer().expect("no reset");
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(http.is_closed(), "it keeps the connection");
        }
        assert_eq!(ringest.exited().code(), DRAINED);
        assert_last_line(&ringest, 0, 0);
    }
}

/// Clients that connect anew for each request get an answer, or no connection.
#[test]
fn connecting_while_the_drain_begins() {
    for driver in &drivers() {
        let (_mock, mut ringest) = start(|it| it.set("listen.driver", driver).set("workers", "2"));
        let address = ringest.address();
        let clients: Vec<_> = (0..8)
            .map(|_| {
                thread::spawn(move || {
                    let mut answers = 0;
                    while let Ok(mut http) = Http::connect(address) {
                        let answer = http.post(PATH, RECORD).expect("no reset");
                        assert!([200, 503].contains(&answer.status), "{answer:?}");
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        await_that("the clients do nothing", || {
            ringest.count("ringest_records_delivered_total") > 200
        });
        ringest.begin_drain();
        assert_eq!(ringest.exited().code(), DRAINED);
        for client in clients {
            assert!(client.join().expect("an answer to each request") > 0);
        }
    }
}

/// `drain_delay_ms`: load balancers see that it ends, and everything is served as before.
#[test]
fn a_delay_before_the_drain() {
    for driver in &drivers() {
        let (_mock, mut ringest) = start(|it| {
            it.set("listen.driver", driver)
                .set("timeouts.drain_delay_ms", "60000")
        });
        let mut kept = ringest.connect();
        assert_eq!(kept.post(PATH, RECORD).expect("an answer").status, 200);
        ringest.begin_drain();
        await_that("it is ready", || ringest.ready() == 503);
        await_that("it is healthy", || {
            let mut health = sent(&ringest, b"GET /health HTTP/1.1\r\nHost: ringest\r\n\r\n");
            health.answer().expect("an answer").status == 503
        });
        for http in [&mut kept, &mut ringest.connect()] {
            let answer = http.post(PATH, RECORD).expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(!answer.closes(), "{answer:?}");
        }
        // What load balancers ask for is no fault, and no request that was refused.
        assert_eq!(ringest.count("ringest_shed_total"), 0);
        let log = ringest.log();
        assert!(!log.contains("answered 503"), "{log}");
        // Sooner it would be taken for the same request.
        thread::sleep(Duration::from_millis(1_100));
        ringest.begin_drain();
        assert!(kept.is_closed(), "the second signal has ended the delay");
        assert_eq!(ringest.exited().code(), DRAINED);
        assert_last_line(&ringest, 0, 0);
    }
    let (_mock, mut ringest) = start(|it| it.set("timeouts.drain_delay_ms", "300"));
    ringest.begin_drain();
    assert_eq!(
        ringest.exited().code(),
        DRAINED,
        "the delay has ended by itself"
    );
}
