//! JSON Web Tokens (RFC 7519) in JWS compact serialization (RFC 7515 section 3.1): parsing and all
//! checks except the signature.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::{AuthError, Issuer, Validity, json};

/// A parsed token. Its claims are untrusted until the signature is verified.
pub(super) struct Jwt<'t> {
    /// The signed text: the first two parts as received.
    pub(super) message: &'t [u8],
    /// In base64url.
    pub(super) signature: &'t str,
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) claims: Claims,
}

pub(super) struct Claims(Map<String, Value>);

/// Whether it has three non-empty parts.
pub(super) fn has_three_parts(token: &str) -> bool {
    let mut parts = token.split('.');
    let three = [parts.next(), parts.next(), parts.next()];
    three
        .iter()
        .all(|part| part.is_some_and(|it| !it.is_empty()))
        && parts.next().is_none()
}

impl<'t> Jwt<'t> {
    /// Parses header and claims. Only canonical base64 (RFC 4648 section 3.5) is accepted, so that each
    /// token has a single form.
    pub(super) fn parse(token: &'t str) -> Result<Self, AuthError> {
        let (message, signature) = token.rsplit_once('.').ok_or(AuthError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(AuthError::Malformed)?;
        let header = decoded(header).ok_or(AuthError::Malformed)?;
        let header = object(&header).ok_or(AuthError::Header)?;
        let (algorithm, kid) = parse_header(header)?;
        let claims = decoded(claims).ok_or(AuthError::Malformed)?;
        if decoded(signature).is_none() {
            return Err(AuthError::Malformed);
        }
        Ok(Self {
            message: message.as_bytes(),
            signature,
            algorithm,
            kid,
            claims: Claims(object(&claims).ok_or(AuthError::Claims)?),
        })
    }
}

fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match json::parse_without_duplicates(text) {
        Ok(Value::Object(members)) => Some(members),
        Ok(_) | Err(_) => None,
    }
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(base64).ok()
}

/// Header members that change how a token is processed and are not supported: tokens with one of them are
/// rejected (RFC 7515 section 4.1.11, RFC 7797, RFC 7516 sections 4.1.2 and 4.1.3). Members that only
/// point to a key (`jku`, `jwk`, `x5u`, `x5c`) are ignored.
const UNSUPPORTED: [&str; 4] = ["crit", "b64", "enc", "zip"];

fn parse_header(mut header: Map<String, Value>) -> Result<(Algorithm, Option<String>), AuthError> {
    if UNSUPPORTED.iter().any(|name| header.contains_key(*name)) {
        return Err(AuthError::Header);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) if !is_other_token_type(typ) => {}
        Some(_) => return Err(AuthError::Header),
    }
    let kid = match header.remove("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid),
        Some(_) => return Err(AuthError::Header),
    };
    let Some(Value::String(algorithm)) = header.get("alg") else {
        return Err(AuthError::Header);
    };
    let algorithm = algorithm.parse().map_err(|_| AuthError::Algorithm)?;
    Ok((algorithm, kid))
}

/// Whether a token declares a purpose other than access (RFC 8725 section 3.11), such as a proof of
/// possession (`dpop+jwt`), an event (`secevent+jwt`), a logout. Access tokens are `at+jwt`
/// (RFC 9068 section 2.1), or plain `JWT`.
fn is_other_token_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    let kind = typ.strip_prefix("application/").unwrap_or(&typ);
    kind.ends_with("+jwt") && kind != "at+jwt"
}

impl Claims {
    /// `iss` (RFC 7519 section 4.1.1).
    pub(super) fn issuer(&self) -> Result<&str, AuthError> {
        match self.0.get("iss") {
            Some(Value::String(issuer)) => Ok(issuer),
            None => Err(AuthError::Issuer),
            Some(_) => Err(AuthError::Claims),
        }
    }

    /// `sub` (section 4.1.2).
    pub(super) fn subject(&self) -> Result<Option<&str>, AuthError> {
        match self.0.get("sub") {
            None => Ok(None),
            Some(Value::String(subject)) => Ok(Some(subject)),
            Some(_) => Err(AuthError::Claims),
        }
    }

    /// Any claim as JSON.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(Value::to_string)
    }

    /// Validates the claims against the requirements of the issuer; returns the validity period.
    pub(super) fn validate(&self, issuer: &Issuer, now_ms: u64) -> Result<Validity, AuthError> {
        self.for_audience(&issuer.audience)?;
        self.subject()?;
        self.date("iat")?;
        let exp = self.date("exp")?.ok_or(AuthError::Claims)?;
        let nbf = self.date("nbf")?.unwrap_or(0);
        let validity = Validity {
            from_ms: nbf.saturating_sub(issuer.leeway_ms),
            until_ms: exp.saturating_add(issuer.leeway_ms),
        };
        if now_ms >= validity.until_ms {
            return Err(AuthError::Expired);
        }
        if now_ms < validity.from_ms {
            return Err(AuthError::NotYetValid);
        }
        let mut required = issuer.required_claims.iter();
        if required.any(|(name, value)| self.0.get(&**name) != Some(value)) {
            return Err(AuthError::RequiredClaim);
        }
        Ok(validity)
    }

    /// Validates `aud`: a string, or an array of strings (section 4.1.3).
    fn for_audience(&self, audience: &str) -> Result<(), AuthError> {
        let matches = match self.0.get("aud") {
            None => return Err(AuthError::Audience),
            Some(Value::String(name)) => name == audience,
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                names.iter().any(|name| name == audience)
            }
            Some(_) => return Err(AuthError::Claims),
        };
        if matches {
            Ok(())
        } else {
            Err(AuthError::Audience)
        }
    }

    /// A `NumericDate` (section 2) as Unix time in milliseconds, clamped to the range of `u64`.
    fn date(&self, name: &str) -> Result<Option<u64>, AuthError> {
        let seconds = match self.0.get(name) {
            None => return Ok(None),
            Some(Value::Number(seconds)) => seconds,
            Some(_) => return Err(AuthError::Claims),
        };
        if let Some(seconds) = seconds.as_u64() {
            return Ok(Some(seconds.saturating_mul(1_000)));
        }
        let milliseconds = seconds.as_f64().unwrap_or_default() * 1_000.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from float to integer saturates"
        )]
        Ok(Some(milliseconds as u64))
    }

    /// The globs of a claim: a space-separated string, or an array of strings; empty if the claim is absent.
    pub(super) fn globs(&self, name: &str) -> Result<Vec<&str>, AuthError> {
        match self.0.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(globs)) => {
                Ok(globs.split(' ').filter(|it| !it.is_empty()).collect())
            }
            Some(Value::Array(globs)) => {
                let globs = globs
                    .iter()
                    .map(|glob| glob.as_str().ok_or(AuthError::Claims));
                globs.collect()
            }
            Some(_) => Err(AuthError::Claims),
        }
    }
}
