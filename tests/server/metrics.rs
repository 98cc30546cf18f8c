//! What a server at work shows of its requests, its brokers and itself, over real sockets.

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::{Http, request},
    mock::{ALL, Mock},
    ringest::{Ringest, drivers},
    tls,
    wait::{NEVER, await_that},
};

/// How slow clients and brokers are, where that is to be seen.
const SLOW: Duration = Duration::from_millis(200);

const ACCEPTED: &str = r#"result="accepted""#;
const REJECTED: &str = r#"result="rejected""#;
const FAILED: &str = r#"result="failed""#;

fn count(ringest: &Ringest, result: &str) -> u64 {
    ringest.count_of("ringest_request_duration_seconds_count", result)
}

/// The sum of the durations of accepted requests.
fn seconds(ringest: &Ringest) -> f64 {
    ringest.metric(&format!(
        "ringest_request_duration_seconds_sum{{{ACCEPTED}}}"
    ))
}

#[track_caller]
fn assert_next(http: &mut Http, status: u16) {
    assert_eq!(http.answer().expect("an answer").status, status);
}

#[test]
fn a_request_is_timed_from_its_first_byte_to_its_answer() {
    for driver in drivers() {
        let mock = Mock::with_topics(&[TOPIC]);
        let ringest = Ringest::of_events(&mock.brokers(), &driver, 1).start();
        let post = request(PATH, "application/json", RECORD);
        let mut http = ringest.connect();
        http.send(&post[..1]).expect("ringest reads");
        thread::sleep(SLOW);
        http.send(&post[1..]).expect("ringest reads");
        assert_next(&mut http, 200);
        assert!(seconds(&ringest) >= SLOW.as_secs_f64(), "{driver}");

        // Neither of these is accepted and has a route.
        http.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            .expect("ringest reads");
        assert_next(&mut http, 200);
        http.send(&request("/ingest/Nothing", "application/json", RECORD))
            .expect("ringest reads");
        assert_next(&mut http, 404);
        ringest
            .connect()
            .send(b"nonsense\r\n\r\n")
            .expect("ringest reads");
        await_that("the malformed request is not counted", || {
            count(&ringest, REJECTED) == 2
        });
        assert_eq!(
            [ACCEPTED, FAILED].map(|it| count(&ringest, it)),
            [1, 0],
            "{driver}"
        );

        // Processed before the first is answered, and both wait for the broker.
        mock.delay(ALL, SLOW);
        http.send(&[post.clone(), post].concat())
            .expect("ringest reads");
        assert_next(&mut http, 200);
        assert_next(&mut http, 200);
        assert_eq!(count(&ringest, ACCEPTED), 3, "{driver}");
        assert!(seconds(&ringest) >= 3.0 * SLOW.as_secs_f64(), "{driver}");
        assert_eq!(
            ringest.count("ringest_route_request_duration_seconds_count"),
            3
        );
        assert!(ringest.metric("ringest_broker_round_trip_seconds_sum") >= SLOW.as_secs_f64());
        assert!(
            ringest.metric("ringest_worker_cpu_seconds_total") > 0.0,
            "{driver}"
        );
    }
}

#[test]
fn a_broker_that_does_not_answer_is_down() {
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = Ringest::of_events(&mock.brokers(), "auto", 1)
        .set("timeouts.ack_timeout_ms", "1500")
        .start();
    ringest.await_accepted();
    let address = mock.brokers();
    let info = format!(r#"broker="1",address="{address}""#);
    assert_eq!(ringest.count_of("ringest_broker_info", &info), 1);
    assert_eq!(ringest.count("ringest_broker_up"), 1);
    assert_eq!(ringest.count("ringest_broker_batches_failed_total"), 0);
    mock.delay(ALL, NEVER);
    let answer = ringest.connect().post(PATH, RECORD).expect("an answer");
    assert_eq!(answer.status, 503);
    ringest.await_count("ringest_broker_up", 0);
    assert_eq!(ringest.count("ringest_broker_batches_failed_total"), 1);
    assert_eq!(count(&ringest, FAILED), 1);
    mock.down(ALL);
    await_that("no error of a connection is counted", || {
        ringest.count_of("ringest_kafka_errors_total", r#"error="connection""#) > 0
    });
    assert_eq!(ringest.count("ringest_partitions_without_leader"), 0);
}

/// `/ready`, the metric and `/status`, which the page and `top` show.
#[test]
fn a_broker_that_dies_while_no_batch_goes_to_it_is_down() {
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = Ringest::of_events(&mock.brokers(), "auto", 2).start();
    ringest.await_accepted();
    let ready = || ringest.ready();
    assert_eq!((ready(), ringest.count("ringest_broker_up")), (200, 1));
    mock.down(ALL);
    await_that("it stays ready", || ready() == 503);
    ringest.await_count("ringest_broker_up", 0);
    let status: serde_json::Value =
        serde_json::from_slice(&ringest.manage("/status").body).expect("JSON");
    assert_eq!(status["brokers"][0]["up"], false, "{status}");
    mock.up(ALL);
    await_that("it does not get ready", || ready() == 200);
    ringest.await_count("ringest_broker_up", 1);
}

#[test]
fn what_expires_is_shown() {
    let hash = "0".repeat(64);
    let keys = format!(
        "[[auth.keys]]\nname = \"mobile\"\nhash = \"sha256:{hash}\"\nroutes = [\"*\"]\n\
         expires = \"2099-01-01T00:00:00Z\"\n\
         [[auth.keys]]\nname = \"other\"\nhash = \"sha256:{}\"\nroutes = [\"*\"]\n",
        hash.replace('0', "1"),
    );
    let mock = Mock::with_topics(&[TOPIC]);
    let builder = Ringest::of_events(&mock.brokers(), "auto", 1).auth(&keys);
    let ringest = tls::serve(builder, "server").start();
    // Of the other key, which does not expire, there is none.
    let of_keys = ringest.metric("ringest_api_key_expiry_timestamp_seconds");
    assert!((of_keys - 4_070_908_800.0).abs() < 0.5, "{of_keys}");
    let of_certificates = "ringest_tls_certificate_expiry_timestamp_seconds";
    let expiry = ringest.metric(&format!("{of_certificates}{{name=\"localhost\"}}"));
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    assert!(expiry > now.as_secs_f64(), "{expiry}");
}
