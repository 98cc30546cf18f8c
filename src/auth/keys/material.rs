//! Kinds of keys, the algorithms that each is for, and what a key of a kind must be.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};
use ring::{
    agreement::{self, ECDH_P256, ECDH_P384, EphemeralPrivateKey},
    rand::SystemRandom,
    signature::{ED25519, UnparsedPublicKey},
};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
    Secret,
}

impl fmt::Display for Kind {
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

impl Kind {
    /// The algorithms that are for keys of this kind, and no others (RFC 7518 section 3.1, RFC 8037
    /// section 3.1).
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

    /// Those of them that are listed.
    pub(super) fn fitting(self, listed: &[Algorithm]) -> Vec<Algorithm> {
        let fitting = self.algorithms().iter().filter(|it| listed.contains(it));
        fitting.copied().collect()
    }

    /// That none of them is listed, to follow the kind's name.
    pub(super) fn unlisted(self, listed: &[Algorithm]) -> String {
        let (fitting, listed) = (names(self.algorithms()), names(listed));
        format!("which is for {fitting}; `algorithms` lists {listed}")
    }
}

/// As they are written, one after the other.
pub(super) fn names(algorithms: &[Algorithm]) -> String {
    let names: Vec<_> = algorithms.iter().map(|it| format!("{it:?}")).collect();
    names.join(", ")
}

/// An RSA key, by its modulus and exponent in the fewest bytes, big endian: 2,048 to 8,192 bits, and
/// what ring takes as exponent, an odd number from 3 to 2³³ - 1.
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

/// An EC key, by its point as SEC 1 section 2.3.3 writes it uncompressed: 4, x, y. The point is on
/// the curve if ring agrees on a key with its owner (SP 800-56A section 5.6.2.3.4).
pub(super) fn ec(kind: Kind, point: &[u8]) -> Result<DecodingKey, String> {
    let (ecdh, len) = match kind {
        Kind::P384 => (&ECDH_P384, 97),
        _ => (&ECDH_P256, 65),
    };
    if point.len() != len || point[0] != 4 {
        return Err("its point is not written uncompressed: convert the key".to_owned());
    }
    let owner = agreement::UnparsedPublicKey::new(ecdh, point);
    EphemeralPrivateKey::generate(ecdh, &SystemRandom::new())
        .and_then(|ours| agreement::agree_ephemeral(ours, &owner, |_| ()))
        .map_err(|_| "its point is not on its curve".to_owned())?;
    Ok(DecodingKey::from_ec_der(point))
}

/// An Ed25519 key, by its point (RFC 8032 section 5.1.2). Of one that is no point no signature is
/// good, which ring does not tell apart from a wrong signature; one of small order is refused.
pub(super) fn ed25519(point: &[u8]) -> Result<DecodingKey, String> {
    if point.len() != 32 {
        return Err(format!("it has {} bytes: Ed25519 has 32", point.len()));
    }
    if verifies_what_nobody_signed(point) {
        return Err("its point is of small order: anybody can sign for it".to_owned());
    }
    Ok(DecodingKey::from_ed_der(point))
}

/// With S = 0 and the neutral element as R, a signature is good where the hash of R, the key and the
/// message, times the key, is neutral: where the hash is a multiple of the key's order, which no
/// hash is but for orders up to 8.
fn verifies_what_nobody_signed(point: &[u8]) -> bool {
    let mut signature = [0; 64];
    signature[0] = 1;
    let key = UnparsedPublicKey::new(&ED25519, point);
    (0..64_u8).any(|message| key.verify(&[message], &signature).is_ok())
}

/// A secret that is as long as the largest hash it serves, or longer (RFC 7518 section 3.2).
pub(super) fn secret(secret: &[u8], serves: &[Algorithm]) -> Result<DecodingKey, String> {
    for (algorithm, len_min) in [
        (Algorithm::HS512, 64),
        (Algorithm::HS384, 48),
        (Algorithm::HS256, 32),
    ] {
        if serves.contains(&algorithm) && secret.len() < len_min {
            return Err(format!(
                "a secret of {} bytes: {algorithm:?} needs {len_min} or more, made at random",
                secret.len()
            ));
        }
    }
    Ok(DecodingKey::from_secret(secret))
}
