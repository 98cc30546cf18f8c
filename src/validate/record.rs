//! Records that were found valid.

use super::{Rejection, Span};

/// The proof that a body, or what [`records`](Self::records) lists of it, is valid;
/// [`Validator::validate`](super::Validator::validate) alone makes it.
#[derive(Debug)]
pub struct ValidBody<'v> {
    pub(super) records: &'v Records,
    pub(super) rejection: Option<Rejection>,
}

/// One valid record of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'v> {
    /// Its place among all records of the body, good and bad: 0 for the first.
    pub index: usize,
    /// Its bytes.
    pub span: Span,
    /// Its partition key: a string's text, its escapes decoded, or the bytes of a number, `true` or
    /// `false`. `None` where the model has no key, or the record's is null or left out.
    pub key: Option<&'v [u8]>,
    /// Its time in milliseconds since 1970-01-01T00:00Z, never negative; `None` as for the key.
    pub timestamp_ms: Option<i64>,
}

impl<'v> ValidBody<'v> {
    /// The valid records in their order; none for `[]`.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'v>> + Clone + use<'v> {
        let records = self.records;
        let accepted = records.accepted.iter().enumerate();
        accepted.map(|(place, accepted)| Record {
            index: accepted.index as usize,
            span: accepted.span,
            key: records.key(place),
            timestamp_ms: records.timestamps.get(place).copied().flatten(),
        })
    }

    /// How many valid records there are.
    pub fn len(&self) -> usize {
        self.records.accepted.len()
    }

    /// Whether there are none: the body was `[]`.
    pub fn is_empty(&self) -> bool {
        self.records.accepted.is_empty()
    }

    /// What is wrong with the other records, where the model's `on_invalid` is `accept_valid` and
    /// there are such.
    pub fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_ref()
    }
}

/// The valid records of one body after the other.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) accepted: Vec<Accepted>,
    /// The place of each record's key in `key_bytes`; empty where the model has no key.
    keys: Vec<Option<Span>>,
    key_bytes: Vec<u8>,
    /// Empty where the model has no timestamp.
    timestamps: Vec<Option<i64>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    span: Span,
    /// Below 2^32, as a body is shorter than that.
    index: u32,
}

impl Records {
    /// What a record takes beside the bytes of its key.
    pub(super) const ENTRY_BYTES: usize =
        size_of::<Accepted>() + size_of::<Option<Span>>() + size_of::<Option<i64>>();

    /// What is kept of the memory for keys from one body to the next.
    const KEY_BYTES_RETAINED_MAX: usize = 1 << 20;

    pub(super) fn clear(&mut self) {
        self.accepted.clear();
        self.keys.clear();
        self.timestamps.clear();
        self.key_bytes.clear();
        if self.key_bytes.capacity() > Self::KEY_BYTES_RETAINED_MAX {
            self.key_bytes = Vec::new();
        }
    }

    /// Adds a record; its key and timestamp come next, if the model has such.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "validate() refuses bodies of which an offset, so a count of records, has more bits"
    )]
    pub(super) fn push(&mut self, index: usize, span: Span) {
        let index = index as u32;
        self.accepted.push(Accepted { span, index });
    }

    pub(super) fn push_key(&mut self, key: Option<&[u8]>) {
        let start = self.key_bytes.len();
        self.key_bytes.extend_from_slice(key.unwrap_or_default());
        let span = Span::new(start, self.key_bytes.len());
        self.keys.push(key.map(|_| span));
    }

    pub(super) fn push_timestamp(&mut self, timestamp_ms: Option<i64>) {
        self.timestamps.push(timestamp_ms);
    }

    fn key(&self, place: usize) -> Option<&[u8]> {
        let span = self.keys.get(place).copied().flatten()?;
        Some(span.of(&self.key_bytes))
    }
}
