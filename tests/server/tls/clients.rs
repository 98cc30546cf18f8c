//! Certificates of clients as credentials.

use std::{fs, sync::Arc};

use rustls::ClientConfig;

use super::{DRIVERS, Rig, anonymous};
use crate::support::{
    event::{PATH, RECORD},
    http::{Answer, Http, request},
    tls::{client_with, file},
    wait::await_that,
};

const AUTHENTICATED: &str = "
[[auth.certificates]]
name = \"device-1\"
san = \"DNS:device-1.example.com\"
routes = [\"Event/*\"]
[[auth.certificates]]
name = \"elsewhere\"
subject = \"CN=device-2\"
routes = [\"Other/*\"]
[listen.tls]
certificate = \"tls.crt\"
private_key = \"tls.key\"
client_ca = \"ca.crt\"
";

fn read(name: &str) -> Vec<u8> {
    fs::read(file(name)).expect("a fixture")
}

/// With a model `Other`, too, and the principal in a header of Kafka's.
fn rig(driver: &str, more: &str) -> Rig {
    let auth = format!("[auth]\nmode = \"required\"\n{AUTHENTICATED}{more}");
    Rig::start_as(driver, client_with("device"), |it| {
        it.auth(&auth)
            .model("Other", "1.0", "events")
            .file("tls.crt", &read("server.pem"))
            .file("tls.key", &read("server.key"))
            .file("ca.crt", &read("ca.pem"))
            .file("crl.pem", &read("revoked.crl.pem"))
    })
}

fn connect(rig: &Rig, client: &Arc<ClientConfig>) -> Http {
    rig.ringest.connect().secured(client, "localhost")
}

fn post(rig: &Rig, client: &Arc<ClientConfig>, path: &str) -> Answer {
    let answer = connect(rig, client).post(path, RECORD);
    answer.expect("the handshake succeeds, and there is an answer")
}

fn denied(rig: &Rig, reason: &str) -> u64 {
    rig.ringest
        .count_of("ringest_credentials_total", &format!("result=\"{reason}\""))
}

#[test]
fn a_certificate_allows_the_routes_of_its_client() {
    for driver in DRIVERS {
        let rig = rig(driver, "");
        for (client, path, status) in [
            (client_with("device"), PATH, 200),
            (client_with("device"), "/ingest/Other/1.0", 403),
            (client_with("device"), "/ingest/None/1.0", 404),
            // By its subject.
            (client_with("revoked"), "/ingest/Other/1.0", 200),
            (client_with("revoked"), PATH, 403),
        ] {
            let answer = post(&rig, &client, path);
            assert_eq!(answer.status, status, "{path} {answer:?}");
        }
        // No certificate; one of the CA that is no client's; a token beside a certificate.
        let missing = denied(&rig, "missing");
        assert_eq!(post(&rig, &anonymous(), PATH).status, 401);
        assert_eq!(denied(&rig, "missing"), missing + 1);
        let unknown = denied(&rig, "certificate");
        assert_eq!(post(&rig, &client_with("unknown"), PATH).status, 401);
        assert_eq!(denied(&rig, "certificate"), unknown + 1);
        // Which certificate, and why; and the path that no route has.
        for parts in [
            &[
                "reason=\"certificate\" client=127.0.0.1 request_id=",
                " subject=\"CN=",
                " cause=\"no entry of auth.certificates has its subject or one of its alternative names\"",
            ][..],
            &["answered 404", " path=\"/ingest/None/1.0\""],
        ] {
            await_that("the log does not have it", || {
                let log = rig.ringest.log();
                log.lines()
                    .any(|it| parts.iter().all(|part| it.contains(part)))
            });
        }
        let mut http = connect(&rig, &client_with("device"));
        let token = String::from_utf8(request(PATH, "application/json", RECORD)).expect("text");
        let token = token.replace("Host:", "Authorization: Bearer nobody\r\nHost:");
        http.send(token.as_bytes()).expect("ringest reads");
        assert_eq!(http.answer().expect("an answer").status, 401);
        // The connection goes on, and the certificate counts again.
        assert_eq!(http.post(PATH, RECORD).expect("an answer").status, 200);
        // One of another CA: no connection.
        let answer = connect(&rig, &client_with("foreign")).post(PATH, RECORD);
        assert!(answer.is_err(), "{answer:?}");
        drop(http);
        rig.settles();
    }
}

/// A page of any origin can have its visitor's browser send this, with the visitor's certificate and without a
/// preflight.
fn post_of_page(rig: &Rig, origin: &str) -> u16 {
    let request = String::from_utf8(request(PATH, "text/plain", RECORD)).expect("text");
    let request = request.replace("Host:", &format!("{origin}Host:"));
    let mut http = connect(rig, &rig.client);
    http.send(request.as_bytes()).expect("ringest reads");
    http.answer().expect("an answer").status
}

const LISTED: &str = "Origin: https://app.example.com\r\n";
const OTHER: &str = "Origin: https://example.org\r\n";

#[test]
fn pages_use_the_certificate_of_their_visitor_where_their_origin_is_listed() {
    for driver in DRIVERS {
        let cors = "[listen.cors]\norigins = [\"https://app.example.com\"]\n";
        let rig = rig(driver, cors);
        let before = denied(&rig, "origin");
        for (origin, status) in [
            ("", 200),
            (LISTED, 200),
            (OTHER, 403),
            ("Origin: null\r\n", 403),
            ("Origin:\r\n", 403),
            (&[LISTED, LISTED].concat(), 403),
        ] {
            assert_eq!(post_of_page(&rig, origin), status, "{origin}");
        }
        assert_eq!(denied(&rig, "origin"), before + 4);
        rig.settles();
    }
    let every = rig("auto", "[listen.cors]\norigins = [\"*\"]\n");
    let none = rig("auto", "");
    for rig in [&every, &none] {
        assert_eq!(post_of_page(rig, ""), 200);
        assert_eq!(post_of_page(rig, LISTED), 403);
    }
    // Where the certificate is what lets a client connect.
    let auth = none.ringest.auth();
    let auth = auth.replace("\"required\"", "\"none\"");
    let generation = || none.ringest.count("ringest_config_generation");
    let before = generation();
    none.ringest
        .set_auth(&format!("{auth}client_certificates = \"required\"\n"));
    none.ringest.reload();
    await_that("it is not reloaded", || generation() > before);
    assert_eq!(post_of_page(&none, ""), 200);
    assert_eq!(post_of_page(&none, OTHER), 403);
}

#[test]
fn no_connection_without_a_certificate_where_it_is_required() {
    let rig = rig("auto", "client_certificates = \"required\"\n");
    let failed = rig.handshakes("failed");
    let answer = connect(&rig, &anonymous()).post(PATH, RECORD);
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(rig.handshakes("failed"), failed + 1);
    let resumed = rig.handshakes("resumed");
    for _ in 0..2 {
        assert_eq!(post(&rig, &rig.client, PATH).status, 200);
    }
    assert!(rig.handshakes("resumed") > resumed, "with its certificate");
    rig.settles();
}

#[test]
fn a_certificate_that_is_revoked_is_rejected_on_open_connections_too() {
    let rig = rig("auto", "");
    let mut kept = connect(&rig, &client_with("device"));
    let mut revoked = connect(&rig, &client_with("revoked"));
    let other = "/ingest/Other/1.0";
    assert_eq!(kept.post(PATH, RECORD).expect("an answer").status, 200);
    assert_eq!(revoked.post(other, RECORD).expect("an answer").status, 200);
    let auth = rig.ringest.auth();
    let generation = || rig.ringest.count("ringest_config_generation");
    let before = generation();
    rig.ringest
        .set_auth(&format!("{auth}client_crl = \"crl.pem\"\n"));
    rig.ringest.reload();
    await_that("it is not reloaded", || generation() > before);
    assert_eq!(revoked.post(other, RECORD).expect("an answer").status, 401);
    assert_eq!(kept.post(PATH, RECORD).expect("an answer").status, 200);
    let answer = connect(&rig, &client_with("revoked")).post(other, RECORD);
    assert!(answer.is_err(), "{answer:?}");
    // Another CA: nobody is known.
    let before = generation();
    rig.ringest.write("ca.crt", &read("server.pem"));
    await_that("it is not reloaded", || generation() > before);
    assert_eq!(kept.post(PATH, RECORD).expect("an answer").status, 401);
}
