//! Authenticates a request by its head, before anything else.

use std::{
    borrow::Cow,
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use memchr::memchr;
use percent_encoding::percent_decode;

use crate::{
    auth::{AuthError, Denial, KeySet, LookUp, Principal, UnknownKey, VerifyError},
    context::{ActiveSnapshot, Facts, Rejected},
    http::{self, Authorization, RequestHead},
    outcome::Refusal,
};

use super::{Connection, Interrupt, certified::NotAccepted};

/// How long a request waits for a fetch of its issuer's keys.
const KEY_WAIT_MAX: Duration = Duration::from_secs(5);

/// The query parameter of a token (RFC 6750 section 2.3), which is never accepted.
const TOKEN_PARAMETER: &[u8] = b"access_token";

/// The query parameter of a key for pages: `navigator.sendBeacon` can't set a header field.
const PAGE_KEY_PARAMETER: &[u8] = b"key";

/// A credential as a request has it.
struct Presented<'h> {
    token: Cow<'h, [u8]>,
    in_query: bool,
}

impl Connection {
    /// Authenticates the request with this head. If that takes newer keys, `active` is then the snapshot
    /// that has them.
    pub(super) async fn authenticate(
        &mut self,
        active: &mut Rc<ActiveSnapshot>,
        head: &RequestHead,
        facts: &Facts,
    ) -> Result<Principal, Interrupt> {
        let Some(keys) = &active.snapshot.keys else {
            // TLS may let nobody connect without a certificate.
            self.check_certified_page(active, head, facts)?;
            return Ok(active.anonymous.clone());
        };
        let presented = presented(head, self.transport.head(head), keys);
        let Presented { token, in_query } = match presented {
            Ok(presented) => presented,
            Err(AuthError::Missing) if self.certified.is_some() => {
                let found = self.certified(active, keys);
                let principal = found.map_err(|cause| self.deny_certificate(cause, facts))?;
                self.check_certified_page(active, head, facts)?;
                return Ok(principal);
            }
            Err(error) => return Err(self.deny(error, &[], facts).into()),
        };
        let principal = match self.cached(keys, &token) {
            Some(found) => found.map_err(|error| self.deny(error, &token, facts))?,
            // No other token of a query costs more than a hash.
            None if in_query && !keys.is_page_key(&token) => {
                return Err(self.deny(AuthError::InQuery, &token, facts).into());
            }
            None => {
                // The verification may wait for others: answers that are due do not.
                drop(token);
                self.answer_unanswered().await?;
                // Rare: boxed, so that its state does not enlarge every connection's future.
                let verified = Box::pin(self.verify_presented(active, head, facts)).await?;
                self.waited = Instant::now();
                verified
            }
        };
        self.check_page(&principal, head, in_query, facts)?;
        Ok(principal)
    }

    /// Checks that a key for pages comes from one of them, and that a query has no other credential.
    fn check_page(
        &self,
        principal: &Principal,
        head: &RequestHead,
        in_query: bool,
        facts: &Facts,
    ) -> Result<(), Refusal> {
        let deny = |reason, origin| {
            let rejected = Rejected {
                principal: principal.name(),
                origin,
                ..Rejected::new(reason, &[])
            };
            Err(self.reject(&rejected, facts))
        };
        let Some(origins) = &principal.grant().origins else {
            return if in_query {
                deny(AuthError::InQuery, None)
            } else {
                Ok(())
            };
        };
        let head = self.transport.head(head);
        let origin = http::origin(head);
        if origin.is_some_and(|origin| origins.allow(origin)) {
            Ok(())
        } else {
            deny(AuthError::Origin, http::field_value(head, "origin"))
        }
    }

    /// Checks that no page uses its visitor's certificate without permission: a browser presents it for whatever
    /// page sends, with `text/plain` without a preflight. Browsers send `Origin` with every POST of a page.
    fn check_certified_page(
        &self,
        active: &ActiveSnapshot,
        head: &RequestHead,
        facts: &Facts,
    ) -> Result<(), Refusal> {
        let head = self.transport.head(head);
        if self.certified.is_none() || http::field_value(head, "origin").is_none() {
            return Ok(());
        }
        let (cors, origin) = (&active.snapshot.cors, http::origin(head));
        match (cors, origin) {
            (Some(cors), Some(origin)) if cors.allows_credentials(origin) => Ok(()),
            _ => {
                let rejected = Rejected {
                    origin: http::field_value(head, "origin"),
                    certificate: self.subject().zip(Some("a page may not use it")),
                    ..Rejected::new(AuthError::Origin, &[])
                };
                Err(self.reject(&rejected, facts))
            }
        }
    }

