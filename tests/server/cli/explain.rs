//! `ringest explain`, beside what the server says.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    command, output, ringest,
    start::{Dev, announced},
    stderr, stdout,
};
use crate::support::{http::Http, process::without_forks};

/// A directory for one file.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self, name: &str, body: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, body).expect("written");
        path
    }

    /// What is said of a body in a file of that name, its directory left out.
    fn explain(&self, name: &str, body: &[u8], arguments: &[&str]) -> (Option<i32>, String) {
        let file = self.file(name, body);
        let output = output(command(&["explain"]).args(arguments).arg(file));
        let directory = format!("{}/", self.0.path().display());
        (
            output.status.code(),
            stdout(&output).replace(&directory, ""),
        )
    }
}

#[test]
fn valid_records_are_reported() {
    let place = Place::new();
    for (name, body, expected) in [
        ("one.json", &b"{}"[..], "the record is valid\n"),
        ("two.json", b"[{}, {}]", "all 2 records are valid\n"),
        ("none.json", b"[]", "all 0 records are valid\n"),
        ("lines.ndjson", b"{}\n{}\n{}\n", "all 3 records are valid\n"),
        ("lines.JSONL", b"{}\n{}\n", "all 2 records are valid\n"),
    ] {
        for model in ["RawEvent", "RawEvent/1.0", "rawevent/01.00"] {
            let said = place.explain(name, body, &["--model", model]);
            assert_eq!(said, (Some(0), expected.to_owned()), "{name}");
        }
    }
    let said = place.explain(
        "one.json",
        b"{}",
        &["--model", "RawEvent", "--format", "json"],
    );
    assert_eq!(said, (Some(0), "[]\n".to_owned()));
}

#[test]
fn a_fault_is_shown_where_it_is() {
    let body = b"{\n  \"a\": 1,\n  \"b\": 01\n}\n";
    let (code, text) = Place::new().explain("one.json", body, &["--model", "RawEvent"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        text,
        "\
error[bad_json]: expected no leading zero, found `1`
 --> one.json:3:9
  |
3 |   \"b\": 01
  |         ^ $ of record 0

the number of records is unknown; the server would respond 400 invalid_json
"
    );
}

#[test]
fn stdin_and_lines_are_read_where_that_is_said() {
    let explain = |arguments: &[&str], body: &[u8]| -> Output {
        let mut command = command(&["explain", "--model", "RawEvent"]);
        let command = command.args(arguments).stdin(Stdio::piped());
        let command = command.stdout(Stdio::piped());
        let mut child = without_forks(|| command.spawn()).expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(body).expect("it reads");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    };
    let lines = b"{}\n{}\n";
    let output = explain(&["--ndjson", "-"], lines);
    assert_eq!(stdout(&output), "all 2 records are valid\n");
    let output = explain(&["-"], lines);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("\n --> -:2:1\n"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_body_that_is_too_large_is_not_validated() {
    let place = Place::new();
    let file = place.file("large.json", b"{\"a\":1}");
    for (max, code) in [("7", 0), ("6", 1)] {
        let mut explain = command(&["explain", "--model", "RawEvent"]);
        let output = output(
            explain
                .arg(&file)
                .env("RINGEST_LIMITS__BODY_BYTES_MAX", max),
        );
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        if code == 1 {
            assert_eq!(stdout(&output), "");
            let expected = "the body exceeds limits.body_bytes_max = 6; the server would respond 413 \
                            body_too_large\n";
            assert_eq!(stderr(&output), expected);
        }
    }
}

#[test]
fn an_unknown_model_or_file_is_a_usage_error() {
    let place = Place::new();
    let file = place.file("one.json", b"{}").display().to_string();
    for (arguments, expected) in [
        (
            &["explain", "--model", "Ordr", &file][..],
            "--model Ordr: unknown model; similar models: Order/1.0, ",
        ),
        (
            &["explain", "--model", "Order/2.0", &file],
            "--model Order/2.0: unknown model; similar models: Order/1.0\n",
        ),
        (
            &["explain", "--model", "Order/x", &file],
            "--model Order/x: unknown model; similar models: Order/1.0\n",
        ),
        (
            &["explain", "--model", "Order", "no/such.json"],
            "no/such.json: can't be read: No such file or directory",
        ),
        (&["explain", &file], "error: "),
        (&["explain", "--model", "Order"], "error: "),
        (
            &["explain", "--model", "Order", "--format", "xml", &file],
            "error: ",
        ),
        (
            &["--check", "explain", "--model", "Order", &file],
            "error: ",
        ),
        (&["--dev", "explain", "--model", "Order", &file], "error: "),
    ] {
        let output = ringest(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
    }
}

#[test]
fn a_bad_configuration_is_one_for_explain_too() {
    let place = Place::new();
    let file = place.file("one.json", b"{}").display().to_string();
    let output = ringest(&[
        "explain",
        "--config",
        "nowhere.toml",
        "--model",
        "Order",
        &file,
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("nowhere.toml: can't be read: "));
    let output = ringest(&[
        "--config",
        "config/dev.toml",
        "explain",
        "--model",
        "Order",
        &file,
    ]);
    assert_ne!(stdout(&output), "", "{}", stderr(&output));
}

#[test]
fn the_errors_are_those_of_the_servers_answer() {
    let dev = Dev::start(&[]);
    let address = loop {
        if let Some(address) = announced(&dev.stderr_line(), false) {
            break address;
        }
    };
    let mut http = Http::connect(address).expect("it accepts");
    let place = Place::new();
    for (model, body) in [
        ("RawEvent", &b"[{}, 1, {}, [], \"\\u001b\"]"[..]),
        ("RawEvent", b""),
        ("RawEvent", b"{\"a\": \"\xff\"}"),
        (
            "Order",
            br#"[{"orderId": 1}, {"total": "x", "items": [{"sku": null}]}, 7]"#,
        ),
        ("SensorReading", br#"{"battery": 256, "tags": {"a": 1}, "#),
    ] {
        let answer = http
            .post(&format!("/ingest/{model}"), body)
            .expect("an answer");
        assert_eq!(answer.status, 400);
        let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let arguments = [
            "--config",
            "config/dev.toml",
            "--model",
            model,
            "--format",
            "json",
        ];
        let (code, errors) = place.explain("body.json", body, &arguments);
        assert_eq!(code, Some(1));
        let errors: Value = serde_json::from_str(&errors).expect("JSON");
        assert_ne!(errors, json!([]));
        assert_eq!(errors, answer["errors"], "{model}");
    }
    drop(http);
    assert_eq!(dev.terminate().0.code(), Some(0));
}

#[test]
fn its_help_says_how() {
    let help = ringest(&["explain", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    for part in [
        "--model",
        "--format",
        "--ndjson",
        "--config",
        "Examples:",
        "Exit codes:",
    ] {
        assert!(stdout(&help).contains(part), "{part}");
    }
    assert_eq!(stdout(&ringest(&["explain", "-h"])), stdout(&help));
    let is_short = |line: &str| line.chars().count() <= 100;
    assert!(stdout(&help).lines().all(is_short), "{}", stdout(&help));
}
