//! Everything that decides who may send, as one immutable part of a snapshot.

use std::{
    collections::HashMap,
    str,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use jsonwebtoken::{Algorithm, DecodingKey, crypto};

use super::{
    Auth, Denial, Globs, Grant, Issuer, KeyHash, KeySource, Scope, Validity, VerificationKeys, jwt,
    jwt::Jwt, provider,
};
use crate::route::RouteTable;

/// Issuers with their keys, API keys with their scopes.
#[derive(Debug)]
pub struct KeySet {
    api_keys: HashMap<KeyHash, Grant>,
    has_sha256: bool,
    has_pbkdf2: bool,
    issuers: HashMap<Box<str>, Known>,
    routes: Arc<RouteTable>,
}

/// An issuer with its keys.
#[derive(Debug)]
struct Known {
    issuer: Arc<Issuer>,
    /// `None`: at a URL, and not fetched yet.
    keys: Option<Arc<VerificationKeys>>,
    /// Set when a token names a key that is not there; `None` where nobody could fetch another.
    wanted: Option<Arc<AtomicBool>>,
}

/// What there is of an issuer's keys at a URL.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// As last fetched; `None`: never yet.
    pub keys: Option<Arc<VerificationKeys>>,
    /// Set when a token names a key that is not among them: whoever fetches looks at it.
    pub wanted: Arc<AtomicBool>,
}

/// A credential that may be good: what is left is [`Check::verify`].
pub struct Check<'k>(Kind<'k>);

enum Kind<'k> {
    /// Its SHA-256 was looked up, and found.
    Known(&'k Grant),
    Pbkdf2 {
        keys: &'k KeySet,
        token: &'k [u8],
    },
    Jwt {
        keys: &'k KeySet,
        token: &'k str,
    },
}

impl KeySet {
    /// For these routes. `fetched` has a place for each issuer, in their order; that of an issuer
    /// whose keys are in a file is not looked at.
    pub fn new(auth: &Auth, fetched: &[Fetched], routes: &Arc<RouteTable>) -> Arc<Self> {
        provider::install();
        let api_keys = auth.api_keys.iter().map(|key| {
            let grant = Grant {
                name: Some(key.name.clone()),
                scope: Scope::new(&key.routes, routes),
                validity: Validity {
                    from_ms: 0,
                    until_ms: key.expires_ms.unwrap_or(u64::MAX),
                },
                subject_header: None,
            };
            (key.hash, grant)
        });
        let issuers = auth.issuers.iter().enumerate().map(|(index, issuer)| {
            let (keys, wanted) = match &issuer.keys {
                KeySource::File(keys) => (Some(Arc::clone(keys)), None),
                KeySource::Url(_) => {
                    let fetched = fetched.get(index).cloned().unwrap_or_default();
                    (fetched.keys, Some(fetched.wanted))
                }
            };
            let known = Known {
                issuer: Arc::clone(issuer),
                keys,
                wanted,
            };
            (issuer.issuer.clone(), known)
        });
        let hashes = || auth.api_keys.iter().map(|key| key.hash);
        Arc::new(Self {
            has_sha256: hashes().any(|hash| matches!(hash, KeyHash::Sha256(_))),
            has_pbkdf2: hashes().any(|hash| matches!(hash, KeyHash::Pbkdf2(_))),
            api_keys: api_keys.collect(),
            issuers: issuers.collect(),
            routes: Arc::clone(routes),
        })
    }

