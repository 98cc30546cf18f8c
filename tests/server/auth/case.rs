//! A row of the table: a request and its expected answer.

use super::{EVENT, token::Jwt};
use crate::support::http::Answer;

/// The answer that the specification requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// 200.
    Accepted,
    /// 401, `error="invalid_token"`.
    Denied,
    /// 401 without an error: there was no credential (RFC 6750 section 3.1).
    NoCredential,
    /// Either of the two: the RFC leaves open whether there was a credential.
    Unauthorized,
    /// Accepted or denied, but always the same: no RFC decides.
    Open,
    /// 403.
    Forbidden,
    /// Denied or forbidden: not authorized in either case.
    NotAllowed,
    /// This status.
    Status(u16),
    /// An HTTP framing error, or denied: 4xx.
    Refused,
}

impl Expected {
    pub(crate) fn allows(self, answer: &Answer) -> bool {
        let denied = answer.status == 401 && names_error(answer);
        match self {
            Self::Accepted => answer.status == 200,
            Self::Denied => denied,
            Self::NoCredential => answer.status == 401 && !denied,
            Self::Unauthorized => answer.status == 401,
            Self::Open => denied || answer.status == 200,
            Self::Forbidden => is_forbidden(answer),
            Self::NotAllowed => denied || is_forbidden(answer),
            Self::Status(status) => answer.status == status,
            Self::Refused => (400..500).contains(&answer.status),
        }
    }

    /// Whether its record may be produced.
    pub(crate) fn may_produce(self) -> bool {
        matches!(self, Self::Accepted | Self::Open)
    }
}

/// 403, and why (RFC 6750 section 3.1).
fn is_forbidden(answer: &Answer) -> bool {
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    answer.status == 403 && challenge.contains(r#"error="insufficient_scope""#)
}

/// Whether the challenge says that the token is invalid.
pub(crate) fn names_error(answer: &Answer) -> bool {
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    challenge.contains(r#"error="invalid_token""#)
}

/// A row.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) request: Vec<u8>,
    pub(crate) expected: Expected,
}

/// A builder of the table; names are unique.
#[derive(Default)]
pub(crate) struct Cases(pub(crate) Vec<Case>);

impl Cases {
    /// A request whose only credential is this token.
    pub(crate) fn token(&mut self, name: &str, token: impl AsRef<[u8]>, expected: Expected) {
        self.token_at(EVENT, name, token, expected);
    }

    pub(crate) fn token_at(
        &mut self,
        path: &str,
        name: &str,
        token: impl AsRef<[u8]>,
        expected: Expected,
    ) {
        let line = [b"Authorization: Bearer ", token.as_ref(), b"\r\n"].concat();
        self.lines_at(path, name, &line, expected);
    }

    /// [`Cases::token`] of a JWT.
    pub(crate) fn jwt(&mut self, name: &str, jwt: &Jwt, expected: Expected) {
        self.token(name, jwt.token(), expected);
    }

    /// A request with these further header fields, each with its CRLF.
    pub(crate) fn lines(&mut self, name: &str, lines: impl AsRef<[u8]>, expected: Expected) {
        self.lines_at(EVENT, name, lines.as_ref(), expected);
    }

    pub(crate) fn lines_at(&mut self, path: &str, name: &str, lines: &[u8], expected: Expected) {
        self.request(name, post(path, lines, &record(name)), expected);
    }

    pub(crate) fn request(&mut self, name: &str, request: Vec<u8>, expected: Expected) {
        let name = name.to_owned();
        self.0.push(Case {
            name,
            request,
            expected,
        });
    }
}

/// The record that a case sends.
pub(crate) fn record(name: &str) -> Vec<u8> {
    serde_json::json!({ "case": name }).to_string().into_bytes()
}

/// A POST of JSON with these further header fields.
pub(crate) fn post(path: &str, lines: &[u8], body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: ringest\r\nContent-Length: {}\r\n",
        body.len()
    );
    [head.as_bytes(), lines, b"\r\n", body].concat()
}

/// The header field of a credential.
pub(crate) fn bearer(token: &str) -> Vec<u8> {
    format!("Authorization: Bearer {token}\r\n").into_bytes()
}
