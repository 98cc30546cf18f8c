//! What an answer's headers change.

use std::time::Duration;

use super::{
    DAY, SECOND,
    endpoint::{Answer, Endpoint},
    rig::Rig,
};
use crate::support::wait::await_that;

#[test]
fn headers_do_not_put_a_refresh_off() {
    let endpoint = Endpoint::start(&[]);
    endpoint.answer(Answer::keys(&["old"], &["Cache-Control: max-age=86400"]));
    let rig = Rig::start(&endpoint.url(), SECOND);
    rig.await_keys(&["old"], &[]);
    endpoint.serve(&["new"]);
    rig.await_keys(&["new"], &["old"]);
}

#[test]
fn headers_bring_a_refresh_forward_but_not_below_a_bound() {
    let endpoint = Endpoint::start(&[]);
    let fields = ["Cache-Control: public, max-age=0", "Expires: 0"];
    endpoint.answer(Answer::keys(&["a"], &fields));
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_fetches("id", "unchanged", 1);
    let [first, second] = endpoint.asked_at()[..] else {
        panic!("asked {} times", endpoint.asked());
    };
    // Asking began a little before it was seen, each time.
    let between = second - first;
    assert!(between >= Duration::from_secs(9), "{between:?}");
}

#[test]
fn a_set_that_has_not_changed_is_not_sent_again() {
    let endpoint = Endpoint::start(&[]);
    endpoint.answer(Answer::keys(&["old"], &[r#"ETag: W/"1""#]));
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_keys(&["old"], &[]);
    endpoint.answer(Answer::status(304, &[], b""));
    rig.fetcher.refresh_all();
    rig.await_fetches("id", "unchanged", 1);
    assert!(rig.has(0, &["old"], &[]));
    endpoint.answer(Answer::keys(&["new"], &[]));
    rig.fetcher.refresh_all();
    rig.await_keys(&["new"], &["old"]);
    rig.fetcher.refresh_all();
    await_that("no fourth fetch", || endpoint.asked() == 4);
    let tags = endpoint.requests();
    let tags: Vec<_> = (tags.iter())
        .map(|request| request.field("if-none-match"))
        .collect();
    assert_eq!(tags, [None, Some(r#"W/"1""#), Some(r#"W/"1""#), None]);
    assert_eq!(rig.changed.try_iter().count(), 2);
}

#[test]
fn a_set_that_can_not_be_used_is_not_remembered_as_ours() {
    let endpoint = Endpoint::start(&[]);
    endpoint.answer(Answer::status(200, &[r#"ETag: "bad""#], b"{}"));
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_fetches("id", "bad_set", 2);
    for request in endpoint.requests() {
        assert_eq!(request.field("if-none-match"), None);
        let accept = request.field("accept").expect("it says what it reads");
        assert!(accept.starts_with("application/jwk-set+json"), "{accept}");
    }
}
