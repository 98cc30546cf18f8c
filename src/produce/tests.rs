//! The producer against librdkafka's in-process mock cluster, without a runtime: the test does by
//! hand what a worker's ring does.

use std::{
    os::unix::net::UnixStream,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{mocking::MockCluster, types::RDKafkaRespErr};

use super::{
    BrokerAccess, BrokerWatch, Delivered, Delivery, Failure, Fault, Headers, Payloads, Persisted,
    Producer, ProducerSettings, kafka::Handle,
};
use crate::{
    admission::{Admission, Holder},
    auth,
    buffer::Pool,
    metrics::WorkerMetrics,
    model::{Model, Rules, Version},
    route::RouteTable,
    validate::{Format, ValidateLimits, Validator},
};

mod access;
mod carried;
mod memory;

const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    producer: Rc<Producer>,
    admission: Rc<Admission>,
    pool: Rc<Pool>,
    metrics: Arc<WorkerMetrics>,
    routes: RouteTable,
    validator: Validator,
    _watch: Arc<BrokerWatch>,
    _wake_reader: UnixStream,
}

impl Bench {
    fn new(brokers: &str) -> Self {
        Self::open(&settings(&[("bootstrap.servers", brokers)]))
    }

    fn open(settings: &ProducerSettings) -> Self {
        let watch = BrokerWatch::start(&settings.access).expect("a client");
        let metrics = Arc::new(WorkerMetrics::new(1, 1));
        let (wake, wake_reader) = UnixStream::pair().expect("a socket pair");
        let producer = Producer::open(settings, &wake, Arc::clone(&metrics), Arc::clone(&watch))
            .expect("a producer");
        let model = Model::untyped(
            "Event",
            "1".parse::<Version>().expect("a version"),
            "events",
        );
        let limits = ValidateLimits {
            record_bytes_max: 1 << 20,
            records_max: 1 << 20,
            json_depth_max: 8,
        };
        let mut bench = Self {
            producer,
            admission: Rc::new(Admission::new(1 << 30)),
            pool: Rc::default(),
            metrics,
            routes: RouteTable::new(&[]),
            validator: Validator::new(limits),
            _watch: watch,
            _wake_reader: wake_reader,
        };
        bench.serve(model.into());
        bench
    }

    /// Has a route for this model alone, as after a reload.
    fn serve(&mut self, model: Arc<Model>) {
        self.routes = self.routes.succeeded_by("", &[model]);
        self.producer.set_routes(&self.routes);
    }

    fn payloads(&self, body: &[u8]) -> Payloads {
        let mut buffer = self.pool.take(body.len());
        buffer.append(body);
        let permit = self
            .admission
            .admit(Holder::UNKNOWN, buffer.capacity())
            .expect("room");
        Payloads::as_received(buffer.freeze(0..body.len()), permit)
    }

    /// As [`enqueue`](Self::enqueue), in slices, before each of which `before` is called.
    fn enqueue_in_slices(
        &mut self,
        body: &[u8],
        rules: &Rules,
        mut before: impl FnMut(&Producer),
    ) -> Result<Delivery, Failure> {
        let payloads = self.payloads(body);
        let records = self
            .validator
            .validate(body, Format::Json, rules)
            .expect("valid");
        let route = auth::anonymous()
            .authorize(&self.routes.routes()[0])
            .expect("all routes are allowed");
        let slices = self
            .producer
            .collect_in_slices(route, &records, payloads, Headers::default());
        let mut slices = slices?;
        loop {
            before(&self.producer);
            if let Some(delivery) = slices.advance() {
                return Ok(delivery);
            }
        }
    }

    fn enqueue(&mut self, body: &[u8]) -> Result<Delivery, Failure> {
        let payloads = self.payloads(body);
        let records = self
            .validator
            .validate(body, Format::Json, &Rules::any())
            .expect("valid");
        let route = auth::anonymous()
            .authorize(&self.routes.routes()[0])
            .expect("all routes are allowed");
        self.producer
            .enqueue(route, &records, payloads, Headers::default())
    }