    /// Looks at a token's shape, and for its SHA-256, which takes about a microsecond.
    ///
    /// # Errors
    /// It is not the token of any kind that is configured, or of a key that has expired.
    pub fn check<'k>(&'k self, token: &'k [u8], now_ms: u64) -> Result<Check<'k>, Denial> {
        if !is_token(token) {
            return Err(Denial::Malformed);
        }
        if self.has_sha256
            && let Some(grant) = self.api_keys.get(&KeyHash::sha256(token))
        {
            return key_in_time(grant, now_ms).map(|grant| Check(Kind::Known(grant)));
        }
        if KeyHash::is_moose_token(token) {
            return if self.has_pbkdf2 {
                let keys = self;
                Ok(Check(Kind::Pbkdf2 { keys, token }))
            } else {
                Err(Denial::UnknownKey)
            };
        }
        let text = str::from_utf8(token).map_err(|_| Denial::Malformed)?;
        if jwt::has_three_parts(text) && !self.issuers.is_empty() {
            let (keys, token) = (self, text);
            return Ok(Check(Kind::Jwt { keys, token }));
        }
        Err(if self.has_sha256 {
            Denial::UnknownKey
        } else {
            Denial::Malformed
        })
    }

    /// Everything that can be said without cryptography comes before it: form, issuer, algorithm,
    /// claims, key.
    fn verify_jwt(&self, token: &str, now_ms: u64) -> Result<Grant, Denial> {
        let jwt = Jwt::read(token)?;
        let known = self.issuers.get(jwt.claims.issuer()?);
        let known = known.ok_or(Denial::Issuer)?;
        let issuer = &known.issuer;
        if !issuer.algorithms.contains(&jwt.algorithm) {
            return Err(Denial::Algorithm);
        }
        let validity = jwt.claims.validate(issuer, now_ms)?;
        let key = known.key(jwt.algorithm, jwt.kid.as_deref())?;
        let verified = crypto::verify(jwt.signature, jwt.message, key, jwt.algorithm);
        if !matches!(verified, Ok(true)) {
            return Err(Denial::Signature);
        }
        let scope = match &issuer.routes_claim {
            None => Scope::All,
            Some(claim) => Scope::new(&Globs::new(jwt.claims.globs(claim)?), &self.routes),
        };
        Ok(Grant {
            name: jwt.claims.subject()?.map(Into::into),
            scope,
            validity,
            subject_header: issuer.subject_header.clone(),
        })
    }
}

impl Known {
    fn key(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&DecodingKey, Denial> {
        let keys = self.keys.as_ref().ok_or(Denial::KeysUnavailable)?;
        let found = keys.find(algorithm, kid);
        if let (Err(_), Some(wanted)) = (&found, &self.wanted) {
            wanted.store(true, Ordering::Relaxed);
        }
        found
    }
}

impl Check<'_> {
    /// Whether all that is expensive was done by looking at it.
    pub fn is_done(&self) -> bool {
        matches!(self.0, Kind::Known(_))
    }

    /// Reads and verifies what was not looked at yet: takes 100 to 220 µs for PBKDF2, for a JWT a
    /// few to be read (hundreds, if it has thousands of members) and up to 75 for its signature, more than
    /// 1,000 for ES384.
    ///
    /// # Errors
    /// Why the credential is not taken.
    pub fn verify(self, now_ms: u64) -> Result<Grant, Denial> {
        match self.0 {
            Kind::Known(grant) => key_in_time(grant, now_ms).cloned(),
            Kind::Pbkdf2 { keys, token } => {
                let hash = KeyHash::pbkdf2(token).ok_or(Denial::Malformed)?;
                let grant = keys.api_keys.get(&hash).ok_or(Denial::UnknownKey)?;
                key_in_time(grant, now_ms).cloned()
            }
            Kind::Jwt { keys, token } => keys.verify_jwt(token, now_ms),
        }
    }
}

/// The characters of a token (RFC 6750 section 2.1: `b64token`).
fn is_token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let characters = &token[..token.len() - padding];
    let is_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !characters.is_empty() && characters.iter().all(is_one)
}

fn key_in_time(grant: &Grant, now_ms: u64) -> Result<&Grant, Denial> {
    if grant.validity.contains(now_ms) {
        Ok(grant)
    } else {
        Err(Denial::KeyExpired)
    }
}

#[cfg(test)]
mod tests;
