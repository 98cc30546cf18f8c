//! Whether any broker can be reached: asked by a thread of its own, so that a worker's requests
//! are refused at once while there is none, and served again as soon as there is.
#![expect(
    unsafe_code,
    reason = "rdkafka's safe metadata call asks for every topic of the cluster"
)]

use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, bindings as rd,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseProducer, Producer as _, ProducerContext},
};

use super::kafka::OpenError;

/// Between two questions while brokers answer.
const INTERVAL: Duration = Duration::from_secs(5);
/// Between two questions while none answers.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// How long brokers may take to answer.
const PATIENCE_MS: i32 = 3_000;
/// The same once a worker has reason to suspect that none is there.
const SUSPICIOUS_PATIENCE_MS: i32 = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Sight {
    /// Not asked yet.
    Unknown,
    Reachable,
    Unreachable,
}

/// Says nothing: each worker's own handle says what goes wrong, this one would say it once more.
struct Silent;

impl ClientContext for Silent {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
    fn stats_raw(&self, _: &[u8]) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Silent {
    type DeliveryOpaque = ();
    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// What is known of the brokers, shared by the process.
#[derive(Debug)]
pub struct BrokerWatch {
    sight: AtomicU8,
    suspected: AtomicBool,
    stopping: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

impl BrokerWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// What librdkafka says of the configuration.
    pub fn start(properties: &[(String, String)]) -> Result<Arc<Self>, OpenError> {
        let mut config = ClientConfig::new();
        for (name, value) in properties {
            config.set(name, value);
        }
        let client: BaseProducer<Silent> = config.create_with_context(Silent)?;
        let watch = Arc::new(Self::new());
        let handle = thread::Builder::new()
            .name("ringest-watch".to_owned())
            .spawn({
                let watch = Arc::clone(&watch);
                move || watch.run(&client)
            })
            .map_err(|error| OpenError(error.to_string()))?;
        let _ = watch.thread.set(handle.thread().clone());
        Ok(watch)
    }

    fn new() -> Self {
        Self {
            sight: AtomicU8::new(Sight::Unknown as u8),
            suspected: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
        }
    }

    fn run(&self, client: &BaseProducer<Silent>) {
        while !self.stopping.load(Ordering::Relaxed) {
            let reachable = self.ask(client);
            forget_events(client);
            let sight = if reachable {
                Sight::Reachable
            } else {
                Sight::Unreachable
            };
            let before = self.sight.swap(sight as u8, Ordering::Relaxed);
            if before != sight as u8 {
                if reachable {
                    tracing::info!("the brokers answer");
                } else {
                    tracing::warn!("no broker answers; requests are refused until one does");
                }
            }
            thread::park_timeout(if reachable { INTERVAL } else { RETRY_INTERVAL });
        }
    }

    /// Asks for the cluster's brokers, no topics. A busy broker gets a second chance.
    fn ask(&self, client: &BaseProducer<Silent>) -> bool {
        let suspected = self.suspected.swap(false, Ordering::Relaxed);
        let was_reachable = self.sight.load(Ordering::Relaxed) == Sight::Reachable as u8;
        let patience = if suspected {
            SUSPICIOUS_PATIENCE_MS
        } else {
            PATIENCE_MS
        };
        answers(client, patience) || (was_reachable && !suspected && answers(client, PATIENCE_MS))
    }

    /// False once nobody answered; true also before the first answer, as librdkafka's queue can
    /// hold what comes meanwhile.
    pub fn reachable(&self) -> bool {
        self.sight.load(Ordering::Relaxed) != Sight::Unreachable as u8
    }

    /// Whether a broker has answered the last question.
    pub fn seen(&self) -> bool {
        self.sight.load(Ordering::Relaxed) == Sight::Reachable as u8
    }

    /// Whether the first question has had its answer, good or bad.
    pub fn has_asked(&self) -> bool {
        self.sight.load(Ordering::Relaxed) != Sight::Unknown as u8
    }

    /// Asks soon: a worker's handle has lost every broker.
    pub fn suspect(&self) {
        self.suspected.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Ends the watch, within seconds.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Every lost connection is an event, and every statistics interval: unread they would pile up
/// for as long as an outage lasts.
fn forget_events(client: &BaseProducer<Silent>) {
    while client.in_flight_count() > 0 {
        client.poll(Duration::ZERO);
    }
}

fn answers(client: &BaseProducer<Silent>, patience_ms: i32) -> bool {
    let mut metadata = ptr::null();
    // SAFETY: the client is live; no topic is named; the metadata is destroyed where there is any.
    unsafe {
        let code = rd::rd_kafka_metadata(
            client.client().native_ptr(),
            0,
            ptr::null_mut(),
            &raw mut metadata,
            patience_ms,
        );
        if !metadata.is_null() {
            rd::rd_kafka_metadata_destroy(metadata);
        }
        code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// The events that `client` has for us reach that count, or fall to it.
    fn await_events(client: &BaseProducer<Silent>, there: impl Fn(i32) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !there(client.in_flight_count()) {
            assert!(Instant::now() < until, "{}", client.in_flight_count());
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn events_do_not_pile_up_while_nobody_answers() {
        let client: BaseProducer<Silent> = ClientConfig::new()
            // Nobody listens there.
            .set("bootstrap.servers", "127.0.0.1:1")
            .set("statistics.interval.ms", "10")
            .create_with_context(Silent)
            .expect("a client");
        let watch = BrokerWatch::new();
        watch.suspect(); // so that it does not wait for long
        thread::scope(|scope| {
            scope.spawn(|| watch.run(&client));
            await_events(&client, |events| events > 20);
            watch.stop();
            await_events(&client, |events| events < 10);
        });
        assert!(!watch.reachable());
    }
}
