//! Where a configuration comes from: a file, the environment over it, or what is built in.

use std::fs;

use ringest::{
    auth::AuthMode,
    config::{Config, DriverChoice},
    log::LogFormat,
};

use super::{LEAST, Place, errors, good, least_and};

#[test]
fn the_environment_wins_over_the_file() {
    let config = good(
        &least_and("linger.ms = 7\n\"metadata.broker.list\" = \"x:1\"\n")
            .replace("\"bootstrap.servers\" = \"localhost:9092\"\n", ""),
        &[
            ("RINGEST_WORKERS", "3"),
            ("RINGEST_LISTEN__ADDRESS", "[::1]:0"),
            ("RINGEST_LISTEN__DRIVER", "epoll"),
            ("RINGEST_MANAGEMENT__ADDRESS", ""),
            ("RINGEST_LIMITS__BODY_BYTES_MAX", "1_000_000"),
            ("RINGEST_LOG__FORMAT", "json"),
            ("RINGEST_KAFKA__BOOTSTRAP_SERVERS", "one:1,two:2"),
            ("RINGEST_KAFKA__linger.ms", "0.5"),
            ("RINGEST_KAFKA__LOG_LEVEL", "3"),
            ("RINGEST_KAFKA__SASL_PASSWORD", "secret"),
        ],
    );
    assert_eq!(config.workers.get(), 3);
    assert_eq!(
        config.listen.address,
        "[::1]:0".parse().expect("an address")
    );
    assert_eq!(config.listen.driver, DriverChoice::Epoll);
    assert_eq!(config.management, None);
    assert_eq!(config.limits.body_bytes_max, 1_000_000);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(
        config.kafka_property("bootstrap.servers"),
        Some("one:1,two:2")
    );
    assert_eq!(config.kafka_property("metadata.broker.list"), None);
    assert_eq!(config.kafka_property("linger.ms"), Some("0.5"));
    assert_eq!(config.kafka_property("log_level"), Some("3"));
    assert_eq!(config.kafka_property("sasl.password"), Some("secret"));
    let mut names: Vec<_> = config.kafka.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), config.kafka.len());
}

