//! Invalid tokens, in the forms that cost a server most.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::ValueEnum;

/// Bytes of an RS256 signature by a key of 2,048 bits.
const SIGNATURE_BYTES: usize = 256;

/// Kinds of invalid tokens.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// A JWT that is valid except for its signature.
    JwtSignature,
    /// `<32 hex>.<32 hex>`: an unknown API key in Moose's format.
    Pbkdf2,
    /// 256 random bits as base64url: an unknown API key.
    Sha256,
    /// 1 to 400 random characters that are allowed in tokens.
    Garbage,
}

/// Generates distinct junk tokens: all but short garbage have at least 256 random bits.
pub(crate) struct Junk {
    kind: Kind,
    /// `<header>.<claims>.` of a valid JWT.
    signed: String,
    random: fastrand::Rng,
}

impl Junk {
    /// `jwt` is a valid token; junk JWTs copy its header and claims.
    pub(crate) fn new(kind: Kind, jwt: &str, seed: u64) -> Self {
        let signed = jwt.rfind('.').map_or("", |dot| &jwt[..=dot]);
        Self {
            kind,
            signed: signed.to_owned(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Appends the next token.
    pub(crate) fn write(&mut self, output: &mut Vec<u8>) {
        match self.kind {
            Kind::JwtSignature => {
                let mut signature = [0; SIGNATURE_BYTES];
                self.random.fill(&mut signature);
                // Below every modulus of this size, or it would be rejected without arithmetic.
                signature[0] &= 0x7F;
                output.extend_from_slice(self.signed.as_bytes());
                output.extend_from_slice(URL_SAFE_NO_PAD.encode(signature).as_bytes());
            }
            Kind::Pbkdf2 => {
                let (password, salt) = (self.random.u128(..), self.random.u128(..));
                output.extend_from_slice(format!("{password:032x}.{salt:032x}").as_bytes());
            }
            Kind::Sha256 => {
                let mut bits = [0; 32];
                self.random.fill(&mut bits);
                output.extend_from_slice(URL_SAFE_NO_PAD.encode(bits).as_bytes());
            }
            Kind::Garbage => {
                const CHARACTERS: &[u8] =
                    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/";
                for _ in 0..self.random.usize(1..=400) {
                    output.push(CHARACTERS[self.random.usize(..CHARACTERS.len())]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn tokens(kind: Kind) -> Vec<String> {
        let mut junk = Junk::new(kind, "head.claims.signature", 7);
        let mut token = || {
            let mut bytes = Vec::new();
            junk.write(&mut bytes);
            String::from_utf8(bytes).expect("text")
        };
        (0..1_000).map(|_| token()).collect()
    }

    #[test]
    fn tokens_are_distinct() {
        for kind in [Kind::JwtSignature, Kind::Pbkdf2, Kind::Sha256] {
            let tokens = tokens(kind);
            let distinct: HashSet<&String> = tokens.iter().collect();
            assert_eq!(distinct.len(), tokens.len(), "{kind:?}");
        }
    }

    #[test]
    fn junk_has_the_format_of_its_kind() {
        for token in tokens(Kind::JwtSignature) {
            let signature = token.strip_prefix("head.claims.").expect("the signed part");
            let bytes = URL_SAFE_NO_PAD
                .decode(signature)
                .expect("canonical base64url");
            assert_eq!(bytes.len(), SIGNATURE_BYTES);
            assert!(bytes[0] < 0x80);
        }
        for token in tokens(Kind::Pbkdf2) {
            let (password, salt) = token.split_once('.').expect("two parts");
            for part in [password, salt] {
                assert_eq!(part.len(), 32);
                assert!(part.bytes().all(|it| it.is_ascii_hexdigit()), "{token}");
            }
        }
        for token in tokens(Kind::Sha256) {
            assert_eq!(URL_SAFE_NO_PAD.decode(token).expect("base64url").len(), 32);
        }
        for token in tokens(Kind::Garbage) {
            assert!((1..=400).contains(&token.len()));
        }
    }
}
