//! What is known of one broker, from this worker's own batches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::metrics::BrokerMetrics;

/// A broker is late when a batch has been out for so many of its smoothed round trips.
const LATE_ROUND_TRIPS: u32 = 4;
/// Never sooner than that: leaders move, and machines pause.
const LATE_MIN: Duration = Duration::from_millis(500);
/// Nor later.
const LATE_MAX: Duration = Duration::from_secs(3);
/// Between two probes of a broker that is late.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// One broker.
///
/// A broker whose answer is late gets no more batches than one at a time, as a probe, until it has
/// acknowledged something (the idea of KIP-794, for whole brokers).
#[derive(Debug)]
pub(super) struct Broker {
    metrics: Arc<BrokerMetrics>,
    /// Batches on their way, by lane.
    out: Vec<u32>,
    round_trip: Option<Duration>,
    /// When the latest batch that it has acknowledged or rejected was sent. One sent before does not wait for the
    /// broker, but for replicas of its partition, for example.
    answered: Option<Instant>,
    late: Option<Late>,
    /// When it last stopped being late.
    late_until: Option<Instant>,
}

#[derive(Debug)]
struct Late {
    /// Whether records were given up because of it.
    failed: bool,
    probe_due: Instant,
    /// Whether a probe is on its way.
    probing: bool,
}

impl Broker {
    pub(super) fn new(metrics: Arc<BrokerMetrics>, lanes: usize) -> Self {
        Self {
            metrics,
            out: vec![0; lanes],
            round_trip: None,
            answered: None,
            late: None,
            late_until: None,
        }
    }

    /// Kafka's `node.id`.
    pub(super) fn id(&self) -> i32 {
        self.metrics.id()
    }

    /// Whether a lane may have one more batch out there.
    pub(super) fn has_room(&self, lane: usize, requests_max: u32) -> bool {
        self.out[lane] < requests_max
    }

    /// Batches on their way, over all lanes.
    pub(super) fn out(&self) -> u32 {
        self.out.iter().sum()
    }

    pub(super) fn is_late(&self) -> bool {
        self.late.is_some()
    }

    /// Whether it was late at any time since then.
    pub(super) fn was_late_since(&self, since: Instant) -> bool {
        self.is_late() || self.late_until.is_some_and(|until| until > since)
    }

    /// Whether it has made records fail, and has acknowledged nothing since.
    pub(super) fn has_failed(&self) -> bool {
        self.late.as_ref().is_some_and(|late| late.failed)
    }

    /// Whether it is late and the next batch there would be its probe.
    pub(super) fn wants_probe(&self, now: Instant) -> bool {
        let late = self.late.as_ref();
        late.is_some_and(|late| !late.probing && late.probe_due <= now)
    }

    /// A batch goes there.
    pub(super) fn sent(&mut self, lane: usize, now: Instant) {
        self.out[lane] += 1;
        self.metrics.batches_out.set(u64::from(self.out()));
        if let Some(late) = &mut self.late {
            late.probing = true;
            late.probe_due = now + PROBE_INTERVAL;
        }
    }

    /// A batch that was sent then has ended: `Ok` if it was acknowledged or rejected, else whether no answer to it
    /// came. Returns whether that means that it is silent.
    pub(super) fn ended(
        &mut self,
        lane: usize,
        sent: Instant,
        end: Result<(), bool>,
        now: Instant,
    ) -> bool {
        self.out[lane] = self.out[lane].saturating_sub(1);
        self.metrics.batches_out.set(u64::from(self.out()));
        let is_silent = end == Err(true) && self.is_latest(sent);
        match end {
            Ok(()) => {
                let round_trip = now - sent;
                self.metrics.round_trip.observe(round_trip);
                self.metrics.set_in_time(true);
                self.answered = self.answered.max(Some(sent));
                if self.late.take().is_some() {
                    self.late_until = Some(now);
                }
                self.round_trip = Some(match self.round_trip {
                    Some(smoothed) => (smoothed * 7 + round_trip) / 8,
                    None => round_trip,
                });
            }
            // It has answered, if only with an error: the next probe need not wait.
            Err(_) if !is_silent => {
                self.metrics.batches_failed.add(1);
                if let Some(late) = &mut self.late {
                    late.probing = false;
                    late.probe_due = now;
                }
            }
            Err(_) => {
                self.metrics.batches_failed.add(1);
                self.metrics.set_in_time(false);
                self.late = Some(Late {
                    failed: true,
                    probe_due: now + PROBE_INTERVAL,
                    probing: false,
                });
            }
        }
        is_silent
    }

