//! Token endpoints that work, are unavailable, broken or slow.

use std::time::{Duration, Instant, SystemTime};

use base64::{Engine, prelude::BASE64_STANDARD};
use ringest::{metrics::TokenFetchResult as Result, oauth::TokenError};

use super::rig::{Answer, Endpoint, Rig, jwt, settings};
use crate::support::{
    server::{CERTIFICATE, Server, refusing_address},
    wait::await_that,
};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn the_request_is_that_of_client_credentials() {
    let endpoint = Endpoint::start(Answer::token("a.b-c", 60));
    let before = SystemTime::now();
    let token = endpoint.settings().fetch().expect("a token");
    let ends = token.ends().expect("it has a lifetime");
    assert!((before + MINUTE..=SystemTime::now() + MINUTE).contains(&ends));
    let [request] = &endpoint.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(request.path, "/token");
    assert_eq!(
        request.body,
        "grant_type=client_credentials&scope=a+b&audience=kafka+%26+more%2B%3D"
    );
    let field = |name| request.field(name).unwrap_or_default();
    assert!(field("Content-Type").starts_with("application/x-www-form-urlencoded"));
    let credentials = field("Authorization")
        .strip_prefix("Basic ")
        .expect("Basic");
    let credentials = BASE64_STANDARD.decode(credentials).expect("Base64");
    assert_eq!(credentials, b"me%3A1:s3cret%20%C3%A9");
}

