//! Topics of a running cluster, whichever it is, seen by clients of our own.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{
        AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
    },
    client::DefaultClientContext,
    config::FromClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    metadata::MetadataTopic,
    types::RDKafkaErrorCode,
};

use super::wait::eventually;

/// For one answer of a broker.
const BROKER_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach a cluster; topics that were created through it are deleted with it.
#[derive(Debug)]
pub(crate) struct Cluster {
    client: ClientConfig,
    created: Mutex<Vec<String>>,
    keep_topics: bool,
}

impl Cluster {
    /// `properties` are librdkafka's for any client, `bootstrap.servers` among them.
    pub(crate) fn new(properties: &[(&str, &str)]) -> Self {
        let mut client = ClientConfig::new();
        for (property, value) in properties {
            client.set(*property, *value);
        }
        Self {
            client,
            created: Mutex::default(),
            keep_topics: false,
        }
    }

    /// As a cluster that ends with the test, topics and all.
    pub(crate) fn ephemeral(mut self) -> Self {
        self.keep_topics = true;
        self
    }

    /// Its `bootstrap.servers`.
    pub(crate) fn brokers(&self) -> &str {
        self.client
            .get("bootstrap.servers")
            .expect("a cluster has bootstrap servers")
    }

    /// Creates a topic with a name of its own that begins with `prefix`, unreplicated.
    /// `settings` are the topic's, e.g. `("max.message.bytes", "2000")`.
    pub(crate) fn create_topic(
        &self,
        prefix: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> String {
        let name = unique(prefix);
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for (setting, value) in settings {
            topic = topic.set(setting, value);
        }
        // A request can get lost while a node is busy starting; the next one finds what the first did.
        let options = AdminOptions::new()
            .operation_timeout(Some(BROKER_TIMEOUT))
            .request_timeout(Some(BROKER_TIMEOUT));
        let admin = self.admin();
        let results = eventually(3 * BROKER_TIMEOUT, || {
            block_on(admin.create_topics([&topic], &options)).ok()
        });
        for result in results.expect("the cluster takes administration requests") {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err(error) => panic!("the topic's settings are right: {error:?}"),
            }
        }
        self.created
            .lock()
            .expect("no test panicked here")
            .push(name.clone());
        // The controller knows it; the brokers hear of it a moment later.
        let client: BaseConsumer = self.client();
        let known = eventually(BROKER_TIMEOUT, || {
            has_leaders(&client, &name, partitions).then_some(())
        });
        assert!(known.is_some(), "{name} was created and has no leaders");
        name
    }

    /// Takes over a topic that something else creates: it is deleted with the others.
    pub(crate) fn adopt(&self, topic: &str) {
        let mut created = self.created.lock().expect("no test panicked here");
        created.push(topic.to_owned());
    }

    /// Gives a topic these settings, and the defaults for all others.
    pub(crate) fn configure(&self, topic: &str, settings: &[(&str, &str)]) {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (setting, value) in settings {
            change = change.set(setting, value);
        }
        let altered = block_on(self.admin().alter_configs([&change], &AdminOptions::new()));
        let altered = altered.expect("the cluster takes administration requests");
        assert!(altered.iter().all(Result::is_ok), "{altered:?}");
    }

    /// The values of all records that the topic has now, partition after partition, each in order.
    pub(crate) fn read(&self, topic: &str) -> Vec<Vec<u8>> {
        self.read_partitions(topic).concat()
    }

    /// The same, by partition.
    pub(crate) fn read_partitions(&self, topic: &str) -> Vec<Vec<Vec<u8>>> {
        let consumer: BaseConsumer = self.client();
        let partitions = 0..self.leaders(topic).len();
        partitions
            .map(|partition| {
                let partition = i32::try_from(partition).expect("topics of tests are small");
                read_partition(&consumer, topic, partition)
            })
            .collect()
    }

    /// The `node.id` of each partition's leader; -1 where there is none.
    pub(crate) fn leaders(&self, topic: &str) -> Vec<i32> {
        let consumer: BaseConsumer = self.client();
        let metadata = consumer
            .fetch_metadata(Some(topic), BROKER_TIMEOUT)
            .expect("the cluster answers");
        let topic_metadata = metadata.topics().first().expect("asked for one topic");
        assert!(topic_metadata.error().is_none(), "{topic} exists");
        let partitions = topic_metadata.partitions().iter();
        let mut leaders: Vec<_> = partitions.map(|it| (it.id(), it.leader())).collect();
        leaders.sort_unstable();
        leaders.into_iter().map(|(_, leader)| leader).collect()
    }

    /// A client of any kind. A consumer of it belongs to no group that others could be in.
    pub(crate) fn client<T: FromClientConfig>(&self) -> T {
        self.client
            .clone()
            .set("group.id", unique("ringest-test"))
            .set("enable.auto.commit", "false")
            .create()
            .expect("the client's properties are right")
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let created = self.created.get_mut().expect("no test panicked here");
        if self.keep_topics || created.is_empty() {
            return;
        }
        let names: Vec<String> = std::mem::take(created);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if let Err(error) = block_on(self.admin().delete_topics(&names, &AdminOptions::new())) {
            eprintln!("the tests' topics are left in the cluster: {error}");
        }
    }
}

fn has_leaders(client: &BaseConsumer, topic: &str, partitions: i32) -> bool {
    let Ok(metadata) = client.fetch_metadata(Some(topic), BROKER_TIMEOUT) else {
        return false;
    };
    let led = metadata
        .topics()
        .iter()
        .flat_map(MetadataTopic::partitions)
        .filter(|partition| partition.leader() >= 0);
    led.count() == usize::try_from(partitions).expect("a topic has partitions")
}

fn read_partition(consumer: &BaseConsumer, topic: &str, partition: i32) -> Vec<Vec<u8>> {
    let (low, high) = consumer
        .fetch_watermarks(topic, partition, BROKER_TIMEOUT)
        .expect("the partition has a leader");
    let mut values = Vec::new();
    if low == high {
        return values;
    }
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, partition, Offset::Offset(low))
        .expect("the offset is a real one");
    consumer
        .assign(&assignment)
        .expect("the partition is there");
    let until = Instant::now() + BROKER_TIMEOUT;
    loop {
        let polled = consumer
            .poll(BROKER_TIMEOUT)
            .unwrap_or_else(|| panic!("{topic} [{partition}] has {high} records, read {values:?}"));
        let message = match polled {
            // A busy broker lost a connection, which is made again.
            Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
            )) if Instant::now() < until => continue,
            polled => polled.expect("the partition can be read"),
        };
        values.push(message.payload().unwrap_or_default().to_vec());
        if message.offset() + 1 >= high {
            return values;
        }
    }
}

/// A name that no other run has, also on a cluster that others use.
fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970");
    let process = std::process::id();
    format!("{prefix}-{}-{process}-{count}", now.as_secs())
}

/// rdkafka's administration is asynchronous and these tests have no runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        thread::park();
    }
}
