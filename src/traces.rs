//! Traces of requests, for an OpenTelemetry collector (OTLP over HTTP): a span for each sampled request, with
//! one for each of its stages below it.
//!
//! A worker puts a request into a bounded queue and goes on; a thread of its own exports what is there, once a
//! second (`exporter`). What does not fit is dropped and counted: neither a collector nor the clients that ask
//! for traces can hold anything else up.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, SyncSender},
    },
    thread,
    time::{Duration, SystemTime},
};

use crate::{
    http::Method,
    metrics::{ProcessMetrics, TraceResult},
    networks::ClientAddress,
};

use exporter::Exporter;
pub use headers::HeadersError;
use parent::Parent;

mod exporter;
mod headers;
mod message;
mod otlp;
mod parent;

/// Requests that wait for their export; as many are exported a second, at most.
const QUEUE_MAX: usize = 2_048;

/// Characters of a principal's name that a span has, at most.
const PRINCIPAL_CHARS_MAX: usize = 128;

/// The most memory that a full queue takes, and the message that is made of a part of it.
pub(crate) const MEMORY_MAX: usize = 4 << 20;

/// `[traces]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The URL that spans are posted to.
    pub endpoint: String,
    /// The part of requests without a `traceparent` that are sampled: 0 to 1.
    pub sample_ratio: f64,
    /// A file with header fields for the endpoint, one a line. It may hold a credential, and is read again for
    /// each export.
    pub headers_file: Option<PathBuf>,
    /// From the DNS look-up to the last byte of the response.
    pub timeout: Duration,
    /// What spans have as `service.name`.
    pub service_name: String,
}

impl TraceSettings {
    /// The header fields in `headers_file`.
    ///
    /// # Errors
    /// The file can't be read, or a line of it is not a header field.
    pub fn headers(&self) -> Result<Vec<(String, String)>, HeadersError> {
        match &self.headers_file {
            None => Ok(Vec::new()),
            Some(file) => headers::read(file),
        }
    }
}

/// The queue of the process, and its exporter.
#[derive(Debug)]
pub(crate) struct Tracer {
    /// What a random number must not exceed for a request to be sampled.
    threshold: u64,
    queue: SyncSender<Box<TracedRequest>>,
    process: Arc<ProcessMetrics>,
    stop: Sender<()>,
}

/// The end of an export, when the process ends.
pub(crate) struct LastExport(Receiver<()>);

/// Samples the requests of one worker.
#[derive(Debug)]
pub(crate) struct Sampler {
    tracer: Arc<Tracer>,
    hasher: RandomState,
    count: Cell<u64>,
}

/// The span of a request that is sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpanContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    /// The client's span.
    parent_id: Option<[u8; 8]>,
    method: Method,
}

/// A sampled request that was answered.
#[derive(Debug)]
pub(crate) struct TracedRequest {
    pub(crate) context: SpanContext,
    /// When it was answered.
    pub(crate) ended: SystemTime,
    /// From its head to its answer.
    pub(crate) duration: Duration,
    /// Of authentication, receiving the body, validation and delivery, one after the other, as far as it came.
    pub(crate) stages: [Option<Duration>; 4],
    /// The path of its route.
    pub(crate) route: Option<Box<str>>,
    pub(crate) principal: Option<Box<str>>,
    pub(crate) client: ClientAddress,
    pub(crate) request_id: Box<str>,
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    /// Of its body.
    pub(crate) bytes: usize,
    pub(crate) records: usize,
}

impl Tracer {
    /// Starts the thread that exports.
    ///
    /// # Errors
    /// The system has no thread.
    pub(crate) fn start(
        settings: &TraceSettings,
        process: &Arc<ProcessMetrics>,
    ) -> io::Result<(Arc<Self>, LastExport)> {
        let (queue, requests) = mpsc::sync_channel(QUEUE_MAX);
        let (stop, stopped) = mpsc::channel();
        let (ended, end) = mpsc::channel::<()>();
        let exporter = Exporter::new(settings.clone(), requests, stopped, Arc::clone(process));
        thread::Builder::new()
            .name("ringest-traces".to_owned())
            .spawn(move || {
                exporter.run();
                drop(ended);
            })?;
        let tracer = Self {
            threshold: threshold(settings.sample_ratio),
            queue,
            process: Arc::clone(process),
            stop,
        };
        Ok((Arc::new(tracer), LastExport(end)))
    }

    /// Ends the export of what is in the queue; what comes later is dropped.
    pub(crate) fn stop(&self) {
        // An error means that the thread has ended.
        let _ = self.stop.send(());
    }
}

impl LastExport {
    /// Waits for it, so long at the most.
    pub(crate) fn wait(&self, within: Duration) {
        // Nothing is sent: it ends as the thread does.
        let _ = self.0.recv_timeout(within);
    }
}

impl Sampler {
    pub(crate) fn new(tracer: &Arc<Tracer>) -> Self {
        Self {
            tracer: Arc::clone(tracer),
            hasher: RandomState::new(),
            count: Cell::new(0),
        }
    }

    /// The span of a request with this `traceparent`, if it is sampled: as its parent is, or else at random.
    pub(crate) fn begin(
        &self,
        traceparent: Option<&[u8]>,
        method: Method,
    ) -> Option<Box<SpanContext>> {
        let parent = traceparent.and_then(Parent::parse);
        let is_sampled = match &parent {
            Some(parent) => parent.is_sampled,
            None => self.random() <= self.tracer.threshold,
        };
        is_sampled.then(|| {
            let trace_id = parent.as_ref().map(|it| it.trace_id);
            Box::new(SpanContext {
                trace_id: trace_id.unwrap_or_else(|| self.trace_id()),
                span_id: self.random().to_ne_bytes(),
                parent_id: parent.map(|it| it.span_id),
                method,
            })
        })
    }

    /// Queues a request for its export, or drops it.
    pub(crate) fn end(&self, request: TracedRequest) {
        if self.tracer.queue.try_send(Box::new(request)).is_err() {
            self.tracer.process.traced(TraceResult::Dropped, 1);
        }
    }

    fn trace_id(&self) -> [u8; 16] {
        let numbers = u128::from(self.random()) << 64 | u128::from(self.random());
        numbers.to_ne_bytes()
    }

    /// Never 0, which is no identifier.
    fn random(&self) -> u64 {
        let count = self.count.get().wrapping_add(1);
        self.count.set(count);
        self.hasher.hash_one(count).max(1)
    }
}

impl SpanContext {
    /// The identifier of its trace, as `traceparent` has it.
    pub(crate) fn trace_id(&self) -> String {
        let number = u128::from_be_bytes(self.trace_id);
        format!("{number:032x}")
    }
}

/// What a random number must not exceed in this part of all cases.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a cast from float to integer saturates"
)]
fn threshold(ratio: f64) -> u64 {
    (ratio * u64::MAX as f64) as u64
}

/// As much of a principal's name as a span has.
pub(crate) fn principal(name: &str) -> Box<str> {
    name.chars().take(PRINCIPAL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
