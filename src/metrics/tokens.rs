//! Metrics of the tokens for the brokers.

use std::{
    sync::Mutex,
    time::{Instant, SystemTime},
};

use strum::{IntoStaticStr, VariantArray};

use super::Counter;
use crate::sync::locked;

/// Tokens of SASL/OAUTHBEARER. The thread that gets them is the only writer.
#[derive(Debug, Default)]
pub struct Tokens {
    results: [Counter; TokenFetchResult::ALL.len()],
    latest: Mutex<Option<LatestToken>>,
}

/// The token in use.
#[derive(Clone, Copy, Debug)]
pub struct LatestToken {
    /// When it came.
    pub since: Instant,
    /// When it ends, if that is known.
    pub ends: Option<SystemTime>,
}

/// How an attempt to get a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[repr(usize)]
#[strum(serialize_all = "snake_case")]
pub enum TokenFetchResult {
    /// Another token.
    Ok,
    /// No complete response, or the file can't be read.
    Unreachable,
    /// A status other than 200.
    BadStatus,
    /// Not a token, or one that has ended.
    BadToken,
}

impl TokenFetchResult {
    /// All results, in declaration order.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Tokens {
    /// Counts a token that ends then, and is in use from now on.
    pub fn succeeded(&self, ends: Option<SystemTime>) {
        self.results[TokenFetchResult::Ok as usize].add(1);
        let since = Instant::now();
        *locked(&self.latest) = Some(LatestToken { since, ends });
    }

    /// Counts a failure.
    pub fn failed(&self, result: TokenFetchResult) {
        self.results[result as usize].add(1);
    }

    /// Attempts with this result.
    pub fn count_of(&self, result: TokenFetchResult) -> u64 {
        self.results[result as usize].value()
    }

    /// The token in use.
    pub fn latest(&self) -> Option<LatestToken> {
        *locked(&self.latest)
    }
}
