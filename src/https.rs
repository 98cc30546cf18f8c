//! The HTTP client for schema registries and JWKS URLs. Never used on the request path.

use std::{sync::Arc, time::Duration};

use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

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