#[test]
fn lifetimes_are_those_of_the_response_or_of_the_token() {
    let endpoint = Endpoint::start(Answer::Nothing);
    let hour = Duration::from_hours(1);
    let now = SystemTime::now();
    for (answer, ends) in [
        (
            format!(r#"{{"access_token":"{}"}}"#, jwt(hour)),
            Some(now + hour),
        ),
        (
            format!(r#"{{"access_token":"{}","expires_in":"60"}}"#, jwt(hour)),
            Some(now + MINUTE),
        ),
        (
            r#"{"access_token":"opaque","token_type":"bearer"}"#.to_owned(),
            None,
        ),
    ] {
        endpoint.answer(Answer::ok(&answer));
        let found = endpoint.settings().fetch().expect("a token").ends();
        let off = |ends: SystemTime| {
            let found = found.expect("it has a lifetime");
            let off = found.duration_since(ends).or(ends.duration_since(found));
            off.expect("one of them is later")
        };
        match ends {
            Some(ends) => assert!(off(ends) < MINUTE / 2, "{answer}"),
            None => assert_eq!(found, None, "{answer}"),
        }
    }
}

#[test]
fn responses_that_have_no_token() {
    let endpoint = Endpoint::start(Answer::Nothing);
    let huge = format!("{{}}{}", " ".repeat(300 << 10));
    let denied = r#"{"error":"invalid_client","error_description":"no such\nclient"}"#;
    for (answer, expected) in [
        (
            Answer::Whole(401, denied.to_owned()),
            "HTTP status 401: invalid_client: no such\\nclient",
        ),
        (Answer::Whole(500, "s3cret".to_owned()), "HTTP status 500"),
        (
            Answer::Whole(500, r#"{"error":"not s3cret é"}"#.to_owned()),
            "HTTP status 500: not …",
        ),
        (Answer::Whole(302, String::new()), "HTTP status 302"),
        (Answer::ok(""), "the response is not JSON"),
        (Answer::ok("<html>"), "the response is not JSON"),
        (
            Answer::ok("[]"),
            "the response has no access_token that is a bearer token",
        ),
        (
            Answer::ok(r#"{"access_token":7}"#),
            "the response has no access_token that is a bearer token",
        ),
        (
            Answer::ok(r#"{"access_token":"a b"}"#),
            "the response has no access_token that is a bearer token",
        ),
        (
            Answer::ok(r#"{"access_token":"a\u0000"}"#),
            "the response has no access_token that is a bearer token",
        ),
        (
            Answer::ok(r#"{"access_token":"a","token_type":"DPoP"}"#),
            "the token_type of the response is not Bearer",
        ),
        (Answer::token("a", 0), "the token has already expired"),
        (Answer::ok(&huge), "the response exceeds 262144 bytes"),
        (Answer::Nothing, ""),
    ] {
        endpoint.answer(answer.clone());
        let error = endpoint
            .settings()
            .fetch()
            .expect_err("no token")
            .to_string();
        assert!(error.starts_with(expected), "{answer:?}: {error}");
        assert!(
            !error.contains("s3cret") && !error.contains('\n'),
            "{error}"
        );
    }
    let (address, _socket) = refusing_address();
    let error = settings(&format!("http://{address}/"))
        .fetch()
        .expect_err("nobody is there");
    assert!(matches!(error, TokenError::Request(_)), "{error:?}");
}

#[test]
fn https_is_checked_against_the_trusted_certificates() {
    let server = Server::tls(|_| (200, r#"{"access_token":"a"}"#.to_owned()));
    let error = settings(&server.url)
        .fetch()
        .expect_err("nobody trusts it")
        .to_string();
    assert!(error.contains("certificate"), "{error}");
    assert!(server.requests().is_empty(), "the secret was sent");
    assert!(!CERTIFICATE.is_empty());
}

#[test]
fn a_token_is_replaced_before_it_ends_and_one_request_serves_all() {
    let endpoint = Endpoint::start(Answer::token("a", 2));
    let rig = Rig::start(&endpoint.settings());
    rig.await_count(Result::Ok, 3);
    assert!(!rig.access.lacks_token());
    // Each after 70 to 80 % of two seconds, and not sooner.
    let times: Vec<Instant> = endpoint.requests().iter().map(|it| it.at).collect();
    for pair in times.windows(2) {
        let pause = pair[1] - pair[0];
        assert!(pause >= Duration::from_millis(1_300), "{pause:?}");
    }
    let latest = rig.metrics.tokens.latest().expect("there is one");
    assert!(latest.ends.is_some());
}

#[test]
fn failures_keep_the_token_until_it_ends() {
    let endpoint = Endpoint::start(Answer::token("a", 4));
    let rig = Rig::start(&endpoint.settings());
    rig.await_count(Result::Ok, 1);
    endpoint.answer(Answer::Whole(503, String::new()));
    rig.await_count(Result::BadStatus, 1);
    assert!(!rig.access.lacks_token(), "it ended before its time");
    await_that("it does not end", || rig.access.lacks_token());
    let failures = rig.count(Result::BadStatus);
    endpoint.answer(Answer::token("b", 60));
    rig.await_count(Result::Ok, 2);
    assert!(!rig.access.lacks_token());
    // With a backoff: a second, two, ...
    assert!(failures < 5, "{failures} requests within seconds");
}

#[test]
fn an_endpoint_unavailable_at_start_is_retried_and_tokens_that_have_ended_are_not_used() {
    let (address, socket) = refusing_address();
    let rig = Rig::start(&settings(&format!("http://{address}/token")));
    rig.await_count(Result::Unreachable, 1);
    assert!(rig.access.lacks_token());
    socket.listen(8).expect("its port");
    let endpoint = Endpoint::on(socket.into(), Answer::token("a", 0));
    rig.await_count(Result::BadToken, 1);
    assert!(rig.access.lacks_token());
    let begun = Instant::now();
    let requests = endpoint.requests().len();
    assert!(requests < 5, "{requests}");
    endpoint.answer(Answer::token("a", 60));
    rig.await_count(Result::Ok, 1);
    assert!(!rig.access.lacks_token(), "after {:?}", begun.elapsed());
}

#[test]
fn an_endpoint_that_hangs_holds_up_nobody_and_a_reload_tries_at_once() {
    let silent = Endpoint::start(Answer::Silence);
    let begun = Instant::now();
    let rig = Rig::start(&silent.settings());
    await_that("no request", || !silent.requests().is_empty());
    assert!(rig.access.lacks_token());
    drop(rig);
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "it was waited for"
    );

    let down = Endpoint::start(Answer::Nothing);
    let mut rig = Rig::start(&down.settings());
    // The next attempt would be after four seconds, at least.
    rig.await_count(Result::Unreachable, 3);
    let up = Endpoint::start(Answer::token("a", 60));
    let begun = Instant::now();
    rig.follow(&up.settings());
    rig.await_count(Result::Ok, 1);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    // As it is after a reload without a change.
    rig.follow(&up.settings());
    assert_eq!(up.requests().len(), 1);
}
