//! A cryptography provider for jsonwebtoken on top of ring.

mod signing;

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    jwk::ThumbprintHash,
    signature::{self, Verifier},
};
use ring::{
    digest, hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| signing::signer(*algorithm, key),
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: signing::rsa_public_components,
        // ring can't extract the components of a public key.
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: signing::ec_public_components,
        ed_pub_components_from_private_key: signing::ed_public_component,
        compute_digest: |data, hash| compute_digest(data, &hash),
    },
};

/// Installs ring as jsonwebtoken's provider in this process; may be called repeatedly. Everything that
/// loads keys calls it, because jsonwebtoken panics without a provider.
pub fn install() {
    // An error means that the same provider is already installed.
    let _ = PROVIDER.install_default();
}

/// A key for one algorithm. ring parses a public key at each verification.
enum VerifyingKey {
    Secret(hmac::Key),
    Public(UnparsedPublicKey<Vec<u8>>),
    Rsa(&'static RsaParameters, RsaPublicKeyComponents<Vec<u8>>),
}

struct RingVerifier {
    algorithm: Algorithm,
    key: VerifyingKey,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match &self.key {
            // In constant time.
            VerifyingKey::Secret(key) => hmac::verify(key, message, signature),
            VerifyingKey::Public(key) => key.verify(message, signature),
            VerifyingKey::Rsa(parameters, key) => key.verify(parameters, message, signature),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// An error if the key does not match the family or the curve of the algorithm.
fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let key = match algorithm {
        Algorithm::HS256 => secret(hmac::HMAC_SHA256, key)?,
        Algorithm::HS384 => secret(hmac::HMAC_SHA384, key)?,
        Algorithm::HS512 => secret(hmac::HMAC_SHA512, key)?,
        Algorithm::RS256 => rsa(&RSA_PKCS1_2048_8192_SHA256, key),
        Algorithm::RS384 => rsa(&RSA_PKCS1_2048_8192_SHA384, key),
        Algorithm::RS512 => rsa(&RSA_PKCS1_2048_8192_SHA512, key),
        Algorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256, key),
        Algorithm::PS384 => rsa(&RSA_PSS_2048_8192_SHA384, key),
        Algorithm::PS512 => rsa(&RSA_PSS_2048_8192_SHA512, key),
        // Points in uncompressed form (SEC 1): 4, x, y.
        Algorithm::ES256 => curve(&ECDSA_P256_SHA256_FIXED, 65, key)?,
        Algorithm::ES384 => curve(&ECDSA_P384_SHA384_FIXED, 97, key)?,
        Algorithm::EdDSA => curve(&ED25519, 32, key)?,
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(Box::new(RingVerifier { algorithm, key }))
}

fn secret(algorithm: hmac::Algorithm, key: &DecodingKey) -> Result<VerifyingKey, Error> {
    let secret = key.try_get_as_bytes()?;
    Ok(VerifyingKey::Secret(hmac::Key::new(algorithm, secret)))
}

fn rsa(parameters: &'static RsaParameters, key: &DecodingKey) -> VerifyingKey {
    match key.kind() {
        // PKCS#1 (RFC 8017 appendix A.1.1).
        DecodingKeyKind::SecretOrDer(der) => {
            VerifyingKey::Public(UnparsedPublicKey::new(parameters, der.clone()))
        }
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            let (n, e) = (n.clone(), e.clone());
            VerifyingKey::Rsa(parameters, RsaPublicKeyComponents { n, e })
        }
    }
}

fn curve(
    algorithm: &'static dyn VerificationAlgorithm,
    len: usize,
    key: &DecodingKey,
) -> Result<VerifyingKey, Error> {
    let point = key.try_get_as_bytes()?;
    if point.len() != len {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    let key = UnparsedPublicKey::new(algorithm, point.to_vec());
    Ok(VerifyingKey::Public(key))
}

fn compute_digest(data: &[u8], hash: &ThumbprintHash) -> Result<Vec<u8>, Error> {
    let algorithm = match hash {
        ThumbprintHash::SHA256 => &digest::SHA256,
        ThumbprintHash::SHA384 => &digest::SHA384,
        ThumbprintHash::SHA512 => &digest::SHA512,
        _ => return Err(unsupported()),
    };
    Ok(digest::digest(algorithm, data).as_ref().to_vec())
}

fn unsupported() -> Error {
    ErrorKind::Provider("not supported by ring".to_owned()).into()
}