    /// Waits until the producer knows the partitions of its topics.
    fn await_partitions(&self) {
        self.turn_until(|bench| bench.producer.knows_partitions_for_test());
    }

    /// What the ring's reader and the tick do, until `done`.
    fn turn_until(&self, mut done: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < until, "it takes too long");
            thread::sleep(Duration::from_millis(2));
            self.producer.drain();
            self.producer.tick(Instant::now());
        }
    }

    fn finish(&self, delivery: Delivery) -> Result<Delivered, Failure> {
        let mut delivery = pin!(delivery);
        let mut end = None;
        self.turn_until(|_| {
            match delivery
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(ended) => end = Some(ended),
                Poll::Pending => {}
            }
            end.is_some()
        });
        end.expect("it has ended")
    }

    fn send(&mut self, body: &[u8]) -> Result<Delivered, Failure> {
        let delivery = self.enqueue(body)?;
        self.finish(delivery)
    }

    /// Sends a record again and again until its handle has been replaced; how many, all of which are delivered.
    fn send_until_replaced(&mut self, is_replaced: impl Fn(&Self) -> bool) -> usize {
        let mut deliveries = Vec::new();
        let until = Instant::now() + PATIENCE;
        while !is_replaced(self) {
            assert!(Instant::now() < until, "the handle is not replaced");
            let delivery = self.enqueue(b"{}");
            deliveries.push(delivery.expect("there is a handle all the time"));
            self.producer.drain();
            self.producer.tick(Instant::now());
            thread::sleep(Duration::from_millis(1));
        }
        let sent = deliveries.len();
        for delivery in deliveries {
            assert_eq!(self.finish(delivery).map(|it| it.records()), Ok(1));
        }
        sent
    }
}

/// For an idempotent producer that waits for a record's report as long as the tests do.
fn settings(properties: &[(&str, &str)]) -> ProducerSettings {
    let ours = [
        ("enable.idempotence", "true"),
        ("message.timeout.ms", "10000"),
        ("linger.ms", "0"),
    ];
    let all = ours.iter().chain(properties);
    let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ProducerSettings {
        access: BrokerAccess::new(all.collect::<Vec<_>>()),
        producers: Some(1),
        queue_records_max: 100_000,
        report_timeout: PATIENCE,
        cores: nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).expect("cores"),
    }
}

fn array(records: usize) -> Vec<u8> {
    format!("[{}]", vec!["{}"; records].join(",")).into_bytes()
}

#[test]
fn one_record_and_an_array_are_delivered_and_their_memory_comes_back() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
    // Far more reports than one drain takes in.
    assert_eq!(
        bench.send(&array(20_000)).map(|it| it.records()),
        Ok(20_000)
    );
    assert_eq!(
        (
            bench.producer.queued_records(),
            bench.admission.in_flight_bytes()
        ),
        (0, 0)
    );
    assert_eq!(bench.metrics.late_delivery_reports.value(), 0);
}

/// What other requests wait for in one round of the worker.
#[test]
fn a_round_hands_over_a_batch_and_takes_in_a_few_reports() {
    const PARTITIONS: usize = 4;
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let partitions = i32::try_from(PARTITIONS).expect("a few");
    (cluster.create_topic("events", partitions, 1)).expect("a topic");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    bench.await_partitions();
    let delivery = bench.enqueue(&array(PARTITIONS * 10_000)).expect("room");
    // More is due, but not before the next round.
    bench.producer.dispatch(Instant::now());
    // librdkafka counts its events, too.
    let depth = bench.producer.queue_depth();
    assert!((10_000..10_100).contains(&depth), "{depth}");
    let until = Instant::now() + PATIENCE;
    let mut queued = bench.producer.queued_records();
    while queued > 0 {
        assert!(Instant::now() < until, "it takes too long");
        bench.producer.drain();
        let left = bench.producer.queued_records();
        assert!(queued - left <= 4_096, "{queued}, {left}");
        queued = left;
    }
    let delivered = bench.finish(delivery);
    assert_eq!(delivered.map(|it| it.records()), Ok(PARTITIONS * 10_000));
}

