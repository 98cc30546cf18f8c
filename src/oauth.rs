//! Tokens for SASL/OAUTHBEARER to the brokers: from a token endpoint by client credentials (RFC 6749 section
//! 4.4), or from a file that something else keeps up to date.
//!
//! One thread gets them for the whole process. From an endpoint the next token is requested before the current
//! one ends, after 70 to 80 % of its lifetime. After a failure the request is repeated after a second, with
//! exponential backoff up to 30 s; meanwhile the current token stays in use. A file is read each
//! second.

mod claims;
mod endpoint;
mod error;
mod file;
mod refresher;

use std::{fmt, path::PathBuf};

pub use error::TokenError;
pub use refresher::TokenRefresher;

use crate::produce::Token;

/// Where tokens come from, and what goes with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// Where they come from.
    pub source: TokenSource,
    /// SASL extensions (RFC 7628 section 3.1): names and values.
    pub extensions: Vec<(String, String)>,
}

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A file with nothing but the token.
    File(PathBuf),
    /// A token endpoint.
    Endpoint(TokenEndpoint),
}

/// A token endpoint, and the request to it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenEndpoint {
    /// An `https` URL, or `http` to a loopback address.
    pub url: String,
    /// The client's identifier.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// Requested scopes, separated by spaces.
    pub scope: Option<String>,
    /// Further parameters of the request, such as `audience`.
    pub parameters: Vec<(String, String)>,
}

impl fmt::Debug for TokenEndpoint {
    /// Without the secret, nor parameters, which may be secret too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpoint")
            .field("url", &self.url)
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl TokenSettings {
    /// Gets a token once.
    ///
    /// # Errors
    /// Why there is none.
    pub fn fetch(&self) -> Result<Token, TokenError> {
        match &self.source {
            TokenSource::File(path) => file::token(&file::read(path)?, &self.extensions),
            TokenSource::Endpoint(endpoint) => endpoint::request(endpoint, &self.extensions),
        }
    }

    /// The source as messages name it.
    pub fn shown(&self) -> String {
        match &self.source {
            TokenSource::File(path) => path.display().to_string(),
            TokenSource::Endpoint(endpoint) => crate::https::host(&endpoint.url),
        }
    }
}
