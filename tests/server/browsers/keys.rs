//! Keys for pages: bound to origins and routes, in the header or in the query.

use ringest::auth::KeyHash;

use super::{ALLOWED, OTHERS, PATH, RECORD, Rig, assert_readable, post, request};
use crate::support::{
    event::TOPIC,
    http::Answer,
    ringest::{Builder, drivers},
    wait::await_that,
};

const PAGE_KEY: &str = "cGFnZQ-for_pages";
/// Its characters may be percent-encoded in a query.
const ODD_KEY: &str = "a+b/c==";
const EXPIRED_KEY: &str = "expired-key";
const SECRET: &str = "secret-of-a-server";
/// One of Moose's form.
const MOOSE: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.00112233445566778899aabbccddeeff";

/// Three keys for pages of [`ALLOWED`], one of which has expired, and two that are secret.
pub(super) fn configure(builder: Builder) -> Builder {
    let mut auth = "[auth]\n".to_owned();
    let mut key = |name: &str, hash: KeyHash, more: &str| {
        let key = format!("[[auth.keys]]\nname = \"{name}\"\nhash = \"{hash}\"\n{more}");
        auth.push_str(&key);
    };
    let sha256 = |token: &str| KeyHash::sha256(token.as_bytes());
    let origins = "origins = [\"https://app.example.com\", \"https://*.example.org\"]\n";
    let expired = format!("{origins}expires = \"2020-01-01T00:00:00Z\"\n");
    let narrow = format!("{origins}routes = [\"Event/*\"]\n");
    key("page", sha256(PAGE_KEY), &narrow);
    key("odd", sha256(ODD_KEY), origins);
    key("expired", sha256(EXPIRED_KEY), &expired);
    key("secret", sha256(SECRET), "");
    key(
        "moose",
        KeyHash::pbkdf2(MOOSE.as_bytes()).expect("its form"),
        "",
    );
    builder.auth(&auth).model("Order", "1.0", TOPIC)
}

/// What a beacon with a string is.
fn beacon(path: &str, origin: &str) -> Vec<u8> {
    let lines = format!(
        "Origin: {origin}\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n",
        RECORD.len()
    );
    request(&format!("POST {path}"), &lines, RECORD)
}

#[track_caller]
fn assert_answer(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, &*answer.text("code")),
        (status, code),
        "{answer:?}"
    );
}

#[test]
fn a_key_for_pages_is_accepted_from_them_in_the_header_and_in_the_query() {
    for driver in &drivers() {
        let rig = Rig::with_origins(driver, configure);
        let mut accepted = 0;
        // Not in the cache, then in it.
        for _ in 0..2 {
            for origin in ALLOWED {
                let lines = format!("Origin: {origin}\r\nAuthorization: Bearer {PAGE_KEY}\r\n");
                for request in [
                    post(&lines, RECORD),
                    beacon(&format!("{PATH}?key={PAGE_KEY}"), origin),
                    beacon(&format!("{PATH}?a=b&key={PAGE_KEY}&c"), origin),
                    beacon(&format!("{PATH}?key=a%2Bb%2fc%3D%3D"), origin),
                    beacon(&format!("{PATH}?key={ODD_KEY}"), origin),
                ] {
                    let answer = rig.exchange(&request);
                    assert_answer(&answer, 200, "");
                    assert_readable(&answer, origin);
                    accepted += 1;
                }
            }
        }
        assert_eq!(rig.mock.cluster().read(TOPIC).len(), accepted);
    }
}

