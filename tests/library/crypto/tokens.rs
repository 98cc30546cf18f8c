//! Each algorithm verifies what OpenSSL signed, with its key and no other.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, jwk::Jwk};
use ringest::auth::{AuthError, VerificationKeys};
use serde_json::json;

use super::{
    ALL,
    material::{SECRET, der, file, text},
    verify,
};

const KEYS: [&str; 6] = ["rsa-2048", "rsa-3072", "p256", "p384", "ed25519", "secret"];

struct Token {
    algorithm: Algorithm,
    key: String,
    message: Vec<u8>,
    signature: Vec<u8>,
}

fn tokens() -> Vec<Token> {
    let text = text("tokens.txt");
    let tokens = text.lines().map(|line| {
        let parts: Vec<_> = line.split(' ').collect();
        let (message, signature) = parts[2].rsplit_once('.').expect("a token");
        Token {
            algorithm: parts[0].parse().expect("an algorithm"),
            key: parts[1].to_owned(),
            message: message.into(),
            signature: URL_SAFE_NO_PAD.decode(signature).expect("base64url"),
        }
    });
    tokens.collect()
}

fn keys(name: &str) -> VerificationKeys {
    match name {
        "secret" => VerificationKeys::from_secret(SECRET, &ALL),
        _ => VerificationKeys::from_pem(&file(&format!("{name}.spki.pem")), &ALL),
    }
    .unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn tokens_verify_only_with_their_algorithm_and_key() {
    let tokens = tokens();
    for algorithm in ALL {
        let of_it = tokens.iter().filter(|token| token.algorithm == algorithm);
        assert_ne!(of_it.count(), 0, "{algorithm:?} has no token");
    }
    for token in &tokens {
        let mut verified = Vec::new();
        for name in KEYS {
            let keys = keys(name);
            for algorithm in ALL {
                match keys.find(algorithm, None) {
                    Ok(key) => {
                        if verify(algorithm, key, &token.message, &token.signature)
                            .expect("its key")
                        {
                            verified.push((name, algorithm));
                        }
                    }
                    Err(error) => assert_eq!(error, AuthError::KeyId),
                }
            }
        }
        assert_eq!(verified, [(token.key.as_str(), token.algorithm)]);
    }
}

/// The provider also rejects combinations that `find` never returns.
#[test]
fn a_key_of_another_kind_is_an_error() {
    let keys = KEYS.map(keys);
    let (mut good, mut errors) = (0, 0);
    for own in ALL {
        let key = keys
            .iter()
            .find_map(|keys| keys.find(own, None).ok())
            .expect("a key");
        for algorithm in ALL {
            let verified = verify(algorithm, key, b"message", &[0; 64]);
            // A curve is of one algorithm; RSA keys and secrets are of all of their family.
            let same = own == algorithm
                || own.family() == algorithm.family()
                    && key.family() != jsonwebtoken::AlgorithmFamily::Ec;
            match verified {
                Ok(verified) => {
                    assert!(same && !verified, "{own:?} as {algorithm:?}");
                    good += 1;
                }
                Err(error) => {
                    assert!(!same, "{own:?} as {algorithm:?}: {error}");
                    errors += 1;
                }
            }
        }
    }
    assert_eq!((good, errors), (6 * 6 + 2 + 1 + 3 * 3, 144 - 48));
    // Algorithm confusion: a public key used as an HMAC secret.
    let public = DecodingKey::from_rsa_der(&file("rsa-2048.spki.pem"));
    verify(Algorithm::HS256, &public, b"message", &[0; 32]).expect_err("no secret");
    // Components of RSA where bytes are wanted.
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256] {
        let components = DecodingKey::from_rsa_raw_components(&[1; 256], &[3]);
        verify(algorithm, &components, b"message", &[0; 64]).expect_err("an RSA key");
    }
}

#[test]
fn changed_messages_and_signatures_are_rejected() {
    for token in tokens() {
        let keys = keys(&token.key);
        let key = keys.find(token.algorithm, None).expect("its key");
        let verify = |message: &[u8], signature: &[u8]| {
            verify(token.algorithm, key, message, signature).expect("its key")
        };
        let Token {
            message,
            signature,
            algorithm,
            ..
        } = &token;
        assert!(verify(message, signature), "{algorithm:?}");
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(!verify(message, &changed), "{algorithm:?}: byte {at}");
        }
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            assert!(
                !verify(&changed, signature),
                "{algorithm:?}: byte {at} of the message"
            );
        }
        for len in 0..signature.len() {
            assert!(
                !verify(message, &signature[..len]),
                "{algorithm:?}: cut at {len}"
            );
        }
        for longer in [
            [signature.as_slice(), &[0]].concat(),
            [&[0], signature.as_slice()].concat(),
        ] {
            assert!(!verify(message, &longer), "{algorithm:?}: a byte more");
        }
        assert!(
            !verify(message, &vec![0; signature.len()]),
            "{algorithm:?}: zeros"
        );
        assert!(
            !verify(message, &vec![255; signature.len()]),
            "{algorithm:?}: ones"
        );
    }
}

#[test]
fn the_provider_verifies_its_own_signatures() {
    ringest::auth::provider::install();
    for token in tokens() {
        let private = || der(&format!("{}.key", token.key));
        let key = match token.key.as_str() {
            "secret" => EncodingKey::from_secret(SECRET),
            "ed25519" => EncodingKey::from_ed_der(&private()),
            "p256" | "p384" => EncodingKey::from_ec_der(&private()),
            _ => EncodingKey::from_rsa_der(&private()),
        };
        let signature = jsonwebtoken::crypto::sign(b"message", &key, token.algorithm)
            .unwrap_or_else(|error| panic!("{:?}: {error}", token.algorithm));
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let keys = keys(&token.key);
        let public = keys.find(token.algorithm, None).expect("its key");
        assert!(verify(token.algorithm, public, b"message", &signature).expect("its key"));

        let jwk = Jwk::from_encoding_key(&key, token.algorithm).expect("a public key");
        let set = json!({ "keys": [jwk] }).to_string();
        let loaded = VerificationKeys::from_jwks(set.as_bytes(), &ALL).expect("a set");
        let public = loaded.keys.find(token.algorithm, None).expect("its key");
        assert!(
            verify(token.algorithm, public, &token.message, &token.signature).expect("its key")
        );
    }
    let pkcs1 = EncodingKey::from_rsa_der(&der("rsa-2048.pkcs1.key"));
    jsonwebtoken::crypto::sign(b"message", &pkcs1, Algorithm::RS256).expect("a signature");
    jsonwebtoken::crypto::sign(b"message", &pkcs1, Algorithm::HS256).expect_err("no secret");
}
