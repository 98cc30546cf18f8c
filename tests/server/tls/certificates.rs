//! Which certificate a client gets, and certificates that change while ringest serves.

use std::fs;

use rustls::{
    HandshakeKind,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::Rig;
use crate::support::{
    event::{PATH, RECORD},
    http::Http,
    tls::file,
    wait::await_that,
};

/// The certificates of a file in `tests/support/tls`.
fn certificates(name: &str) -> Vec<CertificateDer<'static>> {
    let certificates = CertificateDer::pem_file_iter(file(name)).expect("a fixture");
    certificates.collect::<Result<_, _>>().expect("PEM")
}

/// What the client was shown.
fn shown(http: &mut Http) -> Vec<CertificateDer<'static>> {
    let certificates = http.tls().0.peer_certificates();
    certificates.expect("the handshake is done").to_vec()
}

fn is_accepted(http: &mut Http) {
    let answer = http.post(PATH, RECORD).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
    let (certificate, key) = (file("chain.pem"), file("chain.key"));
    let other = format!("[{{ certificate = {certificate:?}, private_key = {key:?} }}]");
    let rig = Rig::start("auto", |it| it.set("listen.tls.certificates", &other));
    for (name, expected) in [
        ("localhost", "server.pem"),
        ("a.example.com", "server.pem"),
        ("b.example.com", "chain.pem"),
        ("B.example.COM", "chain.pem"),
        ("any.b.example.com", "chain.pem"),
        // An address is never asked for.
        ("127.0.0.1", "server.pem"),
    ] {
        let mut http = rig.connect_to(name);
        assert_eq!(shown(&mut http), certificates(expected), "{name}");
        is_accepted(&mut http);
    }
    // The default, which has another name.
    for name in ["c.example.com", "one.two.b.example.com"] {
        let mut http = rig.ringest.connect().secured(&rig.client, name);
        let error = http.handshake().expect_err("it is another's");
        assert!(error.to_string().contains("not valid for name"), "{error}");
    }
    rig.settles();
}

/// With its certificate in files that the test changes.
const CONFIGURED: &str = "[auth]\nmode = \"none\"\n\
    [listen.tls]\ncertificate = \"tls.crt\"\nprivate_key = \"tls.key\"\n";

fn read(name: &str) -> Vec<u8> {
    fs::read(file(name)).expect("a fixture")
}

fn changing() -> Rig {
    Rig::start_with("auto", |it| {
        it.auth(CONFIGURED)
            .file("tls.crt", &read("server.pem"))
            .file("tls.key", &read("server.key"))
    })
}

/// Reloads that have failed.
fn failed(rig: &Rig) -> u64 {
    (rig.ringest).count_of("ringest_config_reloads_total", "result=\"error\"")
}

#[test]
fn a_certificate_that_changes_ends_no_connection() {
    let rig = changing();
    let mut first = rig.connect();
    is_accepted(&mut first);
    // One that is not its key's, and what is none.
    for content in [read("chain.pem"), b"-".to_vec()] {
        let before = failed(&rig);
        rig.ringest.write("tls.crt", &content);
        await_that("no reload has failed", || failed(&rig) > before);
        assert_eq!(shown(&mut rig.connect()), certificates("server.pem"));
    }
    assert!(
        rig.ringest
            .log()
            .contains("is not the private key of the certificate in")
    );
    rig.ringest.write("tls.key", &read("chain.key"));
    rig.ringest.write("tls.crt", &read("chain.pem"));
    await_that("it shows the old one", || {
        let mut http = rig.ringest.connect().secured(&rig.client, "b.example.com");
        http.handshake().is_ok() && shown(&mut http) == certificates("chain.pem")
    });
    is_accepted(&mut first);
    assert_eq!(shown(&mut first), certificates("server.pem"));
}

#[test]
fn tls_is_switched_off_and_on_by_a_reload() {
    let rig = changing();
    let mut secured = rig.connect();
    is_accepted(&mut secured);
    rig.ringest.set_auth("[auth]\nmode = \"none\"\n");
    rig.ringest.reload();
    await_that("it still needs TLS", || {
        let answer = rig.ringest.connect().post(PATH, RECORD);
        answer.is_ok_and(|answer| answer.status == 200)
    });
    let mut plain = rig.ringest.connect();
    is_accepted(&mut plain);
    is_accepted(&mut secured);
    rig.ringest.set_auth(CONFIGURED);
    rig.ringest.reload();
    await_that("it has no TLS", || {
        let mut http = rig.ringest.connect().secured(&rig.client, "localhost");
        http.handshake().is_ok()
    });
    is_accepted(&mut plain);
    is_accepted(&mut secured);
    drop((plain, secured));
    rig.settles();
}

#[test]
fn sessions_are_resumed_and_survive_a_reload() {
    let rig = Rig::start("auto", |it| it);
    let kind = || {
        let mut http = rig.connect();
        is_accepted(&mut http);
        http.tls().0.handshake_kind()
    };
    let resumed = rig.handshakes("resumed");
    kind();
    assert_eq!(kind(), Some(HandshakeKind::Resumed));
    let before = rig.ringest.count("ringest_config_generation");
    rig.ringest.reload();
    await_that("it is not reloaded", || {
        rig.ringest.count("ringest_config_generation") > before
    });
    assert_eq!(kind(), Some(HandshakeKind::Resumed));
    assert!(rig.handshakes("resumed") >= resumed + 2);
    rig.settles();
}
