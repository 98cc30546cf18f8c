//! The keys of a JWK set (RFC 7517) that are for the listed algorithms.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::{
    VerificationKey,
    material::{self, Kind, names},
};
use crate::{auth::json, excerpt::excerpt};

/// Bounds the time that looking at them takes: 3 ms an Ed25519 key, 100 µs an EC key.
const KEYS_MAX: usize = 256;
/// Of a text from the set in a message.
const SHOWN_CHARS_MAX: usize = 64;
/// What only private keys have (RFC 7518 sections 6.2.2 and 6.3.2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

type Jwk = Map<String, Value>;

/// Why a key can't be used.
enum Fault {
    /// It is meant for something else.
    Foreign(String),
    /// It must not be.
    Unfit(String),
}

/// What is to be done about keys that must not be used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    Refuse,
    LeaveOut,
}

/// Those that can be used, never none, and a line for each that is left out.
pub(super) fn usable(
    json: &[u8],
    listed: &[Algorithm],
    about_unfit: Unfit,
) -> Result<(Vec<VerificationKey>, Vec<String>), String> {
    let set = json::unambiguous(json).map_err(|error| format!("no JWK set: {error}"))?;
    let Some(Value::Array(jwks)) = set.get("keys") else {
        return Err(r#"no JWK set: {"keys": […]} is one (RFC 7517 section 5)"#.to_owned());
    };
    if jwks.len() > KEYS_MAX {
        return Err(format!("{} keys: at most {KEYS_MAX} are read", jwks.len()));
    }
    let (mut keys, mut left_out, mut unfit) = (Vec::new(), Vec::new(), Vec::new());
    for (index, jwk) in jwks.iter().enumerate() {
        let place = place(index, jwk);
        match read(jwk, listed) {
            Ok(key) if taken(&key, &keys) => {
                unfit.push(format!("{place}: another key has its `kid` too"));
            }
            Ok(key) => keys.push(key),
            Err(Fault::Foreign(reason)) => left_out.push(format!("{place}: {reason}")),
            Err(Fault::Unfit(reason)) => unfit.push(format!("{place}: {reason}")),
        }
    }
    match about_unfit {
        Unfit::Refuse if !unfit.is_empty() => return Err(unfit.join("; ")),
        Unfit::Refuse | Unfit::LeaveOut => left_out.extend(unfit),
    }
    if keys.is_empty() {
        left_out.insert(0, format!("none of its keys is for {}", names(listed)));
        return Err(left_out.join("; "));
    }
    Ok((keys, left_out))
}

/// Whether its `kid` is that of another one.
fn taken(key: &VerificationKey, others: &[VerificationKey]) -> bool {
    key.id.is_some() && others.iter().any(|it| it.id == key.id)
}

/// What a key is called in messages.
fn place(index: usize, jwk: &Value) -> String {
    match jwk.get("kid") {
        Some(Value::String(kid)) => format!("keys[{index}] (kid {})", shown(kid)),
        _ => format!("keys[{index}]"),
    }
}

fn read(jwk: &Value, listed: &[Algorithm]) -> Result<VerificationKey, Fault> {
    let Value::Object(jwk) = jwk else {
        return Err(unfit("it is no object"));
    };
    let kind = kind(jwk)?;
    let algorithms = algorithms(jwk, kind, listed)?;
    for_signatures(jwk)?;
    Ok(VerificationKey {
        id: text(jwk, "kid")?.map(Into::into),
        key: material(jwk, kind, &algorithms)?,
        algorithms,
    })
}

/// By `kty` and `crv` (RFC 7518 section 6, RFC 8037 section 2).
fn kind(jwk: &Jwk) -> Result<Kind, Fault> {
    let kty = text(jwk, "kty")?.ok_or_else(|| missing("kty"))?;
    if matches!(kty, "RSA" | "EC" | "OKP") && PRIVATE.iter().any(|it| jwk.contains_key(*it)) {
        return Err(unfit(
            "a private key: ringest needs the public one, and nobody else may have it",
        ));
    }
    let curve = || text(jwk, "crv")?.ok_or_else(|| missing("crv"));
    match kty {
        "RSA" => return Ok(Kind::Rsa),
        "oct" => return Ok(Kind::Secret),
        "EC" => match curve()? {
            "P-256" => return Ok(Kind::P256),
            "P-384" => return Ok(Kind::P384),
            _ => {}
        },
        "OKP" if curve()? == "Ed25519" => return Ok(Kind::Ed25519),
        "OKP" => {}
        _ => return Err(foreign(format!("its `kty` is {}", shown(kty)))),
    }
    Err(foreign(format!("its `crv` is {}", shown(curve()?))))
}

/// Those of the listed ones that are for its kind, or, of these, its `alg` (RFC 7517 section 4.4).
fn algorithms(jwk: &Jwk, kind: Kind, listed: &[Algorithm]) -> Result<Vec<Algorithm>, Fault> {
    let fitting = kind.fitting(listed);
    if let Some(alg) = text(jwk, "alg")? {
        return match alg.parse::<Algorithm>() {
            Ok(alg) if fitting.contains(&alg) => Ok(vec![alg]),
            Ok(alg) if !kind.algorithms().contains(&alg) => {
                Err(unfit(format!("its `alg` is {alg:?}, but it is {kind}")))
            }
            _ => Err(foreign(format!(
                "its `alg` is {}; `algorithms` lists {}",
                shown(alg),
                names(listed)
            ))),
        };
    }
    if fitting.is_empty() {
        return Err(foreign(format!("{kind}, {}", kind.unlisted(listed))));
    }
    Ok(fitting)
}

/// Whether signatures may be verified with it (RFC 7517 sections 4.2 and 4.3).
fn for_signatures(jwk: &Jwk) -> Result<(), Fault> {
    match text(jwk, "use")? {
        None | Some("sig") => {}
        Some(other) => return Err(foreign(format!("its `use` is {}", shown(other)))),
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().all(Value::is_string) => {
            if operations.iter().any(|it| it == "verify") {
                Ok(())
            } else {
                Err(foreign("its `key_ops` has no \"verify\""))
            }
        }
        Some(_) => Err(unfit("its `key_ops` is no array of strings")),
    }
}

fn material(jwk: &Jwk, kind: Kind, serves: &[Algorithm]) -> Result<DecodingKey, Fault> {
    match kind {
        Kind::Rsa => material::rsa(&number(jwk, "n")?, &number(jwk, "e")?),
        Kind::P256 => material::ec(kind, &point(jwk, 32)?),
        Kind::P384 => material::ec(kind, &point(jwk, 48)?),
        Kind::Ed25519 => material::ed25519(&octets(jwk, "x")?),
        Kind::Secret => material::secret(&octets(jwk, "k")?, serves),
    }
    .map_err(Fault::Unfit)
}

/// Coordinates have the length of the curve's field, zeros included (RFC 7518 section 6.2.1.2).
fn point(jwk: &Jwk, len: usize) -> Result<Vec<u8>, Fault> {
    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = octets(jwk, name)?;
        if coordinate.len() != len {
            let found = coordinate.len();
            return Err(unfit(format!("its `{name}` has {found} bytes, not {len}")));
        }
        point.extend(coordinate);
    }
    Ok(point)
}

