//! Instructions that each stage executes, counted by Valgrind's callgrind and compared with the committed counts: what
//! a change makes more expensive is seen on any machine, however noisy.
//!
//! - `cargo run --release -p ringest-instructions` compares; exits with 1 if a stage differs by more than 3 %;
//! - `cargo run --release -p ringest-instructions -- --renew` writes `benches/instructions/counts.toml`.
//!
//! Valgrind presents the same CPU on all machines with AVX2, so that simd-json, memchr and libc choose the same code.
//! Counts still depend on the compiler and a little on Valgrind and libc: the file names the versions of the first two.
//! It is a package of its own so that its build shares the libraries of `cargo build --release`.

#[path = "../../fixtures/answers.rs"]
mod answers;
#[path = "../../fixtures/bodies.rs"]
mod bodies;
mod counts;
#[path = "../../fixtures/head.rs"]
mod head;
#[path = "../../fixtures/issuer.rs"]
mod issuer;
#[path = "../../fixtures/models.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest")]
mod models;
#[path = "../../fixtures/sink.rs"]
#[expect(dead_code, reason = "other benchmarks use the rest")]
mod sink;

use std::{
    cell::Cell,
    hint::black_box,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use answers::{form, outcomes};
use bodies::{EVENT, array, nested};
use head::{HEAD, of_another_client};
use issuer::{Issuer, NOW_MS, empty_auth};
use jsonwebtoken::Algorithm;
use ringest::{
    auth::{ApiKey, Auth, Cache, Globs, KeyHash, KeySet},
    http::{HeadLimits, HeadParser},
    model::Rules,
    response::Responses,
    validate::{Format, Validator},
};
use sink::{LIMITS, PATH, Sink};

fn main() -> ExitCode {
    let has = |flag| std::env::args().any(|it| it == flag);
    if has(counts::STAGES) {
        every_stage(&mut counts::counted);
        return ExitCode::SUCCESS;
    }
    counts::compare(has("--renew"))
}

/// Runs of a stage, at most.
const BODIES: u64 = 2 * counts::RUNS;

/// Is given each stage: its name, and what runs it once.
type Each<'e> = &'e mut dyn FnMut(&str, &mut dyn FnMut());

fn every_stage(each: Each<'_>) {
    head(each);
    route(each);
    cached_credentials(each);
    validate(each);
    let sink = Sink::open();
    enqueue(each, &sink);
    answer(each, &sink);
}

/// For searches by SIMD it counts where the bytes lie, which otherwise each build decides anew.
#[repr(align(64))]
struct Aligned([u8; HEAD.len()]);

fn head(each: Each<'_>) {
    let limits = HeadLimits {
        head_bytes_max: 16_384,
        headers_max: 100,
    };
    let mut parser = HeadParser::new(limits);
    let aligned = |head: &str| {
        let mut aligned = Aligned([0; HEAD.len()]);
        aligned.0.copy_from_slice(head.as_bytes());
        aligned
    };
    let heads = [aligned(HEAD), aligned(&of_another_client())];
    for (name, count) in [("head", 2), ("head, again", 1)] {
        let mut heads = heads.iter().take(count).cycle();
        each(name, &mut || {
            parser.reset();
            let head = heads.next().expect("endless");
            let parsed = parser.parse(black_box(&head.0));
            assert!(matches!(parsed, Ok(Some(_))), "a complete head");
        });
    }
}

fn route(each: Each<'_>) {
    let routes = sink::routes();
    let path = PATH.as_bytes();
    each("route", &mut || {
        black_box(routes.find(black_box(path)).is_some());
    });
    each("route, again", &mut || {
        black_box(routes.find_likely(black_box(0), black_box(path)).is_some());
    });
}

/// The token of the request before, as on most connections.
fn cached_credentials(each: Each<'_>) {
    let routes = Arc::new(sink::routes());
    let issuer = Issuer::new(Algorithm::HS256);
    let jwt = issuer.token(0, &serde_json::Value::Null);
    let key = format!("{:032x}.{:032x}", 1, 2);
    let api_key = ApiKey {
        name: "client".into(),
        hash: KeyHash::sha256(key.as_bytes()),
        routes: Globs::new(["*"]),
        expires_ms: None,
        origins: None,
        bucket: None,
    };
    let auth = Auth {
        api_keys: vec![api_key],
        ..empty_auth()
    };
    let of_keys = KeySet::new(&auth, &[], &routes);
    for (name, token, keys) in [
        ("cached JWT", jwt, issuer.key_set(&routes)),
        ("cached API key", key, of_keys),
    ] {
        let token = token.as_bytes();
        let checked = keys.check(token, NOW_MS).expect("well-formed");
        let verified = checked.verify(NOW_MS).map_err(|error| error.reason());
        let mut cache = Cache::new(8_192);
        cache.insert(token, verified.expect("valid"), &keys);
        let hint = Cell::default();
        each(name, &mut || {
            let found = cache.find(black_box(token), &hint, &keys, NOW_MS);
            let principal = found.expect("cached").expect("its key set is the same");
            black_box(principal);
        });
    }
}

fn validate(each: Each<'_>) {
    let (any, typed) = (Rules::any(), models::rules(&models::EVENT_FIELDS));
    let escaped = EVENT.replace("/products/running-shoes", r"\/products\/running-sho");
    for (name, body, rules) in [
        ("validate, 293 B", EVENT, &any),
        ("validate, 293 B with escapes", &escaped, &any),
        ("validate, 293 B typed", EVENT, &typed),
        ("validate, 1 KiB", &nested(1 << 10), &any),
        ("validate, 10 KiB", &nested(10 << 10), &any),
        ("validate, array of 1000", &array(EVENT), &any),
        ("validate, array of 1000 typed", &array(EVENT), &typed),
    ] {
        let mut validator = Validator::new(LIMITS);
        each(name, &mut || {
            let valid = validator.validate(black_box(body.as_bytes()), Format::Json, rules);
            black_box(valid.expect("valid").len());
        });
    }
}

/// Into the batch that forms while another one is out; and to the broker and back, on the worker's thread, with what
/// librdkafka does there.
fn enqueue(each: Each<'_>, sink: &Sink) {
    let route = &sink.routes.routes()[0];
    // The partitions are learned of meanwhile.
    for _ in 0..20 {
        let _ = sink.deliver_one();
        sink.producer.tick(Instant::now());
        thread::sleep(Duration::from_millis(5));
    }
    for (name, body) in [("293 B", EVENT.to_owned()), ("array of 1000", array(EVENT))] {
        let mut validator = Validator::new(LIMITS);
        let records = validator.validate(body.as_bytes(), Format::Json, &Rules::any());
        let records = records.expect("valid");
        let mut deliveries = Vec::with_capacity(1_000);
        let _ = sink.deliver_one();
        let bodies = || (0..BODIES).map(|_| sink.body(body.as_bytes())).collect();
        let mut received: Vec<_> = bodies();
        each(&format!("enqueue, {name}"), &mut || {
            let body = received.pop().expect("one for each run");
            deliveries.push(sink.enqueue(route, body, &records));
        });
        deliveries.clear();
        sink.settle();
        let mut received: Vec<_> = bodies();
        each(&format!("enqueue to report, {name}"), &mut || {
            let body = received.pop().expect("one for each run");
            drop(sink.enqueue(route, body, &records));
            // Each look for a report that is not there yet would count.
            thread::sleep(Duration::from_millis(20));
            sink.settle();
        });
    }
}

fn answer(each: Each<'_>, sink: &Sink) {
    let (responses, form) = (Responses::new(), form());
    let mut output = Vec::new();
    for (name, outcome) in outcomes(sink) {
        each(&format!("answer, {name}"), &mut || {
            output.clear();
            responses.write(black_box(&outcome), form, &mut output);
        });
    }
}
