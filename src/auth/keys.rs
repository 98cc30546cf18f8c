//! An issuer's keys: from PEM, from a JWK set, from a secret; which one a token is checked with.

use jsonwebtoken::{Algorithm, DecodingKey};

use super::Denial;

/// The keys that an issuer's tokens may be signed with; never empty.
#[derive(Clone, Debug)]
pub struct VerificationKeys {
    keys: Vec<VerificationKey>,
}

#[derive(Clone, Debug)]
struct VerificationKey {
    id: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Why keys can't be used. The operator's, or, of keys that were fetched, their issuer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

/// Keys, and what was left out with the reason, one line each.
#[derive(Debug)]
pub struct Loaded {
    /// What can be used.
    pub keys: VerificationKeys,
    /// Keys of a set that are meant for something else (RFC 7517 section 5).
    pub left_out: Vec<String>,
}

impl VerificationKeys {
    /// One public key: SPKI (`PUBLIC KEY`), PKCS#1 (`RSA PUBLIC KEY`) or a certificate
    /// (RFC 7468, RFC 8017 appendix A.1.1).
    ///
    /// # Errors
    /// What the file is, or what is wrong with its key.
    pub fn from_pem(_pem: &[u8], _algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        Err(KeyError("not yet".to_owned()))
    }

    /// A JWK set (RFC 7517 section 5).
    ///
    /// # Errors
    /// A key that must not be used, named; no key that can be used.
    pub fn from_jwks(_json: &[u8], _algorithms: &[Algorithm]) -> Result<Loaded, KeyError> {
        Err(KeyError("not yet".to_owned()))
    }

    /// A secret for HMAC: all bytes of the file but a line end at its end.
    ///
    /// # Errors
    /// It is shorter than the hash of an algorithm (RFC 7518 section 3.2).
    pub fn from_secret(_secret: &[u8], _algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        Err(KeyError("not yet".to_owned()))
    }

    /// The key for a token: that of its `kid`, or, where it names none, the only one that fits.
    ///
    /// # Errors
    /// [`Denial::KeyId`].
    pub fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&DecodingKey, Denial> {
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithms.contains(&algorithm)
                && kid.is_none_or(|kid| key.id.as_deref() == Some(kid))
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(&key.key),
            _ => Err(Denial::KeyId),
        }
    }
}
