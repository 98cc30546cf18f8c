//! `ringest token --verify`: what the server would say of a token, and why.

use std::{
    fmt::Write as _,
    io::{self, Read as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::super::{EXIT_USAGE, environment, print, report, unusable};
use crate::{
    auth::{
        ApiKey, Auth, AuthMode, Denial, Fetched, Grant, JwksUrl, KeyHash, KeySet, KeySource, Scope,
        provider,
    },
    config::Config,
    jwks,
    route::RouteTable,
};

/// A token that the server would refuse.
const EXIT_REFUSED: u8 = 1;

/// No token is longer, in bytes: no head of a request is.
const TOKEN_BYTES_MAX: u64 = 1 << 20;

/// Says what the token on stdin is good for, by a configuration.
pub(super) fn run(config: &Path) -> ExitCode {
    let config = match Config::load(config, environment()) {
        Ok(config) => config,
        Err(errors) => return unusable(config, &errors),
    };
    let token = match read() {
        Ok(token) => token,
        Err(error) => {
            report(&format!("stdin: can't be read: {error}"));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if config.auth.mode == AuthMode::None {
        report("auth.mode is \"none\": nobody is asked for a token");
    }
    provider::install();
    let routes = Arc::new(config.routes());
    let printed = match grant(&token, &config.auth, &routes) {
        Ok(grant) => return print(&verdict(&token, &grant, &config.auth, &routes)),
        Err(denial) => print(&refusal(&token, denial, &config.auth)),
    };
    if printed == ExitCode::SUCCESS {
        return ExitCode::from(EXIT_REFUSED);
    }
    printed
}

/// As the server judges the token; keys at a URL are fetched if they are needed, and only those.
fn grant(token: &[u8], auth: &Auth, routes: &Arc<RouteTable>) -> Result<Grant, Denial> {
    let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
    let judge = |fetched: &[Fetched]| {
        let keys = KeySet::new(auth, fetched, routes);
        keys.check(token, now).and_then(|check| check.verify(now))
    };
    let mut fetched = vec![Fetched::default(); auth.issuers.len()];
    let grant = judge(&fetched);
    let (Err(Denial::KeysUnavailable), Some(name)) = (&grant, issuer(token)) else {
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
            Ok(loaded) => fetched.keys = Some(Arc::new(loaded.keys)),
            Err(error) => report(&format!("{url}: {error}")),
        }
    }
    judge(&fetched)
}

/// The token on stdin, without a line end at its end.
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

/// Of a good token: who is answerable for it, where it may send, and how long.
fn verdict(token: &[u8], grant: &Grant, auth: &Auth, routes: &RouteTable) -> String {
    let who = match (key(token, auth), &grant.name) {
        (Some(key), _) => format!("the API key {:?}", key.name),
        (None, subject) => {
            let issuer = issuer(token).unwrap_or_default();
            let subject = subject.as_ref();
            let subject = subject.map_or_else(String::new, |it| format!(", for {it:?}"));
            format!("a token of the issuer {issuer:?}{subject}")
        }
    };
    // Writing to a String never fails.
    let mut text = format!("good: {who}\nsends to: ");
    match grant.scope {
        Scope::All => text.push_str("every route"),
        Scope::Some(_) => {
            let allowed = routes.routes().iter();
            let allowed = allowed.filter(|route| grant.scope.allows(route.index));
            let allowed: Vec<_> = allowed
                .map(|route| format!("{}/{}", route.model.name, route.model.version))
                .collect();
            text.push_str(if allowed.is_empty() { "no route" } else { "" });
            text.push_str(&allowed.join(", "));
        }
    }
    let until = moment(grant.validity.until_ms);
    let _ = write!(text, "\nuntil: {}\n", until.as_deref().unwrap_or("no end"));
    text
}

/// Of one that the server would refuse: why, which only whoever runs the server may know.
fn refusal(token: &[u8], denial: Denial, auth: &Auth) -> String {
    let mut text = format!("refused: {}: {}\n", denial.as_str(), why(denial));
    if let (Denial::KeyExpired, Some(key)) = (denial, key(token, auth)) {
        let until = key.expires_ms.and_then(moment).unwrap_or_default();
        let _ = writeln!(text, "the API key {:?} expired at {until}", key.name);
    }
    text
}

/// The API key whose token it is.
fn key<'a>(token: &[u8], auth: &'a Auth) -> Option<&'a ApiKey> {
    let hashes = [Some(KeyHash::sha256(token)), KeyHash::pbkdf2(token)];
    auth.api_keys
        .iter()
        .find(|key| hashes.contains(&Some(key.hash)))
}

/// The `iss` of a JWT, as it says itself.
fn issuer(token: &[u8]) -> Option<String> {
    let claims = token.split(|byte| *byte == b'.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["iss"].as_str()?.to_owned())
}

/// A time that is not for ever.
fn moment(ms: u64) -> Option<String> {
    let moment = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(moment.to_string())
}

/// What a denial means to whoever runs the server.
const fn why(denial: Denial) -> &'static str {
    match denial {
        Denial::Missing => "there is no token",
        Denial::Repeated => "there is more than one token",
        Denial::InQuery => "it is in the query",
        Denial::Scheme => "it is not a bearer token",
        Denial::Malformed => "it has not the shape of any token that the configuration knows",
        Denial::UnknownKey => "no key of the configuration has its hash",
        Denial::KeyExpired => "its key has expired",
        Denial::Header => "its header can't be read, or asks for what is not understood",
        Denial::Algorithm => "it is signed with an algorithm that is not configured for its issuer",
        Denial::KeyId => "its issuer has no such key, or it does not say which of several",
        Denial::Claims => "its claims can't be read, or are of the wrong type",
        Denial::Issuer => "its issuer is not configured",
        Denial::Audience => "it is for somebody else",
        Denial::Expired => "it has expired",
        Denial::NotYetValid => "it is not valid yet",
        Denial::RequiredClaim => "a required claim is missing, or has another value",
        Denial::Signature => "its signature is not one of its issuer's key",
        Denial::KeysUnavailable => "its issuer's keys can't be fetched",
        Denial::Busy => "too many are being verified",
    }
}
