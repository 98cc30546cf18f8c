//! Added and removed keys.

use std::time::{Duration, Instant};

use ringest::auth::{BURST, LookUp};

use super::{DAY, SECOND, endpoint::Endpoint, rig::Rig};
use crate::support::wait::await_that;

#[test]
fn keys_are_fetched_at_start_and_follow_the_endpoint() {
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
fn unchanged_keys_are_not_announced() {
    let endpoint = Endpoint::start(&["a"]);
    let rig = Rig::start(&endpoint.url(), SECOND);
    rig.await_fetches("id", "unchanged", 2);
    assert_eq!(rig.changed.try_iter().count(), 1);
    assert_eq!(rig.fetches("id", "changed"), 1);
}

#[test]
fn an_unknown_key_triggers_a_fetch() {
    let endpoint = Endpoint::start(&["old"]);
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["old"], &[]);
    endpoint.serve(&["new"]);
    assert_eq!(rig.want("new"), LookUp::Awaited);
    rig.await_keys(&["new"], &["old"]);
    assert_eq!(endpoint.request_count(), 2);
}

#[test]
fn many_unknown_keys_trigger_few_fetches() {
    let endpoint = Endpoint::start(&["a"]);
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["a"], &[]);
    let flood = Instant::now();
    let (mut number, mut refused) = (0, 0);
    while flood.elapsed() < 3 * SECOND {
        number += 1;
        refused += u32::from(rig.want(&format!("junk {number}")) == LookUp::NotSoon);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(refused > 0);
    assert_eq!(endpoint.request_count(), 1 + BURST as usize);
    // A request of the operator is fulfilled, whatever tokens have caused.
    rig.fetcher.refresh_all();
    await_that("no fetch", || {
        endpoint.request_count() == 2 + BURST as usize
    });
}

#[test]
fn a_request_fetches_at_once() {
    let endpoint = Endpoint::start(&["old"]);
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["old"], &[]);
    endpoint.serve(&["new"]);
    rig.fetcher.refresh_all();
    rig.await_keys(&["new"], &["old"]);
}
