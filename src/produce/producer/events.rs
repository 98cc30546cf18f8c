//! What reaches a producer from librdkafka's threads and from the clock.

use std::{ops::Range, task::Poll, time::Instant};

use rdkafka::types::RDKafkaErrorCode as Code;
use tracing::Level;

use super::Producer;
use crate::{
    log::{KAFKA, Kind, Kinds, Line},
    metrics::KafkaError,
    produce::{
        batcher::BatchKey,
        event::{Event, EventKind},
        fault::Fault,
    },
};

/// librdkafka's lines, of every worker and handle: one a second of each code or facility.
static LINES: Kinds = Kinds::new();

static FATAL_ERRORS: Kind = Kind::new("fatal producer errors", Level::ERROR);

/// Events of a handle in one drain: a bound, so that a flood of reports leaves room for requests.
const EVENTS_MAX: usize = 64;

/// Delivery reports of a handle in one drain; an event has those of a whole batch.
const REPORTS_MAX: usize = 4_096;

/// So many ticks in a row with batches that wait for a lane open another one.
const SHORT_TICKS_MAX: u32 = 10;

impl Producer {
    /// Takes in librdkafka's events: delivery reports complete their requests. To be called in a new round of
    /// the worker, whenever the wake-up socket was readable; looks at a bounded number of events and reports, and
    /// makes the socket readable again if more are left.
    pub fn drain(&self) {
        let now = Instant::now();
        for (index, lane) in self.lanes.iter().enumerate() {
            let mut reports_left = REPORTS_MAX;
            for events in 0.. {
                if events == EVENTS_MAX {
                    lane.wake_again();
                    break;
                }
                let Some((mut event, which)) = lane.poll() else {
                    break;
                };
                if self.read_event(&mut event, &mut reports_left, now) {
                    lane.close(which);
                    let mut batcher = self.batcher.borrow_mut();
                    batcher.set_lane(index, lane.is_serving());
                }
                if reports_left == 0 {
                    lane.read_on((event, which));
                    lane.wake_again();
                    break;
                }
            }
        }
        self.resume(now);
    }

    /// Reads an event, and of one with reports at most `reports_left`. Whether it says that the handle
    /// cannot be used any more.
    fn read_event(&self, event: &mut Event, reports_left: &mut usize, now: Instant) -> bool {
        match event.kind() {
            EventKind::Reports => self.read_reports(event, reports_left, now),
            EventKind::Error {
                text, fatal: true, ..
            } => {
                self.count(KafkaError::Fatal);
                if let Some(Line { count }) = FATAL_ERRORS.admit() {
                    tracing::error!(
                        count,
                        "fatal producer error; replacing the producer: {text}"
                    );
                }
                return true;
            }
            EventKind::Error {
                code: Code::AllBrokersDown,
                ..
            } => {
                self.count(KafkaError::AllBrokersDown);
                self.evidence.disconnected(now);
                self.watch.suspect();
            }
            EventKind::Error { code, text, .. } => {
                self.count(kind_of(code));
                match code {
                    Code::BrokerTransportFailure | Code::Resolve => {
                        self.evidence.connection_failed();
                    }
                    Code::Authentication => self.evidence.refused(),
                    _ => {}
                }
                LINES.log(&format!("kafka: {code:?}"), Level::WARN, &text);
            }
            EventKind::Log {
                level,
                facility,
                text,
            } => log(level, &facility, &text),
            EventKind::Other => {}
        }
        false
    }

    fn read_reports(&self, event: &mut Event, reports_left: &mut usize, now: Instant) {
        let mut batcher = self.batcher.borrow_mut();
        // Reports come in the order of the records: those of neighbours that were delivered are one.
        let mut delivered: Option<(BatchKey, Range<usize>)> = None;
        for report in event.reports().take(*reports_left) {
            *reports_left -= 1;
            let (batch, position) = BatchKey::from_opaque(report.opaque);
            match (report.end, &mut delivered) {
                (Ok(()), Some((same, positions)))
                    if *same == batch && positions.end == position =>
                {
                    positions.end += 1;
                }
                (Ok(()), _) => {
                    let before = delivered.replace((batch, position..position + 1));
                    self.delivered(&mut batcher, before, now);
                }
                (Err((code, maybe)), _) => {
                    self.delivered(&mut batcher, delivered.take(), now);
                    let fault = self.fault(code);
                    if fault.is_of_a_batch() {
                        self.evidence.answered(now);
                    }
                    self.failed(&mut batcher, (batch, position), (fault, maybe), now);
                }
            }
        }
        self.delivered(&mut batcher, delivered, now);
    }

    fn count(&self, error: KafkaError) {
        self.metrics.kafka_errors[error as usize].add(1);
    }

    fn fault(&self, code: Code) -> Fault {
        match code {
            Code::PurgeQueue | Code::PurgeInflight if self.given_up.get() => Fault::Draining,
            code => Fault::from_code(code),
        }
    }

