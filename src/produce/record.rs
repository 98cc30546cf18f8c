//! A record on its way from a request's memory to librdkafka.

use std::ptr::NonNull;

use super::{headers::Headers, in_flight::RequestKey};

/// What the worker notes of each record that is not reported, at most, in bytes: its place in a queue,
/// which may have grown to twice what it holds, and then in a batch.
pub(crate) const QUEUED_RECORD_BYTES: usize = 3 * size_of::<Record>();

/// A record that waits to be handed over, or was.
///
/// It borrows nothing: its bytes, key and headers lie in memory that the in-flight table keeps, unmoved
/// and unwritten, until the record is reported there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// The request that it belongs to.
    pub(super) request: RequestKey,
    /// Its position among the request's records.
    pub(super) position: u32,
    pub(super) len: u32,
    pub(super) bytes: *const u8,
    /// Null where it has none; an empty key is not null.
    pub(super) key: *const u8,
    pub(super) key_len: u32,
    /// murmur2 of its key, where that decides on its partition.
    pub(super) key_hash: Option<u32>,
    /// What it takes in a message beside its own bytes and key.
    pub(super) overhead: u32,
    /// Its time in milliseconds since 1970-01-01T00:00Z; 0: when it is handed over.
    pub(super) timestamp_ms: i64,
    pub(super) headers: Option<NonNull<Headers>>,
}

impl Record {
    /// What it takes in a batch, at most, in bytes.
    pub(super) fn wire_bytes(&self) -> usize {
        self.len as usize + self.key_len as usize + self.overhead as usize
    }

    pub(super) fn is_keyed(&self) -> bool {
        !self.key.is_null()
    }

    /// Whether librdkafka's plain calls can carry it: without headers, with the time of now.
    pub(super) fn is_plain(&self) -> bool {
        self.headers.is_none() && self.timestamp_ms == 0
    }

    /// A record of that many bytes that can be batched, but not handed over.
    #[cfg(test)]
    pub(super) fn for_test(request: RequestKey, position: u32, len: u32) -> Self {
        Self {
            request,
            position,
            len,
            bytes: std::ptr::null(),
            key: std::ptr::null(),
            key_len: 0,
            key_hash: None,
            overhead: 0,
            timestamp_ms: 0,
            headers: None,
        }
    }
}
