//! The cost of authentication: a cached credential, a new one, and a rejected one.

#[path = "fixtures/issuer.rs"]
mod issuer;
#[path = "fixtures/settings.rs"]
mod settings;

use std::{cell::Cell, hint::black_box, sync::Arc};

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use issuer::{Issuer, NOW_MS, empty_auth};
use jsonwebtoken::Algorithm;
use ringest::{
    auth::{ApiKey, Auth, AuthError, Cache, Globs, KeyHash, KeySet, Verified},
    model::Model,
    route::RouteTable,
};
use serde_json::{Value, json};

/// All algorithms that can be configured.
const ALGORITHMS: [Algorithm; 12] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
];

/// Number of API keys in the configuration.
const KEYS: usize = 1_000;

/// A token in Moose's format; deterministic, for reproducible benchmarks.
fn moose_token(number: usize) -> String {
    format!("{number:032x}.{:032x}", number * 7 + 1)
}

fn with_keys(routes: &Arc<RouteTable>, hash: impl Fn(&[u8]) -> KeyHash) -> Arc<KeySet> {
    let key = |number| ApiKey {
        name: format!("client-{number}").into(),
        hash: hash(moose_token(number).as_bytes()),
        routes: Globs::new(["*"]),
        expires_ms: None,
        origins: None,
        bucket: None,
    };
    let auth = Auth {
        api_keys: (0..KEYS).map(key).collect(),
        ..empty_auth()
    };
    KeySet::new(&auth, &[], routes)
}

fn pbkdf2(token: &[u8]) -> KeyHash {
    KeyHash::pbkdf2(token).expect("a token in Moose's format")
}

/// Verifies a token that is not in the cache, as a worker does.
fn verify(keys: &KeySet, token: &str) -> Result<Verified, AuthError> {
    let verified = keys
        .check(black_box(token.as_bytes()), NOW_MS)?
        .verify(NOW_MS);
    verified.map_err(|error| error.reason())
}

/// The same token with each request, as on most connections; and a thousand alternating ones, as on a
/// proxy's connection, where neither the hint nor the CPU's caches help.
fn known(criterion: &mut Criterion, rs256: &Issuer, routes: &Arc<RouteTable>) {
    let mut group = criterion.benchmark_group("known");
    let jwts: Vec<String> = (0..1_000).map(|it| rs256.token(it, &Value::Null)).collect();
    let keys: Vec<String> = (0..1_000).map(moose_token).collect();
    let of_jwts = rs256.key_set(routes);
    let of_keys = with_keys(routes, KeyHash::sha256);
    for (name, tokens, verifies) in [("JWT", jwts, of_jwts), ("API key", keys, of_keys)] {
        let mut cache = Cache::new(8_192);
        for token in &tokens {
            let verified = verify(&verifies, token).expect("a valid token");
            cache.insert(token.as_bytes(), verified, &verifies);
        }
        let bytes = tokens[0].len();
        for used in [1, tokens.len()] {
            let mut turns = tokens[..used].iter().cycle();
            let hint = Cell::default();
            group.bench_function(
                format!("{name} of {bytes} B, {used} alternating"),
                |bencher| {
                    bencher.iter(|| {
                        let token = turns.next().expect("at least one token");
                        let token = black_box(token.as_bytes());
                        let found = cache.find(token, &hint, &verifies, NOW_MS);
                        found.expect("cached").expect("its key set is the same")
                    });
                },
            );
        }
    }
    group.finish();
}

/// Cached tokens, each time with another key set that still has what proved them: as after a reload.
fn renewed(criterion: &mut Criterion, rs256: &Issuer, routes: &Arc<RouteTable>) {
    let mut group = criterion.benchmark_group("renewed");
    let key_sets = |of: &dyn Fn() -> Arc<KeySet>| [of(), of()];
    let jwts = key_sets(&|| rs256.key_set(routes));
    let keys = key_sets(&|| with_keys(routes, pbkdf2));
    for (name, token, key_sets) in [
        ("JWT", rs256.token(0, &Value::Null), jwts),
        ("API key, PBKDF2", moose_token(KEYS / 2), keys),
    ] {
        let mut cache = Cache::new(8_192);
        let verified = verify(&key_sets[1], &token).expect("a valid token");
        cache.insert(token.as_bytes(), verified, &key_sets[1]);
        let mut key_sets = key_sets.iter().cycle();
        let hint = Cell::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let keys = key_sets.next().expect("two of them");
                let found = cache.find(black_box(token.as_bytes()), &hint, keys, NOW_MS);
                found.expect("cached").expect("its proof stands")
            });
        });
    }
    group.finish();
}

