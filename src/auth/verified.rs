//! The result of a verification.

use std::time::Instant;

use super::{AuthError, Denial, Grant, KeyHash, LookUp, UnknownKey, keys::KeyIdentity};

/// A verified credential: what it grants, and what proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it grants.
    pub grant: Grant,
    pub(super) proof: Proof,
}

/// What proved a credential. Where another key set contains the same, the credential is valid there
/// without cryptography: hash and signature are functions of the token's bytes and of what is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The hash of the token of an API key.
    Hash(KeyHash),
    /// The key that verified the signature of a JWT.
    Signature(KeyIdentity),
}

/// Why a credential could not be verified.
#[derive(Debug)]
pub enum VerifyError {
    /// It is rejected.
    Rejected(Denial),
    /// Its issuer's keys, which are at a URL, lack the key that it names.
    UnknownKey(UnknownKey),
}

impl From<AuthError> for VerifyError {
    fn from(error: AuthError) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<Denial> for VerifyError {
    fn from(denial: Denial) -> Self {
        Self::Rejected(denial)
    }
}

impl VerifyError {
    /// Looks up an unknown key, for a token that arrived at `since`.
    #[must_use]
    pub fn looked_up(self, since: Instant) -> Self {
        let Self::UnknownKey(key) = self else {
            return self;
        };
        match key.look_up(since, Instant::now()) {
            LookUp::Lacking => AuthError::KeyId.into(),
            LookUp::NotSoon => AuthError::KeyNotFetched.into(),
            LookUp::Awaited => Self::UnknownKey(key),
        }
    }

    /// The reason, where newer keys do not matter.
    pub fn reason(&self) -> AuthError {
        match self {
            Self::Rejected(denial) => denial.reason,
            Self::UnknownKey(_) => AuthError::KeyId,
        }
    }
}
