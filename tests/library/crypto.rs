//! The cryptography of tokens and API keys, and the loading of keys: vectors of Project Wycheproof, tokens
//! that OpenSSL signed, and tables of valid and invalid key files.

mod material;
mod pems;
mod sets;
mod tokens;
mod vectors;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};

const ALL: [Algorithm; 12] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
];

/// Through the provider; a key that is not for the algorithm is an error.
fn verify(
    algorithm: Algorithm,
    key: &DecodingKey,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, jsonwebtoken::errors::Error> {
    ringest::auth::provider::install();
    let signature = URL_SAFE_NO_PAD.encode(signature);
    jsonwebtoken::crypto::verify(&signature, message, key, algorithm)
}
