//! Changes of the issuers, as on a reload.

use super::{
    DAY, SECOND,
    endpoint::{Answer, Endpoint},
    rig::{Rig, issuer},
};
use crate::support::wait::await_that;

#[test]
fn an_unchanged_issuer_keeps_its_keys_and_is_fetched_again() {
    let endpoint = Endpoint::start(&["a"]);
    let mut rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["a"], &[]);
    endpoint.answer(Answer::Nothing);
    let other = Endpoint::start(&["b"]);
    // With another refresh interval and position.
    rig.follow_others([
        issuer("other", &other.url(), DAY),
        issuer("id", &endpoint.url(), SECOND),
    ]);
    assert!(rig.has(1, &["a"], &[]));
    rig.await_fetches("id", "unreachable", 1);
    await_that("no keys", || rig.has(0, &["b"], &["a"]));
    endpoint.serve(&["c"]);
    await_that("no keys", || rig.has(1, &["c"], &["a"]));
    // Each second from now on, and no more once a day.
    rig.await_fetches("id", "unchanged", 2);
    assert_eq!(other.request_count(), 1);
}

#[test]
fn a_new_url_replaces_the_keys() {
    let before = Endpoint::start(&["a"]);
    let mut rig = Rig::start(&before.url(), SECOND);
    rig.await_keys(&["a"], &[]);
    let after = Endpoint::start(&["b"]);
    after.answer(Answer::status(500, &[], b""));
    rig.follow_others([issuer("id", &after.url(), SECOND)]);
    assert!(rig.fetched(0).keys().is_none());
    assert_eq!(rig.age("id"), None);
    let asked = before.request_count();
    after.serve(&["b"]);
    rig.await_keys(&["b"], &["a"]);
    rig.await_fetches("id", "unchanged", 2);
    // One request may have been in progress.
    assert!(
        before.request_count() <= asked + 1,
        "nobody wants it any more"
    );
}

#[test]
fn a_removed_issuer_is_neither_fetched_nor_exported() {
    let gone = Endpoint::start(&["a"]);
    let stays = Endpoint::start(&["b"]);
    let issuers = [
        issuer("stays", &stays.url(), SECOND),
        issuer("gone", &gone.url(), SECOND),
    ];
    let mut rig = Rig::follow(issuers.clone());
    await_that("no keys", || {
        rig.has(0, &["b"], &[]) && rig.has(1, &["a"], &[])
    });
    rig.follow_others(&issuers[..1]);
    assert_eq!(rig.age("gone"), None);
    let asked = gone.request_count();
    let fetches = rig.fetches("stays", "unchanged");
    rig.await_fetches("stays", "unchanged", fetches + 3);
    assert!(
        gone.request_count() <= asked + 1,
        "nobody wants it any more"
    );
}