#[test]
fn a_key_for_pages_is_refused_from_anywhere_else() {
    for driver in &drivers() {
        let rig = Rig::with_origins(driver, |it| {
            configure(it).set("log.filter", "info,ringest=debug")
        });
        let [allowed, _] = ALLOWED;
        let bearer = format!("Authorization: Bearer {PAGE_KEY}\r\n");
        let in_query = format!("{PATH}?key={PAGE_KEY}");
        for _ in 0..2 {
            for origin in OTHERS {
                let lines = format!("Origin: {origin}\r\n{bearer}");
                assert_answer(
                    &rig.exchange(&post(&lines, RECORD)),
                    403,
                    "origin_not_allowed",
                );
                let answer = rig.exchange(&beacon(&in_query, origin));
                assert_answer(&answer, 403, "origin_not_allowed");
            }
            let twice = format!("Origin: {allowed}\r\nOrigin: {allowed}\r\n{bearer}");
            for lines in [&bearer, &twice] {
                assert_answer(
                    &rig.exchange(&post(lines, RECORD)),
                    403,
                    "origin_not_allowed",
                );
            }
            // It is accepted in between, so that it is in the cache.
            let answer = rig.exchange(&beacon(&in_query, allowed));
            assert_answer(&answer, 200, "");
        }
        let answer = rig.exchange(&beacon(
            &format!("/ingest/Order/1.0?key={PAGE_KEY}"),
            allowed,
        ));
        assert_answer(&answer, 403, "route_not_allowed");
        assert_readable(&answer, allowed);
        let answer = rig.exchange(&beacon(&format!("{PATH}?key={EXPIRED_KEY}"), allowed));
        assert_answer(&answer, 401, "unauthenticated");
        assert_eq!(rig.mock.cluster().read(TOPIC).len(), 2);
        let refused = "ringest_credentials_total{result=\"origin\"}";
        assert_eq!(rig.ringest.count(refused), 20);
        // Each once, at one level, with what leads to the page and to its key.
        let lines = || {
            let log = rig.ringest.log();
            let lines = log.lines().filter(|it| it.contains("reason=\"origin\""));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        await_that("lines are missing", || lines().len() >= 20);
        let lines = lines();
        assert_eq!(lines.len(), 20, "{lines:?}");
        for line in &lines {
            assert!(line.contains(" DEBUG "), "{line}");
            assert!(line.contains(" client=127.0.0.1 request_id=\""), "{line}");
            assert!(line.contains(" principal=\"page\""), "{line}");
        }
        for origin in OTHERS {
            let origin = format!(" origin=\"{origin}\"");
            let named = lines.iter().filter(|it| it.contains(&origin));
            assert_eq!(named.count(), 4, "{origin} {lines:?}");
        }
    }
}

#[test]
fn no_other_credential_is_accepted_in_a_query() {
    for driver in &drivers() {
        let rig = Rig::with_origins(driver, configure);
        let [origin, _] = ALLOWED;
        let mut accepted = 0;
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIn0.c2ln";
        for token in [SECRET, MOOSE, jwt, "unknown", ""] {
            for _ in 0..2 {
                for name in ["key", "access_token"] {
                    let answer = rig.exchange(&beacon(&format!("{PATH}?{name}={token}"), origin));
                    assert_answer(&answer, 401, "unauthenticated");
                    let challenge = answer.header("www-authenticate").unwrap_or_default();
                    assert!(challenge.contains("invalid_token"), "{answer:?}");
                }
                // Then it is in the cache.
                let bearer = format!("Origin: {origin}\r\nAuthorization: Bearer {token}\r\n");
                let answer = rig.exchange(&post(&bearer, RECORD));
                accepted += usize::from(answer.status == 200);
            }
        }
        assert_eq!(accepted, 4);
        let lines = format!("Origin: {origin}\r\nContent-Length: 0\r\n");
        for query in [
            format!("key={PAGE_KEY}&key={PAGE_KEY}"),
            format!("access_token={PAGE_KEY}"),
            format!("key={PAGE_KEY}&access_token={PAGE_KEY}"),
            "key".to_owned(),
            "keys=x".to_owned(),
        ] {
            let answer = rig.exchange(&request(&format!("POST {PATH}?{query}"), &lines, b""));
            assert_answer(&answer, 401, "unauthenticated");
        }
        // A header comes first: the query is not looked at.
        let both = format!("{lines}Authorization: Bearer wrong\r\n");
        let answer = rig.exchange(&request(&format!("POST {PATH}?key={PAGE_KEY}"), &both, b""));
        assert_answer(&answer, 401, "unauthenticated");
        assert_eq!(rig.mock.cluster().read(TOPIC).len(), accepted);
        let log = rig.ringest.log();
        for token in [SECRET, MOOSE, PAGE_KEY] {
            assert!(!log.contains(token), "{log}");
        }
    }
}

/// What a cached key allows follows the configuration.
#[test]
fn a_reload_changes_the_pages_of_a_key() {
    let rig = Rig::with_origins("auto", configure);
    let [first, second] = ALLOWED;
    let in_query = format!("{PATH}?key={PAGE_KEY}");
    assert_answer(&rig.exchange(&beacon(&in_query, second)), 200, "");
    let auth = rig.ringest.auth();
    rig.ringest
        .set_auth(&auth.replace(", \"https://*.example.org\"", ""));
    rig.ringest.reload();
    await_that("it is reloaded", || {
        rig.exchange(&beacon(&in_query, second)).status == 403
    });
    assert_answer(&rig.exchange(&beacon(&in_query, first)), 200, "");
    // A key that is not for pages any more is as secret as others.
    rig.ringest.set_auth(&auth.replace("origins = ", "# "));
    rig.ringest.reload();
    await_that("it is reloaded", || {
        rig.exchange(&beacon(&in_query, first)).status == 401
    });
    let bearer = format!("Authorization: Bearer {PAGE_KEY}\r\n");
    assert_answer(&rig.exchange(&post(&bearer, RECORD)), 200, "");
}