    /// Verifies the token of the request with this head.
    async fn verify_presented(
        &self,
        active: &mut Rc<ActiveSnapshot>,
        head: &RequestHead,
        facts: &Facts,
    ) -> Result<Principal, Refusal> {
        let Some(keys) = &active.snapshot.keys else {
            return Ok(active.anonymous.clone());
        };
        let presented = presented(head, self.transport.head(head), keys);
        let token = presented.map_or(Cow::default(), |it| it.token);
        self.verify(active, &token, facts).await
    }

    /// The principal of a token in the cache of this worker, or why it is not valid any more.
    fn cached(&self, keys: &KeySet, token: &[u8]) -> Option<Result<Principal, Denial>> {
        let mut credentials = self.context.credentials.borrow_mut();
        let found = credentials.find(token, &self.cache_hint, keys, unix_ms())?;
        let is_valid = u64::from(found.is_ok());
        self.context.metrics.credentials_cached.add(is_valid);
        Some(found)
    }

    /// Verifies a token that is not in the cache, or is there with a proof that does not stand any more.
    async fn verify(
        &self,
        active: &mut Rc<ActiveSnapshot>,
        token: &[u8],
        facts: &Facts,
    ) -> Result<Principal, Refusal> {
        let since = Instant::now();
        loop {
            let Some(keys) = &active.snapshot.keys else {
                return Ok(active.anonymous.clone());
            };
            let denial = match self.verify_with(active, keys, token, since).await {
                Ok(principal) => return Ok(principal),
                Err(VerifyError::Rejected(denial)) => denial,
                Err(VerifyError::UnknownKey(key)) => {
                    match self.newer_keys(active, &Rc::new(key), since).await {
                        Ok(Some(newer)) => {
                            *active = newer;
                            continue;
                        }
                        Ok(None) => return Err(Refusal::Draining),
                        Err(error) => error.into(),
                    }
                }
            };
            if !denial.reason.is_server_error() {
                self.context.credentials.borrow_mut().remove(token);
            }
            return Err(self.deny(denial, token, facts));
        }
    }

    /// Verifies a token with these keys.
    async fn verify_with(
        &self,
        active: &ActiveSnapshot,
        keys: &KeySet,
        token: &[u8],
        since: Instant,
    ) -> Result<Principal, VerifyError> {
        let credentials = &self.context.credentials;
        let mut check = keys.check(token, unix_ms())?;
        let verified = if check.is_resolved() {
            check.verify(unix_ms())?
        } else {
            let rejected = || active.rejections.borrow().find(token);
            let is_final = |denial: &Denial| denial.reason.is_final();
            if let Some(denial) = rejected().filter(is_final) {
                return Err(denial.into());
            }
            let was_cached = credentials.borrow().contains(token);
            let peer = (!was_cached).then_some(self.client.address());
            let slot = self.context.verifications.acquire(peer).await?;
            // Another connection may have verified the same token meanwhile.
            if let Some(found) = self.cached(keys, token) {
                return Ok(found?);
            }
            match rejected() {
                Some(denial) if is_final(&denial) => return Err(denial.into()),
                // An expired token, most likely.
                Some(_) => check = check.authentic(),
                None => {}
            }
            // What the check above rejects costs no more than looking for it here.
            slot.verify(check, unix_ms(), since).inspect_err(|error| {
                if let VerifyError::Rejected(denial) = error {
                    active.rejections.borrow_mut().insert(token, *denial);
                }
            })?
        };
        self.context.metrics.credentials_verified.add(1);
        Ok(credentials.borrow_mut().insert(token, verified, keys))
    }

