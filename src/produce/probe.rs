//! Asks the brokers, at `--check --connect`, whether they have the topics.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode,
    types::RDKafkaRespErr,
};

use super::properties::KnownProperties;
use crate::model::Model;

/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The topics of the models, those for dead letters included, that the brokers don't have, each
/// once, in the order of the models.
/// Asks as a consumer, so that no broker creates a topic because it was asked for.
///
/// # Errors
/// A text for a person: no broker answers in time, or one refuses the metadata of a topic.
pub fn missing_topics(
    properties: &[(String, String)],
    models: &[Arc<Model>],
) -> Result<Vec<String>, String> {
    let consumer = client(properties)?;
    let mut asked: Vec<&str> = Vec::new();
    let mut missing = Vec::new();
    let topics = models
        .iter()
        .flat_map(|model| [Some(&model.topic), model.dead_letter_topic.as_ref()])
        .flatten();
    for topic in topics.map(String::as_str) {
        if asked.contains(&topic) {
            continue;
        }
        asked.push(topic);
        let metadata = consumer
            .fetch_metadata(Some(topic), ANSWER_WITHIN)
            .map_err(|error| format!("can't get the metadata of topic {topic}: {error}"))?;
        let answer = metadata.topics().iter().find(|it| it.name() == topic);
        match answer.map(|it| (it.error(), it.partitions().is_empty())) {
            Some((None, false)) => {}
            Some((Some(error), _)) if !is_unknown(error) => {
                let error = RDKafkaErrorCode::from(error);
                return Err(format!("can't get the metadata of topic {topic}: {error}"));
            }
            _ => missing.push(topic.to_owned()),
        }
    }
    Ok(missing)
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
fn client(properties: &[(String, String)]) -> Result<BaseConsumer, String> {
    let known = KnownProperties::new();
    let mut client = ClientConfig::new();
    for (name, value) in properties {
        if !known.is_producer_only(name) {
            client.set(name, value);
        }
    }
    client.set("allow.auto.create.topics", "false");
    client
        .create()
        .map_err(|error| format!("no client for the brokers: {error}"))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};
    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::config::Config;

    fn config(brokers: &str) -> Config {
        Config::development(brokers, std::iter::empty()).expect("it is good")
    }

    fn missing(config: &Config) -> Result<Vec<String>, String> {
        missing_topics(&config.kafka, &config.models)
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
    }
}
