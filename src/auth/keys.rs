//! An issuer's keys: from PEM, from a JWK set, from a secret; which one a token is checked with.
//!
//! Whatever can be known of a key without a token is looked at when it is loaded, so that a key that
//! must not be used, or can't be, is no surprise later. Where there are keys, ring is what verifies
//! with them.

mod jwks;
mod material;
mod pem;

use jsonwebtoken::{Algorithm, DecodingKey};

use self::{jwks::Unfit, material::Kind};
use super::{Denial, provider};

/// The keys that an issuer's tokens may be signed with; never empty.
#[derive(Clone, Debug)]
pub struct VerificationKeys {
    keys: Vec<VerificationKey>,
    /// Whether a token's `kid` has to be that of a key: a PEM and a secret have none.
    chosen_by_kid: bool,
}

#[derive(Clone, Debug)]
struct VerificationKey {
    id: Option<Box<str>>,
    /// Of those that are listed, those that are for keys of its kind; never empty.
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
    /// Keys of a set that are meant for something else (RFC 7517 section 5); of one that was fetched,
    /// those that must not be used, too.
    pub left_out: Vec<String>,
}

impl VerificationKeys {
    /// One public key: SPKI (`PUBLIC KEY`), PKCS#1 (`RSA PUBLIC KEY`) or a certificate
    /// (RFC 7468, RFC 8017 appendix A.1.1). Text around it is skipped.
    ///
    /// Of a certificate only its key counts, not who signed it, nor until when: whoever names the
    /// file trusts the key.
    ///
    /// # Errors
    /// What the file is, a private key for one; or what is wrong with its key: RSA keys have 2,048 to
    /// 8,192 bits, EC keys are on P-256 or P-384, Edwards keys on Ed25519, and each is for an algorithm
    /// that is listed.
    pub fn from_pem(pem: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let (kind, key) = pem::public_key(pem).map_err(KeyError)?;
        Self::only(kind, key, algorithms)
    }

    /// A JWK set (RFC 7517 section 5), of at most 256 keys.
    ///
    /// # Errors
    /// It can't be read; all keys that must not be used, by their place and `kid`, a private key
    /// among them; two with one `kid`; no key that can be used.
    pub fn from_jwks(json: &[u8], algorithms: &[Algorithm]) -> Result<Loaded, KeyError> {
        Self::from_set(json, algorithms, Unfit::Refuse)
    }

    /// As [`VerificationKeys::from_jwks`], of a set that was fetched: keys that must not be used are left
    /// out as well. To refuse the set for one of them would keep the keys of before, and with
    /// them those that their issuer has taken back.
    ///
    /// # Errors
    /// It can't be read; no key that can be used.
    pub fn from_fetched_jwks(json: &[u8], algorithms: &[Algorithm]) -> Result<Loaded, KeyError> {
        Self::from_set(json, algorithms, Unfit::LeaveOut)
    }

    fn from_set(
        json: &[u8],
        algorithms: &[Algorithm],
        about_unfit: Unfit,
    ) -> Result<Loaded, KeyError> {
        provider::install();
        let (keys, left_out) = jwks::usable(json, algorithms, about_unfit).map_err(KeyError)?;
        Ok(Loaded {
            keys: Self {
                keys,
                chosen_by_kid: true,
            },
            left_out,
        })
    }

    /// A secret for HMAC: all bytes of the file but a line end at its end.
    ///
    /// # Errors
    /// It is shorter than the hash of a listed algorithm (RFC 7518 section 3.2), or a PEM, of which
    /// one part is no secret.
    pub fn from_secret(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let secret = match secret.strip_suffix(b"\n") {
            Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
            None => secret,
        };
        if pem::is_pem(secret) {
            return Err(KeyError(
                "a PEM file, which is no secret: name it as public_key_file".to_owned(),
            ));
        }
        let fitting = Kind::Secret.fitting(algorithms);
        let key = material::secret(secret, &fitting).map_err(KeyError)?;
        Self::only(Kind::Secret, key, algorithms)
    }

    fn only(kind: Kind, key: DecodingKey, algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let fitting = kind.fitting(algorithms);
        if fitting.is_empty() {
            return Err(KeyError(format!("{kind}, {}", kind.unlisted(algorithms))));
        }
        provider::install();
        Ok(Self {
            keys: vec![VerificationKey {
                id: None,
                algorithms: fitting,
                key,
            }],
            chosen_by_kid: false,
        })
    }

    /// The key for a token: that of its `kid`, or, where it names none, the only one that fits. The
    /// key of a PEM or a secret, which has no `kid`, fits any.
    ///
    /// # Errors
    /// [`Denial::KeyId`].
    pub fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&DecodingKey, Denial> {
        let kid = kid.filter(|_| self.chosen_by_kid);
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithms.contains(&algorithm)
                && kid.is_none_or(|kid| key.id.as_deref() == Some(kid))
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(&key.key),
            _ => Err(Denial::KeyId),
        }
    }

    /// How many keys there are.
    #[expect(clippy::len_without_is_empty, reason = "there is always a key")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }
}
