//! The in-process broker of `--dev`: librdkafka's mock cluster, and a consumer that reads back what it took.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};

use super::kafka::OpenError;

/// Partitions of each topic.
const PARTITIONS: i32 = 1;

/// How long the consumer waits for a record before it looks for new topics.
const POLL: Duration = Duration::from_millis(50);

/// A broker in this process, and its consumer; both end with the value. Both are on a thread of their own: a mock
/// cluster stays on the one that made it.
pub struct DevBroker {
    bootstrap_servers: String,
    topics: Option<Sender<NewTopics>>,
    thread: Option<JoinHandle<()>>,
}

/// Topics to be created, and where to say that they are.
type NewTopics = (Vec<Arc<str>>, Sender<Result<(), OpenError>>);

/// A record as a consumer got it.
#[derive(Debug)]
pub struct TakenRecord<'m> {
    /// Its topic.
    pub topic: &'m str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<&'m [u8]>,
    /// Its value.
    pub value: &'m [u8],
}

/// Why there is no broker. Fault of the system.
#[derive(Debug, thiserror::Error)]
pub enum DevBrokerError {
    /// What librdkafka says.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The thread can't be created, or has ended.
    #[error(transparent)]
    Thread(#[from] io::Error),
}

impl DevBroker {
    /// A broker without topics. `show` is given each record that it takes, on the broker's thread.
    ///
    /// # Errors
    /// [`DevBrokerError`].
    pub fn start(show: impl Fn(TakenRecord<'_>) + Send + 'static) -> Result<Self, DevBrokerError> {
        let (topics, new_topics) = mpsc::channel();
        let (started, start) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("ringest-broker".to_owned())
            .spawn(move || match open() {
                Ok((cluster, consumer)) => {
                    // The receiver below waits for it.
                    let _ = started.send(Ok(cluster.bootstrap_servers()));
                    run(&cluster, &consumer, &new_topics, show);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            })?;
        let bootstrap_servers = start.recv().map_err(io::Error::other)??;
        Ok(Self {
            bootstrap_servers,
            topics: Some(topics),
            thread: Some(thread),
        })
    }

    /// Where it is.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Creates the topics that it does not have yet, and reads back what it takes of them.
    ///
    /// # Errors
    /// [`DevBrokerError`].
    pub fn create_topics(&self, topics: &[Arc<str>]) -> Result<(), DevBrokerError> {
        let (topics, (done, created)) = (topics.to_vec(), mpsc::channel());
        if let Some(sender) = &self.topics {
            sender.send((topics, done)).map_err(io::Error::other)?;
        }
        Ok(created.recv().map_err(io::Error::other)??)
    }
}

impl Drop for DevBroker {
    fn drop(&mut self) {
        self.topics = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn open() -> Result<(Cluster, BaseConsumer), OpenError> {
    let cluster = MockCluster::new(1)?;
    let consumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "ringest-dev")
        .set("enable.auto.commit", "false")
        .set("log_level", "0")
        .create()?;
    Ok((cluster, consumer))
}

/// Until nobody can ask for topics any more.
fn run(
    cluster: &Cluster,
    consumer: &BaseConsumer,
    new_topics: &Receiver<NewTopics>,
    show: impl Fn(TakenRecord<'_>),
) {
    let mut known = TopicPartitionList::new();
    loop {
        match new_topics.try_recv() {
            Ok((topics, done)) => {
                // The caller waits for it.
                let _ = done.send(create(cluster, consumer, &mut known, &topics));
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        if let Some(Ok(message)) = consumer.poll(POLL) {
            show(TakenRecord {
                topic: message.topic(),
                partition: message.partition(),
                offset: message.offset(),
                key: message.key(),
                value: message.payload().unwrap_or_default(),
            });
        }
    }
}

fn create(
    cluster: &Cluster,
    consumer: &BaseConsumer,
    known: &mut TopicPartitionList,
    topics: &[Arc<str>],
) -> Result<(), OpenError> {
    let mut more = TopicPartitionList::new();
    for topic in topics {
        if known.find_partition(topic, 0).is_none() {
            cluster.create_topic(topic, PARTITIONS, 1)?;
            known.add_partition(topic, 0);
            more.add_partition_offset(topic, 0, Offset::Beginning)?;
        }
    }
    if more.count() > 0 {
        consumer.incremental_assign(&more)?;
    }
    Ok(())
}
