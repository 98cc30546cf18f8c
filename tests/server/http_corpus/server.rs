//! A ringest process of one test, with a mock cluster as its brokers.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rdkafka::mocking::MockCluster;
use tempfile::TempDir;

use super::corpus::{BODY_BYTES_MAX, HEAD_BYTES_MAX, HEADERS_MAX};

/// Ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Child,
    _brokers: MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
    _directory: TempDir,
}

impl Server {
    /// Starts one on a port of the system's choice and waits until it listens.
    pub(crate) fn start() -> Self {
        let brokers = MockCluster::new(1).expect("a mock cluster");
        brokers.create_topic("events", 1, 1).expect("a topic");
        let directory = TempDir::new().expect("a directory");
        let models = directory.path().join("models");
        std::fs::create_dir(&models).expect("a directory");
        let model = "name = \"Event\"\nversion = \"1.0\"\ntopic = \"events\"\n";
        std::fs::write(models.join("Event.toml"), model).expect("a file");
        let config = directory.path().join("ringest.toml");
        std::fs::write(&config, configuration(&brokers.bootstrap_servers())).expect("a file");
        let mut process = Command::new(env!("CARGO_BIN_EXE_ringest"))
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ringest starts");
        let log = BufReader::new(process.stderr.take().expect("its log"));
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // What the server says goes to the test's output; a pipe nobody reads would block it.
            for line in log.lines().map_while(Result::ok) {
                eprintln!("ringest: {line}");
                if let Some((_, address)) = line.split_once("listening on ") {
                    let address = address.split_whitespace().next().unwrap_or_default();
                    let _ = sender.send(address.parse());
                }
            }
        });
        let address = match receiver.recv_timeout(Duration::from_secs(20)) {
            Ok(address) => address.expect("an address behind `listening on`"),
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                panic!("ringest does not listen: {error}");
            }
        };
        Self {
            address,
            process,
            _brokers: brokers,
            _directory: directory,
        }
    }

    /// Fails the test if the process has ended.
    pub(crate) fn assert_running(&mut self) {
        let ended = self.process.try_wait().expect("the process can be asked");
        assert_eq!(ended, None, "ringest has ended");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The limits are those that the cases count on; the deadlines are far away.
fn configuration(brokers: &str) -> String {
    format!(
        r#"
models = "models"
workers = 2

[listen]
address = "127.0.0.1:0"

[management]
address = ""

[limits]
head_bytes_max = {HEAD_BYTES_MAX}
headers_max = {HEADERS_MAX}
body_bytes_max = {BODY_BYTES_MAX}
record_bytes_max = {BODY_BYTES_MAX}

[timeouts]
head_timeout_ms = 60_000
body_timeout_ms = 60_000
idle_timeout_ms = 60_000

[auth]
mode = "none"

[kafka]
"bootstrap.servers" = "{brokers}"
"#
    )
}
