//! What a topic of one partition holds, read as it grows.

use std::cell::Cell;

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::support::wait::PATIENCE;

/// A reader that remembers where it was.
pub(crate) struct Topic {
    consumer: BaseConsumer,
    name: &'static str,
    next: Cell<i64>,
}

impl Topic {
    /// From the topic's first record on.
    pub(crate) fn open(brokers: &str, name: &'static str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "properties")
            .set("enable.auto.commit", "false")
            // A fetch that finds nothing is answered that late, whatever arrives meanwhile.
            .set("fetch.wait.max.ms", "5")
            .create()
            .expect("the properties are right");
        let topic = Self {
            consumer,
            name,
            next: Cell::new(0),
        };
        topic.seek();
        topic
    }

    /// The records that have come since the last call.
    pub(crate) fn read(&self) -> Vec<Vec<u8>> {
        let end = self.end();
        let mut records = Vec::new();
        while self.next.get() < end {
            let record = self.consumer.poll(PATIENCE).expect("a record in time");
            let record = record.expect("the topic can be read");
            assert_eq!(
                record.offset(),
                self.next.get(),
                "the mock has dropped records"
            );
            self.next.set(self.next.get() + 1);
            records.push(record.payload().unwrap_or_default().to_vec());
        }
        records
    }

    /// Leaves out what there is now.
    pub(crate) fn skip(&self) {
        let end = self.end();
        if self.next.replace(end) < end {
            self.seek();
        }
    }

    fn end(&self) -> i64 {
        let marks = self.consumer.fetch_watermarks(self.name, 0, PATIENCE);
        marks.expect("the partition has a leader").1
    }

    fn seek(&self) {
        let mut partition = TopicPartitionList::new();
        partition
            .add_partition_offset(self.name, 0, Offset::Offset(self.next.get()))
            .expect("an offset");
        self.consumer
            .assign(&partition)
            .expect("the partition is there");
    }
}
