//! Any key file or fetched set is either rejected or yields at least one key.
#![no_main]

use jsonwebtoken::Algorithm::{
    self, ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
};
use libfuzzer_sys::fuzz_target;
use ringest::auth::VerificationKeys;

const ALL: [Algorithm; 12] = [
    RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512,
];

fuzz_target!(|data: &[u8]| {
    if let Ok(keys) = VerificationKeys::from_pem(data, &ALL) {
        assert_eq!(keys.len(), 1);
    }
    let strict = VerificationKeys::from_jwks(data, &ALL);
    let lenient = VerificationKeys::from_fetched_jwks(data, &ALL);
    match (strict, lenient) {
        (Ok(strict), Ok(lenient)) => assert_eq!(strict.keys.len(), lenient.keys.len()),
        (Ok(_), Err(error)) => panic!("a file is checked more strictly: {error}"),
        (Err(_), Ok(lenient)) => assert!(lenient.keys.len() > 0),
        (Err(_), Err(_)) => {}
    }
});
