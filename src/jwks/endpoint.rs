//! The HTTP request for a JWK set.

use std::time::{Duration, SystemTime};

use ureq::http::{
    HeaderValue, StatusCode,
    header::{ETAG, IF_NONE_MATCH},
};

use super::freshness::freshness;
use crate::{
    auth::KeyError,
    excerpt::excerpt,
    https::{RequestError, agent},
    isolation::PanicError,
    metrics::FetchResult,
};

/// The media type of JWK sets (RFC 7517 section 8.5.2); many endpoints use plain JSON.
const ACCEPT: &str = "application/jwk-set+json, application/json";

/// Maximum size of a set, in bytes: enough for hundreds of keys with certificates.
const SET_BYTES_MAX: u64 = 1 << 20;

/// From the DNS look-up to the last byte of the set.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum characters of an external message that are shown.
const QUOTED_CHARS_MAX: usize = 400;

/// The response of an endpoint.
pub(super) struct JwksResponse {
    /// The set and its `ETag`; `None` if it has not been modified.
    pub(super) set: Option<(Vec<u8>, Option<HeaderValue>)>,
    /// Its freshness lifetime, if declared.
    pub(super) freshness: Option<Duration>,
}

/// Why a fetch failed: an error of the issuer or the network, except for a panic.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No complete response.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A status other than 200; redirects are not followed.
    #[error("HTTP status {0}")]
    Status(u16),
    /// Not a JWK set, or without usable keys.
    #[error("{}", excerpt(.0.0.as_bytes(), QUOTED_CHARS_MAX))]
    Invalid(#[from] KeyError),
    /// A bug in ringest.
    #[error("{0}")]
    Panicked(#[from] PanicError),
}

impl FetchError {
    /// The result to count.
    pub(super) fn result(&self) -> FetchResult {
        match self {
            Self::Request(RequestError::TooLarge(_)) | Self::Invalid(_) | Self::Panicked(_) => {
                FetchResult::BadSet
            }
            Self::Request(_) => FetchResult::Unreachable,
            Self::Status(_) => FetchResult::BadStatus,
        }
    }
}

/// Requests the set, unless it still has this `ETag`.
pub(super) fn request(url: &str, etag: Option<&HeaderValue>) -> Result<JwksResponse, FetchError> {
    let failed = |error: ureq::Error| RequestError::new(&error, TIMEOUT, SET_BYTES_MAX);
    let mut request = agent(url, ACCEPT, TIMEOUT).get(url);
    if let Some(tag) = etag {
        request = request.header(IF_NONE_MATCH, tag);
    }
    let mut response = request.call().map_err(failed)?;
    let freshness = freshness(response.headers(), SystemTime::now());
    let set = match response.status() {
        StatusCode::OK => {
            let tag = response.headers().get(ETAG).cloned();
            let body = response.body_mut().with_config().limit(SET_BYTES_MAX);
            Some((body.read_to_vec().map_err(failed)?, tag))
        }
        StatusCode::NOT_MODIFIED if etag.is_some() => None,
        other => return Err(FetchError::Status(other.as_u16())),
    };
    Ok(JwksResponse { set, freshness })
}
