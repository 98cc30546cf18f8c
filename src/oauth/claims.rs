//! What a token says of itself, if it is a JWT. It is not verified: the brokers do that.

use std::time::{Duration, SystemTime};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

/// Longer than any token lives, in seconds: ten years.
const LIFETIME_MAX_S: f64 = 315_360_000.0;

/// Claims of a JWT (RFC 7519 section 4.1); of a token of another form none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// `exp`.
    pub(super) ends: Option<SystemTime>,
    /// `sub`.
    pub(super) subject: Option<String>,
}

impl Claims {
    pub(super) fn of(token: &str) -> Self {
        let payload = token.split('.').nth(1).unwrap_or_default();
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('='));
        let claims: Value = payload
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default();
        let ends = claims.get("exp").and_then(Value::as_f64);
        Self {
            ends: ends.and_then(|seconds| {
                let since = Duration::try_from_secs_f64(seconds).ok()?;
                SystemTime::UNIX_EPOCH.checked_add(since)
            }),
            subject: claims.get("sub").and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// How long a token with this `expires_in` lives (RFC 6749 section 5.1): seconds, by some as text.
pub(super) fn lifetime(expires_in: &Value) -> Option<Duration> {
    let seconds = match expires_in {
        Value::String(text) => text.parse().ok()?,
        number => number.as_f64()?,
    };
    Duration::try_from_secs_f64(seconds.clamp(0.0, LIFETIME_MAX_S)).ok()
}

/// Whether it has the form of a bearer token (RFC 6750 section 2.1), which is all that Kafka accepts.
pub(super) fn is_bearer_token(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !unpadded.is_empty() && unpadded.bytes().all(is_of_it)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwt(claims: &Value) -> String {
        let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        format!("{}.{}.", part(&json!({"alg": "none"})), part(claims))
    }

    #[test]
    fn claims_of_a_jwt_and_of_other_tokens() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_millis(seconds);
        for (token, ends, subject) in [
            (
                jwt(&json!({"exp": 1_000, "sub": "x"})),
                Some(at(1_000_000)),
                Some("x"),
            ),
            (jwt(&json!({"exp": 0.5})), Some(at(500)), None),
            (jwt(&json!({"exp": -1, "sub": 3})), None, None),
            (jwt(&json!({"exp": 1e300})), None, None),
            (jwt(&json!([])), None, None),
            ("opaque".to_owned(), None, None),
            ("a.b.c".to_owned(), None, None),
            (String::new(), None, None),
        ] {
            let expected = Claims {
                ends,
                subject: subject.map(str::to_owned),
            };
            assert_eq!(Claims::of(&token), expected, "{token}");
        }
    }

    #[test]
    fn lifetimes() {
        for (value, seconds) in [
            (json!(3_600), Some(3_600.0)),
            (json!("60"), Some(60.0)),
            (json!(0.5), Some(0.5)),
            (json!(0), Some(0.0)),
            (json!(-5), Some(0.0)),
            (json!(1e300), Some(LIFETIME_MAX_S)),
            (json!("soon"), None),
            (json!("NaN"), None),
            (json!(null), None),
            (json!([1]), None),
        ] {
            let expected = seconds.map(Duration::from_secs_f64);
            assert_eq!(lifetime(&value), expected, "{value}");
        }
    }

    #[test]
    fn the_form_of_a_bearer_token() {
        for token in ["a", "a.b-c_d~e+f/g", "YQ=="] {
            assert!(is_bearer_token(token), "{token}");
        }
        for text in ["", "=", "a b", "a\n", "a=b", "\"a\"", "é", "a\0"] {
            assert!(!is_bearer_token(text), "{text}");
        }
    }
}
