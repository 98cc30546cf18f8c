//! The configuration as a person writes it: what is read, and what is said of what is wrong.

use std::{fs, path::PathBuf, time::Duration};

use ringest::config::{AuthMode, Config, ConfigErrors, DriverChoice, LogFormat};
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
    assert_eq!(config.auth, AuthMode::None);
    assert_eq!(
        (config.log_format, config.log_filter.as_str()),
        (LogFormat::Text, "info")
    );
    assert_eq!(config.models.len(), 1);
    assert_eq!(config.models[0].topic, "Event_1_0");
    assert_eq!(config.warnings, [""; 0]);
    for (name, value) in [
        ("bootstrap.servers", "localhost:9092"),
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("linger.ms", "1"),
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
        "ringest.toml: auth.mode: \"required\" (the default) can't be served: this version can't \
         check credentials; set auth.mode = \"none\" if everyone who reaches the port may send",
        "ringest.toml: kafka.bootstrap.servers: missing: one broker or more, such as \
         \"localhost:9092\"",
        "ringest.toml:1: colour: unknown key",
        "ringest.toml:2: workers: \"two\" is not allowed: a whole number from 0 to 1_024",
        "ringest.toml:3: models: nowhere: No such file or directory (os error 2)",
        "ringest.toml:5: listen.address: \"localhost:4000\" is not allowed: an IP address and a \
         port, such as \"127.0.0.1:4000\"",
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
        "ringest.toml:15: log.filter: \"ringest=loudly\" is not allowed: a level or directives, \
         such as \"info\" or \"warn,ringest=debug\"",
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
    assert_eq!(config.log_format, LogFormat::Json);
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

#[test]
fn the_models_of_the_environment_are_relative_to_the_file_too() {
    let place = Place::new(&format!("models = \"nowhere\"\n{LEAST}"));
    assert!(place.load(&[("RINGEST_MODELS", "models")]).is_ok());
    fs::create_dir(place.directory.path().join("empty")).expect("a directory");
    assert_eq!(
        place.errors(&[("RINGEST_MODELS", "empty")]),
        ["environment variable RINGEST_MODELS: models: no model (*.toml) in empty"]
    );
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
fn only_a_port_that_nobody_else_reaches_is_open_to_everyone() {
    let on = |address: &str| LEAST.replace("127.0.0.1:0", address);
    assert_eq!(
        errors(&on("0.0.0.0:0")),
        [
            "ringest.toml:2: listen.address: \"0.0.0.0:0\" can be reached from the network and \
             auth.mode = \"none\" lets everyone send: set listen.unauthenticated_network = true \
             if that is meant, or a loopback address"
        ]
    );
    for network in ["192.0.2.1:0", "[::]:0", "[::ffff:127.0.0.1]:0"] {
        assert_eq!(errors(&on(network)).len(), 1, "{network}");
    }
    for loopback in ["127.0.0.1:0", "127.8.8.8:0", "[::1]:0"] {
        good(&on(loopback), &[]);
    }
    let allowed = ("RINGEST_LISTEN__UNAUTHENTICATED_NETWORK", "true");
    good(&on("0.0.0.0:0"), &[allowed]);
    let errors = Place::new(LEAST).errors(&[(allowed.0, "yes")]);
    assert_eq!(
        errors,
        [
            "environment variable RINGEST_LISTEN__UNAUTHENTICATED_NETWORK: \
             listen.unauthenticated_network: \"yes\" is not allowed: true or false"
        ]
    );
}

#[test]
fn credentials_are_refused_and_never_shown() {
    let configuration = least_and(
        "[auth.jwt]\nissuer = \"s3cret\"\n[[auth.keys]]\nname = \"a\"\nhash = \"s3cret\"\n",
    );
    let configuration = configuration.replace("[auth]\n", "[auth]\ncache_entries = 1\n");
    let place = Place::new(&configuration);
    let errors = place.errors(&[
        ("MOOSE_INGEST_API_KEY", "s3cret"),
        ("RINGEST_AUTH__JWT__SECRET", "s3cret"),
    ]);
    let starts = [
        "ringest.toml:4: auth.cache_entries: not supported by this version: ",
        "ringest.toml:8: auth.jwt: not supported by this version: ",
        "environment variable MOOSE_INGEST_API_KEY: auth.keys: not supported by this version: ",
        "environment variable RINGEST_AUTH__JWT__SECRET: auth.jwt.secret: not supported by this ",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn no_secret_of_kafka_is_shown() {
    let errors = Place::new(&least_and("sasl.password = []\n")).errors(&[
        ("RINGEST_KAFKA__SASL_PASSWORD_X", "s3cret"),
        ("RINGEST_KAFKA__SSL_KEY", "s3cret"),
    ]);
    assert_eq!(errors.len(), 3, "{errors:#?}");
    assert!(!errors.concat().contains("s3cret"), "{errors:#?}");
}

#[test]
fn the_share_of_a_worker_must_hold_one_request() {
    // Two workers, a body of 1_000_000 and a read segment of 20_480 (16_385 in whole pages).
    let limits = |in_flight: usize| {
        format!(
            "workers = 2\n[limits]\nhead_bytes_max = 16_385\nbody_bytes_max = 1_000_000\n\
             in_flight_bytes_max = {in_flight}\nconnections_max = 2\n{LEAST}"
        )
    };
    good(&limits(2_040_960), &[]);
    assert_eq!(
        errors(&limits(2_040_959)),
        [
            "ringest.toml:5: limits.in_flight_bytes_max: 2_040_959 are too few: each of the 2 \
             workers must hold one body of limits.body_bytes_max = 1_000_000 bytes and one read \
             segment of 20_480 bytes; set at least 2_040_960, or fewer workers, or smaller bodies"
        ]
    );
    assert_eq!(
        Place::new(&limits(9_999_999)).errors(&[("RINGEST_LIMITS__CONNECTIONS_MAX", "1")]),
        [
            "environment variable RINGEST_LIMITS__CONNECTIONS_MAX: limits.connections_max: 1 are \
             too few: each of the 2 workers needs one"
        ]
    );
}

#[test]
fn two_listeners_do_not_meet() {
    let on = |public: &str, management: &str| {
        let text = LEAST.replace("127.0.0.1:0", public);
        let place = Place::new(&format!("[management]\naddress = \"{management}\"\n{text}"));
        place.load(&[]).is_ok()
    };
    assert!(on("127.0.0.1:0", "127.0.0.1:0"));
    assert!(on("127.0.0.1:4000", "127.0.0.2:4000"));
    assert!(!on("127.0.0.1:4000", "127.0.0.1:4000"));
    assert!(!on("127.0.0.1:4000", "0.0.0.0:4000"));
}

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
        "message.max.bytes = 1_000_000",
        "message.timeout.ms = 10_000",
        "delivery.timeout.ms = 2",
        "queue.buffering.max.messages = 100_000",
        "queue.buffering.max.kbytes = 10_240",
    ] {
        assert!(kafka(good).is_ok(), "{good}: {:?}", kafka(good));
    }
    for (bad, error) in [
        (
            "message.max.bytes = 999_999",
            "kafka.message.max.bytes: 999_999 is not allowed: a whole number of at least \
             1_000_000 (from limits.record_bytes_max = 1_000_000)",
        ),
        (
            "delivery.timeout.ms = 10_001",
            "kafka.delivery.timeout.ms: 10_001 is not allowed: a whole number from 1 to \
             timeouts.ack_timeout_ms = 10_000 (a request would be answered before its records \
             are given up)",
        ),
        (
            "message.timeout.ms = 0",
            "kafka.message.timeout.ms: 0 is not allowed: a whole number from 1 to \
             timeouts.ack_timeout_ms = 10_000 (a request would be answered before its records \
             are given up)",
        ),
        (
            "message.timeout.ms = 1",
            "kafka.message.timeout.ms: message.timeout.ms (by default timeouts.ack_timeout_ms) \
             must be greater than linger.ms (by default 1)",
        ),
        (
            "queue.buffering.max.messages = 99_999",
            "kafka.queue.buffering.max.messages: 99_999 is not allowed: a whole number of at \
             least 100_000 (from limits.records_max = 100_000)",
        ),
        (
            "queue.buffering.max.messages = 0",
            "kafka.queue.buffering.max.messages: 0 is not allowed: a whole number of at least \
             100_000 (from limits.records_max = 100_000)",
        ),
        (
            "queue.buffering.max.kbytes = 10_239",
            "kafka.queue.buffering.max.kbytes: 10_239 is not allowed: a whole number of at \
             least 10_240 (from limits.body_bytes_max = 10_485_760)",
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
    // Half of 33_000_001 bytes is 16_113.3 KiB.
    assert_eq!(
        config.kafka_property("queue.buffering.max.kbytes"),
        Some("16114")
    );
    assert_eq!(config.kafka_property("message.timeout.ms"), Some("9999"));
    assert_eq!(
        config.kafka_property("topic.metadata.propagation.max.ms"),
        Some("4999")
    );
    let small = "[limits]\nrecord_bytes_max = 1\n";
    let config = good(&format!("{small}{LEAST}"), &[]);
    assert_eq!(config.kafka_property("message.max.bytes"), Some("1000000"));
    let short = Place::new(LEAST).errors(&[("RINGEST_TIMEOUTS__ACK_TIMEOUT_MS", "1")]);
    assert_eq!(
        short,
        [
            "environment variable RINGEST_TIMEOUTS__ACK_TIMEOUT_MS: timeouts.ack_timeout_ms: \
             message.timeout.ms (by default timeouts.ack_timeout_ms) must be greater than \
             linger.ms (by default 1)"
        ]
    );
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

#[test]
fn models_are_read_in_the_order_of_their_files() {
    let place = Place::new(LEAST);
    place.model(
        "a",
        "name = \"Zebra\"\nversion = \"1.10\"\ntopic = \"zoo.zebras\"\nunknown_fields = \
         \"forward\"\non_invalid = \"reject_all\"\n[fields]\nz = \"String\"\n\"a.b\" = { type = \
         \"Nonsense(\", default = 0 }\nc = { type = \"UInt8\" }\n",
    );
    let models = place.directory.path().join("models");
    fs::create_dir(models.join("dir.toml")).expect("a directory");
    fs::write(models.join("notes.txt"), "not a model").expect("written");
    let config = place.load(&[]).expect("good");
    let names: Vec<_> = config
        .models
        .iter()
        .map(|model| model.name.as_str())
        .collect();
    assert_eq!(names, ["Zebra", "Event"]);
    assert_eq!(config.models[0].topic, "zoo.zebras");
    let fields = config.models[0].fields.as_ref().expect("declared").iter();
    let fields: Vec<_> = fields
        .map(|it| (it.name.as_str(), it.type_text.as_str(), it.has_default))
        .collect();
    assert_eq!(
        fields,
        [
            ("z", "String", false),
            ("a.b", "Nonsense(", true),
            ("c", "UInt8", false)
        ]
    );
    assert_eq!(config.models[1].fields, None);
    assert_eq!(
        config.warnings,
        ["field types are not judged yet: any JSON object is accepted for Zebra 1.10"]
    );
}

#[test]
fn everything_wrong_with_the_models_is_said_at_once() {
    let place = Place::new(&least_and("linger.ms = 1.0.0\n").replace("linger.ms = 1.0.0\n", ""));
    let long_name = format!("a{}", "b".repeat(128));
    let long_topic = "t".repeat(250);
    place.model(
        "1",
        "nmae = \"X\"\nname = \"1X\"\nversion = 1.0\nfields = 3\n",
    );
    place.model(
        "2",
        &format!("name = \"{long_name}\"\nversion = \"1.x\"\ntopic = \"{long_topic}\"\n"),
    );
    place.model(
        "3",
        "partition_key = \"a\"\ndead_letter_topic = \"b\"\nunknown_fields = \"reject\"\n\
         on_invalid = \"accept_valid\"\n[fields]\na = 1\nb = { typ = \"String\" }\n",
    );
    place.model("4", "name = \"EVENT\"\nversion = \"01.00\"\n");
    place.model(
        "5",
        "name = \"T\"\nversion = \"1\"\ntopic = \"..\"\nunknown_fields = \"drop\"\n",
    );
    place.model("6", "name = \n");
    let errors = place.errors(&[("RINGEST_WORKERS", "x")]);
    let expected = [
        "environment variable RINGEST_WORKERS: workers: \"x\" is not allowed: ",
        "models/1.toml:1: nmae: unknown key; did you mean \"name\"?",
        "models/1.toml:2: name: \"1X\" is not allowed: a letter, then letters, digits, ",
        "models/1.toml:3: version: 1.0 is not allowed: numbers between dots, such as \"1.0\", ",
        "models/1.toml:4: fields: not allowed: this is a section, [fields]",
        "models/2.toml:1: name: ",
        "models/2.toml:2: version: \"1.x\" is not allowed: ",
        "models/2.toml:3: topic: ",
        "models/3.toml: name: missing: ",
        "models/3.toml: version: missing: ",
        "models/3.toml:1: partition_key: not supported by this version yet",
        "models/3.toml:2: dead_letter_topic: not supported by this version yet",
        "models/3.toml:3: unknown_fields: \"reject\" is not supported by this version yet: only \
         \"forward\" (the default)",
        "models/3.toml:4: on_invalid: \"accept_valid\" is not supported by this version yet",
        "models/3.toml:6: fields.a: 1 is not allowed: a type such as \"String\", or ",
        "models/3.toml:7: fields.b.typ: unknown key; did you mean \"type\"?",
        "models/3.toml:7: fields.b: { typ = \"String\" } is not allowed: a type such as ",
        "models/5.toml:3: topic: \"..\" is not allowed: ",
        "models/5.toml:4: unknown_fields: \"drop\" is not allowed: \"forward\"",
        "models/6.toml:1: not valid TOML: ",
        "models/event.toml:1: name: Event 1.0 is also EVENT 01.00 of models/4.toml: case and ",
    ];
    for (error, start) in errors.iter().zip(expected) {
        assert!(error.starts_with(start), "{error}\n{start}");
    }
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
}

#[test]
fn names_and_topics_up_to_their_bounds() {
    let place = Place::new(LEAST);
    let name = format!("a{}", "_".repeat(127));
    let topic = "t".repeat(249);
    place.model(
        "a",
        &format!("name = \"{name}\"\nversion = \"1\"\ntopic = \"{topic}\"\n"),
    );
    let config = place.load(&[]).expect("good");
    assert_eq!(
        (&config.models[0].name, &config.models[0].topic),
        (&name, &topic)
    );
}

#[test]
fn development_needs_no_file_but_hears_the_environment() {
    let development = |environment: &[(&str, &str)]| {
        let owned: Vec<_> = environment
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect();
        Config::development("127.0.0.1:1", owned.into_iter())
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
        (changed.listen.address.port(), changed.workers.get()),
        (0, 1)
    );

    let errors = development(&[
        ("RINGEST_KAFKA__BOOTSTRAP_SERVERS", "x:1"),
        ("RINGEST_WORKERS", "x"),
    ])
    .expect_err("two errors");
    assert_eq!(errors.iter().count(), 2, "{errors}");
}

#[test]
fn the_worst_case_memory_counts_every_worker() {
    let config = good(&format!("workers = 2\n{LEAST}"), &[]);
    let memory = config.memory_max();
    assert_eq!(memory.connections, 10_000 * (16_384 + 64));
    assert_eq!(memory.in_flight, 268_435_456);
    assert_eq!(memory.validation, 2 * 29 * 10_485_760);
    assert_eq!(memory.producer_queues, 2 * 256 * 500_000);
    assert_eq!(
        memory.total(),
        memory.connections + memory.in_flight + memory.validation + memory.producer_queues
    );
}