/// A `Base64urlUInt` (RFC 7518 section 2): no zero bytes in front.
fn number(jwk: &Jwk, name: &str) -> Result<Vec<u8>, Fault> {
    let number = octets(jwk, name)?;
    if number.first().is_none_or(|byte| *byte == 0) {
        return Err(unfit(format!("its `{name}` is empty or begins with zeros")));
    }
    Ok(number)
}

/// Base64url without padding, as only one text stands for it (RFC 7515 section 2).
fn octets(jwk: &Jwk, name: &str) -> Result<Vec<u8>, Fault> {
    let text = text(jwk, name)?.ok_or_else(|| missing(name))?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| unfit(format!("its `{name}` is no base64url without padding")))
}

fn text<'j>(jwk: &'j Jwk, name: &str) -> Result<Option<&'j str>, Fault> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(unfit(format!("its `{name}` is no string"))),
    }
}

fn missing(name: &str) -> Fault {
    unfit(format!("it has no `{name}`"))
}

fn foreign(reason: impl Into<String>) -> Fault {
    Fault::Foreign(reason.into())
}

fn unfit(reason: impl Into<String>) -> Fault {
    Fault::Unfit(reason.into())
}

fn shown(text: &str) -> String {
    format!("\"{}\"", excerpt(text.as_bytes(), SHOWN_CHARS_MAX))
}
