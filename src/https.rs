//! The HTTP client for schema registries, JWKS URLs and token endpoints. Never used on the request path.

use std::{sync::Arc, time::Duration};

use ureq::{
    Agent,
    http::Uri,
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::excerpt::excerpt;

/// Maximum characters of a message that are shown.
const QUOTED_CHARS_MAX: usize = 400;

/// Maximum delay after a failed request that is sent again and again.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Delay after the first failed request.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The delay after so many failed requests in a row: exponential.
pub(crate) fn backoff(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    BACKOFF_MIN.saturating_mul(doubled).min(BACKOFF_MAX)
}

/// Why there is no complete response.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server is too slow.
    #[error("no response within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The connection failed, the certificate is not trusted, or the response is not HTTP.
    #[error("{0}")]
    Unreachable(String),
    /// The response is too large.
    #[error("the response exceeds {0} bytes")]
    TooLarge(u64),
}

impl RequestError {
    /// What became of a request with that timeout and a response of at most so many bytes.
    pub(crate) fn new(error: &ureq::Error, timeout: Duration, bytes_max: u64) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::TimedOut(timeout),
            ureq::Error::BodyExceedsLimit(_) => Self::TooLarge(bytes_max),
            other => Self::Unreachable(excerpt(other.to_string().as_bytes(), QUOTED_CHARS_MAX)),
        }
    }
}

/// The host of a URL, with its port if given, for messages.
pub(crate) fn host(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    authority.map(ToString::to_string).unwrap_or_default()
}

/// A client for the server of this URL that asks for the media type `accept`. `timeout` limits a
/// request from the DNS look-up to the last byte of the response.
///
/// An HTTP error status is a response, not an error. Redirects are not followed and proxies are not
/// used, so that requests (and credentials) reach no other server than the configured one. Server
/// certificates are verified against the system's roots, or those of `SSL_CERT_FILE`, read now.
pub(crate) fn agent(url: &str, accept: &str, timeout: Duration) -> Agent {
    let mut config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("ringest/", env!("CARGO_PKG_VERSION")))
        .accept(accept);
    if url.starts_with("https:") {
        // Unreadable roots are ignored; without any, verification fails with an error that says so.
        let trusted = rustls_native_certs::load_native_certs().certs;
        let trusted = trusted
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned());
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(trusted))
            .unversioned_rustls_crypto_provider(ring);
        config = config.tls_config(tls.build());
    }
    config.build().into()
}

/// The status and the body of the answer to GET, by an agent with this `timeout`.
pub(crate) fn get(
    agent: &Agent,
    url: &str,
    timeout: Duration,
    bytes_max: u64,
) -> Result<(u16, String), RequestError> {
    let failed = |error: ureq::Error| RequestError::new(&error, timeout, bytes_max);
    let answer = agent.get(url).call().map_err(failed)?;
    let status = answer.status().as_u16();
    let body = answer.into_body().into_with_config().limit(bytes_max);
    let body = body.lossy_utf8(true).read_to_string().map_err(failed)?;
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_its_maximum() {
        let seconds = [1, 2, 4, 8, 16, 30, 30].map(Duration::from_secs);
        for (failures, expected) in (1..).zip(seconds) {
            assert_eq!(backoff(failures), expected);
        }
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
    }
}
