//! Asks the brokers for the topics of the models, for `--check --connect` and `ringest topics`.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};

use super::{
    access::BrokerAccess,
    admin::{Admin, is_unsupported},
    fit::Expected,
    properties::{KnownProperties, property},
    settings_watch::hidden,
};
use crate::sync::locked;

/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Reasons of a failure, at most.
const REASONS_MAX: usize = 8;

/// A topic of the models, as the brokers have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicReport {
    /// Its name.
    pub name: String,
    /// Its partitions; 0: the brokers do not have it.
    pub partitions: usize,
    /// Replicas of each partition, at least.
    pub replication_factor: usize,
    /// `max.message.bytes`, where the brokers report it.
    pub message_bytes_max: Option<usize>,
    /// `cleanup.policy`, where the brokers report it.
    pub cleanup_policy: Option<String>,
}

impl TopicReport {
    /// Whether the brokers have it.
    pub fn exists(&self) -> bool {
        self.partitions > 0
    }
}

/// The topics of the models, and what an operator should know of them.
#[derive(Debug)]
pub struct Survey {
    /// Those for dead letters included, each once, in the order of the models.
    pub topics: Vec<TopicReport>,
    /// Where models and topics do not fit together, and what the brokers do not report.
    pub warnings: Vec<String>,
}

/// Asks for the topics of the models and their configurations.
///
/// # Errors
/// A text for a person: no broker answers in time, or one refuses the metadata of a topic.
pub fn survey(access: &BrokerAccess, expected: &Expected) -> Result<Survey, String> {
    let mut topics = look_up(access, &expected.topics())?;
    let existing = topics.iter().filter(|it| it.exists());
    let existing: Vec<Arc<str>> = existing.map(|it| it.name.as_str().into()).collect();
    let described = Admin::open(access).and_then(|admin| admin.describe(&existing));
    let (settings, mut warnings) = match described {
        Ok(settings) => (settings, Vec::new()),
        // Brokers that know no such request, as those of --dev.
        Err(error) if is_unsupported(&error) => {
            return Ok(Survey {
                topics,
                warnings: Vec::new(),
            });
        }
        Err(error) => {
            let warning = format!("can't read the configurations of the topics: {error}");
            return Ok(Survey {
                topics,
                warnings: vec![warning],
            });
        }
    };
    for topic in &mut topics {
        if let Some(of) = settings.get(topic.name.as_str()) {
            topic.message_bytes_max = of.message_bytes_max;
            topic.cleanup_policy.clone_from(&of.cleanup_policy);
        }
    }
    warnings.extend(hidden(&existing, &settings));
    warnings.extend(expected.misfits(&settings));
    Ok(Survey { topics, warnings })
}

/// A topic that was to be created, and why it was not, if so.
pub type Creation = (String, Result<(), String>);

/// Creates topics, and says what became of each. `None` stands for the brokers' own number.
///
/// # Errors
/// A text for a person: no broker answers in time.
pub fn create(
    access: &BrokerAccess,
    topics: &[&str],
    partitions: Option<i32>,
    replication_factor: Option<i32>,
) -> Result<Vec<Creation>, String> {
    const BY_BROKERS: i32 = -1;
    let partitions = partitions.unwrap_or(BY_BROKERS);
    let replication_factor = replication_factor.unwrap_or(BY_BROKERS);
    let created = Admin::open(access)
        .and_then(|admin| admin.create(topics, partitions, replication_factor))
        .map_err(|error| format!("can't create topics: {error}"))?;
    let results = created.into_iter().map(|result| match result {
        // By somebody else, meanwhile.
        Ok(topic) | Err((topic, RDKafkaErrorCode::TopicAlreadyExists)) => (topic, Ok(())),
        Err((topic, error)) => (topic, Err(error.to_string())),
    });
    Ok(results.collect())
}

