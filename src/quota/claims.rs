//! The buckets of the principals that an issuer's tokens make, by the value of a claim. There may be any number of
//! values, and there is room for a fixed number of them.
//!
//! A bucket that is full holds no information, so that its place can be given to another value for free. A value
//! whose places are all in use by buckets that are not full shares one with others like it: no one gets rid of a
//! quota, or of the others, by having many names. Where a value is placed depends on a secret of this process.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU64,
};

use super::{Levels, Quota};
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Places that a value may be in.
const PLACES: usize = 8;

/// Identifies a value of the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimId(NonZeroU64);

/// The buckets of an issuer's principals.
#[derive(Debug)]
pub struct ClaimBuckets {
    quota: Quota,
    sets: Box<[Set]>,
    hasher: RandomState,
}

/// The places of the values with the same hash.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set {
    /// Who has each place; 0: nobody.
    ids: [AtomicU64; PLACES],
    levels: [Levels; PLACES],
    /// The buckets of those without a place.
    shared: Levels,
}

impl ClaimBuckets {
    /// How many sets of eight places an issuer has: 65,536 places.
    pub const SETS: usize = 8_192;

    /// The memory of an issuer's, in bytes.
    pub const BYTES: usize = Self::SETS * size_of::<Set>();

    /// All full, in so many sets.
    pub fn new(quota: Quota, sets: usize) -> Self {
        Self {
            quota,
            sets: std::iter::repeat_with(Set::default).take(sets).collect(),
            hasher: RandomState::new(),
        }
    }

    /// What each value may send.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Identifies a value; `None` stands for tokens without the claim.
    pub fn id(&self, value: Option<&str>) -> ClaimId {
        let hash = self.hasher.hash_one(value);
        ClaimId(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN))
    }

    /// The levels of a value's buckets now. The place may be another's as soon as they are full: they are looked up
    /// anew each time that something is taken.
    pub fn levels(&self, ClaimId(id): ClaimId, now_ns: u64) -> &Levels {
        let id = id.get();
        let set = &self.sets[usize::try_from(id).unwrap_or(0) % self.sets.len()];
        let is_at = |place: &usize| set.ids[*place].load(Relaxed) == id;
        if let Some(place) = (0..PLACES).find(is_at) {
            return &set.levels[place];
        }
        // A free place first: one that is taken from another may be charged by that one at this very moment, once.
        // Of two threads that place one value there at once, in different places, the first place counts from then on.
        for may_take in [false, true] {
            for (holder, levels) in set.ids.iter().zip(&set.levels) {
                let before = holder.load(Relaxed);
                if before == id {
                    return levels;
                }
                if before != 0 && !(may_take && levels.are_full(now_ns)) {
                    continue;
                }
                match holder.compare_exchange(before, id, Relaxed, Relaxed) {
                    Ok(_) => return levels,
                    Err(other) if other == id => return levels,
                    Err(_) => {}
                }
            }
        }
        &set.shared
    }
}
