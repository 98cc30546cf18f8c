//! What is logged while no broker answers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    event::{PATH, RECORD, TOPIC},
    http::Http,
    mock::{ALL, Mock},
    ringest::Ringest,
    wait::await_that,
};

/// How long the outage lasts, and longer on a busy machine: until requests are answered at once, and then some.
const OUTAGE: Duration = Duration::from_secs(6);

/// The kind of a line: its code, or else what it says before anything that differs from event to event.
fn kind(line: &str) -> &str {
    let message = line.split_once("  ").map_or(line, |(_, rest)| rest);
    let code = |before: &str, after| Some(message.split_once(before)?.1.split_once(after)?.0);
    let code = code(" code=\"", '"');
    let words = message
        .match_indices(' ')
        .nth(2)
        .map_or(message.len(), |(end, _)| end);
    code.unwrap_or(message[..words].trim_end_matches(':'))
}

/// One line a second of each kind, whatever the number of workers, of producers and of requests: the
/// error of the brokers once, not as librdkafka's own line too.
#[test]
fn is_a_line_a_second_of_each_kind() {
    let mock = Mock::with_topics(&[TOPIC]);
    let ringest = Ringest::builder(&mock.brokers())
        .model("Event", "1.0", TOPIC)
        .set("workers", "2")
        .set("timeouts.ack_timeout_ms", "500")
        .kafka("reconnect.backoff.ms", "10")
        .kafka("reconnect.backoff.max.ms", "20")
        .start();
    ringest.await_accepted();
    let before = ringest.log().len();
    let began = Instant::now();
    mock.down(ALL);
    let is_over = Arc::new(AtomicBool::new(false));
    // Several connections, so that both workers have some.
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut http = Http::connect(ringest.address()).expect("it accepts");
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                while !is_over.load(Relaxed) {
                    let answer = http.post(PATH, RECORD).expect("an answer");
                    assert!([200, 503].contains(&answer.status), "{answer:?}");
                    thread::sleep(Duration::from_millis(2));
                }
            })
        })
        .collect();
    await_that("no line stands for more than one event", || {
        let log = ringest.log();
        let during = &log[before..];
        let is_of_several = during
            .lines()
            .any(|it| it.contains("broker_unavailable") && it.contains("count="));
        is_of_several && began.elapsed() > OUTAGE
    });
    is_over.store(true, Relaxed);
    for client in clients {
        client.join().expect("each is answered");
    }
    let during = ringest.log().split_off(before);
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
    let mut kinds = BTreeMap::<_, usize>::new();
    for line in during.lines() {
        *kinds.entry(kind(line)).or_default() += 1;
    }
    assert!(
        kinds.values().all(|lines| *lines <= seconds + 2),
        "{kinds:#?}"
    );
    assert!(kinds.len() <= 8, "{kinds:#?}");
    assert!(!during.contains(" ERROR "), "{during}");
    let events_of_one = |line: &&str| line.ends_with("count=1") || line.contains("count=1 ");
    assert_eq!(during.lines().find(events_of_one), None);
    let mut answered = during.lines().filter(|it| it.contains("answered 503"));
    let has_code = |it: &str| it.contains(" code=\"") && it.contains(" status=503");
    assert!(answered.all(has_code), "{during}");
    let mut transport = during
        .lines()
        .filter(|it| it.contains("kafka: BrokerTransportFailure"));
    let broker = format!("{}/", mock.brokers());
    assert_eq!(transport.clone().find(|line| !line.contains(&broker)), None);
    assert!(transport.next().is_some(), "{during}");
}
