//! The keys and rules for authentication, as one immutable part of a snapshot.

use std::{
    collections::{BTreeMap, HashMap},
    str,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Auth, AuthError, Denial, FetchedKeys, Grant, KeyHash, Principal, Scope, Validity, Verified,
    VerifyError,
    certificate::CertificateRules,
    issuer_keys::{CheckedJwt, IssuerKeys},
    jwt,
    jwt::Jwt,
    provider,
    verified::Proof,
};
use crate::{quota::Allowance, route::RouteTable, tls::ClientCertificate};

/// The number of sets made so far.
static SETS: AtomicU64 = AtomicU64::new(0);

/// Issuers with their keys, and API keys with their grants.
#[derive(Debug)]
pub struct KeySet {
    /// No two sets of a process have the same: a grant of another set does not hold in this one.
    serial: u64,
    api_keys: HashMap<KeyHash, Grant>,
    has_sha256: bool,
    has_pbkdf2: bool,
    has_page_keys: bool,
    issuers: HashMap<Box<str>, IssuerKeys>,
    certificates: CertificateRules,
    routes: Arc<RouteTable>,
}

/// A credential that passed the cheap checks and still has to be [verified](UnverifiedCredential::verify).
pub struct UnverifiedCredential<'k> {
    kind: CredentialKind<'k>,
    /// Whether the same keys have verified its signature before.
    is_authentic: bool,
}

enum CredentialKind<'k> {
    /// An API key found by its SHA-256.
    Sha256 {
        hash: KeyHash,
        grant: &'k Grant,
    },
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
    pub fn new(auth: &Auth, fetched: &[Arc<FetchedKeys>], routes: &Arc<RouteTable>) -> Arc<Self> {
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
                origins: key.origins.clone(),
                allowance: key.bucket.clone().map(Allowance::Own),
            };
            (key.hash, grant)
        });
        let issuers = auth.issuers.iter().enumerate().map(|(index, issuer)| {
            let keys = IssuerKeys::new(issuer, fetched.get(index));
            (issuer.issuer.clone(), keys)
        });
        let hashes = || auth.api_keys.iter().map(|key| key.hash);
        Arc::new(Self {
            serial: SETS.fetch_add(1, Ordering::Relaxed),
            has_sha256: hashes().any(|hash| matches!(hash, KeyHash::Sha256(_))),
            has_pbkdf2: hashes().any(|hash| matches!(hash, KeyHash::Pbkdf2(_))),
            has_page_keys: auth.api_keys.iter().any(|key| key.origins.is_some()),
            api_keys: api_keys.collect(),
            issuers: issuers.collect(),
            certificates: CertificateRules::new(&auth.certificates, routes),
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
    ) -> Result<UnverifiedCredential<'k>, Denial> {
        if !is_token(token) {
            return Err(AuthError::Malformed.into());
        }
        if self.has_sha256 {
            let hash = KeyHash::sha256(token);
            if let Some(grant) = self.api_keys.get(&hash) {
                unexpired_key(grant, now_ms)?;
                return Ok(CredentialKind::Sha256 { hash, grant }.into());
            }
        }
        if KeyHash::is_moose_token(token) {
            return if self.has_pbkdf2 {
                let keys = self;
                Ok(CredentialKind::Pbkdf2 { keys, token }.into())
            } else {
                Err(AuthError::UnknownKey.into())
            };
        }
        let text = str::from_utf8(token).map_err(|_| AuthError::Malformed)?;
        if jwt::has_three_parts(text) && !self.issuers.is_empty() {
            let (keys, token) = (self, text);
            return Ok(CredentialKind::Jwt { keys, token }.into());
        }
        let error = if self.has_sha256 {
            AuthError::UnknownKey
        } else {
            AuthError::Malformed
        };
        Err(error.into())
    }

    /// Which API keys expire, by their names, and when, in milliseconds since 1970.
    pub fn expiry_ms(&self) -> BTreeMap<&str, u64> {
        let keys = self.api_keys.values();
        keys.filter(|grant| grant.validity.until_ms < u64::MAX)
            .filter_map(|grant| Some((grant.name.as_deref()?, grant.validity.until_ms)))
            .collect()
    }

    /// Whether there are keys for pages, which a query may have.
    pub fn has_page_keys(&self) -> bool {
        self.has_page_keys
    }

    /// Whether a token is a key for pages, which takes about a microsecond.
    pub fn is_page_key(&self, token: &[u8]) -> bool {
        let grant = self.api_keys.get(&KeyHash::sha256(token));
        grant.is_some_and(|grant| grant.origins.is_some())
    }

    /// The principal of a client with this certificate, which was verified.
    ///
    /// # Errors
    /// It is of no client that is configured.
    pub fn certificate(&self, certificate: &ClientCertificate) -> Result<Principal, AuthError> {
        self.certificates.find(certificate)
    }

    /// Distinguishes this set from all others of the process.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// The API key with this hash.
    fn api_key(&self, hash: KeyHash, now_ms: u64) -> Result<Verified, Denial> {
        let grant = self.api_keys.get(&hash).ok_or(AuthError::UnknownKey)?;
        unexpired_key(grant, now_ms)?;
        Ok(Verified {
            grant: grant.clone(),
            proof: Proof::Hash(hash),
        })
    }

    /// All checks of a JWT except the signature, which is expensive: format, issuer, algorithm, claims, key.
    /// An error of the claims is left in the result, unless there is no key.
    fn check_jwt<'k>(&'k self, token: &'k str, now_ms: u64) -> Result<CheckedJwt<'k>, VerifyError> {
        let jwt = Jwt::parse(token)?;
        let issuer = self.issuers.get(jwt.claims.issuer()?);
        let issuer = issuer.ok_or(AuthError::Issuer)?;
        issuer.check(jwt, token, now_ms)
    }
}

