//! The built binary: what goes to stdout, what to stderr, and the exit codes.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs ringest where the configuration of the repository is, and no variable reaches it.
fn ringest(arguments: &[&str]) -> Output {
    command(arguments).output().expect("ringest runs")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringest"));
    command.args(arguments).current_dir(ROOT).env_clear();
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

fn written(directory: &Path, text: &str) -> PathBuf {
    let file = directory.join("bad.toml");
    std::fs::write(&file, text).expect("written");
    file
}

#[test]
fn routes_as_a_table() {
    let output = ringest(&["--list-routes"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    assert_eq!(
        stdout(&output),
        "\
METHOD  PATH                       MODEL          VERSION  TOPIC              LATEST
POST    /ingest/Order/1.0          Order          1.0      orders             yes
POST    /ingest/PageView/1.0       PageView       1.0      PageView_1_0       yes
POST    /ingest/RawEvent/1.0       RawEvent       1.0      RawEvent_1_0       yes
POST    /ingest/SensorReading/2.1  SensorReading  2.1      SensorReading_2_1  yes
"
    );
}

#[test]
fn routes_as_json() {
    let output = ringest(&["--list-routes", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let routes: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(routes.as_array().map(Vec::len), Some(4));
    assert_eq!(
        routes[0],
        serde_json::json!({
            "method": "POST",
            "path": "/ingest/Order/1.0",
            "model": "Order",
            "version": "1.0",
            "topic": "orders",
            "latest": true,
        })
    );
}

#[test]
fn a_good_configuration_shows_its_memory_and_its_warnings() {
    let output = command(&["--check", "--config", "config/dev.toml"])
        .env("RINGEST_WORKERS", "2")
        .output()
        .expect("ringest runs");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "\
the configuration is good
routes 4, workers 2, worst-case memory:
connections            156.9 MiB
in flight              256.0 MiB
validation             580.0 MiB
producer queues        244.2 MiB
total                 1237.1 MiB
"
    );
    let warnings: Vec<_> = stderr(&output).lines().collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    let start = "warning: field types are not judged yet: ";
    assert!(
        warnings.iter().all(|it| it.starts_with(start)),
        "{warnings:?}"
    );
}

#[test]
fn a_bad_configuration_shows_every_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "workers = -1\n[auth]\nmode = \"none\"\n[limits]\nhead_byte_max = 1\n";
    let file = written(directory.path(), text);
    for arguments in [&["--check"][..], &["--list-routes"], &[]] {
        let output = command(arguments)
            .arg("--config")
            .arg(&file)
            .env("RINGEST_LOG__FORMAT", "xml")
            .output()
            .expect("ringest runs");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout(&output), "");
        let errors = stderr(&output).replace(&format!("{}/", directory.path().display()), "");
        let expected = [
            "bad.toml: kafka.bootstrap.servers: missing: ",
            "bad.toml: listen.address: \"0.0.0.0:4000\" can be reached from the network",
            "bad.toml: models: models: No such file or directory",
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

#[test]
fn a_missing_file_is_named() {
    let output = ringest(&["--config", "config/nowhere.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("config/nowhere.toml: can't be read: No such file"));
}

#[test]
fn connecting_without_a_broker_fails_and_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = listener.local_addr().expect("its address").to_string();
    drop(listener);
    let output = command(&["--check", "--connect"])
        .env("RINGEST_KAFKA__BOOTSTRAP_SERVERS", nobody)
        .output()
        .expect("ringest runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the brokers don't tell of topic orders: "));
    assert!(stdout(&output).starts_with("the configuration is good\n"));
}

#[test]
fn usage_errors_are_told_from_configuration_errors() {
    for arguments in [
        &["--no-such-flag"][..],
        &["--dev", "--config", "config/dev.toml"],
        &["--dev", "--check"],
        &["--dev", "--connect"],
        &["--check", "--list-routes"],
        &["--check", "--format", "json"],
        &["--list-routes", "--connect"],
        &["--list-routes", "--format", "xml"],
        &["--format", "json"],
        &["--connect"],
        &["serve"],
    ] {
        let output = ringest(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert!(stderr(&output).starts_with("error: "), "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_answers() {
    let help = ringest(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for part in [
        "--list-routes",
        "--check",
        "--dev",
        "Examples:",
        "RINGEST_",
        "Exit codes:",
    ] {
        assert!(stdout(&help).contains(part), "{part}");
    }
    assert_eq!(stdout(&ringest(&["-h"])), stdout(&help));
    assert!(
        stdout(&help)
            .lines()
            .all(|line| line.chars().count() <= 100)
    );
    let version = ringest(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        stdout(&version),
        concat!("ringest ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
