//! Issuers that change, as on a reload.

use super::{
    DAY, SECOND,
    endpoint::{Answer, Endpoint},
    rig::{Rig, issuer},
};
use crate::support::wait::await_that;

#[test]
fn an_issuer_that_stays_keeps_its_keys_and_is_asked_again() {
    let endpoint = Endpoint::start(&["a"]);
    let mut rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["a"], &[]);
    endpoint.answer(Answer::Nothing);
    let other = Endpoint::start(&["b"]);
    // Its refresh is another, and its place.
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
    assert_eq!(other.asked(), 1);
}

#[test]
fn keys_of_another_url_are_other_keys() {
    let before = Endpoint::start(&["a"]);
    let mut rig = Rig::start(&before.url(), SECOND);
    rig.await_keys(&["a"], &[]);
    let after = Endpoint::start(&["b"]);
    after.answer(Answer::status(500, &[], b""));
    rig.follow_others([issuer("id", &after.url(), SECOND)]);
    assert!(rig.fetched(0).keys.is_none());
    assert_eq!(rig.age("id"), None);
    let asked = before.asked();
    after.serve(&["b"]);
    rig.await_keys(&["b"], &["a"]);
    rig.await_fetches("id", "unchanged", 2);
    // One question may have been under way.
    assert!(before.asked() <= asked + 1, "nobody wants it any more");
}

#[test]
fn an_issuer_that_is_gone_is_not_asked_and_not_shown() {
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
    let asked = gone.asked();
    let fetches = rig.fetches("stays", "unchanged");
    rig.await_fetches("stays", "unchanged", fetches + 3);
    assert!(gone.asked() <= asked + 1, "nobody wants it any more");
}
