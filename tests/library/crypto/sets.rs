//! JWK sets, valid and invalid.

use jsonwebtoken::Algorithm;
use ringest::auth::{LoadedKeys, VerificationKeys};
use serde_json::{Map, Value, json};

use super::{
    ALL,
    material::{jwk, text},
    verify,
};

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// The key of `jwk.json` with changed members; `null` removes one.
fn with(name: &str, members: Value) -> Value {
    let mut jwk = jwk(name);
    let Value::Object(members) = members else {
        panic!("no object: {members}");
    };
    for (member, value) in members {
        match value {
            Value::Null => jwk.remove(&member),
            value => jwk.insert(member, value),
        };
    }
    Value::Object(jwk)
}

fn plain(name: &str) -> Value {
    with(name, json!({}))
}

fn load(keys: &[Value], listed: &[Algorithm]) -> Result<LoadedKeys, String> {
    VerificationKeys::from_jwks(set(keys).as_bytes(), listed).map_err(|error| error.to_string())
}

fn served(keys: &VerificationKeys, kid: Option<&str>) -> Vec<Algorithm> {
    let fits = |algorithm: &Algorithm| keys.find(*algorithm, kid).is_ok();
    ALL.into_iter().filter(fits).collect()
}

#[test]
fn each_key_verifies_the_tokens_that_were_signed_with_it() {
    let names = ["rsa-2048", "rsa-3072", "p256", "p384", "ed25519", "secret"];
    let keys = names.map(|name| with(name, json!({ "kid": name })));
    let LoadedKeys { keys, skipped } = load(&keys, &ALL).expect("a set");
    assert_eq!((keys.len(), skipped.len()), (6, 0));
    let tokens = text("tokens.txt");
    for line in tokens.lines() {
        let parts: Vec<_> = line.split(' ').collect();
        let algorithm = parts[0].parse().expect("an algorithm");
        let (message, signature) = parts[2].rsplit_once('.').expect("a token");
        let key = keys.find(algorithm, Some(parts[1])).expect("its key");
        let verified = jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm);
        assert_eq!(verified, Ok(true), "{line}");
        assert!(!verify(algorithm, key, b"another message", &[1; 64]).expect("its key"));
    }
    assert_eq!(tokens.lines().count(), 18);
}

