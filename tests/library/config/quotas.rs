//! Quotas of keys, certificates, issuers' principals and routes.

use std::time::Duration;

use ringest::{
    auth::ApiKey,
    quota::{ClaimBuckets, Quota},
};

use super::{LEAST, Place, errors, good};

const SHA256: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A configuration with keys, which have these lines besides name and hash.
fn with_keys(keys: &[&str]) -> String {
    let tables = keys.iter().enumerate().map(|(index, lines)| {
        let hash = SHA256.replace("0123", &format!("{index:04x}"));
        format!("[[auth.keys]]\nname = \"{index}\"\nhash = \"{hash}\"\n{lines}\n")
    });
    LEAST.replace("mode = \"none\"\n", &tables.collect::<String>())
}

fn quota(amounts: [u64; 3], burst_ms: u64) -> Quota {
    Quota::new(amounts, Duration::from_millis(burst_ms))
}

#[test]
fn keys_have_the_quota_that_is_set_and_those_for_pages_one_by_default() {
    let origins = "origins = [\"https://a.example\"]\n";
    let keys = [
        "",
        "quota = { requests_per_second = 5, burst_ms = 2_000 }",
        "[auth.keys.quota]\nrecords_per_second = 100_000\nbytes_per_second = 20_000_000\n",
        "quota = { burst_ms = 10 }",
        origins,
        &format!("{origins}quota = {{ burst_ms = 10_000 }}"),
        &format!("{origins}quota = {{ requests_per_second = 7 }}"),
        &format!("{origins}quota = {{ requests_per_second = 0 }}"),
    ];
    let config = good(&with_keys(&keys), &[]);
    let of = |key: &ApiKey| key.bucket.as_ref().map(|bucket| bucket.quota);
    let pages = [1_000, 10_000, 10_000_000];
    assert_eq!(
        config.auth.api_keys.iter().map(of).collect::<Vec<_>>(),
        [
            None,
            Some(quota([5, 0, 0], 2_000)),
            Some(quota([0, 100_000, 20_000_000], 1_000)),
            None,
            Some(quota(pages, 1_000)),
            Some(quota(pages, 10_000)),
            Some(quota([7, 0, 0], 1_000)),
            None,
        ]
    );
}

#[test]
fn what_is_wrong_with_a_quota_is_reported_where_it_is() {
    let keys = [
        "quota = { requests_per_secnd = 5 }\n",
        "quota = 5",
        "quota.burst_ms = 0",
    ];
    assert_eq!(
        errors(&with_keys(&keys)),
        [
            "ringest.toml:7: auth.keys[0].quota.requests_per_secnd: unknown key; did you mean \
             \"requests_per_second\"?",
            "ringest.toml:12: auth.keys[1].quota: 5 is not allowed: this is a section, \
             [auth.keys.quota]",
            "ringest.toml:16: auth.keys[2].quota.burst_ms: 0 is not allowed: a whole number from 1 \
             to 3_600_000",
        ]
    );
    let place = Place::new(LEAST);
    place.model(
        "a",
        "name = \"A\"\nversion = \"1\"\n[quota]\nbytes_per_second = -1\nburst = 5\n",
    );
    place.model("b", "name = \"B\"\nversion = \"1\"\nquota = 7\n");
    assert_eq!(
        place.errors(&[]),
        [
            "models/a.toml:4: quota.bytes_per_second: -1 is not allowed: a whole number from 0 to \
             100_000_000_000",
            "models/a.toml:5: quota.burst: unknown key; did you mean \"burst_ms\"?",
            "models/b.toml:3: quota: not allowed: this is a section, [quota]",
        ]
    );
}

#[test]
fn quotas_that_one_request_uses_up_for_long_are_named() {
    let keys = "quota = { records_per_second = 1_000, bytes_per_second = 1_000_000 }";
    let place = Place::new(&with_keys(&[keys]));
    place.model(
        "a",
        "name = \"A\"\nversion = \"1\"\n[quota]\nbytes_per_second = 1_000\n",
    );
    let config = place.load(&[]).expect("it is good");
    let of_model = config.models.iter().find(|it| it.name == "A");
    assert_eq!(
        of_model.expect("a model").quota,
        Some(quota([0, 0, 1_000], 1_000))
    );
    let directory = format!("{}/", place.directory.path().display());
    let warnings = config.warnings.iter();
    let warnings: Vec<_> = warnings.map(|it| it.replace(&directory, "")).collect();
    assert_eq!(
        warnings,
        [
            "ringest.toml:7: auth.keys[0].quota.records_per_second: one request of \
             limits.records_max (100_000) uses up 100 s of it: nothing else is accepted meanwhile",
            "model A 1: quota: one request of limits.body_bytes_max (10_485_760) uses up 10_485 s of \
             it: nothing else is accepted meanwhile",
        ]
    );
}

#[test]
fn an_issuers_quota_is_counted_as_memory() {
    let issuer = "[auth.jwt]\nissuer = \"a\"\naudience = \"b\"\nalgorithms = [\"HS256\"]\n\
                  secret_file = \"secret\"\n";
    let load = |quota: &str| {
        let place = Place::new(&LEAST.replace("mode = \"none\"\n", &format!("{issuer}{quota}")));
        let secret = place.directory.path().join("secret");
        std::fs::write(secret, [b'x'; 32]).expect("written");
        place.load(&[]).expect("it is good")
    };
    let without = load("");
    assert!(without.auth.issuers[0].quota.is_none());
    let with = load("quota = { records_per_second = 1_000_000 }\n");
    let limited = with.auth.issuers[0].quota.as_ref().expect("a quota");
    assert_eq!(&*limited.claim, "sub");
    assert_eq!(limited.buckets.quota(), &quota([0, 1_000_000, 0], 1_000));
    assert_eq!(
        with.memory_max().credentials - without.memory_max().credentials,
        ClaimBuckets::BYTES as u64
    );
}
