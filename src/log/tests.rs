//! What is global to a process needs one of its own: the tests run themselves once more.

use std::{
    env,
    fs::OpenOptions,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use tracing_subscriber::filter::{LevelFilter, Targets};

use super::*;

/// Settings with this format and this level for all lines.
fn settings(format: LogFormat, level: LevelFilter) -> LogSettings {
    LogSettings {
        format,
        filter: Targets::new().with_default(level),
        requests: RequestLines {
            of: RequestLog::Refused,
            rate_max: 10,
        },
    }
}

/// Set in the process of a test's own.
const INNER: &str = "RINGEST_TEST_LOG";

/// Runs a test of this module again as a process of its own, with that stderr.
fn again(test: &str, stderr: Stdio) -> Output {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command
        .args(["--exact", &format!("log::tests::{test}"), "--nocapture"])
        .env(INNER, "yes")
        .env_remove("RUST_BACKTRACE")
        .stdout(Stdio::piped())
        .stderr(stderr);
    command
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("it runs")
}

/// A thread that panics beside one that logs, whatever the filter.
#[test]
fn messages_of_panics_are_lines_of_the_log() {
    if env::var_os(INNER).is_some() {
        let log = start(&settings(LogFormat::Json, LevelFilter::OFF)).expect("a thread");
        let panicking = thread::Builder::new().name("a worker".to_owned());
        let panicking = panicking
            .spawn(|| panic!("number {}", 7))
            .expect("a thread");
        assert!(panicking.join().is_err());
        drop(log);
        return;
    }
    let output = again("messages_of_panics_are_lines_of_the_log", Stdio::piped());
    assert!(output.status.success(), "{output:?}");
    let line = String::from_utf8(output.stderr).expect("text");
    let line: serde_json::Value = serde_json::from_str(line.trim_end()).expect(&line);
    assert_eq!(line["message"], "panicked: number 7");
    assert_eq!(
        (&line["level"], &line["thread"]),
        (&"ERROR".into(), &"a worker".into())
    );
    let location = line["location"].as_str().expect("a place");
    assert!(location.starts_with("src/log/tests.rs:"), "{location}");
    assert!(line.get("backtrace").is_none(), "{line}");
}

/// The standard library's hook would panic itself.
#[test]
fn a_panic_with_a_full_stderr_ends_its_thread_only() {
    if env::var_os(INNER).is_some() {
        let log = start(&settings(LogFormat::Text, LevelFilter::INFO)).expect("a thread");
        assert!(thread::spawn(|| panic!("a bug")).join().is_err());
        tracing::error!("a line");
        drop(log);
        assert_eq!(lines_dropped(), 2);
        return;
    }
    let full = OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux");
    let output = again(
        "a_panic_with_a_full_stderr_ends_its_thread_only",
        full.into(),
    );
    assert!(output.status.success(), "{output:?}");
}

/// The last line of a kind stands for the events that come within its second.
#[test]
fn events_after_the_last_line_are_reported_without_another_one() {
    static KIND: Kind = Kind::new("a flood (of one kind)", Level::WARN);
    if env::var_os(INNER).is_some() {
        let log = start(&settings(LogFormat::Json, LevelFilter::INFO)).expect("a thread");
        for number in 0..1_000 {
            if let Some(Line { count }) = KIND.admit() {
                tracing::warn!(count, "event {number}");
            }
        }
        thread::sleep(Duration::from_millis(3_500));
        drop(log);
        return;
    }
    let output = again(
        "events_after_the_last_line_are_reported_without_another_one",
        Stdio::piped(),
    );
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).expect("text");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|it| serde_json::from_str(it).expect(it))
        .collect();
    let last = lines.last().expect("a line");
    assert_eq!(last["message"], "a flood (of one kind)");
    let counts = lines.iter().map(|it| it["count"].as_u64().unwrap_or(1));
    assert_eq!(counts.sum::<u64>(), 1_000, "{text}");
    assert!(lines.len() <= 5, "{text}");
}

#[test]
fn notices_look_like_other_lines() {
    let text = text_notice(7);
    let (time, rest) = text.split_once(' ').expect("a time");
    assert!(
        time.parse::<Timestamp>().is_ok() && time.len() == 27,
        "{time}"
    );
    assert_eq!(
        rest,
        " WARN log lines were dropped because stderr did not accept them count=7\n"
    );
    let json: serde_json::Value = serde_json::from_str(&json_notice(7)).expect("JSON");
    assert_eq!(
        (&json["level"], &json["count"]),
        (&"WARN".into(), &7.into())
    );
    assert!(json_notice(7).ends_with("}\n"));
}

/// Format and filter of a log that is in use, and what passes every filter.
#[test]
fn a_log_is_set_anew() {
    if env::var_os(INNER).is_some() {
        let log = start(&settings(LogFormat::Text, LevelFilter::INFO)).expect("a thread");
        for (number, format, level) in [
            (1, LogFormat::Text, LevelFilter::INFO),
            (2, LogFormat::Json, LevelFilter::DEBUG),
            (3, LogFormat::Json, LevelFilter::WARN),
            (4, LogFormat::Text, LevelFilter::INFO),
        ] {
            set(&settings(format, level));
            tracing::info!("line {number}");
            tracing::debug!("detail {number}");
            announce(&format!("announcement {number}"));
        }
        drop(log);
        return;
    }
    let output = again("a_log_is_set_anew", Stdio::piped());
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).expect("text");
    let shown: Vec<_> = text
        .lines()
        .map(
            |line| match serde_json::from_str::<serde_json::Value>(line) {
                Ok(line) => format!("json {}", line["message"].as_str().unwrap_or_default()),
                Err(_) => line.rsplit("INFO ").next().unwrap_or(line).to_owned(),
            },
        )
        .collect();
    assert_eq!(
        shown,
        [
            "line 1",
            "announcement 1",
            "json line 2",
            "json detail 2",
            "json announcement 2",
            "json announcement 3",
            "line 4",
            "announcement 4"
        ],
        "{text}"
    );
}

/// Names of files and fields, texts of brokers: in every form that a field can have.
#[test]
fn what_a_terminal_acts_on_is_escaped_in_both_formats() {
    const TEXT: &str = "a\u{1b}[2J\r\u{9b}1m\u{7f}\u{202e}b\nINFO forged";
    if env::var_os(INNER).is_some() {
        let log = start(&settings(LogFormat::Text, LevelFilter::INFO)).expect("a thread");
        for format in [LogFormat::Text, LogFormat::Json] {
            set(&settings(format, LevelFilter::INFO));
            tracing::info!(text = TEXT, shown = %TEXT, "{TEXT}\n    ^");
        }
        drop(log);
        return;
    }
    let output = again(
        "what_a_terminal_acts_on_is_escaped_in_both_formats",
        Stdio::piped(),
    );
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).expect("text");
    let acting = |it: char| it != '\n' && crate::excerpt::acts(it);
    assert!(!text.contains(acting), "{text:?}");
    let lines: Vec<_> = text.lines().collect();
    let [first, second, json] = lines[..] else {
        panic!("{text}");
    };
    let escaped = r"a\u{1b}[2J\r\u{9b}1m\u{7f}\u{202e}b\nINFO forged";
    assert!(first.ends_with(escaped), "{first}");
    // A text is quoted, as those of clients are.
    let fields = format!("    ^ text=\"{escaped}\" shown={escaped}");
    assert_eq!(second, fields);
    let json: serde_json::Value = serde_json::from_str(json).expect(json);
    assert_eq!(
        (&json["text"], &json["shown"]),
        (&TEXT.into(), &TEXT.into())
    );
}
