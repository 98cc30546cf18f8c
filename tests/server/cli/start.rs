//! A ringest that starts to serve: what it says until it does, and when it can't.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use serde_json::Value;

use super::{command, output, stderr, stdout};
use crate::support::{process::Process, seccomp::refuse_rings, wait::PATIENCE};

/// Steer how sockets are driven; the whole suite can be run with them.
const DRIVER_VARIABLES: [&str; 2] = ["RINGEST_LISTEN__DRIVER", "MONOIO_FORCE_LEGACY_DRIVER"];

const ANY_PORTS: [(&str, &str); 2] = [
    ("RINGEST_LISTEN__ADDRESS", "127.0.0.1:0"),
    ("RINGEST_MANAGEMENT__ADDRESS", "127.0.0.1:0"),
];

/// `ringest --dev` on free ports, and what it writes, line by line.
pub(crate) struct Dev {
    process: Process,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Dev {
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with(&[], variables)
    }

    /// With further arguments.
    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(&["--dev"]);
        command.args(arguments);
        Self::start_by(command, variables)
    }

    fn start_by(mut command: Command, variables: &[(&str, &str)]) -> Self {
        let driver = DRIVER_VARIABLES
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        command
            .envs(driver)
            .envs(ANY_PORTS)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command).expect("the binary starts");
        let child = process.child();
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        Self {
            process,
            stdout,
            stderr,
        }
    }

    /// The next line of stdout.
    pub(crate) fn stdout_line(&self) -> String {
        let line = self.stdout.recv_timeout(PATIENCE);
        line.expect("one more line on stdout")
    }

    /// The next line of stderr.
    pub(crate) fn stderr_line(&self) -> String {
        let line = self.stderr.recv_timeout(PATIENCE);
        line.expect("one more line on stderr")
    }

    /// Sends SIGTERM and waits for the end; the rest of stdout and of stderr.
    pub(crate) fn terminate(mut self) -> (ExitStatus, Vec<String>, Vec<String>) {
        self.process.signal(libc::SIGTERM);
        let status = self.process.wait(PATIENCE).expect("it drains and ends");
        let rest = |lines: &Receiver<String>| lines.iter().collect();
        (status, rest(&self.stdout), rest(&self.stderr))
    }
}

/// Passes on what is written, until its end.
fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The address in `listening on ADDRESS` or `listening on ADDRESS (management)`.
pub(crate) fn announced(line: &str, is_management: bool) -> Option<SocketAddr> {
    let rest = line.strip_prefix("listening on ")?;
    let address = match rest.strip_suffix(" (management)") {
        Some(address) if is_management => address,
        None if !is_management => rest,
        _ => return None,
    };
    address.parse().ok().filter(|it: &SocketAddr| it.port() > 0)
}

/// A service is usually started with room for fewer files than it may have.
#[test]
fn as_many_files_as_connections_need_are_asked_for() {
    // With two workers.
    const BESIDE_CONNECTIONS: u64 = 256 + 2 * 64;
    for (connections, files, is_warned) in [
        (1_000, 1_000 + BESIDE_CONNECTIONS, false),
        (1_745, 2_000, true),
    ] {
        let mut shell = Command::new("/bin/sh");
        let start = "ulimit -S -n 300 && ulimit -H -n 2000 && exec \"$0\" --dev";
        shell
            .args(["-c", start, env!("CARGO_BIN_EXE_ringest")])
            .env_clear();
        let max = connections.to_string();
        let mut dev = Dev::start_by(
            shell,
            &[
                ("RINGEST_LIMITS__CONNECTIONS_MAX", &max),
                ("RINGEST_WORKERS", "2"),
            ],
        );
        let mut said = vec![dev.stderr_line()];
        while announced(said.last().map_or("", String::as_str), false).is_none() {
            said.push(dev.stderr_line());
        }
        let limits = format!("/proc/{}/limits", dev.process.child().id());
        let limits = std::fs::read_to_string(limits).expect("it runs");
        let open_files = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        let soft = open_files.and_then(|limits| limits.split_whitespace().next()?.parse().ok());
        assert_eq!(soft, Some(files), "{limits}");
        let warned = said
            .iter()
            .any(|line| line.contains("limits.connections_max"));
        assert_eq!(warned, is_warned, "{said:?}");
        assert_eq!(dev.terminate().0.code(), Some(0));
    }
}

