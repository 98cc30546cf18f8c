//! `--check`.

use std::net::SocketAddr;

use ringest::config::Config;
use socket2::{Domain, Socket, Type};

use super::{ROOT, command, output, stderr, stdout};

#[test]
fn a_good_configuration_shows_its_memory() {
    const WORKERS: (&str, &str) = ("RINGEST_WORKERS", "2");
    let output =
        output(command(&["--check", "--config", "config/dev.toml"]).env(WORKERS.0, WORKERS.1));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let environment = [(WORKERS.0.to_owned(), WORKERS.1.to_owned())];
    let config = Config::load(
        format!("{ROOT}/config/dev.toml").as_ref(),
        environment.into_iter(),
    );
    let memory = config.expect("it is good").memory_max();
    assert_eq!(
        stdout(&output),
        format!("configuration is valid\nroutes 4, workers 2, worst-case memory:\n{memory}\n")
    );
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_bad_configuration_shows_every_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "workers = -1\n[auth]\nmode = \"none\"\n[limits]\nhead_byte_max = 1\n";
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, text).expect("written");
    for arguments in [&["--check"][..], &["--list-routes"], &[]] {
        let output = output(
            command(arguments)
                .arg("--config")
                .arg(&file)
                .env("RINGEST_LOG__FORMAT", "xml"),
        );
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout(&output), "");
        let errors = stderr(&output).replace(&format!("{}/", directory.path().display()), "");
        let expected = [
            "bad.toml: kafka.bootstrap.servers: missing: ",
            "bad.toml: listen.address: \"0.0.0.0:4000\" is reachable from the network",
            "bad.toml: models: can't read models: No such file or directory",
            "bad.toml:1: workers: -1 is not allowed: a whole number from 0 to 1_024",
            "bad.toml:5: limits.head_byte_max: unknown key; did you mean \"head_bytes_max\"?",
            "environment variable RINGEST_LOG__FORMAT: log.format: \"xml\" is not allowed: ",
        ];
        for expected in expected {
            assert!(
                errors.lines().any(|it| it.starts_with(expected)),
                "{expected}\n{errors}"
            );
        }
        assert_eq!(errors.lines().count(), expected.len(), "{errors}");
    }
}

/// Names of files and keys, and values: whoever writes them, the operator's terminal shows them.
#[test]
fn what_a_terminal_acts_on_is_escaped() {
    let directory = tempfile::tempdir().expect("a directory");
    let models = directory.path().join("models\u{1b}[1m");
    std::fs::create_dir(&models).expect("ours");
    let model = "name = \"A\"\nversion = \"1\"\n[fields]\n\"a\\u001b[2J\\nb.toml: forged\" = \"Foo\"\n\"\\u009b\" = 3\n";
    std::fs::write(models.join("a\nb\u{202e}.toml"), model).expect("ours");
    let file = directory.path().join("c\r.toml");
    let text = "models = \"models\\u001b[1m\"\n\"wor\\u0007ers\" = 1\n[auth]\nmode = \"\\u007f\"\n";
    std::fs::write(&file, text).expect("ours");
    let check = |arguments: &[&str]| {
        let output = output(command(arguments).arg(&file));
        assert_eq!(output.status.code(), Some(1));
        let errors = stderr(&output).to_owned();
        let acts = |it: char| it != '\n' && (it.is_control() || it == '\u{202e}');
        assert!(!errors.contains(acts), "{errors:?}");
        errors
    };
    let errors = check(&["--check", "--config"]);
    for escaped in [
        r"/c\r.toml:2: wor\u{7}ers: unknown key",
        r"/models\u{1b}[1m/a\nb\u{202e}.toml:4: fields.a\u{1b}[2J\nb.toml: forged: unknown type",
        r"toml:5: fields.\u{9b}: 3 is not allowed",
    ] {
        assert!(errors.contains(escaped), "{escaped}\n{errors}");
    }
    std::fs::remove_file(&file).expect("ours");
    check(&["--check", "--config"]);
    // The flag says which directory is meant.
    let missing = output(&mut command(&["--dev", "--models", "no\u{1b}where"]));
    let expected = "--models: can't read no\\u{1b}where: No such file or directory (os error 2)\n";
    assert_eq!(stderr(&missing), expected);
}

#[test]
fn connecting_without_a_broker_fails_and_says_so() {
    // Bound and not listening: the port refuses, and nobody else gets it meanwhile.
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    bound.bind(&loopback.into()).expect("a port");
    let address = bound.local_addr().expect("its address").as_socket();
    let nobody = address.expect("an address of the Internet").to_string();
    let output =
        output(command(&["--check", "--connect"]).env("RINGEST_KAFKA__BOOTSTRAP_SERVERS", nobody));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("can't get the metadata of topic orders: "));
    assert!(stdout(&output).starts_with("configuration is valid\n"));
}

/// Some are found by librdkafka only when a producer is created.
#[test]
fn properties_that_fail_together_are_found() {
    for (variables, text) in [
        (
            &[("RINGEST_KAFKA__MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION", "10")][..],
            "[kafka]: librdkafka: `max.in.flight` must be set <= 5 when `enable.idempotence` is true",
        ),
        (
            &[
                ("RINGEST_KAFKA__ACKS", "1"),
                ("RINGEST_KAFKA__ENABLE_IDEMPOTENCE", "true"),
            ],
            "[kafka]: librdkafka: `acks` must be set to `all` when `enable.idempotence` is true",
        ),
        (
            &[
                ("RINGEST_KAFKA__SECURITY_PROTOCOL", "sasl_plaintext"),
                ("RINGEST_KAFKA__SASL_MECHANISM", "PLAIN"),
                ("RINGEST_KAFKA__SASL_PASSWORD", "s3cret"),
            ],
            "kafka.sasl.username: missing: PLAIN needs it, or kafka.sasl_username_file",
        ),
    ] {
        let output = output(command(&["--check"]).envs(variables.iter().copied()));
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(stdout(&output), "", "{text}");
        let last = stderr(&output).lines().last().unwrap_or_default();
        let start = format!("config/ringest.toml: {text}");
        assert!(last.starts_with(&start), "{last}");
        assert!(!stderr(&output).contains("s3cret"), "{last}");
    }
}

#[test]
fn weaker_acknowledgements_are_good_with_a_warning() {
    let output = output(command(&["--check"]).envs([
        ("RINGEST_KAFKA__ACKS", "1"),
        ("RINGEST_KAFKA__ENABLE_IDEMPOTENCE", "false"),
    ]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).starts_with(
        "warning: kafka.acks = 1: a 2xx no longer means that every in-sync replica has the record\n"
    ));
}
