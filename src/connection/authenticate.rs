//! Authenticates a request by its head, before anything else.

use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memchr;
use percent_encoding::percent_decode;

use crate::{
    auth::{AuthError, KeySet, Principal},
    context::ActiveSnapshot,
    http::{Authorization, RequestHead},
    outcome::Refusal,
};

use super::{Connection, Interrupt};

/// The query parameter of a token (RFC 6750 section 2.3).
const QUERY_PARAMETER: &[u8] = b"access_token";

impl Connection {
    /// Authenticates the request with this head.
    pub(super) async fn authenticate(
        &mut self,
        active: &ActiveSnapshot,
        head: &RequestHead,
    ) -> Result<Principal, Interrupt> {
        let Some(keys) = &active.snapshot.keys else {
            return Ok(active.anonymous.clone());
        };
        let token = match bearer_token(head, self.transport.head(head)) {
            Ok(token) => token,
            Err(error) => return Err(self.deny(error, &[]).into()),
        };
        if let Some(principal) = self.cached(active, token) {
            self.context.metrics.credentials_cached.add(1);
            return Ok(principal);
        }
        // The verification may wait for others: answers that are due do not.
        self.answer_unanswered().await?;
        let token = bearer_token(head, self.transport.head(head)).unwrap_or_default();
        // Rare: boxed, so that its state does not enlarge every connection's future.
        let verified = Box::pin(self.verify(active, keys, token)).await;
        Ok(verified.map_err(|error| self.deny(error, token))?)
    }

    /// The principal of a token in the cache of this worker.
    fn cached(&self, active: &ActiveSnapshot, token: &[u8]) -> Option<Principal> {
        let mut cache = active.cache.borrow_mut();
        cache.find(token, &self.cache_hint, unix_ms())
    }

    /// Verifies a token that is not in the cache.
    async fn verify(
        &self,
        active: &ActiveSnapshot,
        keys: &KeySet,
        token: &[u8],
    ) -> Result<Principal, AuthError> {
        let check = keys.check(token, unix_ms())?;
        let grant = if check.is_resolved() {
            check.verify(unix_ms())?
        } else {
            let rejected = || active.rejections.borrow().find(token);
            if let Some(error) = rejected() {
                return Err(error);
            }
            let was_cached = active.previous_cache.borrow().contains(token);
            let peer = (!was_cached).then_some(self.client.address());
            let slot = self.context.verifications.acquire(peer).await?;
            // Another connection may have verified the same token meanwhile.
            if let Some(principal) = self.cached(active, token) {
                return Ok(principal);
            }
            if let Some(error) = rejected() {
                return Err(error);
            }
            let verified = slot.verify(check, unix_ms());
            verified.inspect_err(|error| {
                active.previous_cache.borrow_mut().remove(token);
                active.rejections.borrow_mut().insert(token, *error);
            })?
        };
        self.context.metrics.credentials_verified.add(1);
        Ok(active.cache.borrow_mut().insert(token, grant))
    }

    /// Counts and logs why a credential is rejected.
    fn deny(&self, error: AuthError, token: &[u8]) -> Refusal {
        self.context.denied(error, token, self.client.address());
        error.into()
    }
}

/// The token of a request: from its only `Authorization` field, with scheme `Bearer` in any case
/// (RFC 9110 section 11.1). A token in the query string is an error.
fn bearer_token<'h>(head: &RequestHead, bytes: &'h [u8]) -> Result<&'h [u8], AuthError> {
    if is_in_query(&bytes[head.path.end..]) {
        return Err(AuthError::InQuery);
    }
    let value = match head.authorization {
        Authorization::Value(span) => span.of(bytes),
        Authorization::Absent => return Err(AuthError::Missing),
        Authorization::Repeated => return Err(AuthError::Repeated),
    };
    let scheme_len = memchr(b' ', value).unwrap_or(value.len());
    let (scheme, token) = value.split_at(scheme_len);
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(AuthError::Scheme);
    }
    let blanks = token.iter().take_while(|byte| **byte == b' ').count();
    Ok(&token[blanks..])
}

/// Whether the rest of the request line after the path is a query with a token parameter.
fn is_in_query(after_path: &[u8]) -> bool {
    let Some(query) = after_path.strip_prefix(b"?") else {
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

/// The current Unix time in milliseconds. The worker's coarse clock would accept an expired token until
/// the next tick.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