/// Looks topics up, as a consumer, so that no broker creates one because it was asked for.
fn look_up(access: &BrokerAccess, topics: &[Arc<str>]) -> Result<Vec<TopicReport>, String> {
    let consumer = client(access)?;
    let failed = |topic: &str, error: &dyn std::fmt::Display| {
        format!("can't get the metadata of topic {topic}: {error}")
    };
    let explained = || {
        let reasons = reasons(&consumer);
        if reasons.is_empty() {
            format!("\n  {}", silence(access))
        } else {
            reasons
        }
    };
    let mut reports = Vec::new();
    for topic in topics {
        let metadata = consumer
            .fetch_metadata(Some(topic), ANSWER_WITHIN)
            .map_err(|error| failed(topic, &error) + &explained())?;
        let mut report = TopicReport {
            name: topic.to_string(),
            ..TopicReport::default()
        };
        if let Some(it) = metadata.topics().iter().find(|it| it.name() == &**topic) {
            match it.error() {
                None => {
                    let replicas = it.partitions().iter().map(|it| it.replicas().len());
                    report.partitions = it.partitions().len();
                    report.replication_factor = replicas.min().unwrap_or(0);
                }
                Some(error) if is_unknown(error) => {}
                Some(error) => {
                    let error = RDKafkaErrorCode::from(error);
                    return Err(failed(topic, &error));
                }
            }
        }
        reports.push(report);
    }
    Ok(reports)
}

/// What librdkafka says of the brokers that it cannot use: wrong passwords, names that do not resolve,
/// certificates that are not trusted.
#[derive(Default)]
struct Reasons(Mutex<Vec<String>>);

impl ClientContext for Reasons {
    // What matters comes as an error, too.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _text: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        // Behind it stands how long it took, each time anew.
        let reason = reason.split(" (after ").next().unwrap_or(reason);
        let reason = of_http(reason).unwrap_or_else(|| reason.to_owned());
        let mut known = locked(&self.0);
        if known.len() < REASONS_MAX && !known.contains(&reason) {
            known.push(reason);
        }
    }
}

impl ConsumerContext for Reasons {}

/// What librdkafka means if it reads `HTTP` as the size of an answer.
fn of_http(reason: &str) -> Option<String> {
    let size = format!("Invalid response size {}", i32::from_be_bytes(*b"HTTP"));
    let (broker, _) = reason.split_once(&size)?;
    Some(format!(
        "{broker}the answer is HTTP: the port is not that of a Kafka broker (kafka.bootstrap.servers)"
    ))
}

/// The likely causes where librdkafka gives no reason: a connection came about, and nothing over it.
fn silence(access: &BrokerAccess) -> String {
    let properties = access.properties().1;
    let brokers = property(&properties, "bootstrap.servers").unwrap_or_default();
    let protocol = property(&properties, "security.protocol").unwrap_or("plaintext");
    let cause = if protocol.to_ascii_lowercase().ends_with("ssl") {
        "one without TLS"
    } else {
        "one that expects TLS"
    };
    format!(
        "no answer from {brokers} within {} s: the wrong port, {cause} (kafka.security.protocol is \
         \"{protocol}\"), or a firewall",
        ANSWER_WITHIN.as_secs()
    )
}

/// The reasons that have come up, each on a line of its own.
fn reasons(consumer: &BaseConsumer<Reasons>) -> String {
    // Errors are events, which come by polling. The bound: an error may come again and again.
    for _ in 0..100 {
        let _ = consumer.poll(Duration::from_millis(1));
    }
    let known = consumer.context();
    locked(&known.0)
        .iter()
        .flat_map(|reason| ["\n  ", reason])
        .collect()
}

fn is_unknown(error: RDKafkaRespErr) -> bool {
    matches!(
        error,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
    )
}

