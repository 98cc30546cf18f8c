//! A bucket: the generic cell rate algorithm (ITU-T I.371 annex A, virtual scheduling). Its only state is the time at
//! which it is full again, which each amount postpones by the time that it takes at the rate.

use std::{num::NonZeroU64, time::Duration};

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests.
    Requests,
    /// Valid records.
    Records,
    /// Bytes of bodies.
    Bytes,
}

/// An amount a second, and how much may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: NonZeroU64,
    burst_ns: u64,
    /// The longest time until a bucket is full with which there is still one left in it.
    room_ns: u64,
}

impl Rate {
    /// What accrues in `burst`, but at least one, may come at once.
    pub fn new(per_second: NonZeroU64, burst: Duration) -> Self {
        let burst_ns = u64::try_from(burst.as_nanos()).unwrap_or(u64::MAX);
        let of_one = cost_ns(per_second, 1);
        Self {
            per_second,
            burst_ns: burst_ns.max(of_one),
            room_ns: burst_ns.saturating_sub(of_one),
        }
    }

    /// The amount a second.
    pub fn per_second(self) -> u64 {
        self.per_second.get()
    }

    /// The time in which a bucket that is empty becomes full, in nanoseconds.
    pub fn burst_ns(self) -> u64 {
        self.burst_ns
    }

    /// The time in which so much accrues, in nanoseconds, rounded down: no one is refused for the rest. An amount that
    /// takes a thousand of them is charged a thousandth too little at most.
    pub fn cost_ns(self, amount: u64) -> u64 {
        cost_ns(self.per_second, amount)
    }
}

fn cost_ns(per_second: NonZeroU64, amount: u64) -> u64 {
    amount.saturating_mul(1_000_000_000) / per_second
}

/// How far a bucket is filled: the time at which it is full. New, or full again, it has no state that matters.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// Takes an amount, if there is one left; what is more than there is, is owed.
    ///
    /// # Errors
    /// The time until there is one, in nanoseconds.
    pub fn take(&self, rate: Rate, amount: u64, now_ns: u64) -> Result<(), u64> {
        let (room_ns, cost_ns) = (rate.room_ns, rate.cost_ns(amount));
        let later = |full_at: u64| {
            let full_at = full_at.max(now_ns);
            (full_at - now_ns <= room_ns).then(|| full_at.saturating_add(cost_ns))
        };
        // Only the number itself is shared: it orders nothing else.
        let taken = self.0.fetch_update(Relaxed, Relaxed, later);
        taken
            .map(drop)
            .map_err(|full_at| full_at - now_ns - room_ns)
    }

    /// Takes an amount, whatever is left.
    pub fn owe(&self, rate: Rate, amount: u64, now_ns: u64) {
        let cost_ns = rate.cost_ns(amount);
        let later = |full_at: u64| Some(full_at.max(now_ns).saturating_add(cost_ns));
        let _ = self.0.fetch_update(Relaxed, Relaxed, later);
    }

    /// Gives back what was just taken.
    pub fn give_back(&self, rate: Rate, amount: u64) {
        let cost_ns = rate.cost_ns(amount);
        let sooner = |full_at: u64| Some(full_at.saturating_sub(cost_ns));
        let _ = self.0.fetch_update(Relaxed, Relaxed, sooner);
    }

    /// Whether it is full.
    pub fn is_full(&self, now_ns: u64) -> bool {
        self.0.load(Relaxed) <= now_ns
    }
}

/// The rate of each unit, where that is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    rates: [Option<Rate>; 3],
}

impl Quota {
    /// The largest amount a second: `q` of `RateLimit-Policy` then has at most fifteen digits (RFC 9651 section 3.3.1).
    pub const PER_SECOND_MAX: u64 = 100_000_000_000;

    /// The longest burst in milliseconds, an hour.
    pub const BURST_MS_MAX: u64 = 3_600_000;

    /// Of requests, records and bytes a second (0: not limited), with the same `burst`.
    pub fn new(per_second: [u64; 3], burst: Duration) -> Self {
        let rate = |amount| Some(Rate::new(NonZeroU64::new(amount)?, burst));
        Self {
            rates: per_second.map(rate),
        }
    }

    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        self.rates.iter().all(Option::is_none)
    }

    /// The rate of this unit, if it is limited.
    pub fn rate(&self, unit: Unit) -> Option<Rate> {
        self.rates[unit as usize]
    }
}

/// How far the buckets of a quota are filled.
#[derive(Debug, Default)]
pub struct Levels([Level; 3]);

impl Levels {
    /// As [`Level::take`] with the rate of the quota, which is with the error.
    ///
    /// # Errors
    /// As [`Level::take`].
    pub fn take(
        &self,
        quota: &Quota,
        unit: Unit,
        amount: u64,
        now_ns: u64,
    ) -> Result<(), (Rate, u64)> {
        match quota.rate(unit) {
            None => Ok(()),
            Some(rate) => {
                let taken = self.0[unit as usize].take(rate, amount, now_ns);
                taken.map_err(|wait_ns| (rate, wait_ns))
            }
        }
    }

    /// As [`Level::owe`].
    pub fn owe(&self, quota: &Quota, unit: Unit, amount: u64, now_ns: u64) {
        if let Some(rate) = quota.rate(unit) {
            self.0[unit as usize].owe(rate, amount, now_ns);
        }
    }

    /// As [`Level::give_back`].
    pub fn give_back(&self, quota: &Quota, unit: Unit, amount: u64) {
        if let Some(rate) = quota.rate(unit) {
            self.0[unit as usize].give_back(rate, amount);
        }
    }

    /// Whether all are full: then nothing is lost without them.
    pub fn are_full(&self, now_ns: u64) -> bool {
        self.0.iter().all(|level| level.is_full(now_ns))
    }
}

/// A quota and the levels of its buckets. No two share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Bucket {
    /// The quota.
    pub quota: Quota,
    pub(super) levels: Levels,
}

impl Bucket {
    /// Full.
    pub fn new(quota: Quota) -> Self {
        Self {
            quota,
            levels: Levels::default(),
        }
    }
}
