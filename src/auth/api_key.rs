//! API keys: their hashes, and their look-up by hash.

use super::Globs;

/// One key of the configuration.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Who sends with it.
    pub name: Box<str>,
    /// What its token hashes to.
    pub hash: KeyHash,
    /// Where it may send.
    pub routes: Globs,
    /// From then on it is refused, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

/// The hash of a token, and how it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyHash {
    /// As Moose makes it: of a token `<password>.<salt>` PBKDF2-HMAC-SHA256, 1,000 rounds, 20 bytes.
    Pbkdf2([u8; 20]),
    /// SHA-256 of a token that is random in 256 bits.
    Sha256([u8; 32]),
}
