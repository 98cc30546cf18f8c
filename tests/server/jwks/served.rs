//! JWK set URLs with the running server: what clients with tokens see.

use std::{
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::json;

use super::endpoint::{Answer, Endpoint, secret, set};
use crate::support::{
    event::{PATH, TOPIC},
    http::Answer as HttpAnswer,
    mock::Mock,
    ringest::{Builder, Ringest},
    server::{CERTIFICATE, Server, refusing_address},
    wait::{PATIENCE, await_that, eventually},
};

/// The section `[auth]` with issuers: name, URL, refresh in milliseconds.
pub(crate) fn auth(issuers: &[(&str, &str, u64)]) -> String {
    let issuers = issuers.iter().map(|(name, url, refresh)| {
        format!(
            "[[auth.jwt]]\nissuer = {name:?}\naudience = \"ingest\"\nalgorithms = [\"HS256\"]\n\
             jwks_url = {url:?}\njwks_refresh_ms = {refresh}\n"
        )
    });
    issuers.collect()
}

/// One issuer, called `id`.
pub(crate) fn builder(mock: &Mock, url: &str, refresh_ms: u64) -> Builder {
    Ringest::builder(&mock.brokers())
        .model("Event", "1.0", "events")
        .set("workers", "2")
        .auth(&auth(&[("id", url, refresh_ms)]))
}

pub(crate) const DAY_MS: u64 = 86_400_000;

pub(crate) fn mock() -> Mock {
    Mock::with_topics(&[TOPIC])
}

/// A token that is valid for an hour.
pub(crate) fn token(issuer: &str, key: &str) -> String {
    token_of(issuer, key, "somebody")
}

/// As [`token`], of this client.
pub(crate) fn token_of(issuer: &str, key: &str, subject: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let header = json!({ "alg": "HS256", "kid": key });
    let claims = json!({ "iss": issuer, "aud": "ingest", "sub": subject, "exp": now + 3_600 });
    let [header, claims] = [header, claims].map(|it| BASE64_URL_SAFE_NO_PAD.encode(it.to_string()));
    let message = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret(key));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

/// The answer to a record with this token, once it is not that a busy machine has no time to verify it.
pub(crate) fn post(ringest: &Ringest, token: &str) -> HttpAnswer {
    let verified = eventually(PATIENCE, || {
        let answer = post_once(ringest, token);
        (!is_busy(&answer)).then_some(answer)
    });
    verified.expect("a verification slot")
}

/// Whether no verification slot was free in time.
pub(crate) fn is_busy(answer: &HttpAnswer) -> bool {
    answer.status == 503 && answer.text("code") == "authentication_busy"
}

fn post_once(ringest: &Ringest, token: &str) -> HttpAnswer {
    let mut http = ringest.connect();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nHost: ringest\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 7\r\n\r\n{{\"a\":1}}"
    );
    http.send(request.as_bytes()).expect("ringest reads");
    http.answer().expect("ringest answers")
}

/// Waits until a token gets this status on several connections, which cover both workers.
#[track_caller]
pub(crate) fn await_status(ringest: &Ringest, token: &str, status: u16) {
    let mut last = None;
    let so = eventually(PATIENCE, || {
        let answers: Vec<_> = (0..16).map(|_| post(ringest, token)).collect();
        let other = answers.into_iter().find(|it| it.status != status);
        let is_so = other.is_none();
        last = other;
        is_so.then_some(())
    });
    assert!(so.is_some(), "not {status}: {last:?}");
}

#[test]
fn tokens_get_503_until_keys_are_fetched() {
    let mock = mock();
    let (address, socket) = refusing_address();
    let url = format!("http://{address}/jwks.json");
    let ringest = builder(&mock, &url, DAY_MS).start();
    await_that("no broker", || ringest.ready() == 200);
    let good = token("id", "a");
    let answer = post(&ringest, &good);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.text("code"), "keys_unavailable");
    assert_eq!(answer.text("persisted"), "no");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    // Tokens of other issuers are not affected.
    assert_eq!(post(&ringest, &token("other", "a")).status, 401);
    socket.listen(64).expect("its port");
    let endpoint = Endpoint::on(socket.into(), &["a"]);
    await_status(&ringest, &good, 200);
    assert_eq!(endpoint.request_count(), 1);
    let log = ringest.log();
    let refused = format!("fetching keys from {address} failed: io: Connection refused");
    assert_eq!(
        log.matches(&refused).count(),
        1,
        "once for one reason: {log}"
    );
    assert!(ringest.terminate().success());
}

#[test]
fn keys_available_at_start_are_used_for_the_first_request() {
    let mock = mock();
    let endpoint = Endpoint::start(&["a"]);
    let ringest = builder(&mock, &endpoint.url(), DAY_MS).start();
    let answer = post(&ringest, &token("id", "a"));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn keys_are_rotated_while_tokens_are_cached() {
    let mock = mock();
    let endpoint = Endpoint::start(&["old"]);
    let ringest = builder(&mock, &endpoint.url(), 1_000).start();
    let (old, new) = (token("id", "old"), token("id", "new"));
    await_status(&ringest, &old, 200);
    assert_eq!(post(&ringest, &new).status, 401);
    endpoint.serve(&["old", "new"]);
    await_status(&ringest, &new, 200);
    await_status(&ringest, &old, 200);
    let removed = Instant::now();
    endpoint.serve(&["new"]);
    await_status(&ringest, &old, 401);
    // The refresh, and time for a busy machine.
    assert!(removed.elapsed() < Duration::from_secs(6));
    await_status(&ringest, &new, 200);
    endpoint.answer(Answer::Nothing);
    await_that("no failure", || ringest.log().contains("keeping the keys"));
    assert_eq!(post(&ringest, &new).status, 200);
    assert!(ringest.metric("ringest_jwks_keys_age_seconds") < 60.0);
}

#[test]
fn a_reload_fetches_again_and_replaces_issuers() {
    let mock = mock();
    let endpoint = Endpoint::start(&["old"]);
    let ringest = builder(&mock, &endpoint.url(), DAY_MS).start();
    let (old, new) = (token("id", "old"), token("id", "new"));
    await_status(&ringest, &old, 200);
    endpoint.serve(&["new"]);
    ringest.reload();
    await_status(&ringest, &old, 401);
    await_status(&ringest, &new, 200);
    // A failed reload fetches as well.
    endpoint.serve(&["newer"]);
    let good = ringest.auth();
    ringest.set_auth("[auth]\nmode = \"nonsense\"\n");
    ringest.reload();
    await_status(&ringest, &new, 401);
    let new = token("id", "newer");
    await_status(&ringest, &new, 200);
    ringest.set_auth(&good);
    let other = Endpoint::start(&["b"]);
    let both = auth(&[
        ("other", &other.url(), DAY_MS),
        ("id", &endpoint.url(), DAY_MS),
    ]);
    endpoint.answer(Answer::Nothing);
    ringest.set_auth(&both);
    ringest.reload();
    await_status(&ringest, &token("other", "b"), 200);
    assert_eq!(post(&ringest, &new).status, 200, "its keys were kept");
    ringest.set_auth(&auth(&[("other", &other.url(), DAY_MS)]));
    ringest.reload();
    await_status(&ringest, &new, 401);
    await_status(&ringest, &token("other", "b"), 200);
}

#[test]
fn a_fetch_in_progress_does_not_delay_the_exit() {
    let mock = mock();
    let endpoint = Endpoint::start(&[]);
    endpoint.answer(Answer::Silence);
    let ringest = builder(&mock, &endpoint.url(), DAY_MS).start();
    await_that("no question", || endpoint.request_count() == 1);
    let start = Instant::now();
    assert!(ringest.terminate().success());
    // The fetch would have waited for 10 s.
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn only_system_certificates_are_trusted() {
    let mock = mock();
    let server = Server::tls(|_| (200, set(&["a"])));
    let good = token("id", "a");
    let ringest = builder(&mock, &server.url, 1_000).start();
    let host = server.url.trim_start_matches("https://");
    let refused = format!("fetching keys from {host} failed: ");
    await_that("no refusal", || ringest.log().contains(&refused));
    let log = ringest.log();
    assert!(
        log.contains("invalid peer certificate: UnknownIssuer"),
        "{log}"
    );
    assert_eq!(post(&ringest, &good).text("code"), "keys_unavailable");
    assert_eq!(server.requests().len(), 0);
    drop(ringest);
    let ringest = builder(&mock, &server.url, 1_000)
        .variable("SSL_CERT_FILE", CERTIFICATE)
        .start();
    await_status(&ringest, &good, 200);
}

#[test]
fn check_connect_fetches_keys() {
    let mock = mock();
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("models")).expect("the directory is ours");
    let model = "name = \"Event\"\nversion = \"1.0\"\ntopic = \"events\"\n";
    std::fs::write(path("models/event.toml"), model).expect("the file is ours");
    let good = Endpoint::start(&["a", "b"]);
    let foreign = r#",{"kty":"quantum","kid":"q"}]"#;
    let keys = set(&["a", "b"]).replace(']', foreign);
    good.answer(Answer::status(200, &[], keys.as_bytes()));
    let bad = Endpoint::start(&[]);
    bad.answer(Answer::status(404, &[], b""));
    for (second, code) in [(&good, 0), (&bad, 1)] {
        let kafka = format!("[kafka]\n\"bootstrap.servers\" = {:?}\n", mock.brokers());
        let issuers = [
            ("id", &*good.url(), DAY_MS),
            ("second", &*second.url(), DAY_MS),
        ];
        let config = format!("models = \"models\"\n{kafka}{}", auth(&issuers));
        std::fs::write(path("ringest.toml"), config).expect("the file is ours");
        let output = Command::new(env!("CARGO_BIN_EXE_ringest"))
            .args(["--check", "--connect", "--config"])
            .arg(path("ringest.toml"))
            .output()
            .expect("the binary runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
        let line = format!("issuer \"id\": usable keys at {}: 2\n", good.url());
        assert!(stdout.contains(&line), "{stdout}");
        assert!(
            stderr.contains("issuer \"id\": key ignored: keys[2]"),
            "{stderr}"
        );
        let line = format!(
            "issuer \"second\": no keys at {}: HTTP status 404\n",
            bad.url()
        );
        assert_eq!(stderr.contains(&line), code == 1, "{stderr}");
    }
}
