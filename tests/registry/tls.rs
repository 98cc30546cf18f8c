//! Whom a registry's certificate convinces. `127.0.0.1.pem` signs itself and is good from 2020 to 2126.

use std::{env, net::TcpStream, process::Command, sync::Arc};

use ringest::registry::{Reason, resolve};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{
    ids, latest, reason, registry,
    server::{Server, write},
};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/registry");

/// What rustls' own readers of the system's certificates look at first.
const TRUSTED: &str = "SSL_CERT_FILE";

/// A server whose URL starts with `https`.
fn start() -> Server {
    let certificate = format!("{DIRECTORY}/127.0.0.1.pem");
    let key = format!("{DIRECTORY}/127.0.0.1.key");
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("they are there")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they go together");
    let config = Arc::new(config);
    let wrap = move |stream: TcpStream| {
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a good configuration");
        StreamOwned::new(connection, stream)
    };
    let mut server = Server::over(wrap, |_, stream| write(stream, 200, r#"{"id":7}"#));
    server.url = server.url.replace("http:", "https:");
    server
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let server = start();
    let Reason::Unreachable(text) = reason(&registry(&server.url)) else {
        panic!("nobody knows the certificate");
    };
    assert!(
        text.contains("invalid peer certificate: UnknownIssuer"),
        "{text}"
    );
    assert_eq!(server.requests().len(), 0);
}

/// The variable is read from the environment of the process: the test is run by another one.
#[test]
fn a_certificate_of_the_systems_is_trusted() {
    const NAME: &str = "tls::a_certificate_of_the_systems_is_trusted";
    const CHILD: &str = "RINGEST_TEST_TRUSTS_REGISTRY";
    if env::var_os(CHILD).is_none() {
        let child = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", NAME])
            .env(TRUSTED, format!("{DIRECTORY}/127.0.0.1.pem"))
            .env(CHILD, "1")
            .output();
        let child = child.expect("it runs");
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    }
    let server = start();
    let resolved = resolve(Some(&registry(&server.url)), &[latest("orders-value")]);
    assert_eq!(ids(&resolved.expect("it is trusted")), [Some(7)]);
    assert_eq!(server.requests().len(), 1);
}
