//! `[kafka]`: what agrees with the limits, what ringest sets, what it warns of.

use super::{LEAST, Place, good, least_and};

#[test]
fn kafka_must_agree_with_the_limits() {
    let kafka = |line: &str| {
        Place::new(&least_and(line)).load(&[]).map_err(|errors| {
            errors
                .iter()
                .map(|error| format!("{}: {}", error.key, error.message))
                .collect::<Vec<_>>()
        })
    };
    for good in [
        "message.max.bytes = 1_000_041",
        "message.timeout.ms = 10_000",
        "delivery.timeout.ms = 1",
        "message.timeout.ms = 8\nlinger.ms = 7",
        "queue.buffering.max.ms = 9_999",
    ] {
        assert!(kafka(good).is_ok(), "{good}: {:?}", kafka(good));
    }
    for (bad, error) in [
        (
            "message.max.bytes = 1_000_040",
            "kafka.message.max.bytes: 1_000_040 is not allowed: a whole number of at least \
             1_000_041 (41 more than limits.record_bytes_max = 1_000_000, for message overhead and a schema prefix)",
        ),
        (
            "delivery.timeout.ms = 10_001",
            "kafka.delivery.timeout.ms: 10_001 is not allowed: a whole number from 1 to \
             timeouts.ack_timeout_ms = 10_000 (else a request is answered before its records time out)",
        ),
        (
            "message.timeout.ms = 0",
            "kafka.message.timeout.ms: 0 is not allowed: a whole number from 1 to \
             timeouts.ack_timeout_ms = 10_000 (else a request is answered before its records time out)",
        ),
        (
            "message.timeout.ms = 7\nlinger.ms = 7",
            "kafka.message.timeout.ms: message.timeout.ms (by default timeouts.ack_timeout_ms) \
             must be greater than linger.ms",
        ),
        (
            "queue.buffering.max.ms = 10_000",
            "kafka.queue.buffering.max.ms: message.timeout.ms (by default timeouts.ack_timeout_ms) \
             must be greater than linger.ms",
        ),
        (
            "producers = 17",
            "kafka.producers: 17 is not allowed: \"auto\" or a whole number from 1 to 16",
        ),
        (
            "producers = \"many\"",
            "kafka.producers: \"many\" is not allowed: \"auto\" or a whole number from 1 to 16",
        ),
        (
            "queue.buffering.max.messages = 0",
            "kafka.queue.buffering.max.messages: 0 is not allowed: a whole number of at least 1",
        ),
        (
            "queue.buffering.max.messages = \"010\"",
            "kafka.queue.buffering.max.messages: \"010\" is not allowed: a whole number of at \
             least 1",
        ),
        (
            "queue.buffering.max.kbytes = 0",
            "kafka.queue.buffering.max.kbytes: 0 is not allowed: Configuration property \
             \"queue.buffering.max.kbytes\" value 0 is outside allowed range 1..2147483647",
        ),
        (
            "group.id = \"x\"",
            "kafka.group.id: not to be set: a property of consumers; ringest only produces",
        ),
        (
            "linger.msec = 1",
            "kafka.linger.msec: No such configuration property: \"linger.msec\"; did you mean \
             \"linger.ms\"?",
        ),
        (
            "acks = [1]",
            "kafka.acks: [1] is not allowed: a string, a number, true or false",
        ),
    ] {
        assert_eq!(kafka(bad).err(), Some(vec![error.to_owned()]), "{bad}");
    }
    let twice = kafka("\"metadata.broker.list\" = \"x:1\"").expect_err("twice");
    assert!(twice[0].contains("set twice: also at "), "{twice:?}");
}

#[test]
fn a_queue_below_the_largest_request_is_warned_of() {
    let warnings = |line: &str| good(&least_and(line), &[]).warnings;
    for (line, warning) in [
        ("queue.buffering.max.messages = 100_000", None),
        (
            "queue.buffering.max.messages = 99_999",
            Some(
                "kafka.queue.buffering.max.messages = 99_999 is less than 100_000 (from \
                 limits.records_max = 100_000): a request with that many records never fits and is answered 503 queue_full",
            ),
        ),
        ("queue.buffering.max.kbytes = 10_240", None),
        (
            "queue.buffering.max.kbytes = 10_239",
            Some(
                "kafka.queue.buffering.max.kbytes = 10_239 is less than 10_240 (from \
                 limits.body_bytes_max = 10_485_760): a request of that size may not fit and is then answered 503 queue_full",
            ),
        ),
    ] {
        assert_eq!(warnings(line), Vec::from_iter(warning), "{line}");
    }
    let smallest = good(&least_and("queue.buffering.max.messages = 1"), &[]);
    assert_eq!(smallest.queue_records_max(), 1);
}

