//! Requests of administration: what topics are configured to, and topics that are to be created.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use rdkafka::{
    ClientContext,
    admin::{
        AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier,
        ResourceSpecifier, TopicReplication, TopicResult,
    },
    config::RDKafkaLogLevel,
    error::KafkaError,
    metadata::MetadataBroker,
    types::RDKafkaErrorCode,
};

use super::{
    access::BrokerAccess,
    topic_settings::{Settings, TopicSettings},
};

/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Topics of one request.
const TOPICS_MAX: usize = 100;

/// Logs nothing: each worker's own handle does, others would repeat it.
pub(super) struct Silent;

impl ClientContext for Silent {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn stats_raw(&self, _: &[u8]) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

/// A client for requests of administration.
pub(super) struct Admin(AdminClient<Silent>);

impl Admin {
    /// A client with the operator's way to the brokers.
    ///
    /// # Errors
    /// What librdkafka says of the configuration.
    pub(super) fn open(access: &BrokerAccess) -> Result<Self, KafkaError> {
        let (_, mut config) = access.client_config();
        config.set("linger.ms", "0"); // else its own default may contradict message.timeout.ms
        let client: AdminClient<Silent> = config.create_with_context(Silent)?;
        // Without the token no request is answered, which says so.
        let _ = access.authenticate(client.inner());
        Ok(Self(client))
    }

    /// The configurations of these topics, without those that the brokers do not describe.
    ///
    /// # Errors
    /// No answer in time, or brokers that know no such request.
    pub(super) fn describe(&self, topics: &[Arc<str>]) -> Result<Settings, KafkaError> {
        let mut settings = Settings::new();
        let Some(first) = topics.first() else {
            return Ok(settings);
        };
        // Any broker knows them; librdkafka would wait for the controller, which may be none of those
        // that can be reached.
        let metadata = self.0.inner().fetch_metadata(Some(first), ANSWER_WITHIN)?;
        let known = metadata.brokers().iter().map(MetadataBroker::id);
        let broker = known.max_by_key(|id| *id == metadata.orig_broker_id());
        let options = options().broker_id(broker);
        for topics in topics.chunks(TOPICS_MAX) {
            let resources = topics.iter().map(|topic| ResourceSpecifier::Topic(topic));
            let resources: Vec<_> = resources.collect();
            let answer = block_on(self.0.describe_configs(&resources, &options))?;
            settings.extend(answer.iter().flatten().filter_map(read));
        }
        Ok(settings)
    }

    /// Creates topics: what became of each. -1 stands for the brokers' own number.
    ///
    /// # Errors
    /// No answer in time.
    pub(super) fn create(
        &self,
        topics: &[&str],
        partitions: i32,
        replication_factor: i32,
    ) -> Result<Vec<TopicResult>, KafkaError> {
        let mut results = Vec::new();
        for topics in topics.chunks(TOPICS_MAX) {
            let replication = || TopicReplication::Fixed(replication_factor);
            let new = topics
                .iter()
                .map(|topic| NewTopic::new(topic, partitions, replication()));
            let new: Vec<_> = new.collect();
            results.extend(block_on(self.0.create_topics(&new, &options()))?);
        }
        Ok(results)
    }
}

/// Whether the brokers know no such request.
pub(super) fn is_unsupported(error: &KafkaError) -> bool {
    matches!(
        error,
        KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature)
    )
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(ANSWER_WITHIN))
        .operation_timeout(Some(ANSWER_WITHIN))
}

/// A topic with its configuration. One that may not be read has no entries.
fn read(resource: &ConfigResource) -> Option<(Arc<str>, TopicSettings)> {
    let OwnedResourceSpecifier::Topic(name) = &resource.specifier else {
        return None;
    };
    let entries = resource.entries.iter();
    let entries = entries.filter_map(|it| Some((it.name.as_str(), it.value.as_deref()?)));
    let settings = TopicSettings::new(entries);
    (!resource.entries.is_empty()).then(|| (name.as_str().into(), settings))
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread for a future of the client's, which ends when its request times out.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
