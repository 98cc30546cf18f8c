//! `ringest --dev`: ringest and a Kafka broker in one process, for a first try.

use std::{fmt::Write as _, io, process::ExitCode, sync::Arc, time::Duration};

use crate::{
    config::{Config, ListenAddress},
    document::ConfigErrors,
    log::{FINISH_WITHIN, LineQueue},
    produce::{
        OpenError,
        dev_broker::{DevBroker, Reader, TakenRecord},
    },
    route::{Route, RouteTable},
    supervisor::{self, Addresses},
};

/// A valid record for each sample model, for the printed `curl` commands.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "PageView",
        r#"{"viewId":"550e8400-e29b-41d4-a716-446655440000","timestamp":"2026-11-23T08:00:00.123Z","url":"/pricing","country":"NL","device":"phone"}"#,
    ),
    (
        "Order",
        r#"{"orderId":"A-1001","customerId":7,"placedAt":"2026-11-23T08:00:00Z","currency":"EUR","total":"19.90","items":[{"sku":"tea","quantity":2,"price":"9.95"}]}"#,
    ),
    (
        "SensorReading",
        r#"{"sensorId":"roof-3","measuredAt":"2026-11-23T08:00:00.000001Z","temperature":4.5,"tags":{"site":"north"}}"#,
    ),
];

/// An array of records for a model without fields, with unusual spacing and escapes.
const ARRAY: &str = r#"[{"n":1}, {"n": 2, "text": "caf\u00e9 \"au lait\""}]"#;

/// How long the consumer waits for a slow reader of stdout before it drops a line.
const SLOW_READER: Duration = Duration::from_secs(1);

/// Why `--dev` could not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// librdkafka could not start its mock broker. Fault of the system.
    #[error("can't start the in-process broker: {0}")]
    Broker(#[from] OpenError),
    /// stdout can't be duplicated, or the thread that writes to it can't be created. Fault of the system.
    #[error("can't write to stdout: {0}")]
    Stdout(#[from] io::Error),
    /// An environment variable has an invalid value. Fault of the operator.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
}

/// An in-process broker and a configuration that uses it.
pub struct Dev {
    broker: DevBroker,
    /// The configuration to serve with.
    pub config: Config,
}

impl Dev {
    /// Starts the broker; variables of `environment` override the configuration.
    ///
    /// # Errors
    /// [`DevError`].
    pub fn start(environment: impl Iterator<Item = (String, String)>) -> Result<Self, DevError> {
        let broker = DevBroker::start()?;
        let config = Config::development(&broker.bootstrap_servers(), environment)?;
        Ok(Self { broker, config })
    }

    /// Serves until SIGTERM or SIGINT. Prints example commands for each route to stdout, then one line
    /// for each record that a consumer reads back from the broker. A stdout that is slow, full or closed
    /// costs lines, nothing else.
    ///
    /// # Errors
    /// [`DevError::Broker`] and [`DevError::Stdout`].
    #[expect(
        clippy::disallowed_methods,
        reason = "its descriptor is duplicated; only the queue's thread writes to it"
    )]
    pub fn serve(self, listening: impl FnOnce(Addresses)) -> Result<ExitCode, DevError> {
        let stdout = LineQueue::start("ringest-stdout", io::stdout(), notice, || ())?;
        let stdout = Arc::new(stdout);
        let table = self.config.routes();
        let reader = self.read_back(&table, Arc::clone(&stdout))?;
        // No file to reload: SIGHUP, as sent by a terminal that closes, ends the process.
        let code = supervisor::run(self.config, None, |addresses| {
            stdout.push(examples(table.routes(), &addresses).as_bytes());
            listening(addresses);
        });
        drop(reader);
        stdout.finish(FINISH_WITHIN);
        Ok(code)
    }

    /// Reads all topics back, those of dead letters included.
    fn read_back(&self, table: &RouteTable, stdout: Arc<LineQueue>) -> Result<Reader, OpenError> {
        let topics = table.topics().iter().map(|topic| &**topic);
        self.broker.read_back(topics, move |record| {
            let line = line(&record);
            stdout.await_room(line.len(), SLOW_READER);
            stdout.push(line.as_bytes());
        })
    }
}

/// The example commands. Every other line is a shell comment, so that all of it can be pasted.
fn examples(routes: &[Route], addresses: &Addresses) -> String {
    let url = match &addresses.public {
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
    // Writing to a String never fails.
    for route in routes {
        let Route { path, model, .. } = route;
        let example = EXAMPLES.iter().find(|(name, _)| *name == model.name);
        let record = example.map_or(r#"{"hello":"ringest"}"#, |(_, record)| record);
        let _ = writeln!(text, "\n# POST {path} -> topic {}", model.topic);
        let _ = writeln!(text, "curl {url}{path} -d '{record}'");
    }
    if let Some(route) = routes.iter().find(|route| route.model.fields.is_none()) {
        text += "\n# Several records in one request; each is forwarded byte for byte.\n";
        let _ = writeln!(text, "curl {url}{} -d '{ARRAY}'", route.path);
    }
    if let Some(management) = addresses.management {
        text += "\n# Metrics; see also /ready, /routes and /openapi.json.\n";
        let _ = writeln!(text, "curl http://{management}/metrics");
    }
    text + "\n"
}

/// One record as read by a consumer. Bytes that are not UTF-8 are escaped.
fn line(record: &TakenRecord<'_>) -> String {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
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
    }
}
