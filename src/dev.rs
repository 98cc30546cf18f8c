//! `ringest --dev`: everything in one process, to try it.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use crate::{
    config::Config,
    document::ConfigErrors,
    produce::{
        OpenError,
        dev_broker::{DevBroker, Reader, TakenRecord},
    },
    route::{Route, RouteTable},
    supervisor::{self, Addresses},
};

/// A record for each sample model, to be pasted; other models are shown an empty one.
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

/// Records for a model without fields, with blanks and escapes of their own.
const SEVERAL: &str = r#"[{"n":1}, {"n": 2, "text": "caf\u00e9 \"au lait\""}]"#;

/// Why `--dev` could not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// librdkafka has no means for a broker. The system's.
    #[error("the in-process broker: {0}")]
    Broker(#[from] OpenError),
    /// The environment sets something that cannot work. The operator's.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
}

/// An in-process broker and the configuration that goes with it.
pub struct Dev {
    broker: DevBroker,
    /// To serve with.
    pub config: Config,
}

impl Dev {
    /// Starts the broker; `environment` is what may override the configuration.
    ///
    /// # Errors
    /// [`DevError`].
    pub fn start(environment: impl Iterator<Item = (String, String)>) -> Result<Self, DevError> {
        let broker = DevBroker::start()?;
        let config = Config::development(&broker.bootstrap_servers(), environment)?;
        Ok(Self { broker, config })
    }

    /// Serves until SIGTERM or SIGINT. stdout gets the routes, what to type, and a line for each
    /// record that a consumer got back from the broker.
    ///
    /// # Errors
    /// [`DevError::Broker`].
    pub fn serve(self, listening: impl FnOnce(Addresses)) -> Result<ExitCode, DevError> {
        let table = self.config.routes();
        let _reader = self.read_back(&table)?;
        // Nothing to load again: SIGHUP is what a closed terminal sends, and ends it.
        Ok(supervisor::run(self.config, None, |addresses| {
            print(&invitation(table.routes(), addresses));
            listening(addresses);
        }))
    }

    /// Dead letters too.
    fn read_back(&self, table: &RouteTable) -> Result<Reader, OpenError> {
        let topics = table.topics().iter().map(|topic| &**topic);
        self.broker
            .read_back(topics, |record| print(&line(&record)))
    }
}

/// What a newcomer can type now. All that is no command is a comment to a shell.
fn invitation(routes: &[Route], addresses: Addresses) -> String {
    let url = format!("http://{}", addresses.public);
    let mut text = String::from(
        "# ringest, and a broker to try it with, in one process. Ctrl-C ends it; nothing is kept.\n\
         # Paste a line into another terminal: each record that the broker took is read back from\n\
         # it and shown here. A path without a version means the highest one.\n",
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
        text += "\n# Several records in one request; their bytes stay as they are.\n";
        let _ = writeln!(text, "curl {url}{} -d '{SEVERAL}'", route.path);
    }
    if let Some(management) = addresses.management {
        text += "\n# How it is doing; /ready and /routes are there too.\n";
        let _ = writeln!(text, "curl http://{management}/metrics");
    }
    text + "\n"
}

/// One record as a consumer got it. What is not text is shown escaped.
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

/// To stdout. When nobody reads it any more, serving goes on.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_with_all_that_identifies_it() {
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
