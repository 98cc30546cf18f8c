//! The built binary: what goes to stdout, what to stderr, and the exit codes.

mod check;
mod dev;
mod documentation;
mod explain;
mod health;
mod infer;
mod manual;
pub(crate) mod start;
mod token;
mod top;
mod topics;

use std::process::{Command, Output, Stdio};

use crate::support::process::without_forks;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs ringest where the configuration of the repository is, and no variable reaches it.
pub(crate) fn ringest(arguments: &[&str]) -> Output {
    output(&mut command(arguments))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringest"));
    command
        .args(arguments)
        .current_dir(ROOT)
        .env_clear()
        .stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Output {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = without_forks(|| command.spawn()).expect("ringest runs");
    child.wait_with_output().expect("it ends")
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
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
    let (order, raw) = (&routes[0], &routes[2]);
    let first = serde_json::json!({"name": "orderId", "type": "String", "required": true});
    assert_eq!(order["fields"][0], first);
    assert_eq!(order["example"]["orderId"], "orderId-1");
    assert_eq!(
        *raw,
        serde_json::json!({
            "method": "POST",
            "path": "/ingest/RawEvent/1.0",
            "model": "RawEvent",
            "version": "1.0",
            "topic": "RawEvent_1_0",
            "latest": true,
            "fields": null,
            "example": {"hello": "ringest"},
        })
    );
}

#[test]
fn routes_as_an_openapi_document() {
    let output = ringest(&["--list-routes", "--format", "openapi"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 8, "four, and each without its version");
    assert!(paths["/ingest/Order/1.0"]["post"].is_object());
}

#[test]
fn a_missing_configuration_file_is_reported_with_a_hint() {
    let help = "\
Pass a configuration file with --config FILE; config/ringest.toml in the ringest repository has every
key. To try ringest without a configuration file: ringest --dev
";
    let empty = tempfile::tempdir().expect("a directory");
    for (arguments, file) in [
        (&["--check"][..], "config/ringest.toml"),
        (&["--config", "nowhere.toml"], "nowhere.toml"),
    ] {
        let output = output(command(arguments).current_dir(empty.path()));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(stdout(&output), "");
        assert_eq!(
            stderr(&output),
            format!("{file}: can't be read: No such file or directory (os error 2)\n{help}")
        );
    }
}

/// What a newcomer types first.
#[test]
fn without_a_configuration_file_ringest_says_what_to_do() {
    let empty = tempfile::tempdir().expect("a directory");
    let output = output(command(&[]).current_dir(empty.path()));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    for way in [
        "ringest --dev ",
        "ringest --config FILE ",
        "ringest new-model NAME ",
        "docs/configuration.md",
    ] {
        assert!(said.contains(way), "{said}");
    }
}

#[test]
fn usage_errors_have_their_own_exit_code() {
    for arguments in [
        &["--no-such-flag"][..],
        &["--dev", "--config", "config/dev.toml"],
        &["--dev", "--check"],
        &["--dev", "--connect"],
        &["--dev-broker", "9092"],
        &["--dev", "--dev-broker", "65536"],
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
fn help_and_version_go_to_stdout() {
    let help = ringest(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for part in [
        "--list-routes",
        "--check",
        "--dev",
        "explain",
        "token",
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
