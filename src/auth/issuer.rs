//! Issuers of tokens, and the requirements for their tokens.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::Algorithm;

use super::VerificationKeys;
use crate::quota::ClaimBuckets;

/// A configured issuer.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The `iss` of its tokens, compared byte by byte.
    pub issuer: Box<str>,
    /// The audience that their `aud` must contain.
    pub audience: Box<str>,
    /// The allowed signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Allowed clock skew in milliseconds: added to `exp`, subtracted from `nbf`.
    pub leeway_ms: u64,
    /// The claim with the globs of the authorized routes: a space-separated string or an array. A token
    /// without the claim is authorized for no route.
    pub routes_claim: Option<Box<str>>,
    /// Claims that must be present with these values.
    pub required_claims: Vec<(Box<str>, serde_json::Value)>,
    /// The Kafka header that carries the token's `sub`.
    pub subject_header: Option<Box<str>>,
    /// How much each of its principals may send, if that is limited.
    pub quota: Option<ClaimQuota>,
    /// The source of its keys.
    pub keys: KeySource,
}

/// A quota for each value of a claim.
#[derive(Clone, Debug)]
pub struct ClaimQuota {
    /// The claim; the tokens without it are one principal.
    pub claim: Box<str>,
    /// The buckets of all values.
    pub buckets: Arc<ClaimBuckets>,
}

/// The source of an issuer's keys.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file that has been read.
    File(Arc<VerificationKeys>),
    /// A JWK set at a URL, fetched at run time.
    Url(JwksUrl),
}

/// A JWK set at a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksUrl {
    /// `https`, or `http` to a loopback address.
    pub url: String,
    /// Maximum time between two fetches.
    pub refresh: Duration,
    /// How long a set that can't be fetched again stays in use; `None`: as long as the process runs.
    pub stale_max: Option<Duration>,
}
