//! Authentication of a request.

use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memchr;
use percent_encoding::percent_decode;

use crate::{
    auth::{Denial, KeySet, Principal},
    context::ActiveSnapshot,
    http::{Authorization, RequestHead},
    outcome::Refusal,
};

use super::Connection;

/// The name that a token has in a query (RFC 6750 section 2.3).
const QUERY_PARAMETER: &[u8] = b"access_token";

impl Connection {
    /// The principal of the request whose head was just read.
    pub(super) async fn authenticate(
        &self,
        active: &ActiveSnapshot,
        head: &RequestHead,
    ) -> Result<Principal, Refusal> {
        let Some(keys) = &active.snapshot.keys else {
            return Ok(active.anonymous.clone());
        };
        let bytes = self.transport.head(head);
        let token = match presented(head, bytes) {
            Ok(token) => token,
            Err(denial) => return Err(self.deny(denial, &[])),
        };
        if let Some(principal) = self.cached(active, token) {
            self.context.metrics.credentials_cached.add(1);
            return Ok(principal);
        }
        // Rare, so that its state is not a part of every connection's.
        let verified = Box::pin(self.verify(active, keys, token)).await;
        verified.map_err(|denial| self.deny(denial, token))
    }

    /// The principal of a token that this worker has verified before.
    fn cached(&self, active: &ActiveSnapshot, token: &[u8]) -> Option<Principal> {
        let mut cache = active.cache.borrow_mut();
        cache.find(token, &self.cache_hint, unix_ms())
    }

    /// The principal of a token that is not in this worker's cache.
    async fn verify(
        &self,
        active: &ActiveSnapshot,
        keys: &KeySet,
        token: &[u8],
    ) -> Result<Principal, Denial> {
        let check = keys.check(token, unix_ms())?;
        let grant = if check.is_done() {
            check.verify(unix_ms())?
        } else {
            let was_cached = active.former.borrow().contains(token);
            let peer = (!was_cached).then_some(self.peer);
            let turn = self.context.verifications.turn(peer).await?;
            // Another connection may have presented the same one meanwhile.
            if let Some(principal) = self.cached(active, token) {
                return Ok(principal);
            }
            let verified = turn.verify(check, unix_ms());
            verified.inspect_err(|_| active.former.borrow_mut().remove(token))?
        };
        self.context.metrics.credentials_verified.add(1);
        Ok(active.cache.borrow_mut().insert(token, grant))
    }

    /// Records why a credential is rejected.
    fn deny(&self, denial: Denial, token: &[u8]) -> Refusal {
        self.context.denied(denial, token, self.peer);
        denial.into()
    }
}

/// The token of a request: that of the only `Authorization` field, whose scheme is `Bearer` in any
/// case (RFC 9110 section 11.1). A second one in the query is an error.
fn presented<'h>(head: &RequestHead, bytes: &'h [u8]) -> Result<&'h [u8], Denial> {
    if is_in_query(&bytes[head.path.end..]) {
        return Err(Denial::InQuery);
    }
    let value = match head.authorization {
        Authorization::Value(span) => span.of(bytes),
        Authorization::Absent => return Err(Denial::Missing),
        Authorization::Repeated => return Err(Denial::Repeated),
    };
    let scheme_len = memchr(b' ', value).unwrap_or(value.len());
    let (scheme, token) = value.split_at(scheme_len);
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(Denial::Scheme);
    }
    let blanks = token.iter().take_while(|byte| **byte == b' ').count();
    Ok(&token[blanks..])
}

/// Whether the part of the target behind the path is a query with a token.
fn is_in_query(behind_path: &[u8]) -> bool {
    let Some(query) = behind_path.strip_prefix(b"?") else {
        return false;
    };
    let end = memchr(b' ', query).unwrap_or(query.len());
    let mut parameters = query[..end].split(|byte| *byte == b'&');
    parameters.any(|parameter| {
        let name = parameter.split(|byte| *byte == b'=').next();
        let name = percent_decode(name.unwrap_or_default());
        name.map(|byte| byte.to_ascii_lowercase())
            .eq(QUERY_PARAMETER.iter().copied())
    })
}

/// Milliseconds since 1970, at this moment: the worker's coarse clock would let a token live until
/// the next tick.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
