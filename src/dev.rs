//! `ringest --dev`: ringest and a Kafka broker in one process, for a first try.

mod forward;

use std::{
    fmt::Write as _,
    io,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    config::{Config, ListenAddress},
    document::ConfigErrors,
    excerpt,
    log::{FINISH_WITHIN, LineQueue},
    networks::bind_failure,
    produce::dev_broker::{DevBroker, DevBrokerError, TakenRecord},
    route::Route,
    samples::Samples,
    supervisor::{self, Addresses},
    validate::ValidationError,
};

/// An array of records for a model without fields, with unusual spacing and escapes.
const ARRAY: &str = r#"[{"n":1}, {"n": 2, "text": "caf\u00e9 \"au lait\""}]"#;

/// How long the consumer waits for a slow reader of stdout before it drops a line.
const SLOW_READER: Duration = Duration::from_secs(1);

/// Why `--dev` could not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// There is no broker. Fault of the system.
    #[error("can't start the in-process broker: {0}")]
    Broker(#[from] DevBrokerError),
    /// `--dev-broker` names a port that can't be had. Fault of the operator.
    #[error("--dev-broker {port}: {}", bind_failure(.error, *.port))]
    Port {
        /// The port.
        port: u16,
        /// What the system says.
        error: io::Error,
    },
    /// stdout can't be duplicated, or the thread that writes to it can't be created. Fault of the system.
    #[error("can't write to stdout: {0}")]
    Stdout(#[from] io::Error),
    /// An environment variable has an invalid value. Fault of the operator.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
}

/// An in-process broker and a configuration that uses it.
pub struct Dev<E> {
    broker: DevBroker,
    /// Where clients bootstrap: the broker's own address, or the port of `--dev-broker`.
    broker_address: String,
    stdout: Arc<LineQueue>,
    /// The directory of the models; `None`: the samples.
    models: Option<PathBuf>,
    environment: E,
    /// The configuration to serve with.
    pub config: Config,
}

impl<E, I> Dev<E>
where
    E: Fn() -> I + Send + Sync + 'static,
    I: Iterator<Item = (String, String)>,
{
    /// Starts the broker. Variables of `environment` override the configuration, `models` overrides both. With
    /// `broker_port` clients also reach the broker at that port of loopback.
    ///
    /// # Errors
    /// [`DevError`].
    #[expect(
        clippy::disallowed_methods,
        reason = "its descriptor is duplicated; only the queue's thread writes to it"
    )]
    pub fn start(
        models: Option<PathBuf>,
        broker_port: Option<u16>,
        environment: E,
    ) -> Result<Self, DevError> {
        let stdout = LineQueue::start("ringest-stdout", io::stdout(), notice, || ())?;
        let stdout = Arc::new(stdout);
        let samples = Arc::new(Samples::shown({
            let stdout = Arc::clone(&stdout);
            move |route, faults, value| {
                stdout.push(refused_line(route, faults, value).as_bytes());
            }
        }));
        let broker = DevBroker::start({
            let (stdout, samples) = (Arc::clone(&stdout), Arc::clone(&samples));
            move |record| {
                let line = line(&record);
                stdout.await_room(line.len(), SLOW_READER);
                stdout.push(line.as_bytes());
                samples.keep_taken(&record);
            }
        })?;
        let servers = broker.bootstrap_servers();
        let mut config = Config::development(servers, models.as_deref(), environment())?;
        config.samples = config.samples.map(|_| samples);
        broker.create_topics(config.routes().topics())?;
        let broker_address = match broker_port {
            None => servers.to_owned(),
            Some(port) => {
                let broker: Result<SocketAddr, _> = servers.parse();
                let forwarded = broker.map_err(io::Error::other);
                let forwarded = forwarded.and_then(|broker| forward::start(port, broker));
                let error = |error| DevError::Port { port, error };
                forwarded.map_err(error)?.to_string()
            }
        };
        Ok(Self {
            broker,
            broker_address,
            stdout,
            models,
            environment,
            config,
        })
    }

    /// Serves until SIGTERM or SIGINT. Prints example commands for each route to stdout, then one line for each
    /// record that a consumer reads back from the broker, or that is refused. A stdout that is slow, full or closed
    /// costs lines, nothing else. Models are read again when they change.
    pub fn serve(self, listening: impl FnOnce(Addresses)) -> ExitCode {
        let Self {
            broker,
            broker_address,
            stdout,
            models,
            environment,
            config,
        } = self;
        let commands = Arc::new(Mutex::new(Commands::default()));
        let load = {
            let (stdout, commands) = (Arc::clone(&stdout), Arc::clone(&commands));
            move || {
                let servers = broker.bootstrap_servers();
                let config = Config::development(servers, models.as_deref(), environment())?;
                let table = config.routes();
                if let Err(error) = broker.create_topics(table.topics()) {
                    tracing::error!("can't create topics: {error}");
                }
                let mut commands = commands.lock().unwrap_or_else(PoisonError::into_inner);
                stdout.push(commands.for_changed(table.routes()).as_bytes());
                Ok(config)
            }
        };
        let table = config.routes();
        let code = supervisor::run(config, Some(Box::new(load)), |addresses| {
            let mut commands = commands.lock().unwrap_or_else(PoisonError::into_inner);
            let text = commands.first(table.routes(), &addresses, &broker_address);
            stdout.push(text.as_bytes());
            listening(addresses);
        });
        stdout.finish(FINISH_WITHIN);
        code
    }
}