/// What scripts wait for is said whatever the filter, and a JSON log is JSON to the last line.
#[test]
fn announcements_pass_the_filter_in_both_formats() {
    for filter in ["info", "off"] {
        let text = Dev::start(&[("RINGEST_LOG__FILTER", filter)]);
        let json = Dev::start(&[
            ("RINGEST_LOG__FILTER", filter),
            ("RINGEST_LOG__FORMAT", "json"),
        ]);
        let mut before = Vec::new();
        for is_management in [false, true] {
            while announced(before.last().map_or("", String::as_str), is_management).is_none() {
                before.push(text.stderr_line());
            }
        }
        let mut records: Vec<Value> = Vec::new();
        for is_management in [false, true] {
            let message = |record: &Value| record["message"].as_str().unwrap_or("").to_owned();
            let last = |records: &[Value]| records.last().map(message).unwrap_or_default();
            while announced(&last(&records), is_management).is_none() {
                let line = json.stderr_line();
                records.push(serde_json::from_str(&line).expect(&line));
            }
        }
        let (status, _, text_after) = text.terminate();
        assert_eq!(status.code(), Some(0));
        let (status, _, json_after) = json.terminate();
        assert_eq!(status.code(), Some(0));
        for line in &json_after {
            records.push(serde_json::from_str(line).expect(line));
        }
        assert!(
            records.iter().all(|it| it["level"].is_string()),
            "{records:?}"
        );
        let all = [before, text_after].concat();
        assert!(all.iter().all(|line| !line.contains('\x1b')), "{all:?}");
        if filter == "off" {
            assert_eq!((all.len(), records.len()), (2, 2), "{all:?} {records:?}");
        } else {
            let last = all.last().expect("a line");
            assert!(
                last.ends_with("drained records_undelivered=0 connections_cut=0"),
                "{last}"
            );
            let last = records.last().expect("a record");
            assert_eq!(
                [&last["message"], &last["records_undelivered"]],
                [&Value::from("drained"), &Value::from(0)]
            );
        }
    }
}

#[test]
fn weaker_acknowledgements_start_with_a_warning() {
    let dev = Dev::start(&[
        ("RINGEST_KAFKA__ACKS", "1"),
        ("RINGEST_KAFKA__ENABLE_IDEMPOTENCE", "false"),
    ]);
    let mut before = String::new();
    while announced(before.lines().last().unwrap_or(""), false).is_none() {
        before += &dev.stderr_line();
        before.push('\n');
    }
    let warning = " WARN kafka.acks = 1: a 2xx no longer means that every in-sync replica has the \
                   record\n";
    assert!(before.contains(warning), "{before}");
    assert_eq!(dev.terminate().0.code(), Some(0));
}

#[test]
fn what_librdkafka_refuses_at_the_start_is_reported() {
    let output = output(
        command(&["--config", "config/dev.toml"])
            .envs(ANY_PORTS)
            .env("RINGEST_KAFKA__MAX_IN_FLIGHT", "6"),
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    let last = stderr(&output).lines().last().unwrap_or_default();
    assert!(last.contains(" ERROR [kafka]: librdkafka: "), "{last}");
    assert!(
        last.ends_with("`max.in.flight` must be set <= 5 when `enable.idempotence` is true"),
        "{last}"
    );
}

#[test]
fn an_address_in_use_is_reported_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = (taken.local_addr().expect("its address").to_string(), taken);
    for (variable, key) in [
        ("RINGEST_LISTEN__ADDRESS", "listen.address"),
        ("RINGEST_MANAGEMENT__ADDRESS", "management.address"),
    ] {
        let output = output(command(&["--dev"]).envs(ANY_PORTS).env(variable, &taken.0));
        assert_eq!(output.status.code(), Some(1), "{key}");
        assert_eq!(stdout(&output), "", "{key}");
        let expected = format!(" ERROR {key} = \"{}\": Address already in use", taken.0);
        assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
        let port = taken.0.rsplit_once(':').expect("an address").1;
        let hint = format!("`ss -ltnp sport = :{port}` shows which process has it");
        assert!(stderr(&output).contains(&hint), "{}", stderr(&output));
    }
}

/// The probe that monoio makes has two entries; a worker's ring has more, which may be beyond the locked
/// memory, and container runtimes refuse all of them.
#[test]
fn a_refused_ring_is_replaced_by_epoll_and_explained() {
    for (entries_max, errno, name) in [
        (2, libc::ENOMEM, "ENOMEM"),
        (0, libc::EPERM, "EPERM"),
        (0, libc::ENOSYS, "ENOSYS"),
    ] {
        let errno = errno.unsigned_abs();
        let refused = || {
            let mut command = command(&["--dev"]);
            refuse_rings(&mut command, entries_max, errno);
            command
        };
        let auto = [("RINGEST_LISTEN__DRIVER", "auto")];
        let dev = Dev::start_by(refused(), &auto);
        let mut said = vec![dev.stderr_line()];
        while announced(said.last().map_or("", String::as_str), false).is_none() {
            said.push(dev.stderr_line());
        }
        let said = said.join("\n");
        let warning = format!(" WARN io_uring is not available ({name}: ");
        // Where the whole suite runs on epoll, that comes first.
        if std::env::var_os("MONOIO_FORCE_LEGACY_DRIVER").is_none() {
            assert!(said.contains(&warning), "{said}");
        }
        assert!(said.contains("driver=\"epoll\""), "{said}");
        assert_eq!(dev.terminate().0.code(), Some(0));

        let output = output(
            refused()
                .envs(ANY_PORTS)
                .env("RINGEST_LISTEN__DRIVER", "io_uring"),
        );
        assert_eq!(output.status.code(), Some(1));
        let expected = format!("listen.driver = \"io_uring\": not available ({name}: ");
        assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
    }
}
