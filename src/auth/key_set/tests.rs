//! One case of each kind; the tests over HTTP have the full set of attacks.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{ApiKey, AuthMode, Globs, Issuer, JwksUrl, KeySource, VerificationKeys},
    model::Model,
};

const NOW_MS: u64 = 1_800_000_000_000;
const SECRET: &[u8] = b"a secret for tests, of 32 bytes.";
/// A token of Moose's, and its hash by Python's `hashlib.pbkdf2_hmac`.
const MOOSE: &[u8] = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0.00112233445566778899aabbccddeeff";
const MOOSE_HASH: &str = "ac0c9d4a1ffec86cd8529d6b1d6c0c5fd33cbe87";

fn routes() -> Arc<RouteTable> {
    let model = |name: &str| {
        let version = "1.0".parse().expect("a version");
        Arc::new(Model::untyped(name, version, name))
    };
    Arc::new(RouteTable::new(&[model("Order"), model("PageView")]))
}

fn key(name: &str, hash: KeyHash, routes: &str, expires_ms: Option<u64>) -> ApiKey {
    ApiKey {
        name: name.into(),
        hash,
        routes: Globs::new([routes]),
        expires_ms,
        origins: None,
        bucket: None,
    }
}

fn issuer(keys: KeySource) -> Issuer {
    Issuer {
        issuer: "https://id.test".into(),
        audience: "ingest".into(),
        algorithms: vec![Algorithm::HS256],
        leeway_ms: 0,
        routes_claim: None,
        required_claims: Vec::new(),
        subject_header: None,
        quota: None,
        keys,
    }
}

fn secret() -> KeySource {
    let keys = VerificationKeys::from_secret(SECRET, &[Algorithm::HS256]);
    KeySource::File(Arc::new(keys.expect("long enough")))
}

fn key_set(
    api_keys: Vec<ApiKey>,
    issuers: Vec<Issuer>,
    fetched: &[Arc<FetchedKeys>],
) -> Arc<KeySet> {
    let auth = Auth {
        mode: AuthMode::Required,
        cache_entries: 1,
        issuers: issuers.into_iter().map(Arc::new).collect(),
        api_keys,
        certificates: Vec::new(),
        key_files: Vec::new(),
    };
    KeySet::new(&auth, fetched, &routes())
}

fn jwt(header: &Value, claims: &Value) -> String {
    provider::install();
    let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = EncodingKey::from_secret(SECRET);
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("HMAC");
    format!("{message}.{signature}")
}

fn claims() -> Value {
    json!({
        "iss": "https://id.test", "aud": "ingest", "sub": "somebody",
        "exp": NOW_MS / 1_000 + 60, "nbf": NOW_MS / 1_000 - 60,
    })
}

fn verified(keys: &KeySet, token: impl AsRef<[u8]>, now_ms: u64) -> Result<Grant, AuthError> {
    let check = keys.check(token.as_ref(), now_ms)?;
    let verified = check.verify(now_ms).map(|verified| verified.grant);
    verified.map_err(|error| error.reason())
}

#[test]
fn keys_of_both_kinds_are_found_by_their_hash() {
    let moose = KeyHash::parse(MOOSE_HASH).expect("a hash");
    let keys = key_set(
        vec![
            key("moose", moose, "*", None),
            key("shop", KeyHash::sha256(b"shop-token"), "order/*", None),
            key("old", KeyHash::sha256(b"old-token"), "*", Some(NOW_MS)),
        ],
        Vec::new(),
        &[],
    );
    let moose = verified(&keys, MOOSE, NOW_MS).expect("good");
    assert_eq!(
        (moose.name.as_deref(), moose.scope),
        (Some("moose"), Scope::All)
    );
    let shop = verified(&keys, b"shop-token", NOW_MS).expect("good");
    assert_eq!(shop.name.as_deref(), Some("shop"));
    assert_eq!(
        [0, 1, 2].map(|route| shop.scope.allows(route)),
        [true, false, false]
    );
    assert!(verified(&keys, b"old-token", NOW_MS - 1).is_ok());
    assert_eq!(
        verified(&keys, b"old-token", NOW_MS),
        Err(AuthError::KeyExpired)
    );

    let mut wrong = MOOSE.to_vec();
    wrong[0] = b'1';
    assert_eq!(verified(&keys, &wrong, NOW_MS), Err(AuthError::UnknownKey));
    assert!(
        keys.check(&wrong, NOW_MS)
            .is_ok_and(|check| !check.is_resolved())
    );
    assert_eq!(
        verified(&keys, b"another", NOW_MS),
        Err(AuthError::UnknownKey)
    );
    for malformed in [&b""[..], b"a b", b"a,b", b"=", b"a=b", b"\xff", b"\"a\""] {
        assert_eq!(
            verified(&keys, malformed, NOW_MS),
            Err(AuthError::Malformed)
        );
    }
}

