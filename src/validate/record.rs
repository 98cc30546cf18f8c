//! Valid records.

use super::{Rejection, Span};

/// Proof that a body, or the part that [`records`](Self::records) lists, is valid. Only
/// [`Validator::validate`](super::Validator::validate) creates it.
#[derive(Debug)]
pub struct ValidBody<'v> {
    pub(super) records: &'v Records,
    pub(super) rejection: Option<Rejection>,
}

/// One valid record of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'v> {
    /// Its index among all records of the body, valid or not: 0 for the first.
    pub index: usize,
    /// Its position in the body.
    pub span: Span,
    /// Its partition key: the unescaped text of a string, or the bytes of a number, `true` or `false`.
    /// `None` if the model has no key, or the field is null or absent.
    pub key: Option<&'v [u8]>,
    /// Its timestamp: Unix time in milliseconds, never negative; `None` as for the key.
    pub timestamp_ms: Option<i64>,
}

impl<'v> ValidBody<'v> {
    /// The valid records in order; none for `[]`.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'v>> + Clone + use<'v> {
        let records = self.records;
        let accepted = records.accepted.iter().enumerate();
        accepted.map(|(position, accepted)| Record {
            index: accepted.index as usize,
            span: accepted.span,
            key: records.key(position),
            timestamp_ms: records.timestamps.get(position).copied().flatten(),
        })
    }

    /// The number of valid records.
    pub fn len(&self) -> usize {
        self.records.accepted.len()
    }

    /// How many of them were accepted directly, without a tape.
    pub fn accepted_directly(&self) -> usize {
        self.records.direct
    }

    /// Whether there are no records: the body was `[]`.
    pub fn is_empty(&self) -> bool {
        self.records.accepted.is_empty()
    }

    /// The errors of the invalid records, if there are any and the model's `on_invalid` is
    /// `accept_valid`.
    pub fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_ref()
    }
}

/// The valid records of the current body; reused between bodies.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) accepted: Vec<Accepted>,
    /// The span of each record's key in `key_bytes`; empty if the model has no key.
    keys: Vec<Option<Span>>,
    key_bytes: Vec<u8>,
    /// Empty if the model has no timestamp.
    timestamps: Vec<Option<i64>>,
    /// How many were accepted without a tape.
    pub(super) direct: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    span: Span,
    /// Below 2^32, because a body is shorter than that.
    index: u32,
}

impl Records {
    /// Memory per record, in bytes, without the bytes of its key.
    pub(super) const ENTRY_BYTES: usize =
        size_of::<Accepted>() + size_of::<Option<Span>>() + size_of::<Option<i64>>();

    /// Maximum memory for keys that is kept between bodies, in bytes.
    const KEY_BYTES_RETAINED_MAX: usize = 1 << 20;

    /// The memory of the lists, in bytes.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.accepted.capacity() * size_of::<Accepted>()
            + self.keys.capacity() * size_of::<Option<Span>>()
            + self.timestamps.capacity() * size_of::<Option<i64>>()
            + self.key_bytes.capacity()
    }

    pub(super) fn clear(&mut self) {
        self.accepted.clear();
        self.keys.clear();
        self.timestamps.clear();
        self.key_bytes.clear();
        self.direct = 0;
        if self.key_bytes.capacity() > Self::KEY_BYTES_RETAINED_MAX {
            self.key_bytes = Vec::new();
        }
    }

    /// Adds a record; if the model has a key or a timestamp, they must be pushed next.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "validate() rejects bodies whose offsets, and so record counts, exceed 32 bits"
    )]
    pub(super) fn push(&mut self, index: usize, span: Span) {
        let index = index as u32;
        self.accepted.push(Accepted { span, index });
    }

    /// All keys of a body together have at most `bytes_max` bytes.
    pub(super) fn push_key(&mut self, key: Option<&[u8]>, bytes_max: usize) {
        let (start, capacity) = (self.key_bytes.len(), self.key_bytes.capacity());
        let end = start + key.map_or(0, <[u8]>::len);
        if end > capacity {
            let doubled = (2 * capacity).min(bytes_max).max(end);
            self.key_bytes.reserve_exact(doubled - start);
        }
        self.key_bytes.extend_from_slice(key.unwrap_or_default());
        let span = Span::new(start, self.key_bytes.len());
        self.keys.push(key.map(|_| span));
    }

    pub(super) fn push_timestamp(&mut self, timestamp_ms: Option<i64>) {
        self.timestamps.push(timestamp_ms);
    }

    fn key(&self, position: usize) -> Option<&[u8]> {
        let span = self.keys.get(position).copied().flatten()?;
        Some(span.of(&self.key_bytes))
    }
}