/// A consumer with the operator's way to the brokers; what only producers know is left out, or
/// librdkafka would warn of it.
fn client(access: &BrokerAccess) -> Result<BaseConsumer<Reasons>, String> {
    let known = KnownProperties::new();
    let mut client = ClientConfig::new();
    for (name, value) in &*access.properties().1 {
        if !known.is_producer_only(name) {
            client.set(name, value);
        }
    }
    client.set("allow.auto.create.topics", "false");
    let client: BaseConsumer<Reasons> = client
        .create_with_context(Reasons::default())
        .map_err(|error| format!("no client for the brokers: {error}"))?;
    let authenticated = access.authenticate(client.client());
    authenticated.map_err(|error| error.to_string())?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        net::{SocketAddr, TcpListener},
        thread,
    };

    use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};
    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::{config::Config, model::Model};

    fn config(brokers: &str) -> Config {
        Config::development(brokers, None, std::iter::empty()).expect("it is good")
    }

    fn missing(config: &Config) -> Result<Vec<String>, String> {
        let expected = Expected {
            models: config.models.clone(),
            record_bytes_max: config.limits.record_bytes_max,
            acks_all: true,
        };
        let survey = survey(&BrokerAccess::new(config.kafka.clone()), &expected)?;
        // The mock cluster knows no configurations.
        assert_eq!(survey.warnings, [""; 0]);
        let missing = survey.topics.into_iter().filter(|it| !it.exists());
        Ok(missing.map(|it| it.name).collect())
    }

    #[test]
    fn what_is_missing_is_reported_and_not_created() {
        let cluster = MockCluster::<DefaultProducerContext>::new(1).expect("a cluster");
        for topic in ["orders", "RawEvent_1_0"] {
            cluster.create_topic(topic, 1, 1).expect("a topic");
        }
        let config = config(&cluster.bootstrap_servers());
        let expected = ["PageView_1_0", "PageViewDeadLetter", "SensorReading_2_1"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(missing(&config), Ok(expected.clone()));
        assert_eq!(missing(&config), Ok(expected));
    }

    #[test]
    fn topics_for_dead_letters_are_asked_for_too() {
        let cluster = MockCluster::<DefaultProducerContext>::new(1).expect("a cluster");
        for topic in [
            "orders",
            "RawEvent_1_0",
            "PageView_1_0",
            "PageViewDeadLetter",
            "SensorReading_2_1",
        ] {
            cluster.create_topic(topic, 1, 1).expect("a topic");
        }
        let mut config = config(&cluster.bootstrap_servers());
        assert_eq!(missing(&config), Ok(vec![]));
        for model in &mut config.models {
            let mut with_dead_letters = Model::clone(model);
            with_dead_letters.dead_letter_topic = Some("dead".to_owned());
            *model = Arc::new(with_dead_letters);
        }
        assert_eq!(missing(&config), Ok(vec!["dead".to_owned()]));
    }

    #[test]
    fn no_broker_is_an_error() {
        // Bound and not listening: the port refuses, and nobody else gets it meanwhile.
        let bound = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        bound.bind(&loopback.into()).expect("a port");
        let address = bound.local_addr().expect("its address").as_socket();
        let address = address.expect("an address of the Internet").to_string();
        let error = missing(&config(&address)).expect_err("nobody is there");
        assert!(error.contains("topic orders"), "{error}");
        let reason = format!("Connect to ipv4#{address} failed: Connection refused\n");
        assert!((error + "\n").contains(&reason), "{reason}");
    }

    /// A port that accepts connections and is not a broker's: it answers so, or not at all.
    fn port(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        // It ends with the process.
        thread::spawn(move || {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.write_all(answer);
                open.push(stream);
            }
        });
        address
    }

    #[test]
    fn a_port_that_is_not_a_brokers_is_named_with_the_likely_cause() {
        let silent = port(b"").to_string();
        let http = port(b"HTTP/1.1 400 Bad Request\r\n\r\n").to_string();
        let plaintext = format!(
            "\n  no answer from {silent} within 5 s: the wrong port, one that expects TLS \
             (kafka.security.protocol is \"plaintext\"), or a firewall"
        );
        let tls = plaintext
            .replace("that expects", "without")
            .replace("plaintext", "SSL");
        for (brokers, protocol, expected) in [
            (&silent, "plaintext", &*plaintext),
            (&silent, "SSL", &*tls),
            (
                &http,
                "plaintext",
                "the answer is HTTP: the port is not that of a Kafka broker",
            ),
        ] {
            let mut config = config(brokers);
            let property = ("security.protocol".to_owned(), protocol.to_owned());
            config.kafka.push(property);
            let error = missing(&config).expect_err("it is no broker");
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("receive.message.max.bytes"), "{error}");
        }
    }

    #[test]
    fn the_reason_is_given_in_the_words_of_librdkafka() {
        let cluster = MockCluster::<DefaultProducerContext>::new(1).expect("a cluster");
        let brokers = cluster.bootstrap_servers();
        let tls = ("security.protocol".to_owned(), "SSL".to_owned());
        for (brokers, property, reason) in [
            (&*brokers, Some(tls), "SSL handshake failed"),
            (
                "kafka.invalid:9092",
                None,
                "Failed to resolve 'kafka.invalid:9092'",
            ),
        ] {
            let mut config = config(brokers);
            config.kafka.extend(property);
            let error = missing(&config).expect_err("it can't be used");
            assert!(error.contains(reason), "{error}");
        }
    }
}
