//! What the log says of a start.

use super::requests::value;
use crate::support::{event::TOPIC, mock::Mock, ringest::Ringest};

/// Two lines, with everything that a report of a problem needs; of the environment the names alone.
#[test]
fn says_what_runs_on_what_and_within_what() {
    let mock = Mock::with_topics(&[TOPIC]);
    let brokers = mock.brokers();
    let ringest = Ringest::of_events(&brokers, "epoll", 1)
        .set("pin", "never")
        .set("schema_registry.url", "http://127.0.0.1:1")
        .set("schema_registry.username", "a-name")
        .set("schema_registry.password", "s3cret-of-the-registry")
        .start();
    let log = ringest.log();
    let line = |message: &str| {
        let found = log.lines().find(|line| line.contains(message));
        found.unwrap_or_else(|| panic!("no line {message:?} in\n{log}"))
    };
    let starting = line(" INFO starting version=");
    let of_start = |name| value(starting, name).expect(name);
    assert_eq!(of_start("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(of_start("brokers"), brokers);
    let configuration = of_start("configuration");
    assert!(configuration.ends_with("/ringest.toml"), "{starting}");
    let environment = of_start("environment");
    for name in ["RINGEST_PIN", "RINGEST_SCHEMA_REGISTRY__PASSWORD"] {
        assert!(environment.split(' ').any(|it| it == name), "{environment}");
    }
    assert!(!log.contains("s3cret"), "{log}");

    let started = line(" INFO started driver=");
    for (name, expected) in [
        ("driver", "epoll"),
        ("driver_reason", "listen.driver = epoll"),
        ("cores", "not pinned: pin = never"),
    ] {
        assert_eq!(value(started, name), Some(expected), "{started}");
    }
    for (name, least) in [
        ("workers", 1),
        ("routes", 1),
        ("memory_max_bytes", 100_000_000),
        ("in_flight_bytes_max", 1_000_000),
        ("connections_max", 100),
        ("body_bytes_max", 10_485_760),
        ("record_bytes_max", 1_000_000),
    ] {
        let number = value(started, name).and_then(|it| it.parse::<u64>().ok());
        assert!(number >= Some(least), "{name}: {started}");
    }
}
