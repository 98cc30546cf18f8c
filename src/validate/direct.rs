//! Accepts records without a tape: one pass over the bytes checks grammar and types together.
//!
//! A field that is expected next is compared as a whole, quotation marks and colon included. Strings are searched a
//! block of 64 bytes at a time: a bit for each byte that may end one, so that all strings within a block are found
//! in its bits. A number is checked as text, up to 16 bytes in one go. Nothing is copied but the end of the text.
//!
//! It only ever finds that a record is valid. `None` means that it may be valid or not: there is an error, or
//! something too rare to have code here, such as an escape in a key. Then simd-json and the walk over its tape
//! validate the record from the start, so that only they report errors. What is accepted here must be valid
//! there, with the same span, key and timestamp; a property test and a fuzz target compare the two.

mod json;
mod marks;
mod members;
mod numbers;
mod order;
mod strings;
#[cfg(test)]
mod tests;
mod typed;

pub(super) use self::order::Order;
use self::{members::Fields, strings::Block};
use crate::model::{Program, Rules};

/// Reads records of a text.
pub(super) struct Direct<'d> {
    /// What follows the record shall be in it, too: words are read.
    text: &'d [u8],
    rules: &'d Rules,
    program: Option<&'d Program>,
    /// Maximum nesting of a record, which is one level itself.
    depth_max: usize,
    /// The same of the next value.
    depth: usize,
    /// Overflow storage of the fields that have been seen, as of the walk.
    seen: &'d mut Vec<u64>,
    order: &'d mut Order,
    /// Where strings are being read.
    block: Block,
    /// Whether a byte of the blocks that the record has to do with is beyond ASCII.
    is_beyond_ascii: bool,
    fields: Fields<'d>,
}

/// A valid record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted<'d> {
    /// Its end in the text.
    pub(super) end: usize,
    pub(super) key: Option<&'d [u8]>,
    pub(super) timestamp_ms: Option<i64>,
}

impl<'d> Direct<'d> {
    #[inline]
    pub(super) fn new(
        text: &'d [u8],
        rules: &'d Rules,
        depth_max: usize,
        seen: &'d mut Vec<u64>,
        order: &'d mut Order,
    ) -> Self {
        Self {
            text,
            rules,
            program: rules.program(),
            depth_max,
            depth: depth_max,
            seen,
            order,
            block: Block::NONE,
            is_beyond_ascii: false,
            fields: Fields::of(rules),
        }
    }

    /// The record that begins at `at`, if it is valid for sure.
    pub(super) fn record(&mut self, at: usize) -> Option<Accepted<'d>> {
        // The block of the record before may reach into this one.
        self.is_beyond_ascii = self.block.is_beyond_ascii();
        let mark = self.seen.len();
        let end = self.record_end(at);
        // Left behind where it ended early.
        self.seen.truncate(mark);
        let end = end?;
        if self.is_beyond_ascii {
            simdutf8::basic::from_utf8(&self.text[at..end]).ok()?;
        }
        let (key, timestamp_ms) = if self.fields.is_empty() {
            (None, None)
        } else {
            self.key_and_timestamp().ok()?
        };
        Some(Accepted {
            end,
            key,
            timestamp_ms,
        })
    }

    fn record_end(&mut self, at: usize) -> Option<usize> {
        if self.peek(at)? != b'{' {
            return None;
        }
        self.fields.clear();
        self.depth = self.depth_max;
        match self.program {
            Some(program) => self.object(at, program.root()),
            None if self.fields.is_empty() => self.container(at),
            None => self.open_object(at),
        }
    }
}
