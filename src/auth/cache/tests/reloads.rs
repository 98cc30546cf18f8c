//! Random sequences of reloads and requests: what the cache answers is what a fresh verification answers,
//! and a credential whose proof still stands is not verified again.

use std::sync::{Arc, LazyLock};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{ApiKey, AuthError, Globs, Issuer, KeySource, VerificationKeys, VerifyError, provider},
    model::Model,
};

/// In 2027, in seconds.
const NOW: u64 = 1_800_000_000;

/// Long enough for HS384.
const SECRETS: [&[u8]; 2] = [&[b'1'; 48], &[b'2'; 48]];
const ALGORITHMS: [Algorithm; 2] = [Algorithm::HS256, Algorithm::HS384];
const ISSUERS: [&str; 2] = ["https://one.test", "https://two.test"];
const AUDIENCES: [&str; 2] = ["ingest", "other"];
const KIDS: [&str; 2] = ["a", "b"];
const GLOBS: [&str; 3] = ["*", "order/*", "Page*"];
const MODELS: [&[&str]; 3] = [
    &["Order", "PageView"],
    // All others move by one.
    &["Aardvark", "Order", "PageView"],
    &["PageView"],
];

/// Two are in Moose's format, and may be configured by either hash or by both.
const API_TOKENS: [&str; 3] = [
    "0f1e2d3c4b5a69788796a5b4c3d2e1f0.00112233445566778899aabbccddeeff",
    "00112233445566778899aabbccddeeff.0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "a-token-of-the-shop",
];

/// The API tokens, and JWTs that differ in everything that an issuer may require.
static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    provider::install();
    let mut tokens = API_TOKENS.map(str::to_owned).to_vec();
    for number in 0..24_usize {
        let bit = |bit: usize| number >> bit & 1;
        let algorithm = ALGORITHMS[usize::from(number % 5 == 0)];
        let mut header = json!({ "alg": format!("{algorithm:?}") });
        if number % 3 > 0 {
            header["kid"] = json!(KIDS[number % 3 - 1]);
        }
        let claims = json!({
            "iss": ISSUERS[usize::from(number >= 20)],
            "aud": AUDIENCES[usize::from(number % 7 == 0)],
            "sub": format!("client {number}"),
            "nbf": NOW + 5 * bit(0) as u64,
            "exp": NOW + 20 + 20 * bit(1) as u64,
            "scope": GLOBS[number % GLOBS.len()],
            "tenant": bit(2),
        });
        tokens.push(jwt(&header, &claims, algorithm, SECRETS[bit(3)]));
    }
    tokens
});

fn jwt(header: &Value, claims: &Value, algorithm: Algorithm, secret: &[u8]) -> String {
    let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = EncodingKey::from_secret(secret);
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).expect("HMAC");
    format!("{message}.{signature}")
}

/// The glob and the expiry time of a configured API key.
type KeySettings = Option<(usize, Option<u64>)>;

/// What a reload may change.
#[derive(Clone, Debug)]
struct Settings {
    cache_entries: usize,
    models: usize,
    /// Of each API token: its keys with either hash.
    api_keys: [[KeySettings; 2]; API_TOKENS.len()],
    issuers: [Option<IssuerSettings>; 2],
}

#[derive(Clone, Debug)]
struct IssuerSettings {
    audience: usize,
    algorithms: usize,
    leeway: u64,
    has_routes_claim: bool,
    tenant: Option<u64>,
    has_subject_header: bool,
    keys: Keys,
}

#[derive(Clone, Debug)]
enum Keys {
    Secret(usize),
    /// The secret of each of [`KIDS`], and of a key without a `kid`.
    Set([Option<usize>; 3]),
}

fn settings() -> impl Strategy<Value = Settings> {
    let expires = prop::option::of(NOW..NOW + 50);
    let api_key = || prop::option::of((0..GLOBS.len(), expires.clone()));
    let api_keys = prop::array::uniform3([api_key(), api_key()]);
    let issuers = [
        prop::option::weighted(0.9, issuer()),
        prop::option::of(issuer()),
    ];
    let entries = prop_oneof![1_usize..4, Just(64)];
    (entries, 0..MODELS.len(), api_keys, issuers).prop_map(
        |(cache_entries, models, api_keys, issuers)| Settings {
            cache_entries,
            models,
            api_keys,
            issuers,
        },
    )
}

