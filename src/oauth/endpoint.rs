//! The request to a token endpoint.

use std::time::{Duration, SystemTime};

use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::http::StatusCode;

use super::{
    TokenEndpoint, TokenError,
    claims::{self, Claims, is_bearer_token},
};
use crate::{
    excerpt::excerpt,
    https::{RequestError, agent},
    produce::Token,
};

/// From the DNS look-up to the last byte of the response.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of a response, in bytes.
const RESPONSE_BYTES_MAX: u64 = 256 << 10;

/// Maximum characters of an error that are shown.
const QUOTED_CHARS_MAX: usize = 200;

/// Requests a token (RFC 6749 sections 4.4.2 and 2.3.1).
pub(super) fn request(
    endpoint: &TokenEndpoint,
    extensions: &[(String, String)],
) -> Result<Token, TokenError> {
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(endpoint.scope.as_deref().map(|scope| ("scope", scope)));
    form.extend(
        endpoint
            .parameters
            .iter()
            .map(|(name, value)| (&**name, &**value)),
    );
    let failed = |error| RequestError::new(&error, TIMEOUT, RESPONSE_BYTES_MAX);
    let request = agent(&endpoint.url, "application/json", TIMEOUT).post(&endpoint.url);
    let request = request.header("Authorization", authorization(endpoint));
    // The clock of the token starts here: the endpoint may be slow.
    let begun = SystemTime::now();
    let mut response = request.send_form(form).map_err(failed)?;
    let status = response.status();
    let body = response.body_mut().with_config().limit(RESPONSE_BYTES_MAX);
    let body = body.read_to_vec().map_err(failed)?;
    if status != StatusCode::OK {
        return Err(TokenError::Status(status.as_u16(), said(&body, endpoint)));
    }
    token(&body, endpoint, extensions, begun)
}

/// Both parts are encoded as a form's, since either may have a colon.
fn authorization(endpoint: &TokenEndpoint) -> String {
    let [id, secret] = [&endpoint.client_id, &endpoint.client_secret]
        .map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC_BUT_UNRESERVED));
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

/// All but the unreserved characters of RFC 3986 section 2.3.
const NON_ALPHANUMERIC_BUT_UNRESERVED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What an error response says, but for the secret and the credential made of it, which it may repeat.
fn said(body: &[u8], endpoint: &TokenEndpoint) -> String {
    let credential = authorization(endpoint);
    let secrets = [
        credential.trim_start_matches("Basic "),
        &endpoint.client_secret,
    ];
    let without = |text: &str| {
        let secrets = secrets.iter().filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let member = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let parts = [member("error"), member("error_description")];
    let parts = parts.into_iter().filter(|it| !it.is_empty());
    parts
        .map(without)
        .flat_map(|it| [": ".to_owned(), excerpt(it.as_bytes(), QUOTED_CHARS_MAX)])
        .collect()
}

/// The token in a response (RFC 6749 section 5.1) to a request that was sent at `begun`.
fn token(
    body: &[u8],
    endpoint: &TokenEndpoint,
    extensions: &[(String, String)],
    begun: SystemTime,
) -> Result<Token, TokenError> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| TokenError::Invalid("the response is not JSON"))?;
    let member = |name| body.get(name).and_then(Value::as_str);
    let value = member("access_token")
        .filter(|it| is_bearer_token(it))
        .ok_or(TokenError::Invalid(
            "the response has no access_token that is a bearer token",
        ))?;
    if member("token_type").is_some_and(|it| !it.eq_ignore_ascii_case("bearer")) {
        return Err(TokenError::Invalid(
            "the token_type of the response is not Bearer",
        ));
    }
    let claims = Claims::of(value);
    // Rather than `exp`: it does not depend on the clocks of both sides.
    let lifetime = body.get("expires_in").and_then(claims::lifetime);
    let ends = lifetime.map_or(claims.ends, |it| Some(begun + it));
    let principal = claims.subject.as_deref().unwrap_or(&endpoint.client_id);
    let token = Token::new(value, principal, extensions, ends);
    let token = token.map_err(|_| TokenError::Invalid("a NUL character in the token"))?;
    if token.has_ended(SystemTime::now()) {
        return Err(TokenError::Ended);
    }
    Ok(token)
}
