//! `ringest token --verify`: checks a token as the server would and explains the result.

use std::{
    fmt::Write as _,
    io::{self, Read as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::super::{environment, print, refuse, report, unusable};
use crate::{
    auth::{
        ApiKey, Auth, AuthError, AuthMode, FetchedKeys, Grant, JwksUrl, KeyHash, KeySet, KeySource,
        Scope, provider,
    },
    config::Config,
    jwks,
    route::RouteTable,
};

/// The server would reject the token.
const EXIT_REJECTED: u8 = 1;

/// Bytes read from stdin, at most; far above any head that carries a token.
const TOKEN_BYTES_MAX: u64 = 1 << 20;

/// Checks the token on stdin against a configuration.
pub(super) fn run(config: &Path) -> ExitCode {
    let config = match Config::load(config, environment()) {
        Ok(config) => config,
        Err(errors) => return unusable(config, &errors),
    };
    let token = match read() {
        Ok(token) => token,
        Err(error) => return refuse(&format!("stdin: can't be read: {error}")),
    };
    if config.auth.mode == AuthMode::None {
        report("warning: auth.mode is \"none\": the server does not check tokens");
    }
    provider::install();
    let routes = Arc::new(config.routes());
    let printed = match grant(&token, &config.auth, &routes) {
        Ok(grant) => return print(&accepted(&token, &grant, &config.auth, &routes)),
        Err(error) => print(&rejected(&token, error, &config.auth)),
    };
    if printed == ExitCode::SUCCESS {
        return ExitCode::from(EXIT_REJECTED);
    }
    printed
}

/// Verifies the token as the server does; fetches keys from a URL only if the token's issuer has one.
fn grant(token: &[u8], auth: &Auth, routes: &Arc<RouteTable>) -> Result<Grant, AuthError> {
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    let verify = |fetched: &[Arc<FetchedKeys>]| {
        let keys = KeySet::new(auth, fetched, routes);
        let verified = keys.check(token, now)?.verify(now);
        verified.map(|it| it.grant).map_err(|error| error.reason())
    };
    let none = |_| Arc::new(FetchedKeys::only(None));
    let mut fetched: Vec<_> = auth.issuers.iter().map(none).collect();
    let grant = verify(&fetched);
    let (Err(AuthError::KeysUnavailable), Some(name)) = (&grant, issuer(token)) else {
        return grant;
    };
    for (issuer, fetched) in auth.issuers.iter().zip(&mut fetched) {
        let KeySource::Url(JwksUrl { url, .. }) = &issuer.keys else {
            continue;
        };
        if *issuer.issuer != *name {
            continue;
        }
        match jwks::fetch(url, &issuer.algorithms) {
            Ok(loaded) => *fetched = Arc::new(FetchedKeys::only(Some(loaded.keys))),
            Err(error) => report(&format!("{url}: {error}")),
        }
    }
    verify(&fetched)
}

/// Reads the token from stdin and removes one trailing line end.
fn read() -> io::Result<Vec<u8>> {
    let mut token = Vec::new();
    io::stdin().take(TOKEN_BYTES_MAX).read_to_end(&mut token)?;
    if token.last() == Some(&b'\n') {
        token.pop();
        if token.last() == Some(&b'\r') {
            token.pop();
        }
    }
    Ok(token)
}

/// Describes an accepted token: its key or issuer, its routes and its expiry time.
fn accepted(token: &[u8], grant: &Grant, auth: &Auth, routes: &RouteTable) -> String {
    let source = match (key(token, auth), &grant.name) {
        (Some(key), _) => format!("API key {:?}", key.name),
        (None, subject) => {
            let issuer = issuer(token).unwrap_or_default();
            let subject = subject.as_ref();
            let subject = subject.map_or_else(String::new, |it| format!(", subject {it:?}"));
            format!("JWT of issuer {issuer:?}{subject}")
        }
    };
    // Writing to a String never fails.
    let mut text = format!("valid: {source}\nroutes: ");
    match grant.scope {
        Scope::All => text.push_str("all"),
        Scope::Some(_) => {
            let allowed = routes.routes().iter();
            let allowed = allowed.filter(|route| grant.scope.allows(route.index));
            let allowed: Vec<_> = allowed
                .map(|route| format!("{}/{}", route.model.name, route.model.version))
                .collect();
            text.push_str(if allowed.is_empty() { "none" } else { "" });
            text.push_str(&allowed.join(", "));
        }
    }
    let expires = time(grant.validity.until_ms);
    let expires = expires.as_deref().unwrap_or("never");
    let _ = write!(text, "\nexpires: {expires}\n");
    if let Some(origins) = &grant.origins {
        let origins: Vec<_> = origins.patterns().iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "pages: {}", origins.join(", "));
    }
    text
}

/// Explains why a token is rejected. For the operator only: responses never contain the reason.
fn rejected(token: &[u8], error: AuthError, auth: &Auth) -> String {
    let mut text = format!("rejected: {}: {}\n", error.as_str(), reason(error));
    if let (AuthError::KeyExpired, Some(key)) = (error, key(token, auth)) {
        let expired = key.expires_ms.and_then(time).unwrap_or_default();
        let _ = writeln!(text, "API key {:?} expired at {expired}", key.name);
    }
    text
}

/// The API key with the hash of this token.
fn key<'a>(token: &[u8], auth: &'a Auth) -> Option<&'a ApiKey> {
    let hashes = [Some(KeyHash::sha256(token)), KeyHash::pbkdf2(token)];
    auth.api_keys
        .iter()
        .find(|key| hashes.contains(&Some(key.hash)))
}

/// The `iss` claim of a JWT, unverified.
fn issuer(token: &[u8]) -> Option<String> {
    let claims = token.split(|byte| *byte == b'.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["iss"].as_str()?.to_owned())
}

/// Formats a time in milliseconds since 1970; `None` beyond the range of timestamps ("never").
fn time(ms: u64) -> Option<String> {
    let time = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(time.to_string())
}

/// The reason of a error, for the operator.
const fn reason(error: AuthError) -> &'static str {
    match error {
        AuthError::Missing => "there is no token",
        AuthError::Repeated => "there is more than one token",
        AuthError::InQuery => "the token is in the query string",
        AuthError::Scheme => "the authorization scheme is not Bearer",
        AuthError::Malformed => "neither a JWT nor an API key of a configured kind",
        AuthError::UnknownKey => "no configured API key has the hash of this token",
        AuthError::KeyExpired => "the API key has expired",
        AuthError::Header => "the JOSE header is malformed or uses an unsupported extension",
        AuthError::Algorithm => "the signature algorithm is not configured for the issuer",
        AuthError::KeyId => {
            "the issuer has no key with this ID, or several keys and the token names none"
        }
        AuthError::Claims => "the claims are malformed or of the wrong type",
        AuthError::Issuer => "the issuer is not configured",
        AuthError::Audience => "the audience is not the configured one",
        AuthError::Expired => "the token has expired",
        AuthError::NotYetValid => "the token is not valid yet",
        AuthError::RequiredClaim => "a required claim is missing or has another value",
        AuthError::Signature => "the signature is invalid",
        AuthError::Certificate => "the certificate is that of no configured client",
        AuthError::Origin => "the key is for pages of other origins",
        AuthError::KeysUnavailable => "the issuer's keys can't be fetched",
        AuthError::KeyNotFetched => "the issuer's keys were not fetched since the token arrived",
        AuthError::Busy => "too many tokens are being verified",
    }
}