#[test]
fn a_key_is_found_by_kid_or_if_it_is_the_only_match() {
    use Algorithm::{ES256, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let keys = [
        with("rsa-2048", json!({ "kid": "a", "alg": "RS256" })),
        with("rsa-3072", json!({ "kid": "b" })),
        with("p256", json!({ "kid": "c" })),
        plain("ed25519"),
    ];
    let LoadedKeys { keys, .. } = load(&keys, &ALL).expect("a set");
    assert_eq!(served(&keys, Some("a")), [RS256]);
    assert_eq!(
        served(&keys, Some("b")),
        [RS256, RS384, RS512, PS256, PS384, PS512]
    );
    assert_eq!(served(&keys, Some("c")), [ES256]);
    for unknown in ["", "A", "d", "a "] {
        assert_eq!(served(&keys, Some(unknown)), [], "{unknown:?}");
    }
    assert_eq!(
        served(&keys, None),
        [RS384, RS512, PS256, PS384, PS512, ES256, EdDSA]
    );
}

/// RFC 7517 section 5.
#[test]
fn keys_for_other_purposes_are_skipped() {
    use Algorithm::{ES256, RS256};
    let listed = [RS256, ES256];
    for (key, reason) in [
        (
            json!({ "kty": "AKP", "alg": "ML-DSA-44" }),
            r#"its `kty` is "AKP""#,
        ),
        (json!({ "kty": "rsa" }), r#"its `kty` is "rsa""#),
        (
            json!({ "kty": "\u{1b}[31m" }),
            r#"its `kty` is "\u{1b}[31m""#,
        ),
        (
            with("rsa-3072", json!({ "use": "enc" })),
            r#"its `use` is "enc""#,
        ),
        (
            with("rsa-1024", json!({ "use": "enc" })),
            r#"its `use` is "enc""#,
        ),
        (with("rsa-3072", json!({ "use": "" })), r#"its `use` is """#),
        (
            with("rsa-3072", json!({ "key_ops": ["encrypt"] })),
            "does not contain \"verify\"",
        ),
        (
            with("rsa-3072", json!({ "key_ops": [] })),
            "does not contain \"verify\"",
        ),
        (
            with("rsa-3072", json!({ "alg": "RS512" })),
            r#""RS512"; `algorithms` lists RS256, ES256"#,
        ),
        (
            with("rsa-3072", json!({ "alg": "RSA-OAEP" })),
            r#"its `alg` is "RSA-OAEP""#,
        ),
        (plain("p521"), r#"its `crv` is "P-521""#),
        (plain("secp256k1"), r#"its `crv` is "secp256k1""#),
        (plain("ed448"), r#"its `crv` is "Ed448""#),
        (plain("x25519"), r#"its `crv` is "X25519""#),
        (
            plain("p384"),
            "an EC key on P-384, which is for ES384; `algorithms` lists RS256, ES256",
        ),
        (plain("ed25519"), "an Ed25519 key, which is for EdDSA"),
        (
            plain("secret"),
            "a secret, which is for HS256, HS384, HS512",
        ),
        // The rest of a key for another purpose is not checked.
        (
            json!({ "kty": "OKP", "crv": "Ed25519", "x": 1 }),
            "an Ed25519 key",
        ),
        (json!({ "kty": "oct" }), "a secret"),
    ] {
        let good = with("rsa-2048", json!({ "kid": "good" }));
        let LoadedKeys { keys, skipped } =
            load(&[good, key.clone()], &listed).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(keys.len(), 1, "{key}");
        assert_eq!(skipped.len(), 1, "{key}");
        assert!(skipped[0].starts_with("keys[1]: "), "{skipped:?}");
        assert!(skipped[0].contains(reason), "{skipped:?}");

        let error = load(&[key], &listed).expect_err("no key is left");
        let begin = "no key for RS256, ES256; keys[0]: ";
        assert!(error.starts_with(begin), "{error}");
    }
}

/// Each key is an error that names its index and `kid`.
fn unusable<const N: usize>(keys: [(&str, Value, &str); N]) {
    for (name, members, reason) in keys {
        let bad = with(name, members);
        let good = with("rsa-3072", json!({ "kid": "good" }));
        let error = load(&[good.clone(), bad.clone()], &ALL).expect_err(reason);
        assert!(error.starts_with("keys[1]: "), "{error}");
        assert!(error.contains(reason), "{error}, not {reason}");

        let mut named: Map<String, Value> = bad.as_object().expect("an object").clone();
        named.insert("kid".to_owned(), "bad".into());
        let error = load(&[good, named.into()], &ALL).expect_err(reason);
        assert!(error.starts_with("keys[1] (kid \"bad\"): "), "{error}");
    }
}

#[test]
fn unusable_rsa_keys_are_errors() {
    unusable([
        ("rsa-1024", json!({}), "its modulus has 1024 bits"),
        ("rsa-2047", json!({}), "its modulus has 2047 bits"),
        ("rsa-2048-exponent-34-bits", json!({}), "its exponent"),
        ("rsa-2048", json!({ "e": "AQ" }), "its exponent"),
        ("rsa-2048", json!({ "e": "AQAA" }), "its exponent"),
        (
            "rsa-2048",
            json!({ "e": "" }),
            "its `e` is empty or has leading zeros",
        ),
        (
            "rsa-2048",
            json!({ "e": "AAEAAQ" }),
            "its `e` is empty or has leading zeros",
        ),
        (
            "rsa-2048",
            json!({ "e": "AQAB=" }),
            "its `e` is not base64url",
        ),
        (
            "rsa-2048",
            json!({ "e": "AQ==" }),
            "its `e` is not base64url",
        ),
        // Bits that stand for nothing are set.
        ("rsa-2048", json!({ "e": "AR" }), "its `e` is not base64url"),
        (
            "rsa-2048",
            json!({ "e": "AQ AB" }),
            "its `e` is not base64url",
        ),
        (
            "rsa-2048",
            json!({ "e": "++++" }),
            "its `e` is not base64url",
        ),
        ("rsa-2048", json!({ "e": 65537 }), "its `e` is not a string"),
        ("rsa-2048", json!({ "e": null }), "`e` is missing"),
        ("rsa-2048", json!({ "n": null }), "`n` is missing"),
    ]);
}

#[test]
fn unusable_points_and_secrets_are_errors() {
    let (p256, p384) = (jwk("p256"), jwk("p384"));
    unusable([
        (
            "p256",
            json!({ "y": p256["x"] }),
            "its point is not on its curve",
        ),
        (
            "p256",
            json!({ "x": p384["x"] }),
            "its `x` has 48 bytes, not 32",
        ),
        (
            "p256",
            json!({ "x": "AQAB" }),
            "its `x` has 3 bytes, not 32",
        ),
        ("p256", json!({ "crv": null }), "`crv` is missing"),
        (
            "p256",
            json!({ "crv": "P-384" }),
            "its `x` has 32 bytes, not 48",
        ),
        ("p256", json!({ "y": null }), "`y` is missing"),
        ("ed25519", json!({ "x": "AQAB" }), "it has 3 bytes"),
        (
            "secret",
            json!({ "k": "AQAB" }),
            "a secret of 3 bytes: HS512 needs at least 64",
        ),
        ("secret", json!({ "k": "" }), "a secret of 0 bytes"),
        ("secret", json!({ "k": null }), "`k` is missing"),
    ]);
}

#[test]
fn contradictory_and_private_keys_are_errors() {
    unusable([
        ("rsa-2048", json!({ "kty": null }), "`kty` is missing"),
        ("rsa-2048", json!({ "kty": 1 }), "its `kty` is not a string"),
        (
            "rsa-2048",
            json!({ "alg": "ES256" }),
            "its `alg` is ES256, but it is an RSA key",
        ),
        (
            "rsa-2048",
            json!({ "alg": "HS256" }),
            "its `alg` is HS256, but it is an RSA key",
        ),
        (
            "p256",
            json!({ "alg": "ES384" }),
            "its `alg` is ES384, but it is an EC key on P-256",
        ),
        (
            "secret",
            json!({ "alg": "RS256" }),
            "its `alg` is RS256, but it is a secret",
        ),
        (
            "rsa-2048",
            json!({ "alg": ["RS256"] }),
            "its `alg` is not a string",
        ),
        (
            "rsa-2048",
            json!({ "use": ["sig"] }),
            "its `use` is not a string",
        ),
        (
            "rsa-2048",
            json!({ "key_ops": "verify" }),
            "its `key_ops` is not an array",
        ),
        (
            "rsa-2048",
            json!({ "key_ops": ["verify", 1] }),
            "its `key_ops` is not an array",
        ),
        ("rsa-2048", json!({ "d": "AQAB" }), "a private key"),
        (
            "rsa-2048",
            json!({ "use": "enc", "d": "AQAB" }),
            "a private key",
        ),
        ("rsa-2048", json!({ "qi": "AQAB" }), "a private key"),
        ("p256", json!({ "d": "AQAB" }), "a private key"),
        ("ed25519", json!({ "d": "AQAB" }), "a private key"),
        ("x25519", json!({ "d": "AQAB" }), "a private key"),
    ]);
    let error = load(&[with("p256", json!({ "kid": 1 }))], &ALL).expect_err("no kid");
    assert_eq!(error, "keys[0]: its `kid` is not a string");
    let error = load(&[json!("key")], &ALL).expect_err("no key");
    assert_eq!(error, "keys[0]: not an object");
}

#[test]
fn all_errors_are_reported_without_secrets() {
    let secret = with("secret", json!({ "k": "c2VjcmV0LXNlY3JldA", "kid": "s" }));
    let error = load(&[plain("rsa-1024"), plain("p256"), secret], &ALL).expect_err("two are bad");
    assert_eq!(
        error,
        "keys[0]: its modulus has 1024 bits: 2,048 to 8,192 are allowed; \
         keys[2] (kid \"s\"): a secret of 13 bytes: HS512 needs at least 64 random bytes"
    );
}

#[test]
fn a_secret_is_at_least_as_long_as_its_hashes() {
    // 32 bytes.
    let secret = |members| {
        let mut secret = with("secret", members);
        secret["k"] = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY".into();
        secret
    };
    load(&[secret(json!({}))], &[Algorithm::HS256]).expect("long enough");
    load(&[secret(json!({ "alg": "HS256" }))], &ALL).expect("long enough");
    load(&[secret(json!({}))], &[Algorithm::HS256, Algorithm::HS384]).expect_err("too short");
}

#[test]
fn usable_keys_have_unique_kids() {
    let (rsa, ec) = (
        with("rsa-2048", json!({ "kid": "a" })),
        with("p256", json!({ "kid": "a" })),
    );
    let error = load(&[rsa.clone(), plain("ed25519"), ec.clone()], &ALL).expect_err("shared");
    assert_eq!(error, "keys[2] (kid \"a\"): duplicate `kid`");
    // One of them is for another purpose, or neither has a `kid`.
    load(&[rsa.clone(), ec], &[Algorithm::RS256]).expect("one is left out");
    let enc = with("rsa-3072", json!({ "kid": "a", "use": "enc" }));
    load(&[enc, rsa], &ALL).expect("one is left out");
    load(&[plain("rsa-2048"), plain("rsa-3072")], &ALL).expect("neither has a kid");
}

/// The encodings of the eight points of small order, non-canonical ones too (RFC 8032 section 5.1.3).
#[test]
fn unusable_keys_of_a_fetched_set_are_skipped() {
    let weak = with("rsa-1024", json!({ "kid": "weak" }));
    let good = with("rsa-2048", json!({ "kid": "good" }));
    let again = with("rsa-3072", json!({ "kid": "good" }));
    let fetched = |keys: &[Value]| {
        VerificationKeys::from_fetched_jwks(set(keys).as_bytes(), &[Algorithm::RS256])
    };
    let LoadedKeys { keys, skipped } = fetched(&[weak.clone(), good, again]).expect("a set");
    assert_eq!(keys.len(), 1);
    assert_eq!(served(&keys, Some("good")), [Algorithm::RS256]);
    assert_eq!(served(&keys, Some("weak")), []);
    assert_eq!(skipped.len(), 2);
    assert!(skipped[0].contains("(kid \"weak\"): its modulus has 1024 bits"));
    let error = fetched(&[weak]).expect_err("there is no other").to_string();
    assert!(error.contains("no key for RS256; keys[0]"), "{error}");
}

#[test]
fn ed25519_keys_of_small_order_are_rejected() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    let order_8 = [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    let hex = |hex: &str| -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        (0..hex.len()).step_by(2).map(digits).collect()
    };
    // y = 0, 1, p - 1, p, p + 1, with p = 2²⁵⁵ - 19.
    let small = |first: u8, rest: u8, last: u8| [&[first], &[rest; 30][..], &[last]].concat();
    let mut points = vec![
        small(0, 0, 0),
        small(1, 0, 0),
        small(0xec, 0xff, 0x7f),
        small(0xed, 0xff, 0x7f),
        small(0xee, 0xff, 0x7f),
    ];
    points.extend(order_8.map(hex));
    for point in &points {
        for sign in [0, 0x80] {
            let mut point = point.clone();
            point[31] |= sign;
            let key = with("ed25519", json!({ "x": URL_SAFE_NO_PAD.encode(&point) }));
            let error = load(&[key], &ALL).expect_err("of small order");
            assert!(error.contains("of small order"), "{point:x?}: {error}");
        }
    }
}

#[test]
fn invalid_sets_are_rejected() {
    let one = plain("p256").to_string();
    let twice = |members: &str| one.replacen('{', &format!("{{{members},"), 1);
    for (text, reason) in [
        (String::new(), "not a JWK set: EOF"),
        ("[]".to_owned(), r#"expected {"keys": […]}"#),
        (one.clone(), r#"expected {"keys": […]}"#),
        (r#"{"keys": {}}"#.to_owned(), r#"expected {"keys": […]}"#),
        (r#"{"keys": []}"#.to_owned(), "no key for RS256"),
        (text("p256.spki.pem"), "not a JWK set: invalid number"),
        (
            format!(r#"{{"keys": [{one}], "keys": []}}"#),
            "duplicate member \"keys\" at line 1",
        ),
        (
            format!(r#"{{"keys": [{}]}}"#, twice(r#""kty": "EC""#)),
            "duplicate member \"kty\"",
        ),
        (
            format!(r#"{{"keys": [{}]}}"#, twice(r#""a": 1, "a": 2"#)),
            "duplicate member \"a\"",
        ),
        (
            format!(r#"{{"keys": [{one}]}} {{}}"#),
            "trailing characters",
        ),
        (
            set(&vec![plain("p256"); 257]),
            "257 keys: at most 256 are allowed",
        ),
    ] {
        let error = VerificationKeys::from_jwks(text.as_bytes(), &ALL).expect_err(reason);
        assert!(error.to_string().contains(reason), "{error}, not {reason}");
    }
    // Unknown members are ignored.
    let extended = format!(
        r#"{{"issuer": "us", "keys": [{}]}}"#,
        twice(r#""x5t": 1, "iat": 2"#)
    );
    VerificationKeys::from_jwks(extended.as_bytes(), &ALL).expect("a set");
}
