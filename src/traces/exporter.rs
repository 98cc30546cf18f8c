//! The thread that exports requests, in batches.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use tracing::Level;
use ureq::{Agent, http::header::RETRY_AFTER};

use super::{HeadersError, QUEUE_MAX, TraceSettings, TracedRequest, otlp::Process};
use crate::{
    excerpt::excerpt,
    https::{agent, backoff},
    log::{Kind, Line},
    metrics::{ProcessMetrics, TraceResult},
};

/// Between two exports.
const INTERVAL: Duration = Duration::from_secs(1);

/// Requests of one message, at most.
const BATCH_MAX: usize = 512;

/// The media type of OTLP's messages.
const MEDIA_TYPE: &str = "application/x-protobuf";

/// How often a batch is posted again that the collector could not accept then.
const RETRIES: u32 = 3;

/// The longest pause that a collector may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Bytes of a response that are read, at most.
const RESPONSE_BYTES_MAX: u64 = 64 << 10;

/// Characters of a collector's message that are logged, at most.
const QUOTED_CHARS_MAX: usize = 200;

/// Why a batch was not accepted: a fault of the collector, the network, or the operator.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("traces.headers_file: {0}")]
    Headers(#[from] HeadersError),
    #[error("{0}")]
    Unreachable(String),
    #[error("HTTP status {status}: {message}")]
    Status {
        status: u16,
        message: String,
        retry_after: Option<Duration>,
    },
}

impl ExportError {
    /// When to try again, if that may help (OTLP specification, section "OTLP/HTTP Response").
    fn retry(&self, backoff: Duration) -> Option<Duration> {
        match self {
            Self::Unreachable(_) => Some(backoff),
            Self::Status {
                status: 429 | 502..=504,
                retry_after,
                ..
            } => Some(retry_after.map_or(backoff, |it| it.min(RETRY_AFTER_MAX))),
            Self::Headers(_) | Self::Status { .. } => None,
        }
    }
}

pub(super) struct Exporter {
    settings: TraceSettings,
    requests: Receiver<Box<TracedRequest>>,
    /// Something arrives when the process ends.
    stop: Receiver<()>,
    is_stopping: bool,
    source: Process,
    /// With its connections; another one after a failure, with the certificates as they are then.
    agent: Option<Agent>,
    process: Arc<ProcessMetrics>,
}

impl Exporter {
    pub(super) fn new(
        settings: TraceSettings,
        requests: Receiver<Box<TracedRequest>>,
        stop: Receiver<()>,
        process: Arc<ProcessMetrics>,
    ) -> Self {
        Self {
            source: Process::new(&settings.service_name),
            settings,
            requests,
            stop,
            is_stopping: false,
            agent: None,
            process,
        }
    }

    /// Exports until it is to stop, and then once more.
    pub(super) fn run(mut self) {
        while !self.is_stopping {
            self.pause(INTERVAL);
            // No more than that in each interval, however many arrive meanwhile.
            for _ in 0..QUEUE_MAX / BATCH_MAX {
                let batch: Vec<_> = self.requests.try_iter().take(BATCH_MAX).collect();
                if batch.is_empty() {
                    break;
                }
                self.export(&batch);
            }
        }
    }

    fn pause(&mut self, time: Duration) {
        if !self.is_stopping {
            self.is_stopping = self.stop.recv_timeout(time) != Err(RecvTimeoutError::Timeout);
        }
    }

    fn export(&mut self, batch: &[Box<TracedRequest>]) {
        let message = self.source.encode(batch);
        let mut failures = 0;
        let exported = loop {
            let Err(error) = self.post(&message) else {
                break Ok(());
            };
            self.agent = None;
            failures += 1;
            let pause = error.retry(backoff(failures));
            match pause.filter(|_| failures <= RETRIES && !self.is_stopping) {
                Some(pause) => self.pause(pause),
                None => break Err(error),
            }
        };
        let result = match exported {
            Ok(()) => TraceResult::Exported,
            Err(error) => {
                static FAILURES: Kind = Kind::new("traces were not exported", Level::WARN);
                if let Some(Line { count }) = FAILURES.admit() {
                    tracing::warn!(count, "traces were not exported: {error}");
                }
                TraceResult::Failed
            }
        };
        self.process.traced(result, batch.len() as u64);
    }

    fn post(&mut self, message: &[u8]) -> Result<(), ExportError> {
        let headers = self.settings.headers()?;
        let TraceSettings {
            endpoint, timeout, ..
        } = &self.settings;
        let agent = self
            .agent
            .get_or_insert_with(|| agent(endpoint, MEDIA_TYPE, *timeout));
        let mut request = agent.post(endpoint).content_type(MEDIA_TYPE);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let failed = |error: ureq::Error| {
            let text = error.to_string();
            ExportError::Unreachable(excerpt(text.as_bytes(), QUOTED_CHARS_MAX))
        };
        let mut response = request.send(message).map_err(failed)?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|it| it.to_str().ok()?.parse().ok());
        // Read in any case, so that the connection can be used again.
        let body = response.body_mut().with_config().limit(RESPONSE_BYTES_MAX);
        let body = body.read_to_vec().map_err(failed)?;
        if status.is_success() {
            return Ok(());
        }
        Err(ExportError::Status {
            status: status.as_u16(),
            message: excerpt(&body, QUOTED_CHARS_MAX),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }
}
