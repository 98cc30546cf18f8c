//! Certificates of `tls/`, which `make.sh` there has made, and what a client of TLS trusts.

use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, SupportedProtocolVersion,
    client::WantsClientCert,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use super::ringest::Builder;

/// The path of one of the files.
pub(crate) fn file(name: &str) -> String {
    format!("{}/tests/support/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Serves with the certificate `NAME.pem` and its key.
pub(crate) fn serve(builder: Builder, name: &str) -> Builder {
    builder
        .set("listen.tls.certificate", &file(&format!("{name}.pem")))
        .set("listen.tls.private_key", &file(&format!("{name}.key")))
}

/// TLS 1.3 and 1.2.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// A client that trusts the CA of the tests and speaks HTTP/1.1 in one of these versions.
pub(crate) fn client(versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    finished(builder(versions).with_no_client_auth())
}

/// One that has the certificate `NAME.pem`.
pub(crate) fn client_with(name: &str) -> Arc<ClientConfig> {
    let chain = CertificateDer::pem_file_iter(file(&format!("{name}.pem"))).expect("a fixture");
    let chain = chain.collect::<Result<_, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).expect("a key");
    let config = builder(&VERSIONS).with_client_auth_cert(chain, key);
    finished(config.expect("they belong together"))
}

fn builder(
    versions: &[&'static SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(file("ca.pem")).expect("a certificate");
    roots.add(ca).expect("good");
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("they are there")
        .with_root_certificates(roots)
}

fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}