    /// Waits for a snapshot with newer keys than those that lack this key; `None` once a drain has begun.
    async fn newer_keys(
        &self,
        active: &ActiveSnapshot,
        key: &Rc<UnknownKey>,
        since: Instant,
    ) -> Result<Option<Rc<ActiveSnapshot>>, AuthError> {
        let (context, until) = (&self.context, since + KEY_WAIT_MAX);
        let generation = active.snapshot.generation;
        while !context.is_draining() {
            let latest = context.active_snapshot();
            if latest.snapshot.generation != generation {
                return Ok(Some(latest));
            }
            // Before the look-up: a fetch that ends behind it is not missed.
            let changes = key.changes();
            let now = Instant::now();
            match key.look_up(since, now) {
                LookUp::Lacking => return Err(AuthError::KeyId),
                LookUp::Awaited if now < until => {}
                LookUp::Awaited | LookUp::NotSoon => return Err(AuthError::KeyNotFetched),
            }
            context
                .key_waits
                .change(key, changes, generation, until)
                .await;
        }
        Ok(None)
    }

    /// Counts and logs why a credential is rejected.
    fn deny(&self, denial: impl Into<Denial>, token: &[u8], facts: &Facts) -> Refusal {
        let denial = denial.into();
        let rejected = Rejected::new(denial.reason, token);
        self.context.denied(&rejected, facts);
        denial.into()
    }

    /// The same of the client's certificate.
    fn deny_certificate(&self, cause: NotAccepted, facts: &Facts) -> Refusal {
        let rejected = Rejected {
            certificate: self.subject().zip(Some(cause)),
            ..Rejected::new(AuthError::Certificate, &[])
        };
        self.reject(&rejected, facts)
    }

    /// The same where more is known of the credential for the log.
    fn reject(&self, rejected: &Rejected<'_>, facts: &Facts) -> Refusal {
        self.context.denied(rejected, facts);
        Denial::from(rejected.reason).into()
    }

    /// Of the client's certificate.
    fn subject(&self) -> Option<&str> {
        self.certified.as_ref().map(|it| it.subject())
    }
}

/// The token of a request: from its only `Authorization` field, with scheme `Bearer` in any case
/// (RFC 9110 section 11.1), or where there is none, and there are keys for pages, from the query. Any other
/// token in the query string is an error.
fn presented<'h>(
    head: &RequestHead,
    bytes: &'h [u8],
    keys: &KeySet,
) -> Result<Presented<'h>, AuthError> {
    let query = query(&bytes[head.path.end..]);
    if parameters(query, TOKEN_PARAMETER).next().is_some() {
        return Err(AuthError::InQuery);
    }
    let value = match head.authorization {
        Authorization::Value(span) => span.of(bytes),
        Authorization::Absent if keys.has_page_keys() => return page_key(query),
        Authorization::Absent => return Err(AuthError::Missing),
        Authorization::Repeated => return Err(AuthError::Repeated),
    };
    let scheme_len = memchr(b' ', value).unwrap_or(value.len());
    let (scheme, token) = value.split_at(scheme_len);
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(AuthError::Scheme);
    }
    let blanks = token.iter().take_while(|byte| **byte == b' ').count();
    Ok(Presented {
        token: Cow::Borrowed(&token[blanks..]),
        in_query: false,
    })
}

/// The key for pages of a query.
fn page_key(query: &[u8]) -> Result<Presented<'_>, AuthError> {
    let mut keys = parameters(query, PAGE_KEY_PARAMETER);
    let key = keys.next().ok_or(AuthError::Missing)?;
    if keys.next().is_some() {
        return Err(AuthError::Repeated);
    }
    Ok(Presented {
        token: percent_decode(key).into(),
        in_query: true,
    })
}

/// The query in the rest of the request line after the path, empty if there is none.
fn query(after_path: &[u8]) -> &[u8] {
    let query = after_path.strip_prefix(b"?").unwrap_or_default();
    &query[..memchr(b' ', query).unwrap_or(query.len())]
}

/// The values of the parameters of a query that have this name, in whatever case.
fn parameters<'q>(query: &'q [u8], lower_name: &'q [u8]) -> impl Iterator<Item = &'q [u8]> {
    let parameters = query.split(|byte| *byte == b'&');
    parameters.filter_map(move |parameter| {
        let name_len = memchr(b'=', parameter).unwrap_or(parameter.len());
        let (name, value) = parameter.split_at(name_len);
        let name = percent_decode(name).map(|byte| byte.to_ascii_lowercase());
        name.eq(lower_name.iter().copied())
            .then(|| value.strip_prefix(b"=").unwrap_or_default())
    })
}

/// The current Unix time in milliseconds. The worker's coarse clock would accept an expired token until
/// the next tick.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
