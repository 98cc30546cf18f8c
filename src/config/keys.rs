//! All keys with name, default and allowed values. One list for the file, the
//! environment, the errors, and the test that compares `config/ringest.toml` with it.

use std::{net::SocketAddr, time::Duration};

use super::{
    DriverChoice, Limits, ListenAddress, Pin,
    auth::issuer,
    key::{
        ApiKeyTable, CertificateTable, ClientTable, IssuerTable, Key, Known, Place, RequiredKey,
    },
    log_filter,
};
use crate::{
    auth::{ApiKey, AuthMode},
    document::{Value, nearest},
    http::{Codings, is_token},
    log::{LogFormat, RequestLog},
    model::{Model, is_path},
    registry::is_base_url,
    route::RouteTable,
    tls::{ClientCertificates, alternative_name},
};

/// The longest deadline: a day, in milliseconds.
const TIMEOUT_MS_MAX: i128 = 86_400_000;

/// The longest body: simd-json indexes with 32 bits.
const GIBIBYTE: i128 = 1 << 30;

/// Each producer handle has threads, connections and buffers of its own.
const PRODUCERS_MAX: usize = 16;

/// The allowed values of key files.
const KEY_FILE: &str = "the path of a file, or \"\" for none";

/// Declares keys, and the list of them.
macro_rules! keys {
    ($($name:ident: $type:ty = $key:expr;)*) => {
        $(pub(super) const $name: $type = $key;)*

        /// Every key, sorted as `config/ringest.toml` has them.
        pub(super) const KEYS: &[Known] = &[$($name.known()),*];

        /// Keys whose default cannot be read.
        #[cfg(test)]
        fn bad_defaults() -> Vec<&'static str> {
            let keys = [$(($name.known().name, $name.has_good_default())),*];
            keys.into_iter().filter(|(_, is_good)| !is_good).map(|(name, _)| name).collect()
        }
    };
}

