//! A flood of strangers: those who are known do not notice, and nothing grows.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Rig, empty,
    issuers::{self, ES, RS, SET_A, hex},
    keys::Signer,
    support::{http::Http, ringest::Ringest},
    table::Random,
    token::{Jwt, base64},
};

/// Junk tokens of each shape, all different: so many, or as many as there are answers to in
/// [`TIME`], because what is expensive to verify is verified slowly.
const JUNK: u64 = 20_000;
const TIME: Duration = Duration::from_secs(8);

/// How many of them are sent before the first is answered.
const BATCH: u64 = 25;

/// How much more memory the server may have afterwards: its caches, queues and buffers are bounded,
/// and not all of them were full before.
const GROWTH_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Connections of those who are known; each is with one worker.
const CLIENTS: usize = 4;

type Shape = fn(&mut Random) -> String;

/// What a token of each kind looks like, with a random part.
const SHAPES: [(&str, Shape); 6] = [
    ("RS256", |random| junk_jwt(&RS.jwt(), random, 256)),
    ("ES256", |random| junk_jwt(&ES.jwt(), random, 64)),
    ("kid", |random| {
        let kid = format!("\"{}\"", random.next());
        junk_jwt(&SET_A.jwt().header("kid", &kid), random, 64)
    }),
    ("PBKDF2", |random| {
        format!("{}.{}", hex(bytes(random, 16)), hex(bytes(random, 16)))
    }),
    ("sha256", |random| hex(bytes(random, 32))),
    ("letters", |random| base64(bytes(random, 100))),
];

#[test]
fn strangers_do_not_disturb() {
    let rig = Rig::start_with(|builder| issuers::configure(builder).set("log.filter", "warn"));
    let good = issuers::good();
    let over = AtomicBool::new(false);
    // Each client is known to its worker, and buffers have been used, before the flood.
    let mut clients: Vec<Http> = (0..CLIENTS).map(|_| rig.ringest.connect()).collect();
    for client in &mut clients {
        for (name, token) in &good {
            assert_eq!(is_answered(client, token).0, 200, "{name}");
        }
    }
    flood(&rig.ringest, "PBKDF2", SHAPES[0].1, 1_000, 99);
    let before = rig.ringest.resident_bytes();
    thread::scope(|scope| {
        let clients: Vec<_> = clients
            .into_iter()
            .map(|client| scope.spawn(|| is_known(client, &good, &over)))
            .collect();
        let strangers: Vec<_> = (0..)
            .zip(SHAPES)
            .map(|(seed, (name, shape))| {
                let ringest = &rig.ringest;
                scope.spawn(move || flood(ringest, name, shape, JUNK, seed))
            })
            .collect();
        for stranger in strangers {
            let told = stranger.join().expect("a stranger is answered");
            println!("{told}");
        }
        over.store(true, Ordering::Relaxed);
        for client in clients {
            let (requests, slowest) = client.join().expect("who is known is answered");
            println!("known: {requests} requests, the slowest took {slowest:?}");
            assert!(requests > 100, "{requests}");
        }
    });
    let growth = rig.ringest.resident_bytes().saturating_sub(before);
    println!("{} KiB more memory", growth / 1_024);
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes more than before");
}

/// Sends so many different tokens; what each batch is answered. Nobody is let in.
fn flood(ringest: &Ringest, name: &str, shape: Shape, count: u64, seed: u64) -> String {
    let mut random = Random(seed);
    let mut http = ringest.connect();
    let begun = Instant::now();
    let (mut denied, mut busy) = (0, 0);
    for _ in 0..count / BATCH {
        if begun.elapsed() > TIME {
            break;
        }
        let batch: Vec<u8> = (0..BATCH)
            .flat_map(|_| empty(&shape(&mut random)))
            .collect();
        http.send(&batch).expect("ringest reads");
        for _ in 0..BATCH {
            let answer = http.answer().expect("an answer");
            assert!(!answer.closes(), "{answer:?}");
            match answer.status {
                401 => denied += 1,
                503 => busy += 1,
                _ => panic!("{name}: {answer:?}"),
            }
        }
    }
    let time = begun.elapsed();
    assert!(
        denied > 100,
        "{name}: {denied} denied, {busy} told that we are busy"
    );
    format!("{name}: {denied} denied, {busy} told that we are busy, in {time:?}")
}

/// Sends good tokens until it is over; how many, and how long the slowest answer took.
fn is_known(mut http: Http, good: &[(&str, String)], over: &AtomicBool) -> (usize, Duration) {
    let (mut requests, mut slowest) = (0, Duration::ZERO);
    while !over.load(Ordering::Relaxed) {
        let (name, token) = &good[requests % good.len()];
        let (status, time) = is_answered(&mut http, token);
        assert_eq!(status, 200, "{name}");
        requests += 1;
        slowest = slowest.max(time);
        thread::sleep(Duration::from_millis(2));
    }
    (requests, slowest)
}

fn is_answered(http: &mut Http, token: &str) -> (u16, Duration) {
    let begun = Instant::now();
    http.send(&empty(token)).expect("ringest reads");
    let answer = http.answer().expect("an answer");
    (answer.status, begun.elapsed())
}

/// A good token's header and claims, and any signature of so many bytes.
fn junk_jwt(jwt: &Jwt, random: &mut Random, length: usize) -> String {
    let signature = base64(bytes(random, length));
    let jwt = jwt.clone().signed_by(Signer::Nobody).token();
    format!("{jwt}{signature}")
}

fn bytes(random: &mut Random, length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(8)).flat_map(|_| random.next().to_be_bytes());
    words.take(length).collect()
}
