//! Signing of tokens, for tests and benchmarks only: ringest itself never signs.

use jsonwebtoken::{
    Algorithm, EncodingKey,
    crypto::JwtSigner,
    errors::{Error, ErrorKind},
    jwk::EllipticCurve,
    signature::{self, Signer},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};

enum SigningKey {
    Secret(hmac::Key),
    Rsa(&'static dyn RsaEncoding, RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

struct RingSigner {
    algorithm: Algorithm,
    key: SigningKey,
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let random = SystemRandom::new();
        match &self.key {
            SigningKey::Secret(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            SigningKey::Rsa(encoding, key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, message, &mut signature)
                    .map(|()| signature)
            }
            SigningKey::Ec(key) => key
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec()),
            SigningKey::Ed(key) => Ok(key.sign(message).as_ref().to_vec()),
        }
        .map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Private keys are PKCS#8 (RFC 5958); RSA keys may also be PKCS#1 (RFC 8017 appendix A.1.2).
pub(super) fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let key = key.as_bytes();
    let secret = |algorithm| SigningKey::Secret(hmac::Key::new(algorithm, key));
    let rsa = |encoding| rsa(key).map(|key| SigningKey::Rsa(encoding, key));
    let key = match algorithm {
        Algorithm::HS256 => secret(hmac::HMAC_SHA256),
        Algorithm::HS384 => secret(hmac::HMAC_SHA384),
        Algorithm::HS512 => secret(hmac::HMAC_SHA512),
        Algorithm::RS256 => rsa(&RSA_PKCS1_SHA256)?,
        Algorithm::RS384 => rsa(&RSA_PKCS1_SHA384)?,
        Algorithm::RS512 => rsa(&RSA_PKCS1_SHA512)?,
        Algorithm::PS256 => rsa(&RSA_PSS_SHA256)?,
        Algorithm::PS384 => rsa(&RSA_PSS_SHA384)?,
        Algorithm::PS512 => rsa(&RSA_PSS_SHA512)?,
        Algorithm::ES256 => SigningKey::Ec(ec(&ECDSA_P256_SHA256_FIXED_SIGNING, key)?),
        Algorithm::ES384 => SigningKey::Ec(ec(&ECDSA_P384_SHA384_FIXED_SIGNING, key)?),
        Algorithm::EdDSA => SigningKey::Ed(ed(key)?),
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(Box::new(RingSigner { algorithm, key }))
}

/// n and e.
pub(super) fn rsa_public_components(private: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let RsaPublicKeyComponents { n, e } = rsa(private)?.public().into();
    Ok((n, e))
}

/// The curve, x and y.
pub(super) fn ec_public_components(
    private: &[u8],
    algorithm: Algorithm,
) -> Result<(EllipticCurve, Vec<u8>, Vec<u8>), Error> {
    let (signing, curve) = match algorithm {
        Algorithm::ES256 => (&ECDSA_P256_SHA256_FIXED_SIGNING, EllipticCurve::P256),
        Algorithm::ES384 => (&ECDSA_P384_SHA384_FIXED_SIGNING, EllipticCurve::P384),
        _ => return Err(ErrorKind::InvalidEcdsaKey.into()),
    };
    let key = ec(signing, private)?;
    // Uncompressed: 4, x, y.
    let point = key.public_key().as_ref();
    let (x, y) = point[1..].split_at(point.len() / 2);
    Ok((curve, x.to_vec(), y.to_vec()))
}

/// x.
pub(super) fn ed_public_component(private: &[u8], curve: &EllipticCurve) -> Result<Vec<u8>, Error> {
    match curve {
        EllipticCurve::Ed25519 => Ok(ed(private)?.public_key().as_ref().to_vec()),
        _ => Err(ErrorKind::InvalidEddsaKey.into()),
    }
}

fn rsa(private: &[u8]) -> Result<RsaKeyPair, Error> {
    RsaKeyPair::from_pkcs8(private)
        .or_else(|_| RsaKeyPair::from_der(private))
        .map_err(|reason| ErrorKind::InvalidRsaKey(reason.to_string()).into())
}

fn ec(algorithm: &'static EcdsaSigningAlgorithm, private: &[u8]) -> Result<EcdsaKeyPair, Error> {
    EcdsaKeyPair::from_pkcs8(algorithm, private, &SystemRandom::new())
        .map_err(|_| ErrorKind::InvalidEcdsaKey.into())
}

fn ed(private: &[u8]) -> Result<Ed25519KeyPair, Error> {
    // openssl omits the public key, so there is nothing to check it against.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(private)
        .map_err(|_| ErrorKind::InvalidEddsaKey.into())
}
