//! Quotas: how many requests, records and bytes a second a principal may send, and a route may take.
//!
//! A quota has a bucket for each unit that it limits ([`Level`]). Buckets are shared by all workers, and each is
//! one atomic number: a request costs one compare-and-swap for each unit, and nothing waits. Time is a
//! parameter, in nanoseconds since any one moment.

mod bucket;
mod claims;

use std::sync::Arc;

pub use bucket::{Bucket, Level, Levels, Quota, Rate, Unit};
pub use claims::{ClaimBuckets, ClaimId};

/// The buckets of a principal.
#[derive(Clone, Debug)]
pub enum Allowance {
    /// Of an API key or a certificate.
    Own(Arc<Bucket>),
    /// Of a value of an issuer's claim.
    Claim(Arc<ClaimBuckets>, ClaimId),
}

impl PartialEq for Allowance {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(one), Self::Own(other)) => Arc::ptr_eq(one, other),
            (Self::Claim(one, id), Self::Claim(other, other_id)) => {
                Arc::ptr_eq(one, other) && id == other_id
            }
            (Self::Own(_), Self::Claim(..)) | (Self::Claim(..), Self::Own(_)) => false,
        }
    }
}

impl Eq for Allowance {}

/// Whose quota it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaOf {
    /// The principal's.
    Principal,
    /// The route's.
    Route,
}

/// A request is over a quota. The client may retry later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("over the quota of {unit:?} of the {of:?}")]
pub struct QuotaError {
    /// Whose quota.
    pub of: QuotaOf,
    /// Of what.
    pub unit: Unit,
    /// Its rate.
    pub rate: Rate,
    /// After this time there is something left of it, if nothing else is taken, in nanoseconds.
    pub wait_ns: u64,
}

impl QuotaError {
    /// `wait_ns` in seconds, rounded up: 1 at least.
    pub fn wait_seconds(&self) -> u64 {
        self.wait_ns.div_ceil(1_000_000_000).max(1)
    }
}

/// The quotas that a request counts against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quotas<'a> {
    /// That of its principal.
    pub principal: Option<&'a Allowance>,
    /// That of its route.
    pub route: Option<&'a Bucket>,
}

/// One of them, with the levels of its buckets.
#[derive(Clone, Copy)]
struct Held<'a> {
    of: QuotaOf,
    quota: &'a Quota,
    levels: &'a Levels,
}

impl<'a> Quotas<'a> {
    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.principal.is_none() && self.route.is_none()
    }

    /// Takes these amounts from every quota, or nothing from any. A bucket that has something left gives what is
    /// asked for, even where that is more than it holds: then it owes the rest. An amount of 0 asks whether
    /// something is left.
    ///
    /// # Errors
    /// A bucket that has nothing left.
    pub fn take(self, amounts: &[(Unit, u64)], now_ns: u64) -> Result<(), QuotaError> {
        let held = self.held(now_ns);
        let wanted = || {
            let each = move |(unit, amount): &(Unit, u64)| {
                let (unit, amount) = (*unit, *amount);
                held.into_iter().flatten().map(move |it| (it, unit, amount))
            };
            amounts.iter().flat_map(each)
        };
        for (taken, (from, unit, amount)) in wanted().enumerate() {
            if let Err(error) = from.take(unit, amount, now_ns) {
                for (from, unit, amount) in wanted().take(taken) {
                    from.levels.give_back(from.quota, unit, amount);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes an amount that was not known before, whatever is left.
    pub fn owe(self, unit: Unit, amount: u64, now_ns: u64) {
        for from in self.held(now_ns).into_iter().flatten() {
            from.levels.owe(from.quota, unit, amount, now_ns);
        }
    }

    fn held(self, now_ns: u64) -> [Option<Held<'a>>; 2] {
        let principal = self.principal.map(|allowance| {
            let (quota, levels) = match allowance {
                Allowance::Own(bucket) => (&bucket.quota, &bucket.levels),
                Allowance::Claim(buckets, id) => (buckets.quota(), buckets.levels(*id, now_ns)),
            };
            Held {
                of: QuotaOf::Principal,
                quota,
                levels,
            }
        });
        let route = self.route.map(|bucket| Held {
            of: QuotaOf::Route,
            quota: &bucket.quota,
            levels: &bucket.levels,
        });
        [principal, route]
    }
}

impl Held<'_> {
    fn take(self, unit: Unit, amount: u64, now_ns: u64) -> Result<(), QuotaError> {
        let taken = self.levels.take(self.quota, unit, amount, now_ns);
        taken.map_err(|(rate, wait_ns)| QuotaError {
            of: self.of,
            unit,
            rate,
            wait_ns,
        })
    }
}

#[cfg(test)]
mod tests;
