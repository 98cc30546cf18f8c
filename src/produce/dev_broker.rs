//! The in-process broker of `--dev`: librdkafka's mock cluster, and a consumer that reads back
//! what it took.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
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

/// A broker in this process; it ends with the value.
pub struct DevBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

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

impl DevBroker {
    /// A broker without topics.
    ///
    /// # Errors
    /// What librdkafka says.
    pub fn start() -> Result<Self, OpenError> {
        Ok(Self {
            cluster: MockCluster::new(1)?,
        })
    }

    /// Where it is.
    pub fn bootstrap_servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Creates the topics, and shows each record that the broker takes to `show`, from a thread of
    /// its own, until the reader is dropped.
    ///
    /// # Errors
    /// What librdkafka says.
    pub fn read_back<'t>(
        &self,
        topics: impl Iterator<Item = &'t str>,
        show: impl Fn(TakenRecord<'_>) + Send + 'static,
    ) -> Result<Reader, OpenError> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap_servers())
            .set("group.id", "ringest-dev")
            .set("enable.auto.commit", "false")
            .set("log_level", "0")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        for topic in topics {
            self.cluster.create_topic(topic, PARTITIONS, 1)?;
            assignment.add_partition_offset(topic, 0, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stopping = Arc::clone(&stopping);
            move || {
                while !stopping.load(Ordering::Relaxed) {
                    if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
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
        });
        Ok(Reader {
            stopping,
            thread: Some(thread),
        })
    }
}

/// Reads back until it is dropped.
pub struct Reader {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
