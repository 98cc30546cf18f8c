//! librdkafka's mock cluster: brokers inside the test's own process that fail on request.

use std::time::Duration;

use rdkafka::{
    bindings::rd_kafka_resp_err_t as Fault, mocking::MockCluster, producer::DefaultProducerContext,
    types::RDKafkaApiKey,
};

use super::{cluster::Cluster, process::without_forks};

/// Every broker of the cluster, where one broker's number (1, 2, …) is asked for.
pub(crate) const ALL: i32 = -1;

/// Enough for every retry that fits into a test.
const FOR_EVER: usize = 10_000;

/// A mock cluster. It is no proof of delivery, only of what is answered to which fault.
pub(crate) struct Mock(MockCluster<'static, DefaultProducerContext>);

impl Mock {
    /// Brokers 1 to `brokers`, which create a topic when it is first asked for.
    pub(crate) fn start(brokers: i32) -> Self {
        Self(MockCluster::new(brokers).expect("librdkafka starts its mock cluster"))
    }

    /// One broker, with these topics of one partition each.
    pub(crate) fn with_topics(names: &[&str]) -> Self {
        let mock = Self::start(1);
        for name in names {
            mock.create_topic(name, 1);
        }
        mock
    }

    /// Its `bootstrap.servers`.
    pub(crate) fn brokers(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// A client's view of it.
    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::new(&[("bootstrap.servers", &self.brokers())]).ephemeral()
    }

    /// Creates a topic whose partition 0 is led by broker 1, 1 by broker 2 and so on.
    pub(crate) fn create_topic(&self, name: &str, partitions: i32) {
        self.0
            .create_topic(name, partitions, 1)
            .expect("the topic is new");
        for partition in 0..partitions {
            self.0
                .partition_leader(name, partition, Some(partition + 1))
                .expect("there are as many brokers as partitions");
        }
    }

    /// Has a broker lead a partition.
    pub(crate) fn lead(&self, broker: i32, topic: &str, partition: i32) {
        self.0
            .partition_leader(topic, partition, Some(broker))
            .expect("topic and broker exist");
    }

    /// The next produce requests are refused with these, one each.
    pub(crate) fn fail_produce(&self, faults: &[Fault]) {
        self.0.request_errors(RDKafkaApiKey::Produce, faults);
    }

    /// All produce requests are refused with this until [`Mock::heal_produce`].
    pub(crate) fn fail_every_produce(&self, fault: Fault) {
        self.fail_produce(&vec![fault; FOR_EVER]);
    }

    /// Ends what is left of [`Mock::fail_produce`].
    pub(crate) fn heal_produce(&self) {
        self.0.clear_request_errors(RDKafkaApiKey::Produce);
    }

    /// What the brokers say about a topic when they are asked for metadata.
    pub(crate) fn fail_metadata(&self, topic: &str, fault: Fault) {
        self.0
            .topic_error(topic, fault)
            .expect("a topic's name has no NUL");
    }

    /// Closes the connections of a broker and refuses new ones.
    pub(crate) fn down(&self, broker: i32) {
        // It binds its port again at once, and ends this process where a child still has the old socket.
        without_forks(|| self.0.broker_down(broker)).expect("the broker exists");
    }

    /// Lets a broker accept connections again.
    pub(crate) fn up(&self, broker: i32) {
        self.0.broker_up(broker).expect("the broker exists");
    }

    /// A broker answers this much later than usual.
    pub(crate) fn delay(&self, broker: i32, delay: Duration) {
        self.0
            .broker_round_trip_time(broker, delay)
            .expect("the broker exists");
    }
}
