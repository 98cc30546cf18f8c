//! A floor of arrays: librdkafka alone, with ringest's properties, produces the records of an array as fast as
//! the broker acknowledges them. The records of a batch are handed over by one call, one batch is out for a
//! partition, and delivery reports are fetched by the thread that produces. There is no HTTP and no validation:
//! ringest's CPU time a record less this one is the cost of its own work. `loadtest/librdkafka` runs it.

#![expect(
    unsafe_code,
    reason = "rdkafka's safe producers copy each payload and have no call for batches"
)]

use std::{
    error::Error,
    ffi::CString,
    fs,
    path::PathBuf,
    ptr,
    time::{Duration, Instant},
};

use clap::Parser;
use nix::time::{ClockId, clock_gettime};
use rdkafka::{
    ClientConfig, bindings as rd,
    config::FromClientConfig,
    producer::{BaseProducer, Producer},
};

/// What ringest gives librdkafka (`src/config/kafka.rs`).
const PROPERTIES: &[(&str, &str)] = &[
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("linger.ms", "0"),
    ("message.copy.max.bytes", "4096"),
    ("message.timeout.ms", "10000"),
    ("queue.buffering.max.messages", "500000"),
    ("socket.keepalive.enable", "true"),
];

/// librdkafka alone.
#[derive(Parser)]
struct Arguments {
    /// `host:port` of the broker.
    #[arg(long)]
    brokers: String,
    /// Topic to produce to.
    #[arg(long)]
    topic: String,
    /// File with a JSON array of records that have the same length.
    #[arg(long)]
    array: PathBuf,
    /// Bytes of each record.
    #[arg(long)]
    record_bytes: usize,
    /// Partitions of the topic, each of which has one batch out.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=64))]
    partitions: i32,
    /// Records of a batch: ringest has 3,000 of 293 bytes in `batch.size` of 1,000,000.
    #[arg(long, default_value_t = 3_000)]
    batch_records: usize,
    /// Copies of the array, which batches take turns with: the bodies of as many connections are in memory.
    #[arg(long, default_value_t = 16)]
    copies: usize,
    /// Measured seconds, after one of warm-up.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // Read by librdkafka until the end of the process.
    // Without the bracket, each record has one byte behind it.
    let bodies = fs::read(&arguments.array)?[1..].repeat(arguments.copies);
    let records = bodies.leak().chunks(arguments.record_bytes + 1);
    let records: Vec<_> = records.map(|it| &it[..arguments.record_bytes]).collect();
    let mut floor = Floor::new(&arguments, &records)?;
    floor.run(Duration::from_secs(1));
    let before = (floor.delivered, cpu_time()?, Instant::now());
    floor.run(Duration::from_secs(arguments.seconds));
    let (delivered, elapsed) = (floor.delivered - before.0, before.2.elapsed());
    let cpu = cpu_time()?.saturating_sub(before.1);
    #[expect(clippy::cast_precision_loss, reason = "figures with three digits")]
    let records = delivered as f64;
    println!(
        "{:.0} records/s, CPU {:.3} us a record",
        records / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / records
    );
    Ok(())
}

/// User and system time of the process, all of its threads.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// The producer, and what it has produced.
struct Floor {
    topic: *mut rd::rd_kafka_topic_t,
    queue: *mut rd::rd_kafka_queue_t,
    /// Records of each partition that are not reported.
    out: Vec<usize>,
    /// All records, of which the next batch begins at `next`.
    messages: Vec<rd::rd_kafka_message_t>,
    next: usize,
    batch_records: usize,
    batch: Vec<rd::rd_kafka_message_t>,
    delivered: u64,
    /// Last: the others belong to it.
    _producer: BaseProducer,
}

impl Floor {
    fn new(arguments: &Arguments, records: &[&'static [u8]]) -> Result<Self, Box<dyn Error>> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &arguments.brokers);
        for (name, value) in PROPERTIES {
            config.set(*name, *value);
        }
        let producer = BaseProducer::from_config(&config)?;
        let topic = CString::new(arguments.topic.as_str())?;
        let client = producer.client().native_ptr();
        // SAFETY: the client is live, the name ends with NUL.
        let (topic, queue) = unsafe {
            let topic = rd::rd_kafka_topic_new(client, topic.as_ptr(), ptr::null_mut());
            (topic, rd::rd_kafka_queue_get_main(client))
        };
        if topic.is_null() || queue.is_null() {
            return Err("no topic, or no queue".into());
        }
        let message = |record: &&'static [u8]| rd::rd_kafka_message_t {
            err: rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition: 0,
            payload: record.as_ptr().cast_mut().cast(),
            len: record.len(),
            key: ptr::null_mut(),
            key_len: 0,
            offset: 0,
            _private: ptr::null_mut(),
        };
        Ok(Self {
            topic,
            queue,
            out: vec![0; usize::try_from(arguments.partitions)?],
            messages: records.iter().map(message).collect(),
            next: 0,
            batch_records: arguments.batch_records,
            batch: Vec::new(),
            delivered: 0,
            _producer: producer,
        })
    }

    /// Produces and fetches reports for so long.
    fn run(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            for partition in 0..self.out.len() {
                if self.out[partition] == 0 {
                    self.produce(partition);
                }
            }
            self.fetch();
        }
    }

    /// Hands over a batch for a partition.
    fn produce(&mut self, partition: usize) {
        let records = self.messages.iter().cycle().skip(self.next);
        self.batch.clear();
        self.batch.extend(records.take(self.batch_records));
        self.next = (self.next + self.batch_records) % self.messages.len();
        let count = i32::try_from(self.batch.len()).expect("a small batch");
        let number = i32::try_from(partition).expect("few partitions");
        // SAFETY: the topic is live, the messages are initialised, and their payloads live as long as the
        // process; flags 0: librdkafka neither copies nor frees them.
        let accepted = unsafe {
            rd::rd_kafka_produce_batch(self.topic, number, 0, self.batch.as_mut_ptr(), count)
        };
        assert_eq!(accepted, count, "every record is accepted");
        self.out[partition] = self.batch.len();
    }

    /// Waits for an event and reads its delivery reports.
    fn fetch(&mut self) {
        // SAFETY: the queue is live, and so is the event until it is destroyed, with its messages.
        unsafe {
            let event = rd::rd_kafka_queue_poll(self.queue, 100);
            if event.is_null() {
                return;
            }
            loop {
                let message = rd::rd_kafka_event_message_next(event);
                if message.is_null() {
                    break;
                }
                let result = (*message).err;
                let delivered = rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
                assert_eq!(result, delivered, "every record is delivered");
                self.out[usize::try_from((*message).partition).expect("a partition")] -= 1;
                self.delivered += 1;
            }
            rd::rd_kafka_event_destroy(event);
        }
    }
}
