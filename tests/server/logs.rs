//! A log that cannot be written, or is not read, and floods of lines: requests are answered all the same.

mod outage;
mod requests;
mod start;

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, PipeReader, Read, pipe},
    net::SocketAddr,
    process::{Command, ExitStatus, Stdio},
    thread,
};

use crate::support::{
    http::Http,
    process::Process,
    wait::{PATIENCE, eventually},
};

/// A token of `MOOSE_INGEST_API_KEY`.
const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.00112233445566778899aabbccddeeff";
const HASH: &str = "ac0c9d4a1ffec86cd8529d6b1d6c0c5fd33cbe87";

/// More lines than the log's queue, a pipe and a socket hold.
const FLOOD: usize = 8_000;

const RECORD: &str = r#"{"hello":"ringest"}"#;

/// `ringest --dev`, which prints its addresses to stdout too, with authentication and two workers. It
/// logs every rejected credential.
struct Server {
    process: Process,
    public: SocketAddr,
    management: SocketAddr,
}

impl Server {
    fn start(stderr: impl Into<Stdio>) -> Self {
        let (reader, writer) = pipe().expect("a pipe");
        let process = Self::spawn(writer.into(), stderr.into());
        let mut lines = BufReader::new(reader).lines().map_while(Result::ok);
        let mut address = |before: &str, after: &str| {
            let found = lines.find_map(|line| {
                let rest = line.strip_prefix(before)?.split_once(after)?.0;
                rest.parse::<SocketAddr>().ok()
            });
            found.expect("its address")
        };
        let public = address("curl http://", "/ingest/RawEvent/1.0");
        let management = address("curl http://", "/metrics");
        thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            public,
            management,
        }
    }

    fn spawn(stdout: Stdio, stderr: Stdio) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringest"));
        command
            .arg("--dev")
            .env_clear()
            .envs(
                std::env::var_os("RINGEST_LISTEN__DRIVER").map(|it| ("RINGEST_LISTEN__DRIVER", it)),
            )
            .env("RINGEST_LISTEN__ADDRESS", "127.0.0.1:0")
            .env("RINGEST_MANAGEMENT__ADDRESS", "127.0.0.1:0")
            .env("RINGEST_AUTH__MODE", "required")
            .env("MOOSE_INGEST_API_KEY", HASH)
            .env("RINGEST_WORKERS", "2")
            .env("RINGEST_LOG__FILTER", "debug")
            // Ten lines a second, and a flood takes a time of its own.
            .env("RINGEST_LOG__REQUESTS", "none")
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        Process::spawn(&mut command).expect("the binary starts")
    }

    fn connect(&self) -> Http {
        Http::connect(self.public).expect("it accepts")
    }

    /// Sends so many requests with a bad token, several at a time, and reads every answer.
    fn flood(&self, requests: usize) {
        const AT_ONCE: usize = 16;
        let mut http = self.connect();
        for batch in 0..requests / AT_ONCE {
            let requests = (0..AT_ONCE).map(|place| post(&format!("bad-{batch}-{place}"), RECORD));
            http.send(requests.collect::<String>().as_bytes())
                .expect("it reads");
            for _ in 0..AT_ONCE {
                let status = http.answer().expect("an answer").status;
                assert!([401, 503].contains(&status), "{status}");
            }
        }
    }

    fn get(&self, path: &str) -> String {
        let mut http = Http::connect(self.management).expect("it accepts");
        http.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .expect("it reads");
        let answer = http.answer().expect("an answer");
        assert_eq!(answer.status, 200, "{path}");
        String::from_utf8(answer.body).expect("text")
    }

    /// `ringest_log_lines_dropped_total`.
    fn dropped(&self) -> u64 {
        let metrics = self.get("/metrics");
        let line = metrics
            .lines()
            .find_map(|it| it.strip_prefix("ringest_log_lines_dropped_total "));
        line.and_then(|it| it.parse().ok()).expect("a number")
    }

    /// Everything that is served is: both workers, and the management listener.
    fn serves(&self) {
        for _ in 0..8 {
            let mut http = self.connect();
            http.send(post(TOKEN, RECORD).as_bytes()).expect("it reads");
            let answer = http.answer().expect("an answer");
            assert_eq!(
                (answer.status, &*answer.body),
                (200, br#"{"accepted":1}"#.as_slice())
            );
            http.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                .expect("it reads");
            assert_eq!(http.answer().expect("an answer").status, 200);
        }
        for path in ["/health", "/ready", "/metrics"] {
            self.get(path);
        }
    }

    /// Waits until that many lines at least are counted as dropped.
    fn await_dropped(&self, lines: u64) -> u64 {
        eventually(PATIENCE, || Some(self.dropped()).filter(|it| *it >= lines))
            .expect("so many lines are dropped")
    }

    fn terminate(&mut self) -> ExitStatus {
        self.process.signal(libc::SIGTERM);
        self.process.wait(PATIENCE).expect("it drains and ends")
    }
}

