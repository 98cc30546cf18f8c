//! The question over HTTP.

use std::time::{Duration, SystemTime};

use ureq::http::{
    HeaderValue, StatusCode, Uri,
    header::{ETAG, IF_NONE_MATCH},
};

use super::freshness::freshness;
use crate::{
    auth::KeyError, excerpt::excerpt, https::agent, isolation::PanicError, metrics::FetchResult,
};

/// The media type of sets (RFC 7517 section 8.5.2); many endpoints have JSON's only.
const ACCEPT: &str = "application/jwk-set+json, application/json";

/// The most of a set that is read, in bytes: hundreds of keys with their certificates.
const SET_BYTES_MAX: u64 = 1 << 20;

/// From the look-up of the host to the last byte of the set.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Characters of a message from outside that are shown.
const QUOTED_CHARS_MAX: usize = 400;

/// What an endpoint says.
pub(super) struct Answer {
    /// The set, and what names this version of it; `None`: it is the one whose tag was sent.
    pub(super) set: Option<(Vec<u8>, Option<HeaderValue>)>,
    /// How long it will be so, if it says that.
    pub(super) freshness: Option<Duration>,
}

/// Why there is no set. The issuer's, or the network's, but for a panic.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Too slow.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
    /// It is not there, its certificate is not to be trusted, or it does not speak HTTP.
    #[error("{0}")]
    Unreachable(String),
    /// Any status but 200; redirects are not followed.
    #[error("it answers {0}")]
    Status(u16),
    /// More than a set has.
    #[error("it answers more than {SET_BYTES_MAX} bytes")]
    TooLarge,
    /// No set, or none that can be used.
    #[error("{}", excerpt(.0.0.as_bytes(), QUOTED_CHARS_MAX))]
    Invalid(#[from] KeyError),
    /// Ours.
    #[error("{0}")]
    Panicked(#[from] PanicError),
}

impl FetchError {
    /// What it counts as.
    pub(super) fn result(&self) -> FetchResult {
        match self {
            Self::TimedOut | Self::Unreachable(_) => FetchResult::Unreachable,
            Self::Status(_) => FetchResult::BadStatus,
            Self::TooLarge | Self::Invalid(_) | Self::Panicked(_) => FetchResult::BadSet,
        }
    }
}

/// Asks for the set, unless it is still the one with this tag.
pub(super) fn ask(url: &str, known: Option<&HeaderValue>) -> Result<Answer, FetchError> {
    let failed = |error| match error {
        ureq::Error::Timeout(_) => FetchError::TimedOut,
        ureq::Error::BodyExceedsLimit(_) => FetchError::TooLarge,
        other => FetchError::Unreachable(excerpt(other.to_string().as_bytes(), QUOTED_CHARS_MAX)),
    };
    let mut question = agent(url, ACCEPT, TIMEOUT).get(url);
    if let Some(tag) = known {
        question = question.header(IF_NONE_MATCH, tag);
    }
    let mut answer = question.call().map_err(failed)?;
    let freshness = freshness(answer.headers(), SystemTime::now());
    let set = match answer.status() {
        StatusCode::OK => {
            let tag = answer.headers().get(ETAG).cloned();
            let body = answer.body_mut().with_config().limit(SET_BYTES_MAX);
            Some((body.read_to_vec().map_err(failed)?, tag))
        }
        StatusCode::NOT_MODIFIED if known.is_some() => None,
        other => return Err(FetchError::Status(other.as_u16())),
    };
    Ok(Answer { set, freshness })
}

/// The host of a URL, with its port where it has one: what the log shows of it.
pub(super) fn host(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    authority.map(ToString::to_string).unwrap_or_default()
}