impl<'k> From<CredentialKind<'k>> for UnverifiedCredential<'k> {
    fn from(kind: CredentialKind<'k>) -> Self {
        Self {
            kind,
            is_authentic: false,
        }
    }
}

impl UnverifiedCredential<'_> {
    /// The same credential, whose signature the same keys have verified before: it is verified again only if
    /// nothing else is wrong.
    #[must_use]
    pub fn authentic(self) -> Self {
        Self {
            is_authentic: true,
            ..self
        }
    }

    /// Whether the cheap checks already verified it, so that no verification slot is needed.
    pub fn is_resolved(&self) -> bool {
        matches!(self.kind, CredentialKind::Sha256 { .. })
    }

    /// Completes the verification: 100 to 220 µs for PBKDF2; for a JWT a few to parse it (hundreds, if it
    /// has thousands of members) and up to 75 for its signature, more than 1,000 for ES384.
    ///
    /// # Errors
    /// Why the credential is rejected.
    pub fn verify(self, now_ms: u64) -> Result<Verified, VerifyError> {
        let is_authentic = self.is_authentic;
        Ok(match self.kind {
            CredentialKind::Sha256 { hash, grant } => {
                unexpired_key(grant, now_ms)?;
                Verified {
                    grant: grant.clone(),
                    proof: Proof::Hash(hash),
                }
            }
            CredentialKind::Pbkdf2 { keys, token } => {
                let hash = KeyHash::pbkdf2(token).ok_or(AuthError::Malformed)?;
                keys.api_key(hash, now_ms)?
            }
            CredentialKind::Jwt { keys, token } => {
                let jwt = keys.check_jwt(token, now_ms)?;
                jwt.verify(&keys.routes, is_authentic)?
            }
        })
    }

    /// As [`UnverifiedCredential::verify`], for a token that was verified with another key set and has
    /// this proof, but without hash and signature where the proof decides; `None` where it does not.
    pub(super) fn renew(self, proof: Proof, now_ms: u64) -> Option<Result<Verified, Denial>> {
        let renewed = match (self.kind, proof) {
            (kind @ CredentialKind::Sha256 { .. }, _) => Self::from(kind).verify(now_ms),
            (CredentialKind::Pbkdf2 { keys, .. }, Proof::Hash(hash @ KeyHash::Pbkdf2(_))) => {
                keys.api_key(hash, now_ms).map_err(VerifyError::from)
            }
            (CredentialKind::Jwt { keys, token }, Proof::Signature(identity)) => {
                match keys.check_jwt(token, now_ms) {
                    Ok(jwt) if jwt.key_identity() == identity => {
                        jwt.verified(&keys.routes).map_err(Into::into)
                    }
                    Ok(_) => return None,
                    Err(error) => Err(error),
                }
            }
            (CredentialKind::Pbkdf2 { .. } | CredentialKind::Jwt { .. }, _) => return None,
        };
        match renewed {
            Ok(verified) => Some(Ok(verified)),
            Err(VerifyError::Rejected(error)) => Some(Err(error)),
            // Another set may be fetched that has it.
            Err(VerifyError::UnknownKey(_)) => None,
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

fn unexpired_key(grant: &Grant, now_ms: u64) -> Result<(), Denial> {
    if grant.validity.contains(now_ms) {
        Ok(())
    } else {
        Err(Denial::of_authentic(AuthError::KeyExpired))
    }
}

#[cfg(test)]
mod tests;
