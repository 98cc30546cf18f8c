//! The configuration as a person writes it: what is read, and what is said of what is wrong.

mod access;
mod api_keys;
mod cors;
mod issuers;
mod kafka;
mod kafka_access;
mod memory;
mod models;
mod quotas;
mod registry;
mod routes;
mod sources;
mod tls;

use std::{fs, path::PathBuf, time::Duration};

use ringest::{
    auth::AuthMode,
    config::{Config, DriverChoice},
    document::ConfigErrors,
    log::LogFormat,
};
use tempfile::TempDir;

const MODEL: &str = "name = \"Event\"\nversion = \"1.0\"\n";

/// The least that can be served.
const LEAST: &str = "\
[listen]
address = \"127.0.0.1:0\"
[auth]
mode = \"none\"
[kafka]
\"bootstrap.servers\" = \"localhost:9092\"
";

/// A directory with a configuration file and models.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new(configuration: &str) -> Self {
        let place = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        fs::write(place.file(), configuration).expect("written");
        place.model("event", MODEL);
        place
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ringest.toml")
    }

    fn model(&self, name: &str, text: &str) {
        let models = self.directory.path().join("models");
        fs::create_dir_all(&models).expect("a directory");
        fs::write(models.join(format!("{name}.toml")), text).expect("written");
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let environment = environment.iter();
        let environment =
            environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(&self.file(), environment)
    }

    /// Each error on its line, paths without the directory.
    fn errors(&self, environment: &[(&str, &str)]) -> Vec<String> {
        let errors = self
            .load(environment)
            .expect_err("something is wrong")
            .to_string();
        let directory = format!("{}/", self.directory.path().display());
        errors
            .replace(&directory, "")
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn good(configuration: &str, environment: &[(&str, &str)]) -> Config {
    match Place::new(configuration).load(environment) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}"),
    }
}

fn errors(configuration: &str) -> Vec<String> {
    Place::new(configuration).errors(&[])
}

/// [`LEAST`] with more at its end, which is its `[kafka]`.
fn least_and(more: &str) -> String {
    format!("{LEAST}{more}")
}

#[test]
fn the_least_has_the_defaults() {
    let config = good(LEAST, &[]);
    assert_eq!(
        config.workers,
        std::thread::available_parallelism().expect("known")
    );
    assert_eq!(config.listen.driver, DriverChoice::Auto);
    assert_eq!(config.management, "127.0.0.1:4001".parse().ok());
    assert_eq!(config.limits.head_bytes_max, 16_384);
    assert_eq!(config.limits.in_flight_bytes_max, 268_435_456);
    assert_eq!(config.timeouts.ack, Duration::from_secs(10));
    assert_eq!(config.auth.mode, AuthMode::None);
    assert_eq!(
        (config.log.format, config.log.filter.to_string().as_str()),
        (LogFormat::Text, "info")
    );
    assert_eq!(config.models.len(), 1);
    assert_eq!(config.models[0].topic, "Event_1_0");
    assert_eq!(config.warnings, [""; 0]);
    for (name, value) in [
        ("bootstrap.servers", "localhost:9092"),
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("partitioner", "murmur2_random"),
        ("message.timeout.ms", "10000"),
        ("topic.metadata.propagation.max.ms", "5000"),
        ("message.max.bytes", "1010000"),
    ] {
        assert_eq!(config.kafka_property(name), Some(value), "{name}");
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let configuration = "\
colour = \"blue\"
workers = \"two\"
models = \"nowhere\"
[listen]
address = \"localhost:4000\"
driver = \"kqueue\"
[limits]
head_byte_max = 1_024
headers_max = 0
body_bytes_max = -1
records_max = 1.5
[timeouts]
idle_timeout_ms = 99_999_999_999_999_999_999_999_999_999_999_999_999_999
[log]
filter = \"ringest=loudly\"
[kafka]
linger.ms = \"soon\"
[limit]
headers_max = 3
";
    let place = Place::new(configuration);
    let environment = [
        ("RINGEST_LIMITS__JSON_DEPTH_MAX", "1001"),
        ("RINGEST_LIMITS__DEPTH", "1"),
        ("RINGEST_TEST_BROKERS", "not ours"),
        ("HOME", "/"),
    ];
    let errors = place.errors(&environment);
    let expected = [
        "ringest.toml: auth.mode: \"required\" (the default) needs credentials to check against: \
         set auth.keys \
         (`ringest token` creates one), auth.jwt or the environment variable \
         MOOSE_INGEST_API_KEY; or \
         auth.mode = \"none\" to accept unauthenticated requests",
        "ringest.toml: kafka.bootstrap.servers: missing: one broker or more, such as \
         \"localhost:9092\"",
        "ringest.toml:1: colour: unknown key",
        "ringest.toml:2: workers: \"two\" is not allowed: a whole number from 0 to 1_024",
        "ringest.toml:3: models: can't read nowhere: No such file or directory (os error 2)",
        "ringest.toml:5: listen.address: \"localhost:4000\" is not allowed: an IP address and a \
         port, such as \"127.0.0.1:4000\", or a unix socket by an absolute path of at most 107 bytes, \
         such as \"unix:/run/ringest/ingest.sock\"",
        "ringest.toml:6: listen.driver: \"kqueue\" is not allowed: \"auto\" or \"io_uring\" or \
         \"epoll\"",
        "ringest.toml:8: limits.head_byte_max: unknown key; did you mean \"head_bytes_max\"?",
        "ringest.toml:9: limits.headers_max: 0 is not allowed: a whole number from 1 to 1_024",
        "ringest.toml:10: limits.body_bytes_max: -1 is not allowed: a whole number from 1 to \
         1_073_741_824",
        "ringest.toml:11: limits.records_max: 1.5 is not allowed: a whole number from 1 to \
         1_048_576",
        "ringest.toml:13: timeouts.idle_timeout_ms: \
         99_999_999_999_999_999_999_999_999_999_999_999_999_999 is not allowed: a whole number \
         from 1 to 86_400_000",
        "ringest.toml:15: log.filter: \"ringest=loudly\" is not allowed: there is no level `loudly`, \
         only off, error, warn, info, debug, trace",
        "ringest.toml:17: kafka.linger.ms: \"soon\" is not allowed: Invalid value for \
         configuration property \"queue.buffering.max.ms\"",
        "ringest.toml:19: limit.headers_max: unknown key; did you mean \"limits.headers_max\"?",
        "environment variable RINGEST_LIMITS__DEPTH: limits.depth: unknown key",
        "environment variable RINGEST_LIMITS__JSON_DEPTH_MAX: limits.json_depth_max: \"1001\" is \
         not allowed: a whole number from 1 to 1_000",
    ];
    for (error, expected) in errors.iter().zip(expected) {
        assert_eq!(error, expected);
    }
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
}