#[test]
fn a_request_that_is_taken_in_by_slices_is_one() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    bench.await_partitions();
    let mut slices = 0;
    let delivery = bench.enqueue_in_slices(&array(30_000), &Rules::any(), |producer| {
        assert_eq!(producer.queued_records(), 30_000, "nobody takes its place");
        slices += 1;
        // Batches may go meanwhile.
        producer.dispatch(Instant::now());
    });
    assert!(slices >= 4, "{slices}");
    let delivered = bench.finish(delivery.expect("room"));
    assert_eq!(delivered.map(|it| it.records()), Ok(30_000));
    assert_eq!(bench.admission.in_flight_bytes(), 0);
    let refused = bench.enqueue_in_slices(&array(100_001), &Rules::any(), |_| {
        panic!("it is refused before a record is taken in")
    });
    let full = Failure::before_enqueue(Fault::QueueFull);
    assert_eq!(refused.map(|_| ()), Err(full));
    assert_eq!(
        (
            bench.producer.queued_records(),
            bench.admission.in_flight_bytes()
        ),
        (0, 0)
    );
}

/// As where its task panics.
#[test]
fn a_request_that_is_dropped_half_way_leaves_nothing_behind() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    bench.await_partitions();
    let mut slices = 0;
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = bench.enqueue_in_slices(&array(30_000), &Rules::any(), |_| {
            slices += 1;
            if slices == 3 {
                std::panic::resume_unwind(Box::new("ends here"));
            }
        });
    }));
    assert!(ended.is_err());
    assert!(bench.producer.queued_records() <= 10_000);
    bench.turn_until(|bench| bench.producer.queued_records() == 0);
    assert_eq!(bench.admission.in_flight_bytes(), 0);
}

#[test]
fn memory_outlives_a_client_that_has_gone() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    drop(bench.enqueue(&array(3)));
    assert!(
        bench.admission.in_flight_bytes() > 0,
        "librdkafka still reads it"
    );
    bench.turn_until(|bench| bench.producer.queued_records() == 0);
    assert_eq!(bench.admission.in_flight_bytes(), 0);
}

#[test]
fn a_full_queue_takes_nothing_of_a_request() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::open(&ProducerSettings {
        queue_records_max: 3,
        ..settings(&[("bootstrap.servers", &cluster.bootstrap_servers())])
    });
    assert_eq!(
        bench.send(&array(4)),
        Err(Failure::before_enqueue(Fault::QueueFull))
    );
    assert_eq!(bench.admission.in_flight_bytes(), 0);
    assert_eq!(bench.send(&array(3)).map(|it| it.records()), Ok(3));
}

#[test]
fn a_fatal_error_ends_requests_and_the_handle_is_replaced() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
    bench.producer.with_handle_for_test(Handle::fail_for_test);
    bench.turn_until(|bench| !bench.producer.is_serving());
    assert_eq!(
        bench.send(b"{}"),
        Err(Failure::before_enqueue(Fault::ProducerFatal))
    );
    bench.turn_until(|bench| bench.producer.is_serving());
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
}

#[test]
fn topics_are_added_at_any_time_and_none_is_lost_with_its_handle() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    let model = |topic: &str| {
        let version = "1".parse::<Version>().expect("a version");
        Arc::new(Model::untyped("Event", version, topic))
    };
    let first = bench.enqueue(b"{}").expect("it is served");
    bench.serve(model("second"));
    let second = bench.enqueue(b"{}").expect("it is served");
    for delivery in [first, second] {
        assert_eq!(bench.finish(delivery).map(|it| it.records()), Ok(1));
    }
    // It may be being replaced: no route has the first topic any more.
    bench.turn_until(|bench| bench.producer.is_serving());
    bench.producer.with_handle_for_test(Handle::fail_for_test);
    bench.turn_until(|bench| !bench.producer.is_serving());
    // While there is no handle.
    bench.serve(model("third"));
    bench.turn_until(|bench| bench.producer.is_serving());
    for topic in ["events", "second", "third"] {
        bench.serve(model(topic));
        assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1), "{topic}");
    }
}

