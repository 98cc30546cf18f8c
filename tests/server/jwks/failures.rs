//! Endpoints that are unavailable, broken, slow or not trusted.

use std::time::Instant;

use super::{
    DAY, SECOND,
    endpoint::{Answer, Endpoint, set},
    rig::{Rig, issuer},
};
use crate::support::{
    server::{Server, refusing_address},
    wait::await_that,
};

/// The maximum size of a set.
const SET_BYTES_MAX: usize = 1 << 20;

#[test]
fn an_endpoint_unavailable_at_start_is_retried() {
    let (address, socket) = refusing_address();
    let rig = Rig::start(&format!("http://{address}/jwks.json"), DAY);
    rig.await_fetches("id", "unreachable", 2);
    assert!(rig.fetched(0).keys().is_none());
    assert_eq!(rig.age("id"), None, "there are no keys");
    socket.listen(8).expect("its port");
    let endpoint = Endpoint::on(socket.into(), &["a"]);
    rig.await_keys(&["a"], &[]);
    assert!(rig.age("id").is_some());
    assert_eq!(endpoint.request_count(), 1);
    assert_eq!(rig.changed.try_iter().count(), 1);
}

#[test]
fn failures_keep_the_current_keys() {
    let mut huge = set(&["new"]).into_bytes();
    huge.resize(SET_BYTES_MAX + 1, b' ');
    let elsewhere = Endpoint::start(&["new"]);
    let location = format!("Location: {}", elsewhere.url());
    let new = set(&["new"]);
    let ok = |body: &str| Answer::status(200, &[], body.as_bytes());
    let status = |status| Answer::status(status, &[], new.as_bytes());
    let failures = [
        (Answer::Nothing, "unreachable"),
        (status(500), "bad_status"),
        (status(404), "bad_status"),
        // Nobody said that we have something.
        (Answer::status(304, &[], b""), "bad_status"),
        (
            Answer::status(302, &[&location], new.as_bytes()),
            "bad_status",
        ),
        (Answer::status(307, &[&location], b""), "bad_status"),
        (ok(""), "bad_set"),
        (ok("<html>"), "bad_set"),
        (ok(&new[..new.len() - 1]), "bad_set"),
        (ok(r#"{"keys":[]}"#), "bad_set"),
        (
            ok(r#"{"keys":[{"kty":"oct","kid":"new","k":"c2hvcnQ"}]}"#),
            "bad_set",
        ),
        (Answer::status(200, &[], &huge), "bad_set"),
    ];
    let endpoint = Endpoint::start(&["old"]);
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["old"], &["new"]);
    for (failure, result) in failures {
        let before = rig.fetches("id", result);
        endpoint.answer(failure.clone());
        rig.fetcher.refresh_all();
        await_that(&format!("no fetch that is {result}"), || {
            rig.fetches("id", result) > before
        });
        assert!(rig.has(0, &["old"], &["new"]), "{failure:?}");
    }
    assert_eq!(rig.changed.try_iter().count(), 1);
    assert_eq!(elsewhere.request_count(), 0, "a redirect is not followed");
    huge.pop();
    endpoint.answer(Answer::status(200, &[], &huge));
    // A failed fetch is retried without a request.
    rig.await_keys(&["new"], &["old"]);
}

#[test]
fn the_age_of_keys_grows_while_fetches_fail() {
    let endpoint = Endpoint::start(&["a"]);
    let rig = Rig::start(&endpoint.url(), SECOND);
    rig.await_keys(&["a"], &[]);
    endpoint.answer(Answer::Nothing);
    rig.await_fetches("id", "unreachable", 3);
    let age = rig.age("id").expect("there are keys");
    assert!(age >= 1.0, "three refreshes took {age} s");
    endpoint.serve(&["a"]);
    rig.await_fetches("id", "unchanged", 1);
    assert!(rig.age("id").is_some_and(|young| young < age));
}

#[test]
fn a_slow_endpoint_delays_neither_another_nor_shutdown() {
    let slow = Endpoint::start(&["a"]);
    slow.answer(Answer::Silence);
    let quick = Endpoint::start(&["old"]);
    let rig = Rig::follow([
        issuer("slow", &slow.url(), SECOND),
        issuer("quick", &quick.url(), SECOND),
    ]);
    await_that("no question", || slow.request_count() == 1);
    quick.serve(&["new"]);
    await_that("no new keys", || rig.has(1, &["new"], &["old"]));
    rig.await_fetches("quick", "unchanged", 1);
    // The first request is still waiting for its response.
    assert_eq!(slow.request_count(), 1);
    assert_eq!(rig.fetches("slow", "unreachable"), 0);
    let start = Instant::now();
    drop(rig);
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

#[test]
fn a_slow_endpoint_times_out_and_is_retried() {
    let endpoint = Endpoint::start(&["a"]);
    endpoint.answer(Answer::Silence);
    let start = Instant::now();
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_fetches("id", "unreachable", 1);
    assert!(start.elapsed() < 30 * SECOND);
    endpoint.serve(&["a"]);
    rig.await_keys(&["a"], &[]);
}

#[test]
fn keys_from_an_untrusted_endpoint_are_rejected() {
    let server = Server::tls(|_| (200, set(&["a"])));
    let rig = Rig::start(&server.url, SECOND);
    rig.await_fetches("id", "unreachable", 2);
    assert!(rig.fetched(0).keys().is_none());
    assert_eq!(server.requests().len(), 0, "they are not even asked for");
}
