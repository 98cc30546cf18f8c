//! Clients with new credentials whose address is also that of clients with invalid ones, as behind a proxy.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    EVENT, Ending, Rig,
    case::{bearer, post},
    empty,
    issuers::{ApiKey, hex},
    table::Random,
};
use crate::support::{
    http::Http,
    ringest::{Builder, Ringest},
};

/// The time that the flood lasts.
const TIME: Duration = Duration::from_secs(4);

/// Invalid tokens a second: on an idle core the machine can verify twenty times as many.
const JUNK_RATE: u32 = 300;

/// Connections that they arrive on.
const CONNECTIONS: u32 = 30;

/// Clients with an API key of their own that has not been used before.
const CLIENTS: u32 = 60;

/// The proxy, and the addresses of clients behind it.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn key(n: u32) -> ApiKey {
    ApiKey::pbkdf2(&format!("client {n}"))
}

fn configure(builder: Builder) -> Builder {
    let keys = (0..CLIENTS).map(|n| {
        let hash = key(n).hash;
        format!("[[auth.keys]]\nname = \"client-{n}\"\nhash = \"{hash}\"\n")
    });
    let auth = format!("[auth]\nmode = \"required\"\n{}", keys.collect::<String>());
    builder.auth(&auth).set("workers", "1")
}

fn connect(ringest: &Ringest) -> Http {
    Http::connect_from(PROXY, ringest.address()).expect("ringest accepts")
}

/// Different invalid API keys at a steady rate, until the end.
fn flood(ringest: &Ringest, seed: u32, over: &AtomicBool) {
    let mut random = Random(u64::from(seed));
    let mut http = connect(ringest);
    let begun = Instant::now();
    for n in 0.. {
        thread::sleep((begun + Duration::from_secs(n) * CONNECTIONS / JUNK_RATE) - Instant::now());
        if over.load(Ordering::Relaxed) {
            return;
        }
        let mut part = || hex([random.next().to_be_bytes(), random.next().to_be_bytes()].concat());
        let token = format!("{}.{}", part(), part());
        http.send(&empty(&token)).expect("ringest reads");
        let status = http.answer().expect("an answer").status;
        assert!(matches!(status, 401 | 503), "{status}");
    }
}

#[test]
fn invalid_tokens_from_the_same_address_cost_new_clients_nothing() {
    let rig = Rig::start_with(configure);
    let ringest = &rig.ringest;
    let over = AtomicBool::new(false);
    let mut busy = 0;
    thread::scope(|scope| {
        let ending = Ending(&over);
        for seed in 0..CONNECTIONS {
            let over = &over;
            scope.spawn(move || flood(ringest, seed, over));
        }
        // Until the address has failed too often.
        thread::sleep(TIME / 4);
        for n in 0..CLIENTS {
            thread::sleep(TIME * 3 / 4 / CLIENTS);
            let mut http = connect(ringest);
            http.send(&empty(&key(n).token)).expect("ringest reads");
            match http.answer().expect("an answer").status {
                200 => {}
                503 => busy += 1,
                status => panic!("{status} to a valid key"),
            }
        }
        drop(ending);
    });
    println!("{busy} of {CLIENTS} new clients got 503");
    // A machine that is busy with other tests may be short of the time for the flood.
    assert!(
        busy * 10 <= CLIENTS,
        "{busy} of {CLIENTS} new clients got 503"
    );
}

/// An invalid token that is sent again and again costs a hash, and never a verification.
#[test]
fn the_same_invalid_token_is_verified_once() {
    let rig = Rig::start_with(configure);
    let mut http = connect(&rig.ringest);
    let [junk, good] = [ApiKey::pbkdf2("nobody"), key(0)].map(|it| empty(&it.token));
    let mut time = |request: &[u8], status: u16| {
        let begun = Instant::now();
        http.send(&request.repeat(100)).expect("ringest reads");
        for _ in 0..100 {
            assert_eq!(http.answer().expect("an answer").status, status);
        }
        begun.elapsed()
    };
    let (mut rejected, mut cached) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..50 {
        rejected += time(&junk, 401);
        cached += time(&good, 200);
    }
    // With a verification each there would be some 1,000 a second, whatever else takes how long.
    println!("{rejected:?}, and {cached:?} with a cached credential");
    assert!(rejected < 3 * cached, "{rejected:?}, not {cached:?}");
    // The key of another client is not affected, nor one that a reload adds.
    let record = |key: &ApiKey| post(EVENT, &bearer(&key.token), b"[]");
    http.send(&record(&key(1))).expect("ringest reads");
    assert_eq!(http.answer().expect("an answer").status, 200);
    let added = ApiKey::pbkdf2("nobody");
    let auth = rig.ringest.auth();
    let keys = format!(
        "{auth}[[auth.keys]]\nname = \"added\"\nhash = \"{}\"\n",
        added.hash
    );
    rig.ringest.set_auth(&keys);
    rig.ringest.reload();
    crate::support::wait::await_that("the added key is not accepted", || {
        http.send(&record(&added)).expect("ringest reads");
        http.answer().expect("an answer").status == 200
    });
}
