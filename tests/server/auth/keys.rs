//! The tests' own keys, and signing with them by ring.

use std::sync::LazyLock;

use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding, RsaKeyPair,
    },
};

use super::token::{base64, from_base64};

/// That of the issuer [`super::issuers::RS`].
pub(crate) const RSA_1_PUBLIC_PEM: &str = include_str!("keys/rsa-1.pub.pem");
pub(crate) const P384_PUBLIC_PEM: &str = include_str!("keys/p384.pub.pem");
pub(crate) const ED25519_PUBLIC_PEM: &str = include_str!("keys/ed25519.pub.pem");
/// Of [`RSA_2`], signed by itself.
pub(crate) const RSA_2_CERTIFICATE_PEM: &str = include_str!("keys/rsa-2.crt.pem");

/// What the issuers with `secret_file` share with ringest.
pub(crate) const SECRET: &[u8] = b"a secret of the tests, 40 bytes at least";
pub(crate) const OTHER_SECRET: &[u8] =
    b"another secret, for the issuer that asks for more than a signature";

pub(crate) static RSA_1: LazyLock<RsaKeyPair> =
    LazyLock::new(|| rsa(include_str!("keys/rsa-1.key.pem")));
pub(crate) static RSA_2: LazyLock<RsaKeyPair> =
    LazyLock::new(|| rsa(include_str!("keys/rsa-2.key.pem")));
pub(crate) static P256_1: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    let pem = include_str!("keys/p256-1.key.pem");
    ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, pem)
});
pub(crate) static P256_2: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    let pem = include_str!("keys/p256-2.key.pem");
    ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, pem)
});
pub(crate) static P384: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    let pem = include_str!("keys/p384.key.pem");
    ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING, pem)
});
pub(crate) static ED25519: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
    let pem = include_str!("keys/ed25519.key.pem");
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(pem)).expect("an Ed25519 key")
});

/// What makes a signature.
#[derive(Clone)]
pub(crate) enum Signer {
    Rsa(&'static RsaKeyPair, &'static dyn RsaEncoding),
    Ecdsa(&'static EcdsaKeyPair),
    Ed25519(&'static Ed25519KeyPair),
    Hmac(hmac::Key),
    /// The signature is empty.
    Nobody,
}

impl Signer {
    pub(crate) fn rs256() -> Self {
        Self::Rsa(&RSA_1, &RSA_PKCS1_SHA256)
    }

    pub(crate) fn rs384() -> Self {
        Self::Rsa(&RSA_1, &RSA_PKCS1_SHA384)
    }

    pub(crate) fn rs512() -> Self {
        Self::Rsa(&RSA_1, &RSA_PKCS1_SHA512)
    }

    pub(crate) fn ps256() -> Self {
        Self::Rsa(&RSA_1, &RSA_PSS_SHA256)
    }

    pub(crate) fn ps384() -> Self {
        Self::Rsa(&RSA_1, &RSA_PSS_SHA384)
    }

    pub(crate) fn other_rs256() -> Self {
        Self::Rsa(&RSA_2, &RSA_PKCS1_SHA256)
    }

    pub(crate) fn other_ps256() -> Self {
        Self::Rsa(&RSA_2, &RSA_PSS_SHA256)
    }

    pub(crate) fn es256() -> Self {
        Self::Ecdsa(&P256_1)
    }

    pub(crate) fn other_es256() -> Self {
        Self::Ecdsa(&P256_2)
    }

    pub(crate) fn es384() -> Self {
        Self::Ecdsa(&P384)
    }

    pub(crate) fn eddsa() -> Self {
        Self::Ed25519(&ED25519)
    }

    pub(crate) fn hs256(secret: &[u8]) -> Self {
        Self::Hmac(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(crate) fn hs384(secret: &[u8]) -> Self {
        Self::Hmac(hmac::Key::new(hmac::HMAC_SHA384, secret))
    }

    pub(crate) fn hs512(secret: &[u8]) -> Self {
        Self::Hmac(hmac::Key::new(hmac::HMAC_SHA512, secret))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, message, &mut signature)
                    .expect("the key signs");
                signature
            }
            Self::Ecdsa(key) => {
                let signature = key.sign(&random, message).expect("the key signs");
                signature.as_ref().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Nobody => Vec::new(),
        }
    }
}

/// A JWK (RFC 7517); `members` are further ones, as JSON has them, each behind a comma.
pub(crate) fn rsa_jwk(key: &RsaKeyPair, members: &str) -> String {
    let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(key.public());
    let (n, e) = (base64(n), base64(e));
    format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"{members}}}"#)
}

/// As [`rsa_jwk`], of a key on P-256.
pub(crate) fn p256_jwk(key: &EcdsaKeyPair, members: &str) -> String {
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (base64(x), base64(y));
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"{members}}}"#)
}

/// What is between the lines `BEGIN` and `END`.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    let text: String = pem.lines().filter(|it| !it.starts_with('-')).collect();
    let text = text.trim_end_matches('=');
    from_base64(&text.replace('+', "-").replace('/', "_"))
}

fn rsa(pem: &str) -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(&der(pem)).expect("an RSA key")
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, pem: &str) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(algorithm, &der(pem), &SystemRandom::new()).expect("an EC key")
}
