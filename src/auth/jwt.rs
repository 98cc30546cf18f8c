//! JSON Web Tokens (RFC 7519) in the compact serialisation of JWS (RFC 7515 section 3.1): all that
//! can be judged before the signature.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::{Denial, Issuer, Validity, json};

/// The three parts of a token, and what its header says. The claims are whatever the bearer wrote.
pub(super) struct Jwt<'t> {
    /// What is signed: the first two parts, as they came.
    pub(super) message: &'t [u8],
    /// In base64.
    pub(super) signature: &'t str,
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) claims: Claims,
}

pub(super) struct Claims(Map<String, Value>);

/// Whether it is three parts, none of them empty.
pub(super) fn has_three_parts(token: &str) -> bool {
    let mut parts = token.split('.');
    let three = [parts.next(), parts.next(), parts.next()];
    three
        .iter()
        .all(|part| part.is_some_and(|it| !it.is_empty()))
        && parts.next().is_none()
}

impl<'t> Jwt<'t> {
    /// Reads header and claims. Base64 has one spelling for each text (RFC 4648 section 3.5), or
    /// one token would have many.
    pub(super) fn read(token: &'t str) -> Result<Self, Denial> {
        let (message, signature) = token.rsplit_once('.').ok_or(Denial::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(Denial::Malformed)?;
        let header = decoded(header).ok_or(Denial::Malformed)?;
        let header = object(&header).ok_or(Denial::Header)?;
        let (algorithm, kid) = read_header(header)?;
        let claims = decoded(claims).ok_or(Denial::Malformed)?;
        if decoded(signature).is_none() {
            return Err(Denial::Malformed);
        }
        Ok(Self {
            message: message.as_bytes(),
            signature,
            algorithm,
            kid,
            claims: Claims(object(&claims).ok_or(Denial::Claims)?),
        })
    }
}

fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match json::unambiguous(text) {
        Ok(Value::Object(members)) => Some(members),
        Ok(_) | Err(_) => None,
    }
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(base64).ok()
}

/// Members that change what the rest means, none of which is understood: a token that has one is
/// refused (RFC 7515 section 4.1.11, RFC 7797, RFC 7516 sections 4.1.2 and 4.1.3). Those that only
/// tell where a key is said to be (`jku`, `jwk`, `x5u`, `x5c`) are passed over.
const NOT_UNDERSTOOD: [&str; 4] = ["crit", "b64", "enc", "zip"];

fn read_header(mut header: Map<String, Value>) -> Result<(Algorithm, Option<String>), Denial> {
    if NOT_UNDERSTOOD.iter().any(|name| header.contains_key(*name)) {
        return Err(Denial::Header);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) if !is_of_another_kind(typ) => {}
        Some(_) => return Err(Denial::Header),
    }
    let kid = match header.remove("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid),
        Some(_) => return Err(Denial::Header),
    };
    let Some(Value::String(algorithm)) = header.get("alg") else {
        return Err(Denial::Header);
    };
    let algorithm = algorithm.parse().map_err(|_| Denial::Algorithm)?;
    Ok((algorithm, kid))
}

/// Whether a token says that it is for something else than access (RFC 8725 section 3.11): a proof
/// of possession (`dpop+jwt`), an event (`secevent+jwt`), a logout. Access tokens are `at+jwt`
/// (RFC 9068 section 2.1), or plain `JWT`.
fn is_of_another_kind(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    let kind = typ.strip_prefix("application/").unwrap_or(&typ);
    kind.ends_with("+jwt") && kind != "at+jwt"
}

impl Claims {
    /// `iss` (RFC 7519 section 4.1.1).
    pub(super) fn issuer(&self) -> Result<&str, Denial> {
        match self.0.get("iss") {
            Some(Value::String(issuer)) => Ok(issuer),
            None => Err(Denial::Issuer),
            Some(_) => Err(Denial::Claims),
        }
    }

    /// `sub` (section 4.1.2).
    pub(super) fn subject(&self) -> Result<Option<&str>, Denial> {
        match self.0.get("sub") {
            None => Ok(None),
            Some(Value::String(subject)) => Ok(Some(subject)),
            Some(_) => Err(Denial::Claims),
        }
    }

    /// Whether everything that the issuer's tokens must say is said, and for how long it holds.
    pub(super) fn validate(&self, issuer: &Issuer, now_ms: u64) -> Result<Validity, Denial> {
        self.for_audience(&issuer.audience)?;
        self.subject()?;
        self.date("iat")?;
        let exp = self.date("exp")?.ok_or(Denial::Claims)?;
        let nbf = self.date("nbf")?.unwrap_or(0);
        let validity = Validity {
            from_ms: nbf.saturating_sub(issuer.leeway_ms),
            until_ms: exp.saturating_add(issuer.leeway_ms),
        };
        if now_ms >= validity.until_ms {
            return Err(Denial::Expired);
        }
        if now_ms < validity.from_ms {
            return Err(Denial::NotYetValid);
        }
        let mut required = issuer.required_claims.iter();
        if required.any(|(name, value)| self.0.get(&**name) != Some(value)) {
            return Err(Denial::RequiredClaim);
        }
        Ok(validity)
    }

    /// `aud`: one name, or several (section 4.1.3).
    fn for_audience(&self, audience: &str) -> Result<(), Denial> {
        let meant = match self.0.get("aud") {
            None => return Err(Denial::Audience),
            Some(Value::String(name)) => name == audience,
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                names.iter().any(|name| name == audience)
            }
            Some(_) => return Err(Denial::Claims),
        };
        if meant { Ok(()) } else { Err(Denial::Audience) }
    }

    /// A `NumericDate` (section 2) in milliseconds since 1970; one before that, or too large to tell,
    /// is the nearest that there is.
    fn date(&self, name: &str) -> Result<Option<u64>, Denial> {
        let seconds = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::Number(seconds)) => seconds,
            Some(_) => return Err(Denial::Claims),
        };
        if let Some(seconds) = seconds.as_u64() {
            return Ok(Some(seconds.saturating_mul(1_000)));
        }
        let milliseconds = seconds.as_f64().unwrap_or_default() * 1_000.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float stops at the ends of the integer"
        )]
        Ok(Some(milliseconds as u64))
    }

    /// The globs of a claim: blanks between them, or a JSON array of them; none where it is absent.
    pub(super) fn globs(&self, name: &str) -> Result<Vec<&str>, Denial> {
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(globs)) => {
                Ok(globs.split(' ').filter(|it| !it.is_empty()).collect())
            }
            Some(Value::Array(globs)) => {
                let globs = globs.iter().map(|glob| glob.as_str().ok_or(Denial::Claims));
                globs.collect()
            }
            Some(_) => Err(Denial::Claims),
        }
    }
}
