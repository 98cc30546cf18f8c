//! The keys of a JWK set (RFC 7517) for the configured algorithms.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::{
    VerificationKey,
    material::{self, KeyKind, names},
};
use crate::{auth::json, excerpt::excerpt};

/// Limits the time for checking keys: 3 ms per Ed25519 key, 100 µs per EC key.
const KEYS_MAX: usize = 256;
/// Maximum characters of a text from the set in a message.
const SHOWN_CHARS_MAX: usize = 64;
/// Members that only private keys have (RFC 7518 sections 6.2.2 and 6.3.2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

type Jwk = Map<String, Value>;

/// Why a key can't be used.
enum JwkError {
    /// It is for another purpose.
    NotApplicable(String),
    /// It is invalid or must not be used.
    Unusable(String),
}

/// How to handle unusable keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnUnusable {
    Reject,
    Skip,
}

/// The usable keys, at least one, and a line for each skipped key.
pub(super) fn usable(
    json: &[u8],
    listed: &[Algorithm],
    on_unusable: OnUnusable,
) -> Result<(Vec<VerificationKey>, Vec<String>), String> {
    let set =
        json::parse_without_duplicates(json).map_err(|error| format!("not a JWK set: {error}"))?;
    let Some(Value::Array(jwks)) = set.get("keys") else {
        return Err(r#"not a JWK set: expected {"keys": […]} (RFC 7517 section 5)"#.to_owned());
    };
    if jwks.len() > KEYS_MAX {
        return Err(format!(
            "{} keys: at most {KEYS_MAX} are allowed",
            jwks.len()
        ));
    }
    let (mut keys, mut skipped, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
    for (index, jwk) in jwks.iter().enumerate() {
        let label = label(index, jwk);
        match read(jwk, listed) {
            Ok(key) if has_duplicate_kid(&key, &keys) => {
                unusable.push(format!("{label}: duplicate `kid`"));
            }
            Ok(key) => keys.push(key),
            Err(JwkError::NotApplicable(reason)) => skipped.push(format!("{label}: {reason}")),
            Err(JwkError::Unusable(reason)) => unusable.push(format!("{label}: {reason}")),
        }
    }
    match on_unusable {
        OnUnusable::Reject if !unusable.is_empty() => return Err(unusable.join("; ")),
        OnUnusable::Reject | OnUnusable::Skip => skipped.extend(unusable),
    }
    if keys.is_empty() {
        skipped.insert(0, format!("no key for {}", names(listed)));
        return Err(skipped.join("; "));
    }
    Ok((keys, skipped))
}

/// Whether another key has the same `kid`.
fn has_duplicate_kid(key: &VerificationKey, others: &[VerificationKey]) -> bool {
    key.id.is_some() && others.iter().any(|it| it.id == key.id)
}

/// The label of a key in messages.
fn label(index: usize, jwk: &Value) -> String {
    match jwk.get("kid") {
        Some(Value::String(kid)) => format!("keys[{index}] (kid {})", shown(kid)),
        _ => format!("keys[{index}]"),
    }
}

fn read(jwk: &Value, listed: &[Algorithm]) -> Result<VerificationKey, JwkError> {
    let Value::Object(jwk) = jwk else {
        return Err(unusable("not an object"));
    };
    let kind = kind(jwk)?;
    let algorithms = algorithms(jwk, kind, listed)?;
    for_signatures(jwk)?;
    let key = material(jwk, kind, &algorithms)?;
    let id = text(jwk, "kid")?.map(Into::into);
    Ok(VerificationKey::new(id, algorithms, key))
}

/// The kind by `kty` and `crv` (RFC 7518 section 6, RFC 8037 section 2).
fn kind(jwk: &Jwk) -> Result<KeyKind, JwkError> {
    let kty = text(jwk, "kty")?.ok_or_else(|| missing("kty"))?;
    if matches!(kty, "RSA" | "EC" | "OKP") && PRIVATE.iter().any(|it| jwk.contains_key(*it)) {
        return Err(unusable(
            "a private key: use the public key and keep the private key secret",
        ));
    }
    let curve = || text(jwk, "crv")?.ok_or_else(|| missing("crv"));
    match kty {
        "RSA" => return Ok(KeyKind::Rsa),
        "oct" => return Ok(KeyKind::Secret),
        "EC" => match curve()? {
            "P-256" => return Ok(KeyKind::P256),
            "P-384" => return Ok(KeyKind::P384),
            _ => {}
        },
        "OKP" if curve()? == "Ed25519" => return Ok(KeyKind::Ed25519),
        "OKP" => {}
        _ => return Err(not_applicable(format!("its `kty` is {}", shown(kty)))),
    }
    Err(not_applicable(format!("its `crv` is {}", shown(curve()?))))
}

/// The configured algorithms for its kind or, if it has an `alg`, only that one (RFC 7517 section 4.4).
fn algorithms(jwk: &Jwk, kind: KeyKind, listed: &[Algorithm]) -> Result<Vec<Algorithm>, JwkError> {
    let fitting = kind.fitting(listed);
    if let Some(alg) = text(jwk, "alg")? {
        return match alg.parse::<Algorithm>() {
            Ok(alg) if fitting.contains(&alg) => Ok(vec![alg]),
            Ok(alg) if !kind.algorithms().contains(&alg) => {
                Err(unusable(format!("its `alg` is {alg:?}, but it is {kind}")))
            }
            _ => Err(not_applicable(format!(
                "its `alg` is {}; `algorithms` lists {}",
                shown(alg),
                names(listed)
            ))),
        };
    }
    if fitting.is_empty() {
        return Err(not_applicable(format!("{kind}, {}", kind.unlisted(listed))));
    }
    Ok(fitting)
}

/// Checks that it may be used to verify signatures (RFC 7517 sections 4.2 and 4.3).
fn for_signatures(jwk: &Jwk) -> Result<(), JwkError> {
    match text(jwk, "use")? {
        None | Some("sig") => {}
        Some(other) => return Err(not_applicable(format!("its `use` is {}", shown(other)))),
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().all(Value::is_string) => {
            if operations.iter().any(|it| it == "verify") {
                Ok(())
            } else {
                Err(not_applicable("its `key_ops` does not contain \"verify\""))
            }
        }
        Some(_) => Err(unusable("its `key_ops` is not an array of strings")),
    }
}

fn material(jwk: &Jwk, kind: KeyKind, used_for: &[Algorithm]) -> Result<DecodingKey, JwkError> {
    match kind {
        KeyKind::Rsa => material::rsa(&number(jwk, "n")?, &number(jwk, "e")?),
        KeyKind::P256 => material::ec(kind, &point(jwk, 32)?),
        KeyKind::P384 => material::ec(kind, &point(jwk, 48)?),
        KeyKind::Ed25519 => material::ed25519(&octets(jwk, "x")?),
        KeyKind::Secret => material::secret(&octets(jwk, "k")?, used_for),
    }
    .map_err(JwkError::Unusable)
}

/// The public point. Coordinates are padded with zeros to the length of the curve's field (RFC 7518 section 6.2.1.2).
fn point(jwk: &Jwk, len: usize) -> Result<Vec<u8>, JwkError> {
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = octets(jwk, name)?;
        if coordinate.len() != len {
            let found = coordinate.len();
            return Err(unusable(format!(
                "its `{name}` has {found} bytes, not {len}"
            )));
        }
        point.extend(coordinate);
    }
    Ok(point)
}

/// A `Base64urlUInt` (RFC 7518 section 2): without leading zero bytes.
fn number(jwk: &Jwk, name: &str) -> Result<Vec<u8>, JwkError> {
    let number = octets(jwk, name)?;
    if number.first().is_none_or(|byte| *byte == 0) {
        return Err(unusable(format!(
            "its `{name}` is empty or has leading zeros"
        )));
    }
    Ok(number)
}

/// Canonical base64url without padding (RFC 7515 section 2).
fn octets(jwk: &Jwk, name: &str) -> Result<Vec<u8>, JwkError> {
    let text = text(jwk, name)?.ok_or_else(|| missing(name))?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| unusable(format!("its `{name}` is not base64url without padding")))
}

fn text<'j>(jwk: &'j Jwk, name: &str) -> Result<Option<&'j str>, JwkError> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(unusable(format!("its `{name}` is not a string"))),
    }
}

fn missing(name: &str) -> JwkError {
    unusable(format!("`{name}` is missing"))
}

fn not_applicable(reason: impl Into<String>) -> JwkError {
    JwkError::NotApplicable(reason.into())
}

fn unusable(reason: impl Into<String>) -> JwkError {
    JwkError::Unusable(reason.into())
}

fn shown(text: &str) -> String {
    format!("\"{}\"", excerpt(text.as_bytes(), SHOWN_CHARS_MAX))
}