fn issuer() -> impl Strategy<Value = IssuerSettings> {
    let secret = || 0..SECRETS.len();
    let in_set = || prop::option::of(secret());
    let keys = prop_oneof![
        secret().prop_map(Keys::Secret),
        [in_set(), in_set(), in_set()].prop_map(Keys::Set),
    ];
    let leeway = prop_oneof![Just(0), 1_u64..30];
    let rarely = || prop::bool::weighted(0.2);
    let tenant = prop::option::weighted(0.2, 0_u64..2);
    let audience = rarely().prop_map(usize::from);
    (
        audience,
        1_usize..4,
        leeway,
        rarely(),
        tenant,
        rarely(),
        keys,
    )
        .prop_map(
            |(audience, algorithms, leeway, has_routes_claim, tenant, has_subject_header, keys)| {
                IssuerSettings {
                    audience,
                    algorithms,
                    leeway,
                    has_routes_claim,
                    tenant,
                    has_subject_header,
                    keys,
                }
            },
        )
}

impl Settings {
    fn key_set(&self) -> Arc<KeySet> {
        let version = || "1.0".parse().expect("a version");
        let models = MODELS[self.models].iter();
        let models: Vec<_> = models
            .map(|name| Arc::new(Model::untyped(name, version(), name)))
            .collect();
        let hashes = |token: &str| {
            let token = token.as_bytes();
            [Some(KeyHash::sha256(token)), KeyHash::pbkdf2(token)]
        };
        let keys = API_TOKENS
            .iter()
            .zip(&self.api_keys)
            .flat_map(|(token, of)| {
                let keys = hashes(token).into_iter().zip(of).enumerate();
                keys.filter_map(move |(kind, (hash, settings))| {
                    let (glob, expires) = (*settings)?;
                    Some(ApiKey {
                        name: format!("{token} {kind}").into(),
                        hash: hash?,
                        routes: Globs::new([GLOBS[glob]]),
                        expires_ms: expires.map(|it| it * 1_000),
                        origins: None,
                        bucket: None,
                    })
                })
            });
        let issuers = ISSUERS.iter().zip(&self.issuers);
        let issuers = issuers.filter_map(|(name, it)| it.as_ref()?.issuer(name).map(Arc::new));
        let auth = Auth {
            mode: AuthMode::Required,
            cache_entries: self.cache_entries,
            issuers: issuers.collect(),
            api_keys: keys.collect(),
            certificates: Vec::new(),
            key_files: Vec::new(),
        };
        KeySet::new(&auth, &[], &Arc::new(RouteTable::new(&models)))
    }
}

