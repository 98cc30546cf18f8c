//! What of a request counts against its quotas, and when: the request itself and the length of its body before the
//! body is read, bytes of unknown number as they arrive, and records before any is enqueued.

use std::{sync::LazyLock, time::Instant};

use crate::{
    http::{Framing, RequestHead},
    quota::{QuotaError, Quotas, Unit},
};

/// Where the time of all buckets begins.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Exact: at the worker's coarse time what accrues in a tick would be granted at its end.
fn now_ns() -> u64 {
    u64::try_from(EPOCH.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Takes a request, and the bytes of its body if its head says how many.
pub(super) fn take_request(
    quotas: Quotas<'_>,
    head: &RequestHead,
    body_bytes_max: usize,
) -> Result<(), QuotaError> {
    if quotas.is_empty() {
        return Ok(());
    }
    let bytes = announced_bytes(head, body_bytes_max);
    let amounts = [(Unit::Requests, 1), (Unit::Bytes, bytes)];
    quotas.take(&amounts, now_ns())
}

/// The length that the head says; 0 for a body that is refused for it.
pub(super) fn announced_bytes(head: &RequestHead, body_bytes_max: usize) -> u64 {
    match head.framing {
        Framing::Length(len) if len <= body_bytes_max as u64 => len,
        Framing::Length(_) | Framing::Chunked | Framing::None => 0,
    }
}

/// Takes bytes that have arrived, or that a compressed body has more than was announced.
pub(super) fn owe_bytes(quotas: Quotas<'_>, bytes: u64) {
    if bytes > 0 && !quotas.is_empty() {
        quotas.owe(Unit::Bytes, bytes, now_ns());
    }
}

/// Takes the valid records of a request: all of them or none.
pub(super) fn take_records(quotas: Quotas<'_>, records: usize) -> Result<(), QuotaError> {
    if records == 0 || quotas.is_empty() {
        return Ok(());
    }
    quotas.take(&[(Unit::Records, records as u64)], now_ns())
}
