//! Whom a registry's certificate convinces.

use std::{env, process::Command};

use ringest::registry::{LookupError, resolve};

use super::{ids, latest, reason, registry};
use crate::support::server::{CERTIFICATE, Server};

/// What rustls' own readers of the system's certificates look at first.
const TRUSTED: &str = "SSL_CERT_FILE";

fn start() -> Server {
    Server::tls(|_| (200, r#"{"id":7}"#.to_owned()))
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let server = start();
    let LookupError::Unreachable(text) = reason(&registry(&server.url)) else {
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
    const NAME: &str = "registry::tls::a_certificate_of_the_systems_is_trusted";
    const CHILD: &str = "RINGEST_TEST_TRUSTS_REGISTRY";
    if env::var_os(CHILD).is_none() {
        let child = Command::new(env::current_exe().expect("this test"))
            .args(["--exact", NAME])
            .env(TRUSTED, CERTIFICATE)
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