fn new(criterion: &mut Criterion, routes: &Arc<RouteTable>) {
    let mut group = criterion.benchmark_group("new");
    group.throughput(Throughput::Elements(1));
    for algorithm in ALGORITHMS {
        let issuer = Issuer::new(algorithm);
        let token = issuer.token(0, &Value::Null);
        accept(
            &mut group,
            &format!("{algorithm:?}"),
            &issuer.key_set(routes),
            &token,
        );
    }
    let token = moose_token(KEYS / 2);
    accept(
        &mut group,
        "API key, PBKDF2",
        &with_keys(routes, pbkdf2),
        &token,
    );
    accept(
        &mut group,
        "API key, SHA-256",
        &with_keys(routes, KeyHash::sha256),
        &token,
    );
    group.finish();
}

fn accept(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, keys: &KeySet, token: &str) {
    group.bench_function(name, |bencher| {
        bencher.iter(|| verify(keys, token).expect("a valid token"));
    });
}

fn refused(criterion: &mut Criterion, rs256: &Issuer, routes: &Arc<RouteTable>) {
    let good = rs256.token(0, &Value::Null);
    let differing = |claims: Value| rs256.token(0, &claims);
    let other = rs256.token(1, &Value::Null);
    // Signed by the same key, so that it is below the modulus and costs as much as a valid one.
    let (message, signature) = (good.rsplit_once('.'), other.rsplit_once('.'));
    let forged = match (message, signature) {
        (Some((message, _)), Some((_, signature))) => format!("{message}.{signature}"),
        _ => unreachable!("tokens have three parts"),
    };
    let jwt = rs256.key_set(routes);
    let cases = [
        (
            "invalid characters",
            AuthError::Malformed,
            good.replace('e', "é"),
        ),
        (
            "not three parts",
            AuthError::Malformed,
            good.replace('.', "-"),
        ),
        (
            "unknown kid",
            AuthError::KeyId,
            rs256.token_by("former", 0, &Value::Null),
        ),
        (
            "another issuer",
            AuthError::Issuer,
            differing(json!({"iss": "https://other.example.com"})),
        ),
        (
            "another audience",
            AuthError::Audience,
            differing(json!({"aud": "billing"})),
        ),
        (
            "expired",
            AuthError::Expired,
            differing(json!({"exp": NOW_MS / 1_000 - 1})),
        ),
        (
            "another algorithm",
            AuthError::Algorithm,
            Issuer::new(Algorithm::ES256).token(0, &Value::Null),
        ),
        ("another token's signature", AuthError::Signature, forged),
    ];
    let mut group = criterion.benchmark_group("refused");
    for (name, error, token) in cases {
        refuse(&mut group, &format!("JWT, {name}"), &jwt, error, &token);
    }
    let token = moose_token(KEYS);
    let unknown = AuthError::UnknownKey;
    refuse(
        &mut group,
        "API key, unknown, PBKDF2",
        &with_keys(routes, pbkdf2),
        unknown,
        &token,
    );
    let sha256 = with_keys(routes, KeyHash::sha256);
    refuse(
        &mut group,
        "API key, unknown, SHA-256",
        &sha256,
        unknown,
        &token,
    );
    group.finish();
}

fn refuse(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    keys: &KeySet,
    error: AuthError,
    token: &str,
) {
    assert_eq!(verify(keys, token).expect_err(name), error, "{name}");
    group.bench_function(name, |bencher| {
        bencher.iter(|| verify(keys, token).is_err());
    });
}

fn main() {
    let mut criterion = settings::criterion();
    let version = "1.0".parse().expect("a version");
    let model = Arc::new(Model::untyped("Event", version, "events"));
    let routes = Arc::new(RouteTable::new(&[model]));
    let rs256 = Issuer::new(Algorithm::RS256);
    known(&mut criterion, &rs256, &routes);
    renewed(&mut criterion, &rs256, &routes);
    new(&mut criterion, &routes);
    refused(&mut criterion, &rs256, &routes);
    criterion.final_summary();
}
