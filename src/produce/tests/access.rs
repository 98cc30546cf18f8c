//! Credentials that are replaced while records are produced.

use std::time::SystemTime;

use super::*;
use crate::produce::Token;

/// Replaces the properties, and sends until every handle has the new ones; the records that were sent.
fn replace(bench: &mut Bench, settings: &ProducerSettings, more: (&str, &str)) -> usize {
    let (generation, before) = settings.access.properties();
    let mut properties = before.to_vec();
    properties.push((more.0.to_owned(), more.1.to_owned()));
    settings.access.replace_properties(properties);
    assert!(settings.access.is_newer_than(generation));
    bench.send_until_replaced(|bench| !bench.producer.is_outdated_for_test())
}

#[test]
fn handles_are_replaced_with_their_properties_and_nothing_is_lost() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let settings = settings(&[("bootstrap.servers", &cluster.bootstrap_servers())]);
    let mut bench = Bench::open(&settings);
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
    for name in ["first", "second"] {
        assert!(replace(&mut bench, &settings, ("client.id", name)) > 0);
        assert_eq!(bench.send(&array(3)).map(|it| it.records()), Ok(3));
    }
    assert_eq!(bench.admission.in_flight_bytes(), 0);
    // The old ones are gone, and so are their reports.
    bench.turn_until(|bench| bench.producer.queue_depth() == 0);
    assert_eq!(bench.metrics.late_delivery_reports.value(), 0);
}

#[test]
fn properties_that_librdkafka_refuses_leave_the_handle_as_it_is() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let settings = settings(&[("bootstrap.servers", &cluster.bootstrap_servers())]);
    let mut bench = Bench::open(&settings);
    let mut bad = settings.access.properties().1.to_vec();
    bad.push(("ssl.key.pem".to_owned(), "no key".to_owned()));
    bad.push(("security.protocol".to_owned(), "ssl".to_owned()));
    settings.access.replace_properties(bad);
    let until = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < until {
        assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
    }
    assert!(bench.producer.is_outdated_for_test());
    assert!(replace(&mut bench, &settings, ("security.protocol", "plaintext")) > 0);
}

/// A broker that hangs has records of the old handle, which are waited for; new ones take the new handle.
#[test]
fn a_broker_that_hangs_does_not_hold_up_the_replacement() {
    let cluster = MockCluster::new(2).expect("a mock cluster");
    cluster.create_topic("events", 2, 1).expect("a topic");
    let settings = settings(&[("bootstrap.servers", &cluster.bootstrap_servers())]);
    let mut bench = Bench::open(&settings);
    bench.await_partitions();
    let hang = Duration::from_secs(3);
    cluster
        .broker_round_trip_time(1, hang)
        .expect("it is there");
    let begun = Instant::now();
    // One for each partition, and so for each broker.
    let deliveries: Vec<_> = (0..2)
        .map(|_| bench.enqueue(b"{}").expect("room"))
        .collect();
    settings.access.replace_properties({
        let mut properties = settings.access.properties().1.to_vec();
        properties.push(("client.id".to_owned(), "new".to_owned()));
        properties
    });
    bench.turn_until(|bench| !bench.producer.is_outdated_for_test());
    assert!(begun.elapsed() < hang, "{:?}", begun.elapsed());
    for delivery in deliveries {
        assert_eq!(bench.finish(delivery).map(|it| it.records()), Ok(1));
    }
}

#[test]
fn a_token_is_given_to_handles_for_tokens_only() {
    let token = |ends| {
        Token::new(
            "a.b.c",
            "ringest",
            &[("pool".to_owned(), "1".to_owned())],
            ends,
        )
    };
    let given = |settings: &ProducerSettings, token| {
        let (_, config) = settings.access.client_config();
        let client: rdkafka::producer::BaseProducer = config.create().expect("a client");
        settings.access.set_token(token);
        settings
            .access
            .authenticate(rdkafka::producer::Producer::client(&client))
            .map_err(|error| error.to_string())
    };
    let with_tokens = settings(&[
        ("bootstrap.servers", "127.0.0.1:1"),
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanisms", "OAUTHBEARER"),
    ]);
    let now = SystemTime::now();
    for ends in [None, Some(now + Duration::from_mins(1))] {
        assert_eq!(given(&with_tokens, token(ends).expect("no NUL")), Ok(()));
    }
    let ended = given(&with_tokens, token(Some(now)).expect("no NUL"));
    assert!(ended.expect_err("it has ended").contains("unexpired token"));
    let plain = settings(&[("bootstrap.servers", "127.0.0.1:1")]);
    let refused = given(&plain, token(None).expect("no NUL"));
    assert!(
        refused
            .expect_err("no tokens there")
            .contains("not the configured")
    );
    assert!(Token::new("a\0", "ringest", &[], None).is_err());
    assert!(!format!("{:?}", token(None)).contains("a.b.c"));
}

#[test]
fn whether_a_token_is_lacking() {
    let access = BrokerAccess::new([]);
    assert!(!access.lacks_token() && !access.awaits_first_token());
    access.set_needs_token(true);
    assert!(access.lacks_token() && access.awaits_first_token());
    let now = SystemTime::now();
    for (ends, lacks) in [
        (None, false),
        (Some(now + PATIENCE), false),
        (Some(now), true),
    ] {
        access.set_token(Token::new("a", "ringest", &[], ends).expect("no NUL"));
        assert_eq!(access.lacks_token(), lacks, "{ends:?}");
        assert!(!access.awaits_first_token());
    }
}