    /// What is due from time to time: answers for requests whose deadline has passed, the next
    /// step of a handle's life, and a look for reports that were not announced.
    pub fn tick(&self, now: Instant) {
        self.learn_of_topics();
        let mut ended = Vec::new();
        if self.batcher.borrow_mut().tick(now, &mut ended) {
            // Its partitions may have other leaders by now.
            self.watch.refresh();
        }
        for (record, fault) in ended {
            let mut in_flight = self.in_flight.borrow_mut();
            in_flight.failed(record.request, record.position, (fault, false));
        }
        self.in_flight.borrow_mut().expire(now);
        if self
            .lanes
            .iter()
            .fold(false, |any, lane| any | lane.has_unannounced())
        {
            // A wake-up that was lost would leave requests waiting until their deadline. It must not
            // happen; events that wait for a whole tick are fetched and counted.
            self.metrics.late_delivery_reports.add(1);
            self.drain();
        }
        self.tick_lanes(now);
        self.keep_up_with_access(now);
        self.resume(now);
    }

    fn tick_lanes(&self, now: Instant) {
        let mut batcher = self.batcher.borrow_mut();
        for (index, lane) in self.lanes.iter().enumerate() {
            let was_serving = lane.is_serving();
            lane.tick(now, batcher.batches_on(index) == 0);
            if lane.is_serving() != was_serving {
                batcher.set_lane(index, lane.is_serving());
            }
        }
        let (alone, batch_lanes) = self.split_lanes();
        if batcher.wants_alone_lane() {
            alone.open(now);
        }
        self.short_ticks.set(if batcher.was_short_of_lanes() {
            self.short_ticks.get() + 1
        } else {
            0
        });
        if self.short_ticks.get() >= SHORT_TICKS_MAX
            && let Some(lane) = batch_lanes.iter().find(|lane| lane.is_idle())
        {
            tracing::info!("opening another producer: batches are waiting for the brokers");
            self.short_ticks.set(0);
            lane.open(now);
        }
    }

    /// When a batch that is being formed is due; `None` once the producer is stopped. The caller then
    /// [dispatches](Self::dispatch).
    pub async fn batch_due(&self) -> Option<Instant> {
        std::future::poll_fn(|context| {
            if self.stopped.get() {
                return Poll::Ready(None);
            }
            if let Some(due) = self.batcher.borrow().next_due() {
                return Poll::Ready(Some(due));
            }
            self.forming.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// Waits until so much was handed over that the rest has to wait for the end of the worker's round; the
    /// caller then [resumes](Self::resume). `false` once the producer is stopped.
    pub async fn paused(&self) -> bool {
        std::future::poll_fn(|context| {
            if self.stopped.get() || self.is_paused() {
                return Poll::Ready(!self.stopped.get());
            }
            self.pausing.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// Ends the waits for batches.
    pub fn stop(&self) {
        self.stopped.set(true);
        for waiting in [&self.forming, &self.pausing] {
            if let Some(waker) = waiting.take() {
                waker.wake();
            }
        }
    }

    /// Gives up on every record that is not acknowledged, at the end of a drain: their requests
    /// end as soon as librdkafka has let go of them.
    pub fn purge(&self) {
        self.given_up.set(true);
        let purged = self.batcher.borrow_mut().purge();
        for record in purged {
            let mut in_flight = self.in_flight.borrow_mut();
            in_flight.failed(record.request, record.position, (Fault::Draining, false));
        }
        for lane in &self.lanes {
            lane.purge();
        }
        self.drain();
    }
}

/// The kind of an error that does not end the handle.
fn kind_of(code: Code) -> KafkaError {
    match code {
        Code::BrokerTransportFailure => KafkaError::Connection,
        Code::Resolve => KafkaError::Resolve,
        Code::SSL => KafkaError::Tls,
        Code::Authentication | Code::SaslAuthenticationFailed => KafkaError::Authentication,
        _ => KafkaError::Other,
    }
}

/// Logs a line of librdkafka's own, at its level by syslog.
fn log(level: i32, facility: &str, text: &str) {
    let level = match (level, facility) {
        // Each comes as an error too, with the same text.
        (..=3, "FAIL" | "FATAL") => return,
        // REQTMOUT: one request that timed out; a warning follows at once, with the number of them.
        (7.., _) | (5, "REQTMOUT") => {
            return tracing::debug!(target: KAFKA, "kafka: {facility}: {text}");
        }
        (5..=6, _) => Level::INFO,
        (4, _) => Level::WARN,
        (..=3, _) => Level::ERROR,
    };
    // A connection that was closed, to librdkafka no error.
    let name = if facility == "FAIL" {
        "BrokerTransportFailure"
    } else {
        facility
    };
    // Without the thread's name: a broker's thread has the name that the text begins with.
    let rest = text
        .strip_prefix("[thrd:")
        .and_then(|it| it.split_once("]: "));
    let text = rest.map_or(text, |(_, rest)| rest);
    LINES.log(&format!("kafka: {name}"), level, text);
}
