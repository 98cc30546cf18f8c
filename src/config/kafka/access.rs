//! How ringest authenticates to the brokers: what goes together, and `[kafka.oauth]`.

use std::path::Path;

use super::{
    Given, Reader,
    files::{Files, secret},
    find, refuse,
};
use crate::{
    config::{
        auth::is_loopback,
        keys::{
            OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, OAUTH_CLIENT_SECRET_FILE, OAUTH_EXTENSIONS,
            OAUTH_PARAMETERS, OAUTH_SCOPE, SASL_PASSWORD_FILE, SASL_USERNAME_FILE, TOKEN_FILE,
            TOKEN_URL,
        },
    },
    document::ConfigError,
    oauth::{TokenEndpoint, TokenSettings, TokenSource},
    produce::properties::check_mechanism,
};

const MECHANISMS: &str = "sasl.mechanisms";
const PROTOCOL: &str = "security.protocol";

/// Whether the connections to the brokers are encrypted. librdkafka would then send each record that it does not
/// copy in a TLS record of its own.
pub(super) fn is_encrypted(reader: &Reader, given: &[Given]) -> bool {
    let protocol = find(reader, given, PROTOCOL);
    protocol.is_some_and(|it| it.value.to_ascii_lowercase().ends_with("ssl"))
}

/// Checks that the properties of SASL and of TLS go together; `with_secrets`: those with secrets are there,
/// too. Returns warnings of those without effect.
pub(super) fn check(reader: &mut Reader, given: &[Given], with_secrets: bool) -> Vec<String> {
    let protocol = find(reader, given, PROTOCOL).map_or("plaintext", |it| it.value.as_str());
    let protocol = protocol.to_ascii_lowercase();
    let mechanism = find(reader, given, MECHANISMS);
    let with_sasl = protocol.starts_with("sasl_");
    if (with_sasl || mechanism.is_some())
        && let Err(allowed) = check_mechanism(mechanism.map(|it| it.value.as_str()))
    {
        match mechanism {
            Some(it) => refuse(reader, it, &allowed),
            None => missing(reader, MECHANISMS, &allowed),
        }
    }
    let mechanism = mechanism.map_or("", |it| it.value.as_str());
    let with_password = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&mechanism);
    if with_sasl && with_password && with_secrets {
        for (property, file) in [
            ("sasl.username", SASL_USERNAME_FILE),
            ("sasl.password", SASL_PASSWORD_FILE),
        ] {
            if find(reader, given, property).is_none() && !reader.is_set(&file) {
                let allowed = format!("{mechanism} needs it, or {}", file.name);
                missing(reader, property, &allowed);
            }
        }
    }
    let with_tokens = mechanism == "OAUTHBEARER";
    tokens_go_together(reader, given, with_sasl && with_tokens);
    if with_secrets && protocol.ends_with("ssl") {
        pair_is_complete(reader, given);
    }
    let idle = |it: &&Given| {
        let name = it.canonical.as_str();
        name.starts_with("sasl.") && !with_sasl
            || name.starts_with("ssl.") && !protocol.ends_with("ssl")
    };
    let warning = |it: &Given| {
        let effect = format!("has no effect with kafka.{PROTOCOL} = \"{protocol}\"");
        it.setting.error(effect).to_string()
    };
    let mut warnings: Vec<_> = given.iter().filter(idle).map(warning).collect();
    if protocol == "sasl_plaintext" && (mechanism == "PLAIN" || with_tokens) {
        warnings.extend(unencrypted(reader, given));
    }
    warnings
}

/// Checks that a client certificate has a private key, and a key a certificate: librdkafka uses neither alone,
/// and does not report it.
fn pair_is_complete(reader: &mut Reader, given: &[Given]) {
    let [certificate, key] = ["certificate", "key"].map(|of| {
        // Those of a file have been read by now: its content is in the other one.
        let names = [format!("ssl.{of}.pem"), format!("ssl.{of}.location")];
        names.iter().find_map(|name| find(reader, given, name))
    });
    let (it, other) = match (certificate, key) {
        (Some(certificate), None) => (certificate, "key"),
        (None, Some(key)) => (key, "certificate"),
        _ => return,
    };
    let message =
        format!("has no effect without kafka.ssl.{other}.location or kafka.ssl.{other}.pem");
    reader.raw.errors.push(it.setting.error(message));
}

/// A warning if credentials cross a network without encryption.
fn unencrypted(reader: &Reader, given: &[Given]) -> Option<String> {
    let brokers = find(reader, given, "bootstrap.servers")?;
    let remote = brokers.value.split(',').map(str::trim);
    let remote = remote.filter(|it| !it.is_empty());
    let remote = remote.map(host).find(|it| !is_loopback(it))?;
    let protocol = find(reader, given, PROTOCOL)?;
    let message =
        format!("passwords and tokens are sent to {remote} without encryption: use \"SASL_SSL\"");
    Some(protocol.setting.error(message).to_string())
}

/// The host of an element of `bootstrap.servers`: `[PROTOCOL://]HOST[:PORT]`.
fn host(broker: &str) -> &str {
    let broker = broker.split_once("://").map_or(broker, |(_, rest)| rest);
    match broker.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => broker.split(':').next().unwrap_or(broker),
    }
}

