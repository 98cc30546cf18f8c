//! New keys, and keys that are no more.

use std::time::{Duration, Instant};

use super::{DAY, SECOND, endpoint::Endpoint, rig::Rig};
use crate::support::wait::await_that;

#[test]
fn keys_come_at_once_and_follow_the_endpoint() {
    let endpoint = Endpoint::start(&["old"]);
    let rig = Rig::start(&endpoint.url(), SECOND);
    rig.await_keys(&["old"], &["new"]);
    endpoint.serve(&["old", "new"]);
    rig.await_keys(&["old", "new"], &[]);
    let removed = Instant::now();
    endpoint.serve(&["new"]);
    rig.await_keys(&["new"], &["old"]);
    // The refresh, and time for a busy machine.
    assert!(removed.elapsed() < Duration::from_secs(5));
    assert!(rig.fetches("id", "changed") >= 3);
}

#[test]
fn nobody_is_told_of_keys_that_are_the_same() {
    let endpoint = Endpoint::start(&["a"]);
    let rig = Rig::start(&endpoint.url(), SECOND);
    rig.await_fetches("id", "unchanged", 2);
    assert_eq!(rig.changed.try_iter().count(), 1);
    assert_eq!(rig.fetches("id", "changed"), 1);
}

#[test]
fn an_unknown_key_is_looked_for_without_waiting_for_the_refresh() {
    let endpoint = Endpoint::start(&["old"]);
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["old"], &[]);
    endpoint.serve(&["new"]);
    rig.want();
    rig.await_keys(&["new"], &["old"]);
    assert_eq!(endpoint.asked(), 2);
}

#[test]
fn however_many_unknown_keys_there_are_they_make_one_fetch() {
    let endpoint = Endpoint::start(&["a"]);
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["a"], &[]);
    let flood = Instant::now();
    while flood.elapsed() < 3 * SECOND {
        rig.want();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(endpoint.asked(), 2);
    // It was the bound and no halt: who orders it is served.
    rig.fetcher.refresh_all();
    await_that("no third fetch", || endpoint.asked() == 3);
}

#[test]
fn an_order_needs_no_refresh_to_be_due() {
    let endpoint = Endpoint::start(&["old"]);
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["old"], &[]);
    endpoint.serve(&["new"]);
    rig.fetcher.refresh_all();
    rig.await_keys(&["new"], &["old"]);
}
