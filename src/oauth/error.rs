//! Why there is no token.

use crate::{https::RequestError, isolation::PanicError, metrics::TokenFetchResult};

/// Why there is no token: an error of the endpoint, of the network or of the file, except for a panic. No
/// message has a token or a secret in it.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The endpoint did not respond in time, or not in full.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A status other than 200, with what the endpoint says of it (RFC 6749 section 5.2); redirects are not
    /// followed.
    #[error("HTTP status {0}{1}")]
    Status(u16, String),
    /// The file can't be read.
    #[error("{0}")]
    Unreadable(String),
    /// Not the response of a token endpoint, or not a bearer token.
    #[error("{0}")]
    Invalid(&'static str),
    /// The token has ended already.
    #[error("the token has already expired")]
    Ended,
    /// A bug in ringest.
    #[error(transparent)]
    Panicked(#[from] PanicError),
}

impl TokenError {
    /// The result to count.
    pub(super) fn result(&self) -> TokenFetchResult {
        match self {
            Self::Invalid(_)
            | Self::Ended
            | Self::Panicked(_)
            | Self::Request(RequestError::TooLarge(_)) => TokenFetchResult::BadToken,
            Self::Request(_) | Self::Unreadable(_) => TokenFetchResult::Unreachable,
            Self::Status(..) => TokenFetchResult::BadStatus,
        }
    }
}