/// Checks that there are tokens for OAUTHBEARER, and for nothing else.
fn tokens_go_together(reader: &mut Reader, given: &[Given], with_tokens: bool) {
    const UNSECURED: &str = "enable.sasl.oauthbearer.unsecure.jwt";
    let sources = [TOKEN_URL, TOKEN_FILE];
    let source = sources.iter().find(|key| reader.is_set(key));
    let unsecured = find(reader, given, UNSECURED).filter(|it| it.value == "true");
    match (source, unsecured) {
        (Some(key), _) if !with_tokens => {
            let message = format!(
                "has no effect without kafka.{PROTOCOL} = \"SASL_SSL\" (or \"SASL_PLAINTEXT\") and \
                 kafka.{MECHANISMS} = \"OAUTHBEARER\""
            );
            reader.fail(key.at(), message);
        }
        (Some(key), Some(it)) => {
            let message = format!("not allowed together with {}", key.name);
            reader.raw.errors.push(it.setting.error(message));
        }
        (None, None) if with_tokens => {
            let (url, file) = (TOKEN_URL.name, TOKEN_FILE.name);
            let message = format!("missing: OAUTHBEARER needs {url} or {file}");
            reader.fail(TOKEN_URL.at(), message);
        }
        _ => {}
    }
}

fn missing(reader: &mut Reader, property: &str, allowed: &str) {
    reader.raw.errors.push(ConfigError {
        origin: reader.raw.file.clone(),
        key: format!("kafka.{property}"),
        message: format!("missing: {allowed}"),
    });
}

/// Reads `[kafka.oauth]`. Files are relative to `directory`; if it is `None` they are not read, and there
/// are no tokens.
pub(super) fn tokens(
    reader: &mut Reader,
    directory: Option<&Path>,
    files: &mut Files,
) -> Option<TokenSettings> {
    let source = match (reader.get(&TOKEN_URL), reader.get(&TOKEN_FILE)) {
        (Some(_), Some(_)) => {
            let message = format!("not allowed together with {}", TOKEN_URL.name);
            reader.fail(TOKEN_FILE.at(), message);
            None
        }
        (Some(url), None) => endpoint(reader, url, directory, files).map(TokenSource::Endpoint),
        (None, file) => {
            let needed = TOKEN_URL.name;
            for at in [
                OAUTH_CLIENT_ID.at(),
                OAUTH_CLIENT_SECRET.at(),
                OAUTH_CLIENT_SECRET_FILE.at(),
                OAUTH_SCOPE.at(),
                OAUTH_PARAMETERS.at(),
            ] {
                if reader.setting(at).is_some() {
                    reader.fail(at, format!("has no effect without {needed}"));
                }
            }
            if file.is_none() && reader.is_set(&OAUTH_EXTENSIONS) {
                let message = format!("has no effect without {needed} or {}", TOKEN_FILE.name);
                reader.fail(OAUTH_EXTENSIONS.at(), message);
            }
            file.and_then(|file| Some(TokenSource::File(directory?.join(file))))
        }
    };
    let settings = TokenSettings {
        extensions: reader.get(&OAUTH_EXTENSIONS),
        source: source?,
    };
    if let TokenSource::File(path) = &settings.source
        && let Err(error) = settings.fetch()
    {
        // No error: a sidecar may write it later.
        let message = format!(
            "{}: {error}; no broker can be used until it has a token",
            path.display()
        );
        reader.warn(TOKEN_FILE.at(), message);
    }
    Some(settings)
}

fn endpoint(
    reader: &mut Reader,
    url: String,
    directory: Option<&Path>,
    files: &mut Files,
) -> Option<TokenEndpoint> {
    const ALLOWED: &str = "an https URL such as \"https://id.example.com/oauth2/token\"; http to a \
                           loopback address only";
    let is_good = reader.is_secure_url(TOKEN_URL.at(), &url, ALLOWED);
    let client_id = reader.get(&OAUTH_CLIENT_ID);
    if client_id.is_none() {
        reader.fail(
            OAUTH_CLIENT_ID.at(),
            format!("missing: {} needs it", TOKEN_URL.name),
        );
    }
    let secret = client_secret(reader, directory, files);
    let endpoint = TokenEndpoint {
        url,
        client_id: client_id?,
        client_secret: secret?,
        scope: reader.get(&OAUTH_SCOPE),
        parameters: reader.get(&OAUTH_PARAMETERS),
    };
    is_good.then_some(endpoint)
}

fn client_secret(
    reader: &mut Reader,
    directory: Option<&Path>,
    files: &mut Files,
) -> Option<String> {
    let (text, file) = (OAUTH_CLIENT_SECRET.name, OAUTH_CLIENT_SECRET_FILE.name);
    match (
        reader.get(&OAUTH_CLIENT_SECRET),
        reader.get(&OAUTH_CLIENT_SECRET_FILE),
    ) {
        (Some(secret), None) => return Some(secret),
        (Some(_), Some(_)) => {
            reader.fail(
                OAUTH_CLIENT_SECRET_FILE.at(),
                format!("not allowed together with {text}"),
            );
        }
        (None, Some(name)) => {
            let path = directory?.join(name);
            files.named.push((file.to_owned(), path.clone()));
            match secret(&path) {
                Ok(secret) => return Some(secret),
                Err(error) => reader.fail(OAUTH_CLIENT_SECRET_FILE.at(), error),
            }
        }
        (None, None) => {
            reader.fail(
                OAUTH_CLIENT_SECRET.at(),
                format!("missing: set it or {file}"),
            );
        }
    }
    None
}