/// librdkafka waits for it anew with each handle; the watch does so once.
#[test]
fn a_topic_that_is_known_to_be_missing_is_not_waited_for() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let says = |error| cluster.topic_error("events", error).expect("a name");
    says(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    let mut bench = Bench::open(&settings(&[
        ("bootstrap.servers", &cluster.bootstrap_servers()),
        ("topic.metadata.propagation.max.ms", "200"),
    ]));
    let until = Instant::now() + PATIENCE;
    let refused = loop {
        assert!(Instant::now() < until, "it is enqueued again and again");
        let failure = match bench.enqueue(b"{}") {
            Ok(delivery) => bench.finish(delivery).expect_err("it has no topic"),
            Err(failure) => break failure,
        };
        assert_eq!(failure.fault, Fault::TopicMissing);
    };
    assert_eq!(refused, Failure::before_enqueue(Fault::TopicMissing));
    says(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    bench.await_partitions();
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
}

/// Nobody shuts down: that is what a drain's answer would say.
#[test]
fn what_a_failed_handle_gives_up_is_reported_as_such() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
    cluster.broker_down(1).expect("there is one");
    let delivery = bench.enqueue(b"{}").expect("the watch cannot know yet");
    bench.producer.with_handle_for_test(Handle::fail_for_test);
    let failure = bench.finish(delivery).expect_err("it was given up");
    assert_eq!(failure.fault, Fault::ProducerFatal);
}

#[test]
fn a_code_that_no_kafka_has_is_the_brokers_trouble() {
    // Both the producer and the watch have a mock cluster of their own inside.
    let mut bench = Bench::open(&settings(&[("test.mock.num.brokers", "1")]));
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
    bench
        .producer
        .with_handle_for_test(|handle| handle.refuse_for_test(4_321));
    let failure = bench.send(b"{}").expect_err("it was refused");
    assert_eq!(failure.fault, Fault::BrokerUnavailable);
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
}

#[test]
fn what_is_given_up_is_reported_at_once_and_nothing_is_read_afterwards() {
    // Nobody listens there: what is enqueued before the watch knows stays in the queue.
    let mut bench = Bench::new("127.0.0.1:1");
    let delivery = bench.enqueue(&array(2)).expect("the watch cannot know yet");
    bench.producer.purge();
    let failure = bench.finish(delivery).expect_err("it was given up");
    assert_eq!(
        failure,
        Failure {
            fault: Fault::Draining,
            persisted: Persisted::No
        }
    );
    assert_eq!(bench.admission.in_flight_bytes(), 0);
}

#[test]
fn dropping_the_producer_waits_for_its_memory() {
    let mut bench = Bench::new("127.0.0.1:1");
    drop(bench.enqueue(&array(2)));
    let Bench {
        producer,
        admission,
        ..
    } = bench;
    drop(producer);
    assert_eq!(admission.in_flight_bytes(), 0);
}

#[test]
fn a_handle_with_a_topic_that_no_route_has_any_more_is_replaced_without_loss() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    let mut bench = Bench::new(&cluster.bootstrap_servers());
    let open = |bench: &Bench| bench.producer.open_topics_for_test();
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
    assert_eq!(open(&bench), [0]);
    let model = |topic| Model::untyped("Event", "1".parse().expect("a version"), topic);
    bench.serve(model("others").into());
    bench.turn_until(|bench| bench.producer.is_serving());
    assert!(bench.send_until_replaced(|bench| !open(bench).contains(&0)) > 0);
    assert_eq!(bench.send(b"{}").map(|it| it.records()), Ok(1));
    assert_eq!(open(&bench), [1]);
    assert_eq!(bench.admission.in_flight_bytes(), 0);
    let until = Instant::now() + Duration::from_millis(200);
    bench.turn_until(|_| Instant::now() >= until);
    assert_eq!(bench.metrics.late_delivery_reports.value(), 0);
}
