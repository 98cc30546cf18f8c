//! How servers beside the brokers are asked: a schema registry, the issuers of tokens. Never on the
//! path of a request.

use std::{sync::Arc, time::Duration};

use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

/// Asks the server of this URL for one media type, and takes at most `timeout` from the look-up of the
/// host to the answer's last byte.
///
/// A status is an answer and no error. Redirects are not followed and proxies not used, so that what
/// is asked of the configured URL is asked there and nowhere else. Certificates are checked against
/// those of the system, or of `SSL_CERT_FILE`, as they are now.
pub(crate) fn agent(url: &str, accept: &str, timeout: Duration) -> Agent {
    let mut config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("ringest/", env!("CARGO_PKG_VERSION")))
        .accept(accept);
    if url.starts_with("https:") {
        // What can't be read is not trusted; with none, every certificate is refused, and said so.
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
