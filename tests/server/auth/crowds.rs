//! Many concurrent requests: the same new token on every connection, more verifications than fit the queue,
//! clients that disconnect without waiting.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    EVENT, PATIENCE, Rig, ask,
    case::{bearer, post},
    empty,
    issuers::{self, ApiKey, ES, ES384, HS, PB, RS},
    table::same,
};
use crate::support::{
    http::{Answer, Http},
    wait::eventually,
};

/// More than can be verified while a request waits.
const CROWD: usize = 600;

/// An address without failed credentials.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Sends each request on a connection of its own before any answer is read.
fn at_once<'a>(rig: &Rig, requests: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<Answer> {
    let mut crowd: Vec<(Http, &Vec<u8>)> = requests
        .into_iter()
        .map(|request| (rig.ringest.connect(), request))
        .collect();
    for (http, request) in &mut crowd {
        http.send(request).expect("ringest reads");
    }
    crowd
        .iter_mut()
        .map(|(http, _)| http.answer().expect("an answer"))
        .collect()
}

/// A valid token and forged ones with the same claims, while none of them is cached.
#[test]
fn the_same_new_token_everywhere() {
    let rig = Rig::start();
    for jwt in [RS.jwt(), ES.jwt()] {
        let good = empty(&jwt.token());
        let forged = empty(&jwt.token_resigned(|mut signature| {
            signature[7] ^= 1;
            signature
        }));
        let requests: Vec<&Vec<u8>> = [&good, &forged, &good]
            .into_iter()
            .cycle()
            .take(45)
            .collect();
        let answers = at_once(&rig, requests);
        for (n, answer) in answers.iter().enumerate() {
            let expected = if n % 3 == 1 { 401 } else { 200 };
            assert_eq!(answer.status, expected, "{n}: {answer:?}");
        }
    }
}

/// Requests that wait too long get 503, which does not depend on the route, and may be retried.
#[test]
fn more_than_can_be_verified() {
    let rig = Rig::start();
    let mut junk = Vec::new();
    for n in 0..CROWD {
        // The slowest signature, a different one each.
        let forged = ES384.jwt().token_resigned(|mut signature| {
            signature[7] ^= 1;
            signature
        });
        let path = [EVENT, "/ingest/Nothing/1.0"][n % 2];
        junk.push(post(path, &bearer(&forged), b"[]"));
    }
    let answers: Vec<Answer> = (0..3).flat_map(|_| at_once(&rig, &junk)).collect();
    let busy: Vec<&Answer> = answers.iter().filter(|it| it.status == 503).collect();
    let denied = answers.iter().filter(|it| it.status == 401).count();
    assert_eq!(busy.len() + denied, 3 * CROWD);
    assert!(denied > 0);
    println!(
        "{} of {} were told that we are busy",
        busy.len(),
        answers.len()
    );
    for answer in &busy {
        assert!(same(answer, busy[0]), "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), None, "{answer:?}");
    }
    new_tokens_are_accepted(&rig);
}

/// Clients that disconnect do not block the verification slot.
#[test]
fn clients_that_disconnect() {
    let rig = Rig::start();
    for _ in 0..3 {
        let crowd: Vec<Http> = (0..CROWD)
            .map(|n| {
                let mut http = rig.ringest.connect();
                let token = ApiKey::pbkdf2(&format!("stranger {n}")).token;
                http.send(&empty(&token)).expect("ringest reads");
                http
            })
            .collect();
        drop(crowd);
    }
    new_tokens_are_accepted(&rig);
    assert_eq!(rig.ringest.count("ringest_connection_panics_total"), 0);
    assert_eq!(rig.ringest.count("ringest_worker_restarts_total"), 0);
}

/// New tokens are verified eventually.
fn new_tokens_are_accepted(rig: &Rig) {
    for _ in 0..8 {
        for token in [RS.jwt().token(), ES.jwt().token(), ApiKey::pbkdf2(PB).token] {
            let served = eventually(PATIENCE, || {
                let http = Http::connect_from(ELSEWHERE, rig.ringest.address());
                let mut http = http.expect("ringest accepts");
                http.send(&empty(&token)).expect("ringest reads");
                let answer = http.answer().expect("an answer");
                assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                (answer.status == 200).then_some(())
            });
            assert!(served.is_some(), "a newcomer is never served");
        }
    }
}

/// The cache is bounded, however many and long the valid tokens are.
#[test]
fn the_cache_is_bounded() {
    let rig = Rig::start_with(|builder| {
        issuers::configure(builder)
            .set("auth.cache_entries", "100")
            .set("workers", "1")
            .set("log.filter", "warn")
    });
    let mut http = rig.ringest.connect();
    let long = format!("\"{}\"", "x".repeat(9_000));
    let mut before = 0;
    for n in 0..1_000 {
        let token = HS.jwt().claim("x", &long).token();
        assert_eq!(ask(&rig.ringest, &mut http, &empty(&token)).status, 200);
        if n == 150 {
            before = rig.ringest.resident_bytes();
        }
    }
    let growth = rig.ringest.resident_bytes().saturating_sub(before);
    // All that was sent since is 10 MiB.
    assert!(growth < 4 * 1024 * 1024, "{growth} bytes more than before");
}