#[test]
fn tokens_are_valid_for_their_period_and_audience() {
    let keys = key_set(Vec::new(), vec![issuer(secret())], &[]);
    let token = jwt(&json!({"alg": "HS256"}), &claims());
    let grant = verified(&keys, &token, NOW_MS).expect("good");
    assert_eq!(grant.name.as_deref(), Some("somebody"));
    let Validity { from_ms, until_ms } = grant.validity;
    assert_eq!((from_ms, until_ms), (NOW_MS - 60_000, NOW_MS + 60_000));
    for (now_ms, result) in [
        (from_ms - 1, Some(AuthError::NotYetValid)),
        (from_ms, None),
        (until_ms - 1, None),
        (until_ms, Some(AuthError::Expired)),
    ] {
        assert_eq!(verified(&keys, &token, now_ms).err(), result, "{now_ms}");
    }
    // The cheap check may have been done before the token expired in the queue.
    let check = keys.check(token.as_bytes(), until_ms - 1).expect("a JWT");
    let expired = check.verify(until_ms).map_err(|error| error.reason());
    assert_eq!(expired, Err(AuthError::Expired));

    for (claim, value, error) in [
        ("iss", json!("https://id.test/"), AuthError::Issuer),
        ("iss", json!(["https://id.test"]), AuthError::Claims),
        ("aud", json!("Ingest"), AuthError::Audience),
        ("aud", json!([]), AuthError::Audience),
        ("aud", json!(["ingest", 1]), AuthError::Claims),
        ("exp", json!("1900000000"), AuthError::Claims),
        ("exp", json!(null), AuthError::Claims),
        ("exp", json!(-1), AuthError::Expired),
        ("nbf", json!(1e300), AuthError::NotYetValid),
        ("iat", json!("now"), AuthError::Claims),
        ("sub", json!(1), AuthError::Claims),
    ] {
        let mut claims = claims();
        claims[claim] = value.clone();
        let token = jwt(&json!({"alg": "HS256"}), &claims);
        assert_eq!(
            verified(&keys, &token, NOW_MS),
            Err(error),
            "{claim} {value}"
        );
    }
}

#[test]
fn unsupported_header_members_are_rejected() {
    let keys = key_set(Vec::new(), vec![issuer(secret())], &[]);
    for (member, value, error) in [
        ("typ", json!("at+jwt"), None),
        ("typ", json!("application/AT+JWT"), None),
        ("typ", json!("dpop+jwt"), Some(AuthError::Header)),
        ("typ", json!(1), Some(AuthError::Header)),
        ("jku", json!("https://elsewhere.test"), None),
        ("kid", json!("a secret has none"), None),
        ("kid", json!(null), Some(AuthError::Header)),
        ("crit", json!(["exp"]), Some(AuthError::Header)),
        ("b64", json!(true), Some(AuthError::Header)),
        ("zip", json!("DEF"), Some(AuthError::Header)),
        ("alg", json!("none"), Some(AuthError::Algorithm)),
        ("alg", json!("hs256"), Some(AuthError::Algorithm)),
        ("alg", json!("RS256"), Some(AuthError::Algorithm)),
    ] {
        let mut header = json!({"alg": "HS256"});
        header[member] = value.clone();
        let token = jwt(&header, &claims());
        assert_eq!(
            verified(&keys, &token, NOW_MS).err(),
            error,
            "{member} {value}"
        );
    }
}

#[test]
fn claims_determine_the_authorized_routes() {
    let issuer = Issuer {
        routes_claim: Some("scope".into()),
        required_claims: vec![("tenant".into(), json!("a"))],
        ..issuer(secret())
    };
    let keys = key_set(Vec::new(), vec![issuer], &[]);
    let with = |scope: Option<Value>, tenant: &str| {
        let mut claims = claims();
        claims["tenant"] = json!(tenant);
        if let Some(scope) = scope {
            claims["scope"] = scope;
        }
        let grant = verified(&keys, jwt(&json!({"alg": "HS256"}), &claims), NOW_MS)?;
        Ok([0, 1].map(|route| grant.scope.allows(route)))
    };
    assert_eq!(
        with(Some(json!("openid order/1.*")), "a"),
        Ok([true, false])
    );
    assert_eq!(
        with(Some(json!(["PageView/*", "Order/*"])), "a"),
        Ok([true, true])
    );
    assert_eq!(with(Some(json!("")), "a"), Ok([false, false]));
    assert_eq!(with(None, "a"), Ok([false, false]));
    assert_eq!(with(Some(json!(1)), "a"), Err(AuthError::Claims));
    assert_eq!(with(Some(json!("*")), "b"), Err(AuthError::RequiredClaim));
}

#[test]
fn unknown_keys_at_a_url_are_looked_up() {
    let url = KeySource::Url(JwksUrl {
        url: "https://id.test/jwks".to_owned(),
        refresh: std::time::Duration::from_mins(5),
        stale_max: None,
    });
    let issuer = issuer(url);
    let token = jwt(&json!({"alg": "HS256", "kid": "new"}), &claims());
    let of = |kid: Option<&str>| {
        let keys = kid.map(|kid| {
            let k = BASE64_URL_SAFE_NO_PAD.encode(SECRET);
            let set = json!({"keys": [{"kty": "oct", "kid": kid, "k": k}]}).to_string();
            let loaded = VerificationKeys::from_jwks(set.as_bytes(), &[Algorithm::HS256]);
            loaded.expect("good").keys
        });
        let fetched = Arc::new(FetchedKeys::only(keys));
        let keys = key_set(Vec::new(), vec![issuer.clone()], &[fetched]);
        let check = keys.check(token.as_bytes(), NOW_MS).expect("a JWT");
        check.verify(NOW_MS)
    };
    let unavailable = VerifyError::from(AuthError::KeysUnavailable);
    assert!(matches!(of(None), Err(error) if error.reason() == unavailable.reason()));
    assert!(matches!(of(Some("old")), Err(VerifyError::UnknownKey(_))));
    assert!(of(Some("new")).is_ok());
}
