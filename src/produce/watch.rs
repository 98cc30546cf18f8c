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
    ClientConfig, bindings as rd,
    producer::{BaseProducer, Producer as _},
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
        // Each worker's own handle says what goes wrong; this one would say it once more.
        config.set("log_level", "0");
        let client: BaseProducer = config.create()?;
        let watch = Arc::new(Self {
            sight: AtomicU8::new(Sight::Unknown as u8),
            suspected: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
        });
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

    fn run(&self, client: &BaseProducer) {
        while !self.stopping.load(Ordering::Relaxed) {
            let reachable = self.ask(client);
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
    fn ask(&self, client: &BaseProducer) -> bool {
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

fn answers(client: &BaseProducer, patience_ms: i32) -> bool {
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