impl IssuerSettings {
    /// `None` without a key.
    fn issuer(&self, name: &str) -> Option<Issuer> {
        let listed = ALGORITHMS.iter().enumerate();
        let listed = listed.filter(|(index, _)| self.algorithms >> index & 1 == 1);
        let algorithms: Vec<_> = listed.map(|(_, it)| *it).collect();
        let keys = match &self.keys {
            Keys::Secret(secret) => VerificationKeys::from_secret(SECRETS[*secret], &algorithms),
            Keys::Set(secrets) => {
                let keys = secrets.iter().enumerate().filter_map(|(index, secret)| {
                    let secret = BASE64_URL_SAFE_NO_PAD.encode(SECRETS[(*secret)?]);
                    let mut key = json!({ "kty": "oct", "k": secret });
                    if let Some(kid) = KIDS.get(index) {
                        key["kid"] = json!(kid);
                    }
                    Some(key)
                });
                let set = json!({ "keys": keys.collect::<Vec<_>>() }).to_string();
                VerificationKeys::from_jwks(set.as_bytes(), &algorithms).map(|it| it.keys)
            }
        };
        let tenant = self.tenant.map(|it| ("tenant".into(), json!(it)));
        Some(Issuer {
            issuer: name.into(),
            audience: AUDIENCES[self.audience].into(),
            algorithms,
            leeway_ms: self.leeway * 1_000,
            routes_claim: self.has_routes_claim.then(|| "scope".into()),
            required_claims: tenant.into_iter().collect(),
            subject_header: self.has_subject_header.then(|| "sent-by".into()),
            quota: None,
            keys: KeySource::File(Arc::new(keys.ok()?)),
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Reload(Box<Settings>),
    /// A token, the seconds since [`NOW`], and the connection.
    Request(usize, u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => settings().prop_map(|it| Step::Reload(Box::new(it))),
        8 => (0..TOKENS.len(), 0_u64..70, 0_usize..3)
            .prop_map(|(token, second, connection)| Step::Request(token, second, connection)),
    ]
}

fn verify(keys: &KeySet, token: &[u8], now_ms: u64) -> Result<Verified, Denial> {
    let verified = keys.check(token, now_ms)?.verify(now_ms);
    verified.map_err(|error| match error {
        VerifyError::Rejected(denial) => denial,
        VerifyError::UnknownKey(_) => AuthError::KeyId.into(),
    })
}

/// A request as a worker authenticates it: through the cache, compared with a fresh verification.
fn request(
    cache: &mut Cache,
    hint: &Cell<Hint>,
    keys: &KeySet,
    token: &[u8],
    now_ms: u64,
) -> Result<(), TestCaseError> {
    let fresh = verify(keys, token, now_ms);
    let hash = cache.hash(token);
    let proof = cache.entries.peek(&hash).map(|entry| entry.proof);
    match (cache.find(token, hint, keys, now_ms), fresh) {
        (Some(Ok(principal)), Ok(fresh)) => prop_assert_eq!(principal.grant(), &fresh.grant),
        (Some(Err(error)), fresh) => prop_assert_eq!(Err(error), fresh),
        (Some(Ok(_)), Err(error)) => prop_assert!(false, "accepted, but {:?}", error),
        (None, Ok(fresh)) => {
            prop_assert_ne!(proof, Some(fresh.proof), "verified without need");
            cache.insert(token, fresh, keys);
        }
        (None, Err(_)) => cache.remove(token),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn look_ups_agree_with_a_fresh_verification(
        first in settings(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut keys = first.key_set();
        let mut cache = Cache::new(first.cache_entries);
        let hints: [Cell<Hint>; 3] = Default::default();
        for step in steps {
            match step {
                Step::Reload(settings) => {
                    keys = settings.key_set();
                    cache.resize(settings.cache_entries);
                }
                Step::Request(token, second, connection) => {
                    let (token, now_ms) = (TOKENS[token].as_bytes(), (NOW + second) * 1_000);
                    request(&mut cache, &hints[connection], &keys, token, now_ms)?;
                }
            }
            assert_counted(&cache);
        }
    }
}

/// One issuer with these keys, and nothing else.
fn only(keys: [Option<usize>; 3]) -> Arc<KeySet> {
    let issuer = IssuerSettings {
        audience: 0,
        algorithms: 3,
        leeway: 0,
        has_routes_claim: false,
        tenant: None,
        has_subject_header: false,
        keys: Keys::Set(keys),
    };
    let settings = Settings {
        cache_entries: 64,
        models: 0,
        api_keys: Default::default(),
        issuers: [Some(issuer), None],
    };
    settings.key_set()
}

/// A `kid` whose key is another one needs a verification, another `kid` with the same key does not matter.
#[test]
fn the_key_counts_and_not_its_name() {
    let now_ms = NOW * 1_000;
    let claims = json!({ "iss": ISSUERS[0], "aud": "ingest", "exp": NOW + 60 });
    let header = json!({ "alg": "HS256", "kid": "a" });
    let token = jwt(&header, &claims, Algorithm::HS256, SECRETS[0]);
    let token = token.as_bytes();
    let before = only([Some(0), Some(1), None]);
    let mut cache = Cache::new(8);
    let verified = verify(&before, token, now_ms).expect("valid");
    cache.insert(token, verified, &before);
    let mut find = |keys| cache.find(token, &Cell::default(), &only(keys), now_ms);
    assert!(matches!(find([Some(0), Some(0), Some(1)]), Some(Ok(_))));
    assert!(find([Some(1), Some(0), None]).is_none());
    // The entry is still there: the key may come back.
    assert!(matches!(find([Some(0), None, None]), Some(Ok(_))));
    assert!(matches!(
        find([None, Some(0), None]),
        Some(Err(denial)) if denial == AuthError::KeyId.into()
    ));
    assert!(find([Some(0), None, None]).is_none());
}

#[test]
fn a_smaller_cache_keeps_the_most_recently_used() {
    let mut cache = Cache::new(4);
    for token in [b"1", b"2", b"3", b"4"] {
        insert(&mut cache, token, ("it", 0, 100));
    }
    assert!(find(&mut cache, b"1", &Cell::default(), 1).is_some());
    cache.resize(2);
    assert_counted(&cache);
    let kept = [b"1", b"2", b"3", b"4"].map(|token| cache.contains(token));
    assert_eq!(kept, [true, false, false, true]);
    cache.resize(8);
    insert(&mut cache, b"5", ("it", 0, 100));
    assert_eq!(cache.len(), 3);
}