/// What Kubernetes sets in every pod of a namespace with Services `ringest` and `ringest-kafka`.
#[test]
fn variables_of_kubernetes_are_not_ours() {
    let services = [
        ("RINGEST_PORT", "tcp://10.0.0.11:4000"),
        ("RINGEST_PORT_4000_TCP", "tcp://10.0.0.11:4000"),
        ("RINGEST_PORT_4000_TCP_ADDR", "10.0.0.11"),
        ("RINGEST_PORT_4000_TCP_PORT", "4000"),
        ("RINGEST_PORT_4000_TCP_PROTO", "tcp"),
        ("RINGEST_SERVICE_HOST", "10.0.0.11"),
        ("RINGEST_SERVICE_PORT", "4000"),
        ("RINGEST_SERVICE_PORT_HTTP", "4000"),
        ("RINGEST_KAFKA_PORT", "udp://[fd00::11]:9092"),
        ("RINGEST_KAFKA_PORT_9092_UDP", "udp://[fd00::11]:9092"),
        ("RINGEST_KAFKA_PORT_9092_SCTP_ADDR", "fd00::11"),
        ("RINGEST_KAFKA_SERVICE_HOST", "fd00::11"),
        ("RINGEST_KAFKA_SERVICE_PORT", "9092"),
        ("RINGEST_KAFKA_SERVICE_PORT_TCP_CLIENT", "9092"),
    ];
    let config = good(LEAST, &services);
    assert_eq!(config.warnings, [""; 0]);
    for (variable, value, expected) in [
        (
            "RINGEST_PORT",
            "4000",
            "port: unknown key; did you mean \"RINGEST_LISTEN__ADDRESS\"?",
        ),
        (
            "RINGEST_LISTEN_PORT",
            "4000",
            "listen_port: unknown key; did you mean \"RINGEST_LISTEN__ADDRESS\"?",
        ),
        (
            "RINGEST_AUTH_MODE",
            "none",
            "auth_mode: unknown key; did you mean \"RINGEST_AUTH__MODE\"?",
        ),
        (
            "RINGEST_PORT_HTTP_TCP",
            "tcp://x",
            "port_http_tcp: unknown key",
        ),
        ("RINGEST_SERVICE", "x", "service: unknown key"),
        ("RINGEST_SERVICE__HOST", "x", "service.host: unknown key"),
        (
            "RINGEST_LIMITS__BODY_BYTE_MAX",
            "5",
            "limits.body_byte_max: unknown key; did you mean \"body_bytes_max\"?",
        ),
        (
            "RINGEST_LISTEN__PORT_4000_TCP",
            "x",
            "listen.port_4000_tcp: unknown key",
        ),
    ] {
        let errors = Place::new(LEAST).errors(&[(variable, value)]);
        let expected = format!("environment variable {variable}: {expected}");
        assert!(
            errors.len() == 1 && errors[0].starts_with(&expected),
            "{errors:?}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_or_parsed() {
    let place = Place::new(LEAST);
    fs::remove_file(place.file()).expect("removed");
    let [error] = &place.errors(&[])[..] else {
        panic!("one error")
    };
    assert!(
        error.starts_with("ringest.toml: can't be read: No such file"),
        "{error}"
    );

    let errors = errors("workers = 1\nworkers = 2\n[listen\naddress = 1\n");
    assert!(
        errors[0].starts_with("ringest.toml:2: not valid TOML: "),
        "{errors:?}"
    );
    assert!(
        errors[1].starts_with("ringest.toml:3: not valid TOML: "),
        "{errors:?}"
    );
}

#[test]
fn sections_and_values_are_told_apart() {
    assert_eq!(
        errors(&format!("limits = 5\n{LEAST}[workers]\nx = 1\n[nothing]\n")),
        [
            "ringest.toml:1: limits: 5 is not allowed: this is a section, [limits]",
            "ringest.toml:8: workers: [workers] is not allowed: a whole number from 0 to 1_024",
            "ringest.toml:10: nothing: unknown key",
        ]
    );
}

#[test]
fn development_needs_no_file_but_hears_the_environment() {
    let development = |environment: &[(&str, &str)]| {
        let owned: Vec<_> = environment
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        Config::development("127.0.0.1:1", None, owned.into_iter())
    };
    let config = development(&[]).expect("good");
    assert_eq!(
        config.listen.address,
        "127.0.0.1:4000".parse().expect("an address")
    );
    assert_eq!(config.management, "127.0.0.1:4001".parse().ok());
    assert_eq!(
        config.kafka_property("bootstrap.servers"),
        Some("127.0.0.1:1")
    );
    let cores = std::thread::available_parallelism().expect("known").get();
    assert_eq!(config.workers.get(), cores.min(2));

    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/config/models");
    let from_files = development(&[("RINGEST_MODELS", samples)]).expect("good");
    let described = |config: &Config| format!("{:?}", config.models);
    assert_eq!(
        described(&from_files),
        described(&config),
        "built in and on disk are the same"
    );
    assert!(config.models.iter().any(|model| model.fields.is_none()));

    let changed = development(&[
        ("RINGEST_LISTEN__ADDRESS", "127.0.0.1:0"),
        ("RINGEST_WORKERS", "1"),
    ])
    .expect("good");
    assert_eq!(
        changed.listen.address,
        "127.0.0.1:0".parse().expect("an address")
    );
    assert_eq!(changed.workers.get(), 1);

    // Whoever has Moose's key in the environment still tries without it, and is told.
    let moose = (
        "MOOSE_INGEST_API_KEY",
        "0123456789abcdef0123456789abcdef01234567",
    );
    let unasked = development(&[moose]).expect("good");
    assert_eq!(unasked.auth.mode, AuthMode::None);
    assert_eq!(
        unasked.warnings,
        [
            "config/dev.toml (built in):25: auth.mode: \"none\" disables authentication: \
             auth.keys has no effect"
        ]
    );
    let asked = development(&[moose, ("RINGEST_AUTH__MODE", "required")]).expect("good");
    assert_eq!(asked.auth.mode, AuthMode::Required);
    assert_eq!(asked.warnings, [""; 0]);

    let errors = development(&[
        ("RINGEST_KAFKA__BOOTSTRAP_SERVERS", "x:1"),
        ("RINGEST_WORKERS", "x"),
    ])
    .expect_err("two errors");
    assert_eq!(errors.iter().count(), 2, "{errors}");
}