#[test]
fn properties_that_ringest_owns_are_refused_with_the_reason() {
    for (line, reason) in [
        (
            "delivery.report.only.error = true",
            "ringest answers from the delivery report of every record",
        ),
        (
            "enabled_events = 1",
            "ringest chooses the events that it reads",
        ),
        ("log.queue = false", "ringest reads librdkafka's log itself"),
        (
            "enable.gapless.guarantee = true",
            "one record that could not be delivered would stop every producer for good",
        ),
        (
            "transactional.id = \"x\"",
            "a transaction would be one for all clients of a worker; ringest acknowledges each \
             request",
        ),
        (
            "test.mock.num.brokers = 1",
            "records would be acknowledged by a broker within this process, and lost with it",
        ),
    ] {
        let (name, _) = line.split_once(' ').expect("a key");
        let errors = Place::new(&least_and(line)).errors(&[]);
        let expected = format!("ringest.toml:7: kafka.{name}: not to be set: {reason}");
        assert_eq!(errors, [expected]);
    }
}

#[test]
fn our_properties_follow_the_limits() {
    let limits = "workers = 2\n[limits]\nrecord_bytes_max = 999_990_000\nrecords_max = 1_048_576\n\
                  body_bytes_max = 1\nin_flight_bytes_max = 33_000_001\n\
                  [timeouts]\nack_timeout_ms = 9_999\n";
    let config = good(&format!("{limits}{LEAST}"), &[]);
    assert_eq!(
        config.kafka_property("message.max.bytes"),
        Some("1000000000")
    );
    assert_eq!(
        config.kafka_property("queue.buffering.max.messages"),
        Some("1048576")
    );
    // 33_000_001 bytes are 32_226.6 KiB.
    assert_eq!(
        config.kafka_property("queue.buffering.max.kbytes"),
        Some("32227")
    );
    assert_eq!(config.kafka_property("message.timeout.ms"), Some("9999"));
    assert_eq!(
        config.kafka_property("topic.metadata.propagation.max.ms"),
        Some("4999")
    );
    let copied = |property: &str| {
        let config = good(&format!("{LEAST}\n{property}"), &[]);
        (config.kafka_property("message.copy.max.bytes")).map(str::to_owned)
    };
    assert_eq!(copied("").as_deref(), Some("4096"));
    assert_eq!(
        copied("\"message.copy.max.bytes\" = 7").as_deref(),
        Some("7")
    );
    // librdkafka's own: each record that is not copied would be a TLS record of its own.
    assert_eq!(copied("\"security.protocol\" = \"ssl\""), None);
    let small = "[limits]\nrecord_bytes_max = 1\n";
    let config = good(&format!("{small}{LEAST}"), &[]);
    assert_eq!(config.kafka_property("message.max.bytes"), Some("1000000"));
    let short = good(LEAST, &[("RINGEST_TIMEOUTS__ACK_TIMEOUT_MS", "1")]);
    assert_eq!(short.kafka_property("message.timeout.ms"), Some("1"));
}

#[test]
fn the_bound_on_waiting_is_only_the_operators() {
    let linger = |more: &str| {
        let config = good(&least_and(more), &[]);
        config.kafka_property("linger.ms").map(str::to_owned)
    };
    assert_eq!(linger(""), None);
    assert_eq!(linger("linger.ms = 0.5"), Some("0.5".to_owned()));
    // By any of its names.
    assert_eq!(linger("queue.buffering.max.ms = 3"), Some("3".to_owned()));
    let config = good(&least_and("max.in.flight = 2"), &[]);
    let requests = config.kafka_property("max.in.flight.requests.per.connection");
    assert_eq!(requests, Some("2"));
}

#[test]
fn producers_are_as_many_as_needed_or_a_number() {
    let producers = |more: &str, environment: &[(&str, &str)]| {
        let config = good(&least_and(more), environment);
        assert_eq!(config.kafka_property("producers"), None);
        config.producers
    };
    let variable = |value| ("RINGEST_KAFKA__PRODUCERS", value);
    assert_eq!(producers("", &[]), None);
    assert_eq!(producers("producers = \"auto\"", &[]), None);
    assert_eq!(producers("producers = 1", &[]), Some(1));
    assert_eq!(producers("producers = 2", &[variable("16")]), Some(16));
    assert_eq!(producers("producers = 2", &[variable("auto")]), None);
    let refused = Place::new(LEAST).errors(&[variable("0")]);
    let expected = "environment variable RINGEST_KAFKA__PRODUCERS: kafka.producers: \"0\" is not \
                    allowed: \"auto\" or a whole number from 1 to 16";
    assert_eq!(refused, [expected]);
    let misspelt = Place::new(&least_and("producer = 2")).errors(&[]);
    let expected = "ringest.toml:7: kafka.producer: unknown key; did you mean \"producers\"?";
    assert_eq!(misspelt, [expected]);
}

#[test]
fn weaker_acknowledgements_are_warned_of() {
    for (line, acks) in [("acks = 1", "1"), ("request.required.acks = \"0\"", "0")] {
        let config = good(&least_and(line), &[]);
        let warning = format!(
            "kafka.acks = {acks}: a 2xx no longer means that every in-sync replica has the record"
        );
        assert_eq!(config.warnings, [warning]);
        assert_eq!(config.kafka_property("acks"), Some(acks));
        assert_eq!(config.kafka_property("enable.idempotence"), None);
    }
    assert_eq!(good(&least_and("acks = -1"), &[]).warnings, [""; 0]);
}
