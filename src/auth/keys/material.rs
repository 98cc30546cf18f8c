//! Kinds of keys, their algorithms, and the checks of keys of each kind.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};
use ring::{
    agreement::{self, ECDH_P256, ECDH_P384, EphemeralPrivateKey},
    rand::SystemRandom,
    signature::{ED25519, UnparsedPublicKey},
};

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Rsa,
    P256,
    P384,
    Ed25519,
    Secret,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "an RSA key",
            Self::P256 => "an EC key on P-256",
            Self::P384 => "an EC key on P-384",
            Self::Ed25519 => "an Ed25519 key",
            Self::Secret => "a secret",
        })
    }
}

impl KeyKind {
    /// The algorithms for keys of this kind (RFC 7518 section 3.1, RFC 8037 section 3.1).
    pub(super) fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Rsa => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            Self::P256 => &[Algorithm::ES256],
            Self::P384 => &[Algorithm::ES384],
            Self::Ed25519 => &[Algorithm::EdDSA],
            Self::Secret => &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512],
        }
    }

    /// The configured algorithms for keys of this kind.
    pub(super) fn fitting(self, listed: &[Algorithm]) -> Vec<Algorithm> {
        let fitting = self.algorithms().iter().filter(|it| listed.contains(it));
        fitting.copied().collect()
    }

    /// The message that none of them is configured, to follow the name of the kind.
    pub(super) fn unlisted(self, listed: &[Algorithm]) -> String {
        let (fitting, listed) = (names(self.algorithms()), names(listed));
        format!("which is for {fitting}; `algorithms` lists {listed}")
    }
}

/// Their names, separated by commas.
pub(super) fn names(algorithms: &[Algorithm]) -> String {
    let names: Vec<_> = algorithms.iter().map(|it| format!("{it:?}")).collect();
    names.join(", ")
}

/// An RSA key from its modulus and exponent, both big-endian without leading zeros: 2,048 to 8,192 bits,
/// and an exponent that ring accepts, an odd number from 3 to 2³³ - 1.
pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<DecodingKey, String> {
    const EXPONENT_MAX: u64 = (1 << 33) - 1;
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err(format!(
            "its modulus has {bits} bits: 2,048 to 8,192 are allowed"
        ));
    }
    if n.last().is_some_and(|byte| byte % 2 == 0) {
        return Err("its modulus is even".to_owned());
    }
    let exponent = match e.len() {
        1..=8 => e.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        _ => u64::MAX,
    };
    if exponent % 2 == 0 || !(3..=EXPONENT_MAX).contains(&exponent) {
        return Err(
            "its exponent is not an odd number from 3 to 2^33 - 1: 65,537 is usual".to_owned(),
        );
    }
    Ok(DecodingKey::from_rsa_raw_components(n, e))
}

/// An EC key from its point in uncompressed form (SEC 1 section 2.3.3): 4, x, y. ring checks that the
/// point is on the curve during a key agreement with it (SP 800-56A section 5.6.2.3.4).
pub(super) fn ec(kind: KeyKind, point: &[u8]) -> Result<DecodingKey, String> {
    let (ecdh, len) = match kind {
        KeyKind::P384 => (&ECDH_P384, 97),
        _ => (&ECDH_P256, 65),
    };
    if point.len() != len || point[0] != 4 {
        return Err("its point is not in uncompressed form: convert the key".to_owned());
    }
    let peer = agreement::UnparsedPublicKey::new(ecdh, point);
    EphemeralPrivateKey::generate(ecdh, &SystemRandom::new())
        .and_then(|ours| agreement::agree_ephemeral(ours, &peer, |_| ()))
        .map_err(|_| "its point is not on its curve".to_owned())?;
    Ok(DecodingKey::from_ec_der(point))
}

/// An Ed25519 key from its point (RFC 8032 section 5.1.2). ring does not report invalid points; no
/// signature verifies with them. Points of small order are rejected.
pub(super) fn ed25519(point: &[u8]) -> Result<DecodingKey, String> {
    if point.len() != 32 {
        return Err(format!(
            "it has {} bytes: Ed25519 keys have 32",
            point.len()
        ));
    }
    if accepts_forged_signatures(point) {
        return Err("its point is of small order: anyone can forge signatures for it".to_owned());
    }
    Ok(DecodingKey::from_ed_der(point))
}

/// With S = 0 and R = the neutral element, a signature verifies if the key times the hash of R, key and
/// message is neutral: if the hash is a multiple of the key's order, which happens only for orders up
/// to 8.
fn accepts_forged_signatures(point: &[u8]) -> bool {
    let mut signature = [0; 64];
    signature[0] = 1;
    let key = UnparsedPublicKey::new(&ED25519, point);
    (0..64_u8).any(|message| key.verify(&[message], &signature).is_ok())
}

/// A secret at least as long as the largest hash it is used with (RFC 7518 section 3.2).
pub(super) fn secret(secret: &[u8], used_for: &[Algorithm]) -> Result<DecodingKey, String> {
    for (algorithm, len_min) in [
        (Algorithm::HS512, 64),
        (Algorithm::HS384, 48),
        (Algorithm::HS256, 32),
    ] {
        if used_for.contains(&algorithm) && secret.len() < len_min {
            return Err(format!(
                "a secret of {} bytes: {algorithm:?} needs at least {len_min} random bytes",
                secret.len()
            ));
        }
    }
    Ok(DecodingKey::from_secret(secret))
}
