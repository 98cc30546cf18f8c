//! No unsigned token is accepted, and no token makes the parser panic. The input is used as a token, and as
//! the parts of a JWT, one per line.
#![no_main]

use std::sync::{Arc, LazyLock};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use libfuzzer_sys::fuzz_target;
use ringest::{
    auth::{ApiKey, Auth, AuthMode, Globs, Issuer, KeyHash, KeySet, KeySource, VerificationKeys},
    model::Model,
    route::RouteTable,
};

/// In 2027.
const NOW_MS: u64 = 1_800_000_000_000;

/// An issuer that the claims of the seeds match, and hashes of unknown tokens.
static KEYS: LazyLock<Arc<KeySet>> = LazyLock::new(|| {
    let keys = VerificationKeys::from_secret(&[7; 32], &[Algorithm::HS256]).expect("long enough");
    let issuer = Issuer {
        issuer: "i".into(),
        audience: "a".into(),
        algorithms: vec![Algorithm::HS256],
        leeway_ms: 0,
        routes_claim: Some("r".into()),
        required_claims: vec![("c".into(), true.into())],
        subject_header: None,
        quota: None,
        keys: KeySource::File(Arc::new(keys)),
    };
    let key = |name: &str, hash| ApiKey {
        name: name.into(),
        hash,
        routes: Globs::new(["*"]),
        expires_ms: None,
        origins: None,
        bucket: None,
    };
    let auth = Auth {
        mode: AuthMode::Required,
        cache_entries: 1,
        issuers: vec![Arc::new(issuer)],
        api_keys: vec![
            key("sha256", KeyHash::Sha256([7; 32])),
            key("pbkdf2", KeyHash::Pbkdf2([7; 20])),
        ],
        certificates: Vec::new(),
        key_files: Vec::new(),
    };
    let version = "1.0".parse().expect("a version");
    let model = Arc::new(Model::untyped("Event", version, "events"));
    KeySet::new(&auth, &[], &Arc::new(RouteTable::new(&[model])))
});

fuzz_target!(|data: &[u8]| {
    let parts = data.split(|byte| *byte == b'\n');
    let parts: Vec<_> = parts
        .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part))
        .collect();
    for token in [data, parts.join(".").as_bytes()] {
        if let Ok(check) = KEYS.check(token, NOW_MS) {
            assert!(check.verify(NOW_MS).is_err());
        }
    }
});
