//! Which fields of an object have been met.

use std::iter;

use crate::model::Shape;

/// The fields of one object that have been met: a bit each.
pub(super) struct Seen {
    /// The first 64.
    first: u64,
    /// Where the bits of further ones begin in the scratch.
    more: usize,
}

impl Seen {
    #[inline]
    pub(super) fn new(shape: &Shape, scratch: &mut Vec<u64>) -> Self {
        let more = scratch.len();
        if shape.required.len() > 1 {
            scratch.resize(more + shape.required.len() - 1, 0);
        }
        Self { first: 0, more }
    }

    #[inline]
    pub(super) fn insert(&mut self, field: usize, scratch: &mut [u64]) {
        let bit = 1 << (field % 64);
        match (field / 64).checked_sub(1) {
            None => self.first |= bit,
            Some(word) => scratch[self.more + word] |= bit,
        }
    }

    /// The bits of 64 fields after another.
    #[inline]
    pub(super) fn words<'s>(&'s self, scratch: &'s [u64]) -> impl Iterator<Item = &'s u64> {
        iter::once(&self.first).chain(&scratch[self.more..])
    }

    /// Whether all required fields have been met.
    #[inline]
    pub(super) fn has_all(&self, shape: &Shape, scratch: &[u64]) -> bool {
        let mut words = shape.required.iter().zip(self.words(scratch));
        words.all(|(required, seen)| required & !seen == 0)
    }

    #[inline]
    pub(super) fn release(self, scratch: &mut Vec<u64>) {
        scratch.truncate(self.more);
    }
}