fn post(token: &str, record: &str) -> String {
    format!(
        "POST /ingest/RawEvent/1.0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{record}",
        record.len()
    )
}

fn full() -> Stdio {
    let full = OpenOptions::new().write(true).open("/dev/full");
    full.expect("Linux").into()
}

/// The write end of a pipe whose reader has died.
fn dead() -> Stdio {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn a_log_that_cannot_be_written_costs_its_lines_only() {
    for stderr in [full(), dead()] {
        let mut server = Server::start(stderr);
        server.flood(160);
        server.serves();
        // Some of them at the start, too.
        server.await_dropped(160);
        assert_eq!(server.terminate().code(), Some(0));
    }
}

#[test]
fn a_log_that_nobody_reads_costs_its_lines_only() {
    let (_reader, writer) = pipe().expect("a pipe");
    let mut server = Server::start(writer);
    server.flood(FLOOD);
    server.serves();
    server.await_dropped(1);
    assert_eq!(server.terminate().code(), Some(0));
}

/// Once lines are read again, one says how many are missing, and none is torn.
#[test]
fn lines_that_are_missing_are_reported() {
    let (reader, writer) = pipe().expect("a pipe");
    let mut server = Server::start(writer);
    server.flood(FLOOD);
    let dropped = server.await_dropped(1);
    let reading = thread::spawn(move || text(reader));
    assert_eq!(server.terminate().code(), Some(0));

    let text = reading.join().expect("no panic");
    let counts = text.lines().filter_map(|line| {
        let count = line
            .split_once(" WARN log lines were dropped because stderr did not accept them count=");
        count?.1.parse::<u64>().ok()
    });
    let reported: u64 = counts.sum();
    assert!(reported >= dropped, "{reported} of {dropped}");
    let rejected = text
        .lines()
        .filter(|line| line.contains("credential rejected"))
        .count() as u64;
    let is_torn = |line: &&str| !line.starts_with("20") && !line.starts_with("listening on ");
    assert_eq!(text.lines().find(is_torn), None);
    assert!(
        (rejected + reported).abs_diff(FLOOD as u64) < 100,
        "{rejected} + {reported}"
    );
}

/// The lines of `--dev`, of which one stands for each record.
#[test]
fn a_stdout_that_cannot_be_written_costs_its_lines_only() {
    let (reader, stalled) = pipe().expect("a pipe");
    for stdout in [full(), dead(), stalled.into()] {
        let (stderr, writer) = pipe().expect("a pipe");
        let process = Server::spawn(stdout, writer.into());
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let mut addresses = lines.by_ref().filter_map(|line| {
            let address = line.strip_prefix("listening on ")?.split(' ').next()?;
            address.parse::<SocketAddr>().ok()
        });
        let (public, management) = (addresses.next(), addresses.next());
        let (public, management) = (
            public.expect("its address"),
            management.expect("its address"),
        );
        thread::spawn(move || lines.for_each(drop));
        let mut server = Server {
            process,
            public,
            management,
        };
        // More than a pipe holds.
        let record = format!(r#"{{"text":"{}"}}"#, "x".repeat(200_000));
        let mut http = server.connect();
        http.send(post(TOKEN, &record).as_bytes())
            .expect("it reads");
        assert_eq!(http.answer().expect("an answer").status, 200);
        server.serves();
        assert_eq!(server.terminate().code(), Some(0));
    }
    drop(reader);
}

/// What is read until the process has ended.
fn text(mut reader: PipeReader) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("text");
    text
}