/// The example commands that were printed. Every other line is a shell comment, so that all of it can be pasted.
#[derive(Default)]
struct Commands {
    url: String,
    printed: Vec<String>,
}

impl Commands {
    fn first(&mut self, routes: &[Route], addresses: &Addresses, broker: &str) -> String {
        self.url = match &addresses.public {
            ListenAddress::Tcp(address) => format!("http://{address}"),
            ListenAddress::Unix(path) => {
                format!("--unix-socket '{}' http://localhost", path.display())
            }
        };
        let mut text = String::from(
            "# ringest is running with an in-process Kafka broker. Ctrl-C stops both; no data is kept.\n\
             # Paste a command into another terminal: this one prints each record that the broker has\n\
             # stored. A path without a version means the highest version.\n",
        );
        text += &self.for_changed(routes);
        // Writing to a String never fails.
        if let Some(route) = routes.iter().find(|route| route.model.fields.is_none()) {
            text += "\n# Several records in one request; each is forwarded byte for byte.\n";
            let _ = writeln!(text, "curl {}{} -d '{ARRAY}'", self.url, route.path);
        }
        if let Some(route) = routes.first() {
            text += "\n# The broker, for consumers on this machine; --dev-broker PORT gives it a fixed port.\n";
            let _ = writeln!(text, "# kcat -C -b {broker} -t {}", route.model.topic);
        }
        if let Some(management) = addresses.management {
            let _ = writeln!(text, "\n# Look at it in a browser: http://{management}/");
            text += "# Metrics; see also /ready, /routes and /openapi.json.\n";
            let _ = writeln!(text, "curl http://{management}/metrics");
        }
        text + "\n"
    }

    /// Those of routes that had no such command yet.
    fn for_changed(&mut self, routes: &[Route]) -> String {
        let mut text = String::new();
        for Route { path, model, .. } in routes {
            let record = model.example().replace('\'', r"'\''");
            let command = format!("curl {}{path} -d '{record}'", self.url);
            if !self.printed.contains(&command) {
                let _ = writeln!(text, "\n# POST {path} -> topic {}\n{command}", model.topic);
                self.printed.push(command);
            }
        }
        text
    }
}

/// A refused record with its faults, each line a shell comment.
fn refused_line(route: &str, faults: &[&ValidationError], value: &str) -> String {
    let mut text = format!("# refused {route} {value}\n");
    for fault in faults {
        let message = fault.message.replace('\n', " ");
        let _ = writeln!(text, "#   {}: {message}", printable(&fault.path));
    }
    text
}

/// A text that a terminal shows and does not act on, but for the blanks and line ends that JSON may have.
fn printable(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars() {
        match char {
            '\t' | '\n' | '\r' => shown.push(char),
            char if excerpt::acts(char) => shown.extend(char.escape_default()),
            char => shown.push(char),
        }
    }
    shown
}

/// One record as read by a consumer. Bytes that are not UTF-8 are escaped.
fn line(record: &TakenRecord<'_>) -> String {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => printable(text),
        Err(_) => bytes.escape_ascii().to_string(),
    };
    format!(
        "{} partition {} offset {} key {} value {}\n",
        record.topic,
        record.partition,
        record.offset,
        record.key.map_or("-".to_owned(), text),
        text(record.value),
    )
}

/// A shell comment, as every line that is no command and no record.
fn notice(dropped: u64) -> String {
    format!("# {dropped} lines are missing here: stdout did not accept them\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_with_topic_partition_offset_and_key() {
        let record = TakenRecord {
            topic: "orders",
            partition: 2,
            offset: 41,
            key: None,
            value: br#"{"a":1}"#,
        };
        assert_eq!(
            line(&record),
            "orders partition 2 offset 41 key - value {\"a\":1}\n"
        );
        let record = TakenRecord {
            key: Some(b"k"),
            value: b"\xff",
            ..record
        };
        assert_eq!(
            line(&record),
            "orders partition 2 offset 41 key k value \\xff\n"
        );
        let record = TakenRecord {
            value: "{\"a\":\t\"é\u{9b}\u{7f}\u{202e}\"}".as_bytes(),
            ..record
        };
        assert_eq!(
            line(&record),
            "orders partition 2 offset 41 key k value {\"a\":\t\"é\\u{9b}\\u{7f}\\u{202e}\"}\n"
        );
    }
}
