//! How long a batch is given to form.
//!
//! A batch goes at once when none went a moment ago: a lone request does not wait. Under load it pays
//! to wait, because a batch costs the same however many records it has:
//! - while batches are out, the next follows the last by (smoothed round trip / partitions), so that
//!   the partitions take turns and a record waits a part of a round trip, not a whole one (Nagle's idea,
//!   RFC 896, over several connections);
//! - where the round trip is a multiple of the shortest one, batches wait for each other at the brokers: Kafka
//!   reads a connection's next request when the one before is answered. So the next follows by so much more, and
//!   records wait here, where they share a batch (TCP Vegas' idea). By up to a round trip: one batch is out then.
//!   Only where several records come meanwhile: a slow network is no queue;
//! - where records come so fast that several more are due within the linger time, it is awaited.

use std::time::{Duration, Instant};

/// Records expected within a time from which on waiting for them pays.
const RECORDS_WORTH_WAITING: f64 = 4.0;

/// The longest wait for the next of several batches: one late batch says little of the next.
const SPREAD_MAX: Duration = Duration::from_millis(250);

/// The shortest round trip is that of the last one or two such windows.
const SHORTEST_WINDOW: Duration = Duration::from_secs(30);

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
    /// From a batch's departure to its last report.
    round_trip: Option<RoundTrip>,
    /// Smoothed records a second.
    rate: f64,
}

#[derive(Debug)]
struct RoundTrip {
    smoothed: Duration,
    /// The shortest since `since`, and that of the window before.
    shortest: [Duration; 2],
    since: Instant,
}

impl RoundTrip {
    /// The time between two batches over so many partitions.
    fn spread(&self, partitions: usize) -> Duration {
        self.smoothed / u32::try_from(partitions.max(1)).unwrap_or(u32::MAX)
    }

    /// The same where they wait for each other at the brokers.
    fn spread_of_queued(&self, partitions: usize) -> Duration {
        let [shortest, before] = self.shortest;
        let shortest = shortest.min(before).as_secs_f64().max(1e-6);
        let multiple = (self.smoothed.as_secs_f64() / shortest).max(1.0);
        let spread = self.spread(partitions).mul_f64(multiple);
        spread.min(self.smoothed)
    }

