//! The keys and rules for authentication, as one immutable part of a snapshot.

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
    Auth, AuthError, Globs, Grant, Issuer, KeyHash, KeySource, Scope, Validity, VerificationKeys,
    jwt, jwt::Jwt, provider,
};
use crate::route::RouteTable;

/// Issuers with their keys, and API keys with their grants.
#[derive(Debug)]
pub struct KeySet {
    api_keys: HashMap<KeyHash, Grant>,
    has_sha256: bool,
    has_pbkdf2: bool,
    issuers: HashMap<Box<str>, IssuerKeys>,
    routes: Arc<RouteTable>,
}

/// An issuer with its keys.
#[derive(Debug)]
struct IssuerKeys {
    issuer: Arc<Issuer>,
    /// `None` if at a URL and not fetched yet.
    keys: Option<Arc<VerificationKeys>>,
    /// Set when a token names an unknown key; `None` if the keys are not at a URL.
    unknown_key_seen: Option<Arc<AtomicBool>>,
}

/// The keys of an issuer, fetched from its URL.
#[derive(Clone, Debug, Default)]
pub struct FetchedKeys {
    /// The keys as last fetched; `None` if never fetched.
    pub keys: Option<Arc<VerificationKeys>>,
    /// Set when a token names an unknown key; makes the fetcher fetch again.
    pub unknown_key_seen: Arc<AtomicBool>,
}

/// A credential that passed the cheap checks and still has to be [verified](UnverifiedCredential::verify).
pub struct UnverifiedCredential<'k>(CredentialKind<'k>);

enum CredentialKind<'k> {
    /// An API key found by its SHA-256.
    Sha256(&'k Grant),
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
    /// A key set for these routes. `fetched` has one entry per issuer, in order; the entry of an issuer
    /// whose keys are in a file is ignored.
    pub fn new(auth: &Auth, fetched: &[FetchedKeys], routes: &Arc<RouteTable>) -> Arc<Self> {
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
            let (keys, unknown_key_seen) = match &issuer.keys {
                KeySource::File(keys) => (Some(Arc::clone(keys)), None),
                KeySource::Url(_) => {
                    let fetched = fetched.get(index).cloned().unwrap_or_default();
                    (fetched.keys, Some(fetched.unknown_key_seen))
                }
            };
            let keys = IssuerKeys {
                issuer: Arc::clone(issuer),
                keys,
                unknown_key_seen,
            };
            (issuer.issuer.clone(), keys)
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

    /// Checks the format of a token and looks up its SHA-256, which takes about a microsecond.
    ///
    /// # Errors
    /// The token is not of a configured kind, or its API key has expired.
    pub fn check<'k>(
        &'k self,
        token: &'k [u8],
        now_ms: u64,
    ) -> Result<UnverifiedCredential<'k>, AuthError> {
        if !is_token(token) {
            return Err(AuthError::Malformed);
        }
        if self.has_sha256
            && let Some(grant) = self.api_keys.get(&KeyHash::sha256(token))
        {
            return unexpired_key(grant, now_ms)
                .map(|grant| UnverifiedCredential(CredentialKind::Sha256(grant)));
        }
        if KeyHash::is_moose_token(token) {
            return if self.has_pbkdf2 {
                let keys = self;
                Ok(UnverifiedCredential(CredentialKind::Pbkdf2 { keys, token }))
            } else {
                Err(AuthError::UnknownKey)
            };
        }
        let text = str::from_utf8(token).map_err(|_| AuthError::Malformed)?;
        if jwt::has_three_parts(text) && !self.issuers.is_empty() {
            let (keys, token) = (self, text);
            return Ok(UnverifiedCredential(CredentialKind::Jwt { keys, token }));
        }
        Err(if self.has_sha256 {
            AuthError::UnknownKey
        } else {
            AuthError::Malformed
        })
    }

    /// Checks format, issuer, algorithm, claims and key before the signature, which is expensive.
    fn verify_jwt(&self, token: &str, now_ms: u64) -> Result<Grant, AuthError> {
        let jwt = Jwt::parse(token)?;
        let issuer_keys = self.issuers.get(jwt.claims.issuer()?);
        let issuer_keys = issuer_keys.ok_or(AuthError::Issuer)?;
        let issuer = &issuer_keys.issuer;
        if !issuer.algorithms.contains(&jwt.algorithm) {
            return Err(AuthError::Algorithm);
        }
        let validity = jwt.claims.validate(issuer, now_ms)?;
        let key = issuer_keys.key(jwt.algorithm, jwt.kid.as_deref())?;
        let verified = crypto::verify(jwt.signature, jwt.message, key, jwt.algorithm);
        if !matches!(verified, Ok(true)) {
            return Err(AuthError::Signature);
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

impl IssuerKeys {
    fn key(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&DecodingKey, AuthError> {
        let keys = self.keys.as_ref().ok_or(AuthError::KeysUnavailable)?;
        let found = keys.find(algorithm, kid);
        if let (Err(_), Some(unknown_key_seen)) = (&found, &self.unknown_key_seen) {
            unknown_key_seen.store(true, Ordering::Relaxed);
        }
        found
    }
}

impl UnverifiedCredential<'_> {
    /// Whether the cheap checks already verified it, so that no verification slot is needed.
    pub fn is_resolved(&self) -> bool {
        matches!(self.0, CredentialKind::Sha256(_))
    }

    /// Completes the verification: 100 to 220 µs for PBKDF2; for a JWT a few to parse it (hundreds, if it
    /// has thousands of members) and up to 75 for its signature, more than 1,000 for ES384.
    ///
    /// # Errors
    /// Why the credential is rejected.
    pub fn verify(self, now_ms: u64) -> Result<Grant, AuthError> {
        match self.0 {
            CredentialKind::Sha256(grant) => unexpired_key(grant, now_ms).cloned(),
            CredentialKind::Pbkdf2 { keys, token } => {
                let hash = KeyHash::pbkdf2(token).ok_or(AuthError::Malformed)?;
                let grant = keys.api_keys.get(&hash).ok_or(AuthError::UnknownKey)?;
                unexpired_key(grant, now_ms).cloned()
            }
            CredentialKind::Jwt { keys, token } => keys.verify_jwt(token, now_ms),
        }
    }
}

/// Whether it has the syntax of a token (RFC 6750 section 2.1: `b64token`).
fn is_token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let characters = &token[..token.len() - padding];
    let is_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !characters.is_empty() && characters.iter().all(is_one)
}

fn unexpired_key(grant: &Grant, now_ms: u64) -> Result<&Grant, AuthError> {
    if grant.validity.contains(now_ms) {
        Ok(grant)
    } else {
        Err(AuthError::KeyExpired)
    }
}

#[cfg(test)]
mod tests;