    /// Whether no batch that was sent later than that has been answered.
    pub(super) fn is_latest(&self, sent: Instant) -> bool {
        self.answered.is_none_or(|answered| answered <= sent)
    }

    /// Looks at a batch that is out since then; whether that makes the broker late.
    pub(super) fn overdue(&mut self, sent: Instant, now: Instant) -> bool {
        let usual = self.round_trip.unwrap_or(LATE_MAX);
        let age_max = (usual * LATE_ROUND_TRIPS).clamp(LATE_MIN, LATE_MAX);
        if self.is_late() || now - sent < age_max || !self.is_latest(sent) {
            return false;
        }
        self.metrics.set_in_time(false);
        self.late = Some(Late {
            failed: false,
            probe_due: now + PROBE_INTERVAL,
            probing: false,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(id: i32) -> Broker {
        Broker::new(Arc::new(BrokerMetrics::new(id)), 1)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_late_broker_gets_a_probe_a_second_until_it_acknowledges() {
        let (mut broker, start) = (broker(1), Instant::now());
        let metrics = Arc::clone(&broker.metrics);
        broker.sent(0, start);
        broker.ended(0, start, Ok(()), start + ms(5));
        let start = start + ms(5);
        broker.sent(0, start);
        assert!(metrics.state().0 && metrics.batches_out.value() == 1);
        assert!(!broker.overdue(start, start + ms(499)));
        assert!(broker.overdue(start, start + ms(500)));
        assert!(!metrics.state().0);
        assert!(!broker.wants_probe(start + ms(1_499)));
        assert!(broker.wants_probe(start + ms(1_500)));
        broker.sent(0, start + ms(1_500));
        assert!(!broker.wants_probe(start + ms(5_000)), "one at a time");
        assert!(!broker.has_failed());
        broker.ended(0, start, Err(true), start + ms(5_000));
        assert!(broker.has_failed());
        assert!(!broker.wants_probe(start + ms(5_999)));
        assert!(broker.wants_probe(start + ms(6_000)));
        broker.sent(0, start + ms(6_000));
        broker.ended(0, start + ms(6_000), Err(false), start + ms(6_005));
        assert!(broker.wants_probe(start + ms(6_005)), "it answers");
        broker.ended(0, start + ms(6_005), Ok(()), start + ms(6_010));
        assert!(!broker.is_late() && !broker.has_failed());
        assert_eq!(broker.out(), 0);
        assert!(metrics.state().0);
        assert_eq!(metrics.batches_failed.value(), 2);
        assert_eq!(metrics.batches_out.value(), 0);
        assert_eq!(metrics.round_trip.read().1, 10_000);
    }

    #[test]
    fn a_slow_broker_is_given_its_usual_time() {
        let (mut broker, start) = (broker(1), Instant::now());
        broker.sent(0, start);
        broker.ended(0, start, Ok(()), start + ms(250));
        let start = start + ms(250);
        broker.sent(0, start);
        assert!(!broker.overdue(start, start + ms(999)));
        assert!(broker.overdue(start, start + ms(1_000)));
        let mut unknown = self::broker(2);
        assert!(!unknown.overdue(start, start + ms(2_999)));
        assert!(unknown.overdue(start, start + ms(3_000)));
    }

    #[test]
    fn a_batch_that_waits_while_others_are_answered_does_not_wait_for_the_broker() {
        let (mut broker, start) = (broker(1), Instant::now());
        broker.sent(0, start);
        broker.sent(0, start + ms(1));
        broker.ended(0, start + ms(1), Ok(()), start + ms(6));
        assert!(!broker.overdue(start, start + ms(9_000)));
        broker.ended(0, start, Err(true), start + ms(10_000));
        assert!(!broker.is_late() && !broker.has_failed());
        let next = start + ms(10_000);
        broker.sent(0, next);
        assert!(broker.overdue(next, next + ms(500)), "the latest");
        broker.ended(0, next, Err(true), next + ms(10_000));
        assert!(broker.has_failed());
    }
}
