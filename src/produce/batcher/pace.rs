//! How long a batch is given to form.
//!
//! A batch goes at once when none went a moment ago: a lone request does not wait. Under load it pays
//! to wait, because a batch costs the same however many records it has:
//! - while batches are out, the next follows the last by (smoothed round trip / partitions), so that
//!   the partitions take turns and a record waits a part of a round trip, not a whole one (Nagle's idea,
//!   RFC 896, over several connections);
//! - where records come so fast that several more are due within the linger time, it is awaited.

use std::time::{Duration, Instant};

/// Records expected within the linger time from which on waiting for them pays.
const RECORDS_WORTH_WAITING: f64 = 4.0;

/// The longest wait for the next of several batches: one late batch says little of the next.
const SPREAD_MAX: Duration = Duration::from_millis(250);

/// The time over which the rate of arrival is averaged.
const RATE_WINDOW: Duration = Duration::from_millis(20);

/// The operator's `linger.ms`, and what it bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::produce) struct Linger {
    /// How long a batch may wait for records under load.
    pub(in crate::produce) time: Duration,
    /// Whether that is the operator's own word, which then bounds every wait for a batch to form.
    pub(in crate::produce) is_given: bool,
}

/// What is known of one stream of batches.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last batch went.
    last: Option<Instant>,
    /// Smoothed, from a batch's departure to its last report.
    round_trip: Option<Duration>,
    /// Smoothed records a second.
    rate: f64,
}

impl Pace {
    /// When the next batch may go; `None`: now. `out`: whether batches of the stream are on their
    /// way, over at most `partitions` partitions.
    pub(super) fn due(
        &self,
        now: Instant,
        out: bool,
        partitions: usize,
        linger: Linger,
    ) -> Option<Instant> {
        let spread = match self.round_trip.filter(|_| out) {
            Some(round_trip) => round_trip / u32::try_from(partitions.max(1)).unwrap_or(u32::MAX),
            None => Duration::ZERO,
        };
        let spread = spread.min(SPREAD_MAX);
        let is_worth_waiting = self.rate * linger.time.as_secs_f64() >= RECORDS_WORTH_WAITING;
        let under_load = if is_worth_waiting {
            linger.time
        } else {
            Duration::ZERO
        };
        let wait = spread.max(under_load);
        let wait = if linger.is_given {
            wait.min(linger.time)
        } else {
            wait
        };
        let due = self.last? + wait;
        (due > now).then_some(due)
    }

    /// A batch of so many records goes now.
    pub(super) fn sent(&mut self, records: usize, now: Instant) {
        if let Some(last) = self.last {
            let elapsed = (now - last).as_secs_f64().max(1e-6);
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let rate = records as f64 / elapsed;
            let weight = (elapsed / RATE_WINDOW.as_secs_f64()).min(1.0);
            self.rate += (rate - self.rate) * weight;
        }
        self.last = Some(now);
    }

    /// A batch was acknowledged after that time.
    pub(super) fn acknowledged(&mut self, round_trip: Duration) {
        self.round_trip = Some(match self.round_trip {
            Some(smoothed) => (smoothed * 7 + round_trip) / 8,
            None => round_trip,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Linger = Linger {
        time: Duration::from_millis(1),
        is_given: false,
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_first_batch_and_a_rare_one_go_at_once() {
        let mut pace = Pace::default();
        let start = Instant::now();
        assert_eq!(pace.due(start, false, 1, LINGER), None);
        for second in 0..5 {
            pace.sent(1, start + Duration::from_secs(second));
        }
        let now = start + Duration::from_secs(4) + Duration::from_micros(10);
        assert_eq!(pace.due(now, false, 1, LINGER), None);
    }

    #[test]
    fn under_load_a_batch_waits_for_the_linger_time_and_no_longer() {
        let mut pace = Pace::default();
        let start = Instant::now();
        // 40,000 records a second.
        for batch in 0..100 {
            pace.sent(40, start + ms(batch));
        }
        let last = start + ms(99);
        assert_eq!(pace.due(last, false, 1, LINGER), Some(last + ms(1)));
        assert_eq!(pace.due(last + ms(1), false, 1, LINGER), None);
        let never = Linger {
            time: Duration::ZERO,
            is_given: true,
        };
        assert_eq!(pace.due(last, false, 1, never), None);
    }

    #[test]
    fn batches_on_their_way_share_the_round_trip() {
        let mut pace = Pace::default();
        let start = Instant::now();
        pace.sent(1, start);
        pace.acknowledged(ms(20));
        assert_eq!(pace.due(start, false, 4, LINGER), None);
        assert_eq!(pace.due(start, true, 4, LINGER), Some(start + ms(5)));
        let given = Linger {
            time: ms(2),
            is_given: true,
        };
        assert_eq!(pace.due(start, true, 4, given), Some(start + ms(2)));
        for _ in 0..100 {
            pace.acknowledged(ms(4));
        }
        let due = pace.due(start, true, 4, LINGER).expect("not yet");
        assert!(due - start < ms(2), "{:?}", due - start);
    }
}
