//! The keys of an issuer, from a PEM file, a JWK set or a secret, and the selection of the key for a token.
//!
//! Keys are fully checked when they are loaded, so that an unusable key is reported then and not when a
//! token is verified. Loading keys installs ring as the cryptography provider.

mod jwks;
mod material;
mod pem;

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::digest::{Context, SHA256};

use self::{jwks::OnUnusable, material::KeyKind};
use super::{AuthError, provider};

/// The verification keys of an issuer; never empty.
#[derive(Clone, Debug)]
pub struct VerificationKeys {
    keys: Vec<VerificationKey>,
    /// Whether the `kid` of a token must match: keys from PEM files and secrets have none.
    chosen_by_kid: bool,
}

/// One key.
#[derive(Clone, Debug)]
pub(super) struct VerificationKey {
    id: Option<Box<str>>,
    /// The configured algorithms that match the kind of the key; never empty.
    algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
    pub(super) identity: KeyIdentity,
}

/// The SHA-256 of a key's bytes: keys that have the same, of the same algorithm, verify the same signatures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyIdentity([u8; 32]);

/// Why keys can't be used. An error of the operator or, for fetched keys, of the issuer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

/// Loaded keys, and one line for each skipped key.
#[derive(Debug)]
pub struct LoadedKeys {
    /// The usable keys.
    pub keys: VerificationKeys,
    /// The reasons for skipped keys: keys of a set for other purposes (RFC 7517 section 5) and, in a fetched
    /// set, unusable keys.
    pub skipped: Vec<String>,
}

impl VerificationKeys {
    /// One public key: SPKI (`PUBLIC KEY`), PKCS#1 (`RSA PUBLIC KEY`) or a certificate
    /// (RFC 7468, RFC 8017 appendix A.1.1). Text around it is skipped.
    ///
    /// Only the key of a certificate is used. Its signature and validity are not checked: configuring the
    /// file means trusting the key.
    ///
    /// # Errors
    /// The file has no public key (for example, a private key), or the key is not supported: RSA keys need
    /// 2,048 to 8,192 bits, EC keys P-256 or P-384, Edwards keys Ed25519, and `algorithms` must contain an
    /// algorithm for the key.
    pub fn from_pem(pem: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let (kind, key) = pem::public_key(pem).map_err(KeyError)?;
        Self::only(kind, key, algorithms)
    }

    /// A JWK set (RFC 7517 section 5), of at most 256 keys.
    ///
    /// # Errors
    /// The set is malformed or has no usable key; or it has unusable keys, which include private keys and
    /// duplicate `kid`s. All of them are reported, by index and `kid`.
    pub fn from_jwks(json: &[u8], algorithms: &[Algorithm]) -> Result<LoadedKeys, KeyError> {
        Self::from_set(json, algorithms, OnUnusable::Reject)
    }

    /// As [`VerificationKeys::from_jwks`], but for a fetched set: unusable keys are skipped. Rejecting the
    /// whole set would keep the previous keys in use, including revoked ones.
    ///
    /// # Errors
    /// The set is malformed, or has no usable key.
    pub fn from_fetched_jwks(
        json: &[u8],
        algorithms: &[Algorithm],
    ) -> Result<LoadedKeys, KeyError> {
        Self::from_set(json, algorithms, OnUnusable::Skip)
    }

    fn from_set(
        json: &[u8],
        algorithms: &[Algorithm],
        on_unusable: OnUnusable,
    ) -> Result<LoadedKeys, KeyError> {
        provider::install();
        let (keys, skipped) = jwks::usable(json, algorithms, on_unusable).map_err(KeyError)?;
        Ok(LoadedKeys {
            keys: Self {
                keys,
                chosen_by_kid: true,
            },
            skipped,
        })
    }

    /// An HMAC secret: all bytes of the file except a trailing line break.
    ///
    /// # Errors
    /// It is shorter than the hash of a configured algorithm (RFC 7518 section 3.2), or a PEM file.
    pub fn from_secret(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let secret = match secret.strip_suffix(b"\n") {
            Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
            None => secret,
        };
        if pem::is_pem(secret) {
            return Err(KeyError(
                "a PEM file, not a secret: use public_key_file for it".to_owned(),
            ));
        }
        let fitting = KeyKind::Secret.fitting(algorithms);
        let key = material::secret(secret, &fitting).map_err(KeyError)?;
        Self::only(KeyKind::Secret, key, algorithms)
    }

    fn only(kind: KeyKind, key: DecodingKey, algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let fitting = kind.fitting(algorithms);
        if fitting.is_empty() {
            return Err(KeyError(format!("{kind}, {}", kind.unlisted(algorithms))));
        }
        provider::install();
        Ok(Self {
            keys: vec![VerificationKey::new(None, fitting, key)],
            chosen_by_kid: false,
        })
    }

    /// The key for a token: the one with its `kid` or, if it has none, the only one for its algorithm. The
    /// key of a PEM file or a secret, which has no `kid`, matches any.
    ///
    /// # Errors
    /// [`AuthError::KeyId`] if no key, or more than one, matches.
    pub fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<&DecodingKey, AuthError> {
        self.select(algorithm, kid).map(|key| &key.key)
    }

    /// As [`VerificationKeys::find`].
    pub(super) fn select(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> Result<&VerificationKey, AuthError> {
        let kid = kid.filter(|_| self.chosen_by_kid);
        let mut fitting = self.keys.iter().filter(|key| {
            key.algorithms.contains(&algorithm)
                && kid.is_none_or(|kid| key.id.as_deref() == Some(kid))
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(AuthError::KeyId),
        }
    }

    /// The number of keys.
    #[expect(clippy::len_without_is_empty, reason = "there is always a key")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }
}

impl VerificationKey {
    fn new(id: Option<Box<str>>, algorithms: Vec<Algorithm>, key: DecodingKey) -> Self {
        Self {
            id,
            algorithms,
            identity: KeyIdentity::of(&key),
            key,
        }
    }
}

impl KeyIdentity {
    fn of(key: &DecodingKey) -> Self {
        let mut context = Context::new(&SHA256);
        match key.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => {
                context.update(&[0]);
                context.update(bytes);
            }
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                context.update(&[1]);
                // The length says where the modulus ends.
                context.update(&n.len().to_be_bytes());
                context.update(n);
                context.update(e);
            }
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(context.finish().as_ref());
        Self(identity)
    }
}

/// Without the hash, which may be that of a secret.
impl fmt::Debug for KeyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyIdentity")
    }
}
