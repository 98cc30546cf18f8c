//! Effects of response headers.

use std::time::Duration;

use super::{
    DAY, SECOND,
    endpoint::{Answer, Endpoint},
    rig::Rig,
};
use crate::support::wait::await_that;

#[test]
fn headers_do_not_delay_a_refresh() {
    let endpoint = Endpoint::start(&[]);
    endpoint.answer(Answer::keys(&["old"], &["Cache-Control: max-age=86400"]));
    let rig = Rig::start(&endpoint.url(), SECOND);
    rig.await_keys(&["old"], &[]);
    endpoint.serve(&["new"]);
    rig.await_keys(&["new"], &["old"]);
}

#[test]
fn headers_advance_a_refresh_down_to_the_minimum() {
    let endpoint = Endpoint::start(&[]);
    let fields = ["Cache-Control: public, max-age=0", "Expires: 0"];
    endpoint.answer(Answer::keys(&["a"], &fields));
    let rig = Rig::start(&endpoint.url(), DAY);
    rig.await_fetches("id", "unchanged", 1);
    let [first, second] = endpoint.request_times()[..] else {
        panic!("asked {} times", endpoint.request_count());
    };
    // Asking began a little before it was seen, each time.
    let between = second - first;
    assert!(between >= Duration::from_secs(9), "{between:?}");
}

#[test]
fn an_unmodified_set_is_not_sent_again() {
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
    await_that("no fourth fetch", || endpoint.request_count() == 4);
    let tags = endpoint.requests();
    let tags: Vec<_> = (tags.iter())
        .map(|request| request.field("if-none-match"))
        .collect();
    assert_eq!(tags, [None, Some(r#"W/"1""#), Some(r#"W/"1""#), None]);
    assert_eq!(rig.changed.try_iter().count(), 2);
}

#[test]
fn the_etag_of_an_invalid_set_is_not_sent() {
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
