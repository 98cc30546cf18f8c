//! A flood of invalid tokens: clients with cached credentials are not affected, and memory is bounded.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Ending, Rig, empty,
    issuers::{self, ES, HS, RS, SET_A, hex},
    keys::Signer,
    table::Random,
    token::{Jwt, base64},
};
use crate::support::{http::Http, ringest::Ringest};

/// Number of different invalid tokens of each shape; fewer if not all are answered within [`TIME`],
/// because expensive verifications are rate-limited.
const JUNK: u64 = 20_000;
const TIME: Duration = Duration::from_secs(6);

/// How many of them are pipelined.
const BATCH: u64 = 25;

/// Allowed growth of the server's memory: caches, queues and buffers are bounded, but not all of them
/// were full before.
const GROWTH_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Connections that concurrently send invalid tokens besides the flood.
const CROWD: usize = 200;

/// The address of the flood, and another one.
const SAME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Connections with cached credentials; each belongs to one worker.
const CLIENTS: usize = 4;

/// An object with as many members as fit a head: the slowest to parse.
static MEMBERS: LazyLock<String> = LazyLock::new(|| {
    let members: Vec<String> = (0..1_300).map(|n| format!("\"{n:x}\":1")).collect();
    members.join(",")
});

type Shape = fn(&mut Random) -> String;

/// The shape of a token of each kind, with a random part.
const SHAPES: [(&str, Shape); 8] = [
    ("RS256", |random| junk_jwt(&RS.jwt(), random, 256)),
    ("ES256", |random| junk_jwt(&ES.jwt(), random, 64)),
    ("HS256", |random| junk_jwt(&HS.jwt(), random, 32)),
    ("large", |random| {
        let claims = format!(r#"{{"x":{},{}}}"#, random.next(), *MEMBERS);
        HS.jwt().signed_by(Signer::Nobody).token_with_claims(claims) + "AAAA"
    }),
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

/// Half of the clients have the address of the flood, and a reload happens halfway: all of their requests are
/// accepted.
#[test]
fn invalid_tokens_do_not_affect_other_clients() {
    let rig = Rig::start_with(|builder| issuers::configure(builder).set("log.filter", "warn"));
    let ringest = &rig.ringest;
    let good = issuers::good();
    let over = AtomicBool::new(false);
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|n| Client::new(ringest, if n % 2 == 0 { SAME } else { ELSEWHERE }))
        .collect();
    // Before the flood, each client's credential is cached and buffers have been used.
    for client in &mut clients {
        for (name, token) in &good {
            assert_eq!(client.ask(token), 200, "{name}");
        }
    }
    flood(ringest, "before", SHAPES[0].1, 500, 99);
    let before = ringest.resident_bytes();
    thread::scope(|scope| {
        let known: Vec<_> = clients
            .into_iter()
            .map(|client| scope.spawn(|| sends_cached_tokens(client, &good, &over)))
            .collect();
        let newcomer = scope.spawn(|| sends_new_tokens(ringest, &over));
        let crowd = scope.spawn(|| crowd(ringest, &over));
        let floods: Vec<_> = (0..)
            .zip(SHAPES)
            .map(|(seed, (name, shape))| {
                scope.spawn(move || flood(ringest, name, shape, JUNK, seed))
            })
            .collect();
        let ending = Ending(&over);
        thread::sleep(TIME / 2);
        ringest.reload();
        for flood in floods {
            println!("{}", flood.join().expect("a flood is answered"));
        }
        drop(ending);
        println!("{}", crowd.join().expect("a crowd is answered"));
        println!("{}", newcomer.join().expect("who is new is answered"));
        for client in known {
            println!("{}", client.join().expect("who is known is answered"));
        }
    });
    let growth = ringest.resident_bytes().saturating_sub(before);
    println!("{} KiB more memory", growth / 1_024);
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes more than before");
}

/// Sends this many different tokens; none may be accepted.
fn flood(ringest: &Ringest, name: &str, shape: Shape, count: u64, seed: u64) -> String {
    let mut random = Random(seed);
    let mut http = ringest.connect();
    let begun = Instant::now();
    let (mut denied, mut busy) = (0_u64, 0_u64);
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
    assert!(denied >= BATCH, "{name}: {denied} denied, {busy} busy");
    format!("{name}: {denied} denied, {busy} busy, in {time:?}")
}

/// Sends more invalid tokens concurrently than the queue holds.
fn crowd(ringest: &Ringest, over: &AtomicBool) -> String {
    let mut random = Random(4);
    let mut crowd: Vec<Http> = (0..CROWD).map(|_| ringest.connect()).collect();
    let (mut denied, mut busy) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        for http in &mut crowd {
            let token = junk_jwt(&RS.jwt(), &mut random, 256);
            http.send(&empty(&token)).expect("ringest reads");
        }
        for http in &mut crowd {
            match http.answer().expect("an answer").status {
                401 => denied += 1,
                503 => busy += 1,
                status => panic!("{status} to a crowd"),
            }
        }
    }
    format!("crowd: {denied} denied, {busy} busy")
}

/// A client with valid tokens.
struct Client {
    http: Http,
    source: IpAddr,
    requests: usize,
    slowest: Duration,
}

impl Client {
    fn new(ringest: &Ringest, source: IpAddr) -> Self {
        let http = Http::connect_from(source, ringest.address());
        Self {
            http: http.expect("ringest accepts"),
            source,
            requests: 0,
            slowest: Duration::ZERO,
        }
    }

    fn ask(&mut self, token: &str) -> u16 {
        let begun = Instant::now();
        self.http.send(&empty(token)).expect("ringest reads");
        let answer = self.http.answer().expect("an answer");
        assert!(!answer.closes(), "{answer:?}");
        self.slowest = self.slowest.max(begun.elapsed());
        self.requests += 1;
        answer.status
    }

    fn told(self, who: &str) -> String {
        let Self {
            source,
            requests,
            slowest,
            ..
        } = self;
        assert!(requests > 10, "{who} from {source}: {requests} requests");
        format!("{who} from {source}: {requests} requests, the slowest took {slowest:?}")
    }
}

/// Sends valid tokens until the flood ends.
fn sends_cached_tokens(mut client: Client, good: &[(&str, String)], over: &AtomicBool) -> String {
    while !over.load(Ordering::Relaxed) {
        let (name, token) = &good[client.requests % good.len()];
        let status = client.ask(token);
        assert_eq!(status, 200, "{name} from {}", client.source);
        thread::sleep(Duration::from_millis(2));
    }
    client.told("known")
}

/// Sends new valid tokens from another address: they wait for verification, most of them briefly.
fn sends_new_tokens(ringest: &Ringest, over: &AtomicBool) -> String {
    let mut client = Client::new(ringest, ELSEWHERE);
    let mut busy = 0;
    while !over.load(Ordering::Relaxed) {
        for token in [RS.jwt().token(), ES.jwt().token()] {
            match client.ask(&token) {
                200 => {}
                503 => busy += 1,
                status => panic!("{status} to a new token"),
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert!(busy * 2 < client.requests, "{busy} of {}", client.requests);
    client.told(&format!("new, {busy} times busy,"))
}

/// Header and claims of a valid token with a random signature of this length.
fn junk_jwt(jwt: &Jwt, random: &mut Random, length: usize) -> String {
    let signature = base64(bytes(random, length));
    let jwt = jwt.clone().signed_by(Signer::Nobody).token();
    format!("{jwt}{signature}")
}

fn bytes(random: &mut Random, length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(8)).flat_map(|_| random.next().to_be_bytes());
    words.take(length).collect()
}
