//! Who issues tokens, and what they must say.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::Algorithm;

use super::VerificationKeys;

/// One issuer of the configuration.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The `iss` of its tokens, byte for byte.
    pub issuer: Box<str>,
    /// What their `aud` must name.
    pub audience: Box<str>,
    /// What they may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ, in milliseconds: `exp` counts that much later, `nbf` that much
    /// earlier.
    pub leeway_ms: u64,
    /// The claim that holds globs of the routes that a token is for: a string of globs between
    /// blanks, or an array of them. A token without it may send nowhere.
    pub routes_claim: Option<Box<str>>,
    /// Claims that must be there, with these values.
    pub required_claims: Vec<(Box<str>, serde_json::Value)>,
    /// The Kafka header that carries the token's `sub`.
    pub subject_header: Option<Box<str>>,
    /// Where its keys are.
    pub keys: KeySource,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file, which was read.
    File(Arc<VerificationKeys>),
    /// A JWK set at a URL, fetched while serving.
    Url(JwksUrl),
}

/// A JWK set at a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksUrl {
    /// `https`, or `http` to a loopback address.
    pub url: String,
    /// The longest time between two fetches.
    pub refresh: Duration,
}
