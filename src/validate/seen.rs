//! Which fields of an object have been seen.

use std::iter;

use crate::model::Shape;

/// A bit set of the fields of one object that have been seen.
pub(super) struct SeenFields {
    /// Bits of the first 64 fields.
    first: u64,
    /// Start of the bits of further fields in the scratch, which has those up to the last one seen.
    more: usize,
}

impl SeenFields {
    #[inline]
    pub(super) fn new(scratch: &[u64]) -> Self {
        Self {
            first: 0,
            more: scratch.len(),
        }
    }

    #[inline]
    pub(super) fn insert(&mut self, field: usize, scratch: &mut Vec<u64>) {
        let bit = 1 << (field % 64);
        match (field / 64).checked_sub(1) {
            None => self.first |= bit,
            Some(word) => {
                let word = self.more + word;
                if word >= scratch.len() {
                    scratch.resize(word + 1, 0);
                }
                scratch[word] |= bit;
            }
        }
    }

    /// The bits, in words of 64 fields, and then zeros.
    #[inline]
    pub(super) fn words<'s>(&'s self, scratch: &'s [u64]) -> impl Iterator<Item = &'s u64> + Clone {
        iter::once(&self.first)
            .chain(&scratch[self.more..])
            .chain(iter::repeat(&0))
    }

    /// Whether all required fields have been seen.
    #[inline]
    pub(super) fn has_all(&self, shape: &Shape, scratch: &[u64]) -> bool {
        if let [required] = *shape.required {
            return required & !self.first == 0;
        }
        let mut words = shape.required.iter().zip(self.words(scratch));
        words.all(|(required, seen)| required & !seen == 0)
    }

    #[inline]
    pub(super) fn release(self, scratch: &mut Vec<u64>) {
        scratch.truncate(self.more);
    }
}
