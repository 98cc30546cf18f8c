//! Authentication in the conventional way: RS256 tokens with jsonwebtoken, Moose's API keys with
//! PBKDF2, and one cache of verified tokens shared by all of tokio's workers, so that a cached token
//! costs a look-up.

use std::{
    collections::HashSet,
    error::Error,
    fs,
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderName, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
        request::Parts,
    },
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use lru::LruCache;
use ring::pbkdf2;
use serde::Deserialize;

use crate::Gateway;

/// Tokens in the cache, at most; ringest has as many for each worker.
const CACHE_ENTRIES: NonZeroUsize = NonZeroUsize::new(8_192).expect("not 0");
/// Moose's number of rounds.
const ROUNDS: NonZeroU32 = NonZeroU32::new(1_000).expect("not 0");
/// Bytes of Moose's hashes.
const HASH_BYTES: usize = 20;

/// Verifies tokens.
pub(crate) struct Authentication {
    jwt: Option<(DecodingKey, Validation)>,
    key_hashes: HashSet<[u8; HASH_BYTES]>,
    /// Verified tokens and their expiry times, in seconds since 1970.
    verified: Mutex<LruCache<String, u64>>,
}

/// Proof that a request's token was accepted, or that none is needed.
pub(crate) struct Client;

#[derive(Deserialize)]
struct Claims {
    exp: u64,
}

impl Authentication {
    /// `jwt`: a PEM file with the public key, the issuer and the audience. `key_hashes`: a file with
    /// one hex hash of an API key a line. Returns `None` without either: no authentication.
    pub(crate) fn new(
        jwt: Option<(&Path, &str, &str)>,
        key_hashes: Option<&Path>,
    ) -> Result<Option<Self>, Box<dyn Error>> {
        if jwt.is_none() && key_hashes.is_none() {
            return Ok(None);
        }
        let jwt = match jwt {
            Some((public_key, issuer, audience)) => {
                let mut validation = Validation::new(Algorithm::RS256);
                validation.set_issuer(&[issuer]);
                validation.set_audience(&[audience]);
                validation.set_required_spec_claims(&["exp", "iss", "aud"]);
                validation.validate_nbf = true;
                validation.leeway = 0;
                let key = DecodingKey::from_rsa_pem(&fs::read(public_key)?)?;
                Some((key, validation))
            }
            None => None,
        };
        let key_hashes = match key_hashes {
            Some(file) => fs::read_to_string(file)?
                .lines()
                .map(|line| hash(line).ok_or_else(|| format!("not 40 hex digits: {line}")))
                .collect::<Result<_, _>>()?,
            None => HashSet::new(),
        };
        Ok(Some(Self {
            jwt,
            key_hashes,
            verified: Mutex::new(LruCache::new(CACHE_ENTRIES)),
        }))
    }

    fn is_valid(&self, token: &str) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(u64::MAX, |since| since.as_secs());
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&until) = verified.get(token) {
            return now < until;
        }
        drop(verified);
        let Some(until) = self.verify(token) else {
            return false;
        };
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.put(token.to_owned(), until);
        true
    }

    /// The expiry time of a token, if it is valid.
    fn verify(&self, token: &str) -> Option<u64> {
        if let Some((password, salt)) = token.split_once('.')
            && !salt.contains('.')
        {
            let mut hash = [0; HASH_BYTES];
            let (password, salt) = (password.as_bytes(), salt.as_bytes());
            pbkdf2::derive(
                pbkdf2::PBKDF2_HMAC_SHA256,
                ROUNDS,
                salt,
                password,
                &mut hash,
            );
            return self.key_hashes.contains(&hash).then_some(u64::MAX);
        }
        let (key, validation) = self.jwt.as_ref()?;
        let verified = jsonwebtoken::decode::<Claims>(token, key, validation);
        verified.ok().map(|token| token.claims.exp)
    }
}

/// Parses a hash of two hex digits a byte.
fn hash(hex: &str) -> Option<[u8; HASH_BYTES]> {
    let mut hash = [0; HASH_BYTES];
    if hex.len() != 2 * HASH_BYTES || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(hash)
}

impl FromRequestParts<Arc<Gateway>> for Client {
    type Rejection = (StatusCode, [(HeaderName, &'static str); 1]);

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Self::Rejection> {
        let Some(authentication) = &gateway.authentication else {
            return Ok(Self);
        };
        parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .filter(|token| authentication.is_valid(token))
            .map(|_| Self)
            .ok_or((StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff.ffeeddccbbaa99887766554433221100";
    const HASH: &str = "d8de8fcd077e81e756e11f0c422463d9e1d4560e";

    fn authentication() -> Authentication {
        Authentication {
            jwt: None,
            key_hashes: HashSet::from([hash(HASH).expect("40 hex digits")]),
            verified: Mutex::new(LruCache::new(CACHE_ENTRIES)),
        }
    }

    #[test]
    fn a_key_is_verified_by_its_hash_and_cached() {
        let authentication = authentication();
        let wrong = KEY.replace("00112233", "00112234");
        for _ in 0..2 {
            assert!(authentication.is_valid(KEY));
            for token in [wrong.as_str(), "a.b.c", ""] {
                assert!(!authentication.is_valid(token), "{token}");
            }
        }
        let cached = authentication.verified.lock().expect("no panic").len();
        assert_eq!(cached, 1);
    }

    #[test]
    fn a_cached_token_expires() {
        let authentication = authentication();
        let mut verified = authentication.verified.lock().expect("no panic");
        verified.put("past".to_owned(), 1);
        drop(verified);
        assert!(!authentication.is_valid("past"));
    }

    #[test]
    fn a_hash_is_40_hex_digits() {
        for text in [
            "",
            "d8",
            &HASH[1..],
            &HASH.replace('d', "g"),
            &HASH.replace('d', "é"),
        ] {
            assert_eq!(hash(text), None, "{text}");
        }
    }
}