keys! {
    MODELS: Key<String> = Key::read_by(
        "models",
        r#""models""#,
        || "the path of a directory".into(),
        some_text,
    );
    WORKERS: Key<usize> = Key::integer("workers", "0", 0, 1_024);
    PIN: Key<Pin> = Key::choice("pin", r#""auto""#);
    LISTEN_ADDRESS: Key<ListenAddress> = Key::read_by(
        "listen.address",
        r#""0.0.0.0:4000""#,
        || {
            let max = ListenAddress::PATH_BYTES_MAX;
            format!(
                "an IP address and a port, such as \"127.0.0.1:4000\", or a unix socket by an absolute \
                 path of at most {max} bytes, such as \"unix:/run/ringest/ingest.sock\""
            )
            .into()
        },
        |value| value.text()?.parse().ok(),
    );
    SOCKET_MODE: Key<u32> = Key::read_by(
        "listen.socket_mode",
        r#""0660""#,
        || "an octal number from \"0600\" to \"0777\"".into(),
        |value| {
            let digits = value.text()?;
            let mode = u32::from_str_radix(digits, 8).ok()?;
            let is_octal = digits.len() == 4 && digits.starts_with('0');
            (is_octal && (0o600..=0o777).contains(&mode)).then_some(mode)
        },
    );
    LISTEN_DRIVER: Key<DriverChoice> = Key::choice("listen.driver", r#""auto""#);
    CONTENT_ENCODINGS: Key<Codings> = Key::read_by(
        "listen.content_encodings",
        r#"["gzip", "deflate"]"#,
        || "an array of \"gzip\", \"deflate\" and \"zstd\", or [] for none".into(),
        |value| Codings::named(value.list()?.iter().map(String::as_str)),
    );
    PATH_PREFIX: Key<String> = Key::read_by(
        "listen.path_prefix",
        r#""""#,
        || {
            let max = RouteTable::PREFIX_BYTES_MAX;
            format!(
                "\"\", or a path such as \"/api\" without a slash at its end, of at most {max} bytes"
            )
            .into()
        },
        |value| {
            let prefix = value.text()?;
            let is_short = prefix.len() <= RouteTable::PREFIX_BYTES_MAX;
            (prefix.is_empty() || is_path(prefix) && is_short).then(|| prefix.to_owned())
        },
    );
    TRUSTED_PROXIES: Key<Vec<String>> = Key::read_by(
        "listen.trusted_proxies",
        "[]",
        || "an array of networks and addresses, such as [\"10.0.0.0/8\", \"fd00::1\"]".into(),
        Value::list,
    );
    UNAUTHENTICATED_NETWORK: Key<bool> = Key::boolean("listen.unauthenticated_network", "false");
    CORS_ORIGINS: Key<Vec<String>> = Key::read_by(
        "listen.cors.origins",
        "[]",
        || {
            "an array of origins, such as [\"https://app.example.com\", \
             \"https://*.example.com\"], or [\"*\"] for all"
                .into()
        },
        Value::list,
    );
    CORS_HEADERS: Key<Vec<String>> = Key::read_by(
        "listen.cors.headers",
        r#"["Authorization", "Content-Type", "Content-Encoding", "X-Request-Id", "traceparent"]"#,
        || "an array of names of header fields, such as [\"Authorization\"]".into(),
        |value| value.list().filter(|names| names.iter().all(|it| is_token(it.as_bytes()))),
    );
    CORS_MAX_AGE: Key<Duration> =
        Key::milliseconds("listen.cors.max_age_ms", "7_200_000", 0, TIMEOUT_MS_MAX);
    TLS_CERTIFICATE: Key<Option<String>> =
        Key::read_by("listen.tls.certificate", r#""""#, || KEY_FILE.into(), text_or_none);
    TLS_PRIVATE_KEY: Key<Option<String>> =
        Key::read_by("listen.tls.private_key", r#""""#, || KEY_FILE.into(), text_or_none);
    TLS_CLIENT_CA: Key<Option<String>> =
        Key::read_by("listen.tls.client_ca", r#""""#, || KEY_FILE.into(), text_or_none);
    TLS_CLIENT_CERTIFICATES: Key<ClientCertificates> =
        Key::choice("listen.tls.client_certificates", r#""optional""#);
    TLS_CLIENT_CRL: Key<Option<String>> =
        Key::read_by("listen.tls.client_crl", r#""""#, || KEY_FILE.into(), text_or_none);
    OTHER_CERTIFICATE: RequiredKey<String, CertificateTable> = RequiredKey::read_by(
        "listen.tls.certificates.certificate",
        r#""""#,
        || "the path of a file".into(),
        some_text,
    );
    OTHER_PRIVATE_KEY: RequiredKey<String, CertificateTable> = RequiredKey::read_by(
        "listen.tls.certificates.private_key",
        r#""""#,
        || "the path of a file".into(),
        some_text,
    );
    MANAGEMENT_ADDRESS: Key<Option<SocketAddr>> = Key::read_by(
        "management.address",
        r#""127.0.0.1:4001""#,
        || "an IP address and a port, such as \"127.0.0.1:4001\", or \"\" for none".into(),
        |value| match value.text()? {
            "" => Some(None),
            address => Some(Some(address.parse().ok()?)),
        },
    );
    HEAD_BYTES_MAX: Key<usize> =
        Key::integer("limits.head_bytes_max", "16_384", 1_024, 1_048_576);
    HEADERS_MAX: Key<usize> = Key::integer("limits.headers_max", "100", 1, 1_024);
    BODY_BYTES_MAX: Key<usize> =
        Key::integer("limits.body_bytes_max", "10_485_760", 1, GIBIBYTE);
    COMPRESSION_RATIO_MAX: Key<usize> =
        Key::integer("limits.compression_ratio_max", "200", 1, 1_000_000);
    RECORD_BYTES_MAX: Key<usize> = Key::integer(
        "limits.record_bytes_max",
        "1_000_000",
        1,
        Limits::RECORD_BYTES_MAX as i128,
    );
    RECORDS_MAX: Key<usize> =
        Key::integer("limits.records_max", "100_000", 1, Limits::RECORDS_MAX as i128);
    JSON_DEPTH_MAX: Key<usize> = Key::integer("limits.json_depth_max", "128", 1, 1_000);
    CONNECTIONS_MAX: Key<usize> =
        Key::integer("limits.connections_max", "10_000", 1, 1_000_000);
    CONNECTIONS_PER_ADDRESS_MAX: Key<usize> =
        Key::integer("limits.connections_per_address_max", "0", 0, 1_000_000);
    IN_FLIGHT_BYTES_MAX: Key<usize> =
        Key::integer("limits.in_flight_bytes_max", "268_435_456", 1, 1 << 40);
    BODY_RATE_MIN: Key<usize> = Key::integer("limits.body_rate_min", "32_768", 1, GIBIBYTE);
    HEAD_TIMEOUT: Key<Duration> = timeout("timeouts.head_timeout_ms", "5_000");
    BODY_TIMEOUT: Key<Duration> = timeout("timeouts.body_timeout_ms", "30_000");
    IDLE_TIMEOUT: Key<Duration> = timeout("timeouts.idle_timeout_ms", "75_000");
    CONNECTION_AGE_MAX: Key<Duration> =
        Key::milliseconds("timeouts.connection_age_max_ms", "0", 0, TIMEOUT_MS_MAX);
    ACK_TIMEOUT: Key<Duration> = timeout("timeouts.ack_timeout_ms", "10_000");
    DRAIN_DELAY: Key<Duration> =
        Key::milliseconds("timeouts.drain_delay_ms", "0", 0, TIMEOUT_MS_MAX);
    DRAIN_TIMEOUT: Key<Duration> = timeout("timeouts.drain_timeout_ms", "30_000");
    WORKER_STUCK: Key<Duration> =
        Key::milliseconds("timeouts.worker_stuck_ms", "30_000", 0, TIMEOUT_MS_MAX);
    AUTH_MODE: Key<AuthMode> = Key::choice("auth.mode", r#""required""#);
    CACHE_ENTRIES: Key<usize> = Key::integer("auth.cache_entries", "8_192", 1, 1_000_000);
    ISSUER: RequiredKey<String, IssuerTable> = RequiredKey::read_by(
        "auth.jwt.issuer",
        r#""""#,
        || "the `iss` of the tokens".into(),
        some_text,
    );
    AUDIENCE: RequiredKey<String, IssuerTable> = RequiredKey::read_by(
        "auth.jwt.audience",
        r#""""#,
        || "the audience that the `aud` of the tokens must contain".into(),
        some_text,
    );
    ALGORITHMS: RequiredKey<Vec<String>, IssuerTable> = RequiredKey::read_by(
        "auth.jwt.algorithms",
        "[]",
        || issuer::allowed_algorithms().into(),
        some_list,
    );
    PUBLIC_KEY_FILE: Key<Option<String>, IssuerTable> =
        Key::read_by("auth.jwt.public_key_file", r#""""#, || KEY_FILE.into(), text_or_none);
    JWKS_FILE: Key<Option<String>, IssuerTable> =
        Key::read_by("auth.jwt.jwks_file", r#""""#, || KEY_FILE.into(), text_or_none);
    JWKS_URL: Key<Option<String>, IssuerTable> =
        Key::read_by("auth.jwt.jwks_url", r#""""#, || "a URL, or \"\" for none".into(), text_or_none);
    SECRET_FILE: Key<Option<String>, IssuerTable> =
        Key::read_by("auth.jwt.secret_file", r#""""#, || KEY_FILE.into(), text_or_none);
    JWKS_REFRESH: Key<Duration, IssuerTable> =
        Key::milliseconds("auth.jwt.jwks_refresh_ms", "300_000", 1_000, 86_400_000);
    JWKS_STALE_MAX: Key<Duration, IssuerTable> =
        Key::milliseconds("auth.jwt.jwks_stale_max_ms", "0", 0, 2_592_000_000);
    LEEWAY: Key<Duration, IssuerTable> =
        Key::milliseconds("auth.jwt.leeway_ms", "0", 0, 60_000);
    ROUTES_CLAIM: Key<Option<String>, IssuerTable> = Key::read_by(
        "auth.jwt.routes_claim",
        r#""""#,
        || "the name of a claim, or \"\" for none".into(),
        text_or_none,
    );
    REQUIRED_CLAIMS: Key<Vec<(Box<str>, serde_json::Value)>, IssuerTable> = Key::read_by(
        "auth.jwt.required_claims",
        "{}",
        || {
            "a table of claims and the string, number or boolean that each must equal, such as \
             { tenant = \"acme\" }"
                .into()
        },
        issuer::required_claims,
    );
    SUBJECT_HEADER: Key<Option<String>, IssuerTable> = Key::read_by(
        "auth.jwt.subject_header",
        r#""""#,
        || {
            let max = Model::HEADER_NAME_BYTES_MAX;
            format!("the name of a Kafka header, of at most {max} bytes, or \"\" for none").into()
        },
        |value| text_or_none(value).filter(|name| {
            name.as_ref().is_none_or(|it| it.len() <= Model::HEADER_NAME_BYTES_MAX)
        }),
    );
    KEY_NAME: RequiredKey<String, ApiKeyTable> = RequiredKey::read_by(
        "auth.keys.name",
        r#""""#,
        || {
            let max = ApiKey::NAME_BYTES_MAX;
            format!("a string of 1 to {max} bytes, without control characters").into()
        },
        |value| value.text().filter(|it| ApiKey::is_name(it)).map(str::to_owned),
    );
    KEY_HASH: RequiredKey<String, ApiKeyTable> = RequiredKey::read_by(
        "auth.keys.hash",
        r#""""#,
        || "40 hex digits, as Moose writes them, or \"sha256:\" and 64 hex digits".into(),
        |value| value.text().map(str::to_owned),
    );
    KEY_ROUTES: Key<Vec<String>, ApiKeyTable> = Key::read_by(
        "auth.keys.routes",
        r#"["*"]"#,
        || {
            "an array of globs over <name>/<version>, such as [\"Order/*\"]; all routes are [\"*\"]"
                .into()
        },
        some_list,
    );
    KEY_EXPIRES: Key<Option<u64>, ApiKeyTable> = Key::read_by(
        "auth.keys.expires",
        r#""""#,
        || {
            "a time with a UTC offset, such as \"2027-01-01T00:00:00Z\" (RFC 3339), or \
             \"\" for never"
                .into()
        },
        |value| match value.moment()? {
            "" => Some(None),
            moment => Some(Some(ApiKey::expiry_ms(moment)?)),
        },
    );
    KEY_ORIGINS: Key<Vec<String>, ApiKeyTable> = Key::read_by(
        "auth.keys.origins",
        "[]",
        || {
            "an array of origins, such as [\"https://app.example.com\", \
             \"https://*.example.com\"]"
                .into()
        },
        Value::list,
    );
    CLIENT_NAME: RequiredKey<String, ClientTable> = RequiredKey::read_by(
        "auth.certificates.name",
        r#""""#,
        || {
            let max = ApiKey::NAME_BYTES_MAX;
            format!("a string of 1 to {max} bytes, without control characters").into()
        },
        |value| value.text().filter(|it| ApiKey::is_name(it)).map(str::to_owned),
    );
    CLIENT_SAN: Key<Option<String>, ClientTable> = Key::read_by(
        "auth.certificates.san",
        r#""""#,
        || {
            "an alternative name with its kind, DNS:, URI:, email: or IP:, such as \
             \"DNS:device-1.example.com\", or \"\" for none"
                .into()
        },
        |value| match value.text()? {
            "" => Some(None),
            name => Some(Some(alternative_name(name)?)),
        },
    );
    CLIENT_SUBJECT: Key<Option<String>, ClientTable> = Key::read_by(
        "auth.certificates.subject",
        r#""""#,
        || "a subject as RFC 4514 writes it, such as \"CN=device-1,O=Acme\", or \"\" for none".into(),
        text_or_none,
    );
    CLIENT_ROUTES: Key<Vec<String>, ClientTable> = Key::read_by(
        "auth.certificates.routes",
        r#"["*"]"#,
        || {
            "an array of globs over <name>/<version>, such as [\"Order/*\"]; all routes are [\"*\"]"
                .into()
        },
        some_list,
    );
    REGISTRY_URL: Key<String> = Key::read_by(
        "schema_registry.url",
        r#""""#,
        || {
            "an http or https URL without a query, such as \"https://registry.example.com:8081\", \
             or \"\" for none"
                .into()
        },
        |value| {
            let url = value.text()?;
            (url.is_empty() || is_base_url(url)).then(|| url.trim_end_matches('/').to_owned())
        },
    );
    REGISTRY_USERNAME: Key<String> = Key::read_by(
        "schema_registry.username",
        r#""""#,
        || "a string without a colon".into(),
        |value| value.text().filter(|name| !name.contains(':')).map(str::to_owned),
    );
    REGISTRY_PASSWORD: Key<String> = Key::read_by(
        "schema_registry.password",
        r#""""#,
        || "a string".into(),
        |value| value.text().map(str::to_owned),
    );
    REGISTRY_TIMEOUT: Key<Duration> = timeout("schema_registry.timeout_ms", "5_000");
    LOG_FORMAT: Key<LogFormat> = Key::choice("log.format", r#""text""#);
    LOG_FILTER: Key<String> = Key::read_by(
        "log.filter",
        r#""info""#,
        || log_filter::ALLOWED.into(),
        |value| value.text().map(str::to_owned),
    );
    LOG_REQUESTS: Key<RequestLog> = Key::choice("log.requests", r#""refused""#);
    LOG_REQUESTS_RATE_MAX: Key<usize> = Key::integer("log.requests_rate_max", "10", 1, 10_000);
    PRODUCERS: Key<Option<usize>> = Key::read_by(
        "kafka.producers",
        r#""auto""#,
        || format!("\"auto\" or a whole number from 1 to {PRODUCERS_MAX}").into(),
        |value| match value.integer() {
            Some(count) => {
                let count = usize::try_from(count).ok();
                count.filter(|count| (1..=PRODUCERS_MAX).contains(count)).map(Some)
            }
            None => (value.text()? == "auto").then_some(None),
        },
    );
}

/// A deadline.
const fn timeout(name: &'static str, default: &'static str) -> Key<Duration> {
    Key::milliseconds(name, default, 1, TIMEOUT_MS_MAX)
}

fn some_text(value: &Value) -> Option<String> {
    let text = value.text().filter(|text| !text.is_empty())?;
    Some(text.to_owned())
}

#[expect(
    clippy::option_option,
    reason = "an empty text is good, and stands for none"
)]
fn text_or_none(value: &Value) -> Option<Option<String>> {
    let text = value.text()?;
    Some((!text.is_empty()).then(|| text.to_owned()))
}

fn some_list(value: &Value) -> Option<Vec<String>> {
    value.list().filter(|list| !list.is_empty())
}

/// Names of the repeatable tables.
const TABLES: [Option<&str>; 4] = [
    CertificateTable::TABLES,
    ClientTable::TABLES,
    IssuerTable::TABLES,
    ApiKeyTable::TABLES,
];

/// The key of that name.
pub(super) fn find(name: &str) -> Option<&'static Known> {
    KEYS.iter().find(|key| key.name == name)
}

/// The property of librdkafka that a name stands for: in `[kafka]` that is every name but ringest's own.
pub(super) fn property(name: &str) -> Option<&str> {
    let property = name.strip_prefix("kafka.")?;
    find(name).is_none().then_some(property)
}

/// The name of the repeatable tables, if it is that.
pub(super) fn tables(name: &str) -> Option<&'static str> {
    TABLES.into_iter().flatten().find(|tables| *tables == name)
}

/// Whether keys can be below that name.
pub(super) fn is_section(name: &str) -> bool {
    name == "kafka"
        || KEYS.iter().any(|key| {
            key.name
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
        })
}

/// What other servers call an address, or a part of it.
const PARTS_OF_ADDRESS: [&str; 3] = ["bind", "host", "port"];

/// What an unknown key most likely means: a name of its own section, else a whole key.
pub(super) fn meant(unknown: &str) -> Option<&'static str> {
    let section = |name: &'static str| name.rsplit_once('.').unwrap_or(("", name));
    let (given_section, given) = unknown.rsplit_once('.').unwrap_or(("", unknown));
    // The name may have the index of a table.
    let given_section = given_section.split('[').next().unwrap_or_default();
    let names = || {
        let names = KEYS.iter().map(|key| key.name);
        names.chain(TABLES.into_iter().flatten())
    };
    // A variable of the environment with one underscore behind a section.
    let parts = |name: &str| name.replace('.', "_");
    if let Some(name) = names().find(|name| parts(name) == parts(unknown)) {
        return Some(name);
    }
    let siblings = names().map(section).filter(|(of, _)| *of == given_section);
    if let Some(name) = nearest(given, siblings.map(|(_, name)| name)) {
        return Some(name);
    }
    let (place, part) = (unknown.rsplit_once(['.', '_'])).unwrap_or(("listen", unknown));
    let addresses = [LISTEN_ADDRESS.name, MANAGEMENT_ADDRESS.name].into_iter();
    let mut addresses = addresses.filter(|name| section(name).0 == place);
    if PARTS_OF_ADDRESS.contains(&part)
        && let Some(name) = addresses.next()
    {
        return Some(name);
    }
    let name = nearest(given, names().map(|name| section(name).1))?;
    names().find(|key| section(key).1 == name)
}

#[cfg(test)]
mod tests;