    fn observe(&mut self, round_trip: Duration, now: Instant) {
        self.smoothed = (self.smoothed * 7 + round_trip) / 8;
        if now - self.since >= SHORTEST_WINDOW {
            self.shortest = [round_trip, self.shortest[0]];
            self.since = now;
        }
        self.shortest[0] = self.shortest[0].min(round_trip);
    }
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
        let spread = self.round_trip.as_ref().filter(|_| out).map(|it| {
            let queued = it.spread_of_queued(partitions);
            if self.is_worth_waiting(queued) {
                queued
            } else {
                it.spread(partitions)
            }
        });
        let under_load = if self.is_worth_waiting(linger.time) {
            linger.time
        } else {
            Duration::ZERO
        };
        let wait = spread.unwrap_or_default().min(SPREAD_MAX).max(under_load);
        let wait = if linger.is_given {
            wait.min(linger.time)
        } else {
            wait
        };
        let due = self.last? + wait;
        (due > now).then_some(due)
    }

    /// Whether several records come in that time.
    fn is_worth_waiting(&self, time: Duration) -> bool {
        self.rate * time.as_secs_f64() >= RECORDS_WORTH_WAITING
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
    pub(super) fn acknowledged(&mut self, round_trip: Duration, now: Instant) {
        if let Some(known) = &mut self.round_trip {
            known.observe(round_trip, now);
        } else {
            self.round_trip = Some(RoundTrip {
                smoothed: round_trip,
                shortest: [round_trip; 2],
                since: now,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

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
        pace.acknowledged(ms(20), start);
        assert_eq!(pace.due(start, false, 4, LINGER), None);
        assert_eq!(pace.due(start, true, 4, LINGER), Some(start + ms(5)));
        let given = Linger {
            time: ms(2),
            is_given: true,
        };
        assert_eq!(pace.due(start, true, 4, given), Some(start + ms(2)));
        for _ in 0..100 {
            pace.acknowledged(ms(4), start);
        }
        let due = pace.due(start, true, 4, LINGER).expect("not yet");
        assert!(due - start < ms(2), "{:?}", due - start);
    }

    /// The time until the next batch when the last ones took so long.
    fn wait(pace: &mut Pace, round_trip: Duration, now: Instant) -> Duration {
        for _ in 0..100 {
            pace.acknowledged(round_trip, now);
        }
        // 50,000 a second.
        pace.sent(1_000, now);
        let due = pace.due(now, true, 4, LINGER);
        due.expect("a batch is out") - now
    }

    #[test]
    fn a_rare_record_does_not_wait_for_others_where_round_trips_vary() {
        let mut pace = Pace::default();
        let start = Instant::now();
        pace.acknowledged(ms(4), start);
        for batch in 0..100 {
            pace.sent(1, start + ms(batch));
            pace.acknowledged(ms(8), start + ms(batch));
        }
        let last = start + ms(99);
        let waits = pace.due(last, true, 4, LINGER).expect("not yet") - last;
        assert!(waits.abs_diff(ms(2)) < ms(1), "{waits:?}");
    }

    #[test]
    fn batches_that_wait_for_each_other_are_fewer() {
        let mut pace = Pace::default();
        let start = Instant::now();
        // (round trip, time between batches over four partitions)
        for (took, between) in [(8, 2), (12, 4), (16, 8), (24, 18), (64, 64), (8, 2)] {
            let waits = wait(&mut pace, ms(took), start);
            let expected = ms(between);
            assert!(waits.abs_diff(expected) < ms(1), "{took}: {waits:?}");
        }
        // The way to the brokers has become longer: what was measured long ago does not count.
        for window in 1..=2 {
            wait(&mut pace, ms(24), start + SHORTEST_WINDOW * window);
        }
        let waits = wait(&mut pace, ms(24), start + SHORTEST_WINDOW * 2);
        assert!(waits.abs_diff(ms(6)) < ms(1), "{waits:?}");
    }

    /// An open loop, by multiples of 20,000 a second, over four partitions of one broker, which takes one batch after
    /// the other. The mean round trip, and the records that wait at the end.
    fn open_loop(per_second: u32, per_batch: Duration, per_record: Duration) -> (Duration, usize) {
        const STEP: Duration = Duration::from_micros(50);
        let mut pace = Pace::default();
        let start = Instant::now();
        let (mut waiting, mut free, mut out) = (0, start, VecDeque::new());
        let (mut taken, mut batches) = (Duration::ZERO, 0);
        for step in 0..100_000 {
            let now = start + STEP * step;
            waiting += (per_second / 20_000) as usize;
            while let Some((sent, end)) = out.pop_front_if(|(_, end)| *end <= now) {
                pace.acknowledged(end - sent, now);
                (taken, batches) = (taken + (end - sent), batches + 1);
            }
            let has_room = waiting > 0 && out.len() < 4;
            if has_room && pace.due(now, !out.is_empty(), 4, LINGER).is_none() {
                let records = std::mem::take(&mut waiting);
                pace.sent(records, now);
                free = free.max(now)
                    + per_batch
                    + per_record * u32::try_from(records).unwrap_or(u32::MAX);
                out.push_back((now, free));
            }
        }
        (taken / batches, waiting)
    }

    #[test]
    fn a_busy_broker_gets_batches_that_wait_for_one_other_at_most() {
        for (per_second, micros) in [(20_000, 5), (60_000, 5), (60_000, 10), (60_000, 14)] {
            let per_record = Duration::from_micros(micros);
            let (round_trip, waiting) = open_loop(per_second, ms(2), per_record);
            // The time of a batch that has the records of such a time.
            let balance = ms(2).div_f64(1.0 - f64::from(per_second) * per_record.as_secs_f64());
            assert!(
                round_trip < balance * 2,
                "{per_second}, {per_record:?}: {round_trip:?}"
            );
            let in_that_time = (balance * 2 * per_second).as_secs();
            assert!(
                (waiting as u64) < in_that_time,
                "{per_second}, {per_record:?}: {waiting} wait"
            );
        }
    }
}
