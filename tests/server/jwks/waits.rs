//! Tokens that name a key which the issuer's set lacks so far: they wait for a fetch and are then accepted or
//! rejected; they disturb neither each other nor anyone else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use ringest::auth::{BURST, REFILL};

use super::{
    SECOND,
    endpoint::{Answer, Endpoint},
    served::{DAY_MS, auth, await_status, builder, is_busy, mock, post, token},
};
use crate::support::{
    event::PATH,
    http::{Answer as HttpAnswer, Http},
    ringest::Ringest,
    wait::await_that,
};

/// A request with this token, on a connection of its own whose answer has not been read.
fn asked(ringest: &Ringest, token: &str) -> Http {
    let mut http = ringest.connect();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nHost: ringest\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 7\r\n\r\n{{\"a\":1}}"
    );
    http.send(request.as_bytes()).expect("ringest reads");
    http
}

/// A token with the claims of a good one that nobody has signed.
fn unsigned(kid: &str) -> String {
    let good = token("id", kid);
    let (message, _) = good.rsplit_once('.').expect("three parts");
    format!("{message}.AAAA")
}

#[track_caller]
fn assert_not_fetched(answer: &HttpAnswer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.text("code"), "keys_unavailable");
    assert_eq!(answer.text("persisted"), "no");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

/// The first token with a new key is accepted, and so are all that arrive with it; one fetch is for all.
#[test]
fn a_new_key_is_accepted_at_once() {
    let mock = mock();
    let endpoint = Endpoint::start(&["old"]);
    let ringest = builder(&mock, &endpoint.url(), DAY_MS).start();
    await_status(&ringest, &token("id", "old"), 200);
    let others_have_answers = Arc::new(AtomicBool::new(false));
    let answer = Answer::Late(Arc::clone(&others_have_answers), vec!["old", "new"]);
    endpoint.answer(answer);
    let new = token("id", "new");
    let mut crowd: Vec<Http> = (0..100).map(|_| asked(&ringest, &new)).collect();
    assert_eq!(post(&ringest, &token("id", "old")).status, 200);
    others_have_answers.store(true, Relaxed);
    for http in &mut crowd {
        let answer = http.answer().expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(
        endpoint.request_count() <= 3,
        "{}",
        endpoint.request_count()
    );
}

/// While requests wait for keys, other tokens are verified, and no memory for bodies is in use.
#[test]
fn waiting_holds_nothing_that_others_need() {
    let mock = mock();
    let (slow, quick) = (Endpoint::start(&["a"]), Endpoint::start(&["a"]));
    let issuers = auth(&[("id", &slow.url(), DAY_MS), ("other", &quick.url(), DAY_MS)]);
    let ringest = builder(&mock, "", DAY_MS)
        .auth(&issuers)
        .set("workers", "1")
        .start();
    await_status(&ringest, &token("id", "a"), 200);
    slow.answer(Answer::Silence);
    let mut crowd: Vec<Http> = (0..200)
        .map(|number| asked(&ringest, &unsigned(&format!("junk {number}"))))
        .collect();
    await_that("no fetch", || slow.request_count() == 2);
    // New tokens of the other issuer, and of this one.
    for number in 0..50 {
        assert_eq!(post(&ringest, &subject("other", "a", number)).status, 200);
        assert_eq!(post(&ringest, &subject("id", "a", number)).status, 200);
    }
    // That of the last record is given back with its report.
    ringest.await_count("ringest_in_flight_bytes", 0);
    let answers = crowd
        .iter_mut()
        .map(|http| http.answer().expect("an answer in time"));
    let (busy, waited): (Vec<_>, Vec<_>) = answers.partition(is_busy);
    assert!(!waited.is_empty(), "{} are busy", busy.len());
    waited.iter().for_each(assert_not_fetched);
}

/// A valid token that differs from others by its number.
fn subject(issuer: &str, key: &str, number: usize) -> String {
    super::served::token_of(issuer, key, &format!("client {number}"))
}

/// Junk tokens cost few fetches, and none of a good client's tokens is rejected when its key is new.
#[test]
fn junk_does_not_hide_a_new_key() {
    let mock = mock();
    let endpoint = Endpoint::start(&["old"]);
    let ringest = builder(&mock, &endpoint.url(), DAY_MS).start();
    await_status(&ringest, &token("id", "old"), 200);
    assert_eq!(post(&ringest, &unsigned("junk")).status, 401);
    endpoint.serve(&["old", "new"]);
    assert_eq!(post(&ringest, &token("id", "new")).status, 200);
    // A flood that uses all fetches up, with the next key among others.
    let begun = Instant::now();
    let mut statuses = [0, 0];
    for number in 0..200 {
        let kid = if number % 10 == 0 {
            "newer".to_owned()
        } else {
            format!("junk {number}")
        };
        match post(&ringest, &unsigned(&kid)).status {
            401 => statuses[0] += 1,
            503 => statuses[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(statuses[0] > 0, "{statuses:?}");
    endpoint.serve(&["new", "newer"]);
    let good = token("id", "newer");
    let limit = Instant::now() + 3 * REFILL;
    loop {
        let answer = post(&ringest, &good);
        if answer.status == 200 {
            break;
        }
        assert_not_fetched(&answer);
        assert!(Instant::now() < limit, "too late");
        thread::sleep(Duration::from_millis(100));
    }
    let refilled = begun.elapsed().as_secs() / REFILL.as_secs();
    let fetches = endpoint.request_count() as u64;
    assert!(fetches <= 1 + u64::from(BURST) + 1 + refilled, "{fetches}");
}

/// A client that goes on with a token whose key is gone gets 401, without a fetch each time.
#[test]
fn the_same_token_again_causes_no_fetch() {
    let mock = mock();
    let endpoint = Endpoint::start(&["a"]);
    let ringest = builder(&mock, &endpoint.url(), DAY_MS).start();
    await_status(&ringest, &token("id", "a"), 200);
    let gone = token("id", "gone");
    for _ in 0..100 {
        assert_eq!(post(&ringest, &gone).status, 401);
    }
    assert!(
        endpoint.request_count() <= 4,
        "{}",
        endpoint.request_count()
    );
}

/// An endpoint that fails: 503 and never 401, in bounded time; afterwards all is well.
#[test]
fn a_failing_endpoint_rejects_nobody() {
    let mock = mock();
    let endpoint = Endpoint::start(&["old"]);
    // A failed fetch is tried again no later than that.
    let ringest = builder(&mock, &endpoint.url(), 1_000).start();
    await_status(&ringest, &token("id", "old"), 200);
    let new = token("id", "new");
    for failure in [Answer::Nothing, Answer::Silence] {
        endpoint.answer(failure);
        let begun = Instant::now();
        assert_not_fetched(&post(&ringest, &new));
        assert!(begun.elapsed() < 10 * SECOND, "{:?}", begun.elapsed());
        assert_eq!(post(&ringest, &token("id", "old")).status, 200);
    }
    endpoint.serve(&["new"]);
    await_that("never accepted", || {
        let answer = post(&ringest, &new);
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        answer.status == 200
    });
}

/// A drain and clients that hang up end the waits.
#[test]
fn a_drain_and_a_hang_up_while_waiting() {
    let mock = mock();
    let endpoint = Endpoint::start(&["a"]);
    let mut ringest = builder(&mock, &endpoint.url(), DAY_MS).start();
    await_status(&ringest, &token("id", "a"), 200);
    endpoint.answer(Answer::Silence);
    let gone: Vec<Http> = (0..50).map(|_| asked(&ringest, &unsigned("b"))).collect();
    let mut stays = asked(&ringest, &unsigned("b"));
    await_that("no fetch", || endpoint.request_count() == 2);
    drop(gone);
    ringest.begin_drain();
    let begun = Instant::now();
    let answer = stays.answer().expect("an answer");
    assert_eq!(answer.text("code"), "draining", "{answer:?}");
    assert!(answer.closes());
    assert!(begun.elapsed() < 4 * SECOND, "{:?}", begun.elapsed());
    drop(stays);
    assert!(ringest.exited().success());
    assert!(!ringest.log().contains("panicked"));
}

/// With `jwks_stale_max_ms` keys that can't be fetched again are not used for ever, not even for cached
/// tokens; when they are back, those are not verified again.
#[test]
fn stale_keys_are_dropped() {
    let mock = mock();
    let endpoint = Endpoint::start(&["a"]);
    let issuer = auth(&[("id", &endpoint.url(), 1_000)]) + "jwks_stale_max_ms = 2_000\n";
    let ringest = builder(&mock, "", DAY_MS)
        .auth(&issuer)
        .set("workers", "1")
        .start();
    let good = token("id", "a");
    await_status(&ringest, &good, 200);
    // Refreshed for longer than that, it stays.
    thread::sleep(3 * SECOND);
    assert_eq!(post(&ringest, &good).status, 200);
    let failing = Instant::now();
    endpoint.answer(Answer::Nothing);
    await_that("never dropped", || {
        let answer = post(&ringest, &good);
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        answer.status == 503
    });
    assert!(failing.elapsed() > SECOND / 2, "{:?}", failing.elapsed());
    assert_not_fetched(&post(&ringest, &good));
    await_that("no line", || ringest.log().contains("jwks_stale_max_ms"));
    endpoint.serve(&["a"]);
    await_status(&ringest, &good, 200);
    let verified = ringest.count("ringest_credentials_total{result=\"verified\"}");
    assert_eq!(verified, 1);
}
