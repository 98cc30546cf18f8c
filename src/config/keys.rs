//! All keys with name, default and allowed values. One list for the file, the
//! environment, the errors, and the test that compares `config/ringest.toml` with it.

mod names;
mod values;

use std::{net::SocketAddr, time::Duration};

pub(super) use names::{find, is_section, meant, property, tables};
use values::{burst, is_extension, per_second, some_list, some_text, text_or_none, texts, timeout};

use super::{
    DriverChoice, Limits, ListenAddress, Pin,
    auth::issuer,
    key::{ApiKeyTable, CertificateTable, ClientTable, IssuerTable, Key, Known, RequiredKey},
    log_filter, traces,
};
use crate::{
    auth::{ApiKey, AuthMode},
    document::Value,
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
    RELOAD_ON_CHANGE: Key<bool> = Key::boolean("reload_on_change", "false");
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
    MANAGEMENT_SAMPLES: Key<bool> = Key::boolean("management.samples", "false");
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
    CLAIM: Key<String, IssuerTable> = Key::read_by(
        "auth.jwt.quota.claim",
        r#""sub""#,
        || "the name of a claim".into(),
        some_text,
    );
    CLAIM_REQUESTS: Key<usize, IssuerTable> = per_second("auth.jwt.quota.requests_per_second");
    CLAIM_RECORDS: Key<usize, IssuerTable> = per_second("auth.jwt.quota.records_per_second");
    CLAIM_BYTES: Key<usize, IssuerTable> = per_second("auth.jwt.quota.bytes_per_second");
    CLAIM_BURST: Key<Duration, IssuerTable> = burst("auth.jwt.quota.burst_ms");
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
    KEY_REQUESTS: Key<usize, ApiKeyTable> = per_second("auth.keys.quota.requests_per_second");
    KEY_RECORDS: Key<usize, ApiKeyTable> = per_second("auth.keys.quota.records_per_second");
    KEY_BYTES: Key<usize, ApiKeyTable> = per_second("auth.keys.quota.bytes_per_second");
    KEY_BURST: Key<Duration, ApiKeyTable> = burst("auth.keys.quota.burst_ms");
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
    CLIENT_REQUESTS: Key<usize, ClientTable> = per_second("auth.certificates.quota.requests_per_second");
    CLIENT_RECORDS: Key<usize, ClientTable> = per_second("auth.certificates.quota.records_per_second");
    CLIENT_BYTES: Key<usize, ClientTable> = per_second("auth.certificates.quota.bytes_per_second");
    CLIENT_BURST: Key<Duration, ClientTable> = burst("auth.certificates.quota.burst_ms");
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
    TRACES_ENDPOINT: Key<Option<String>> = Key::read_by(
        "traces.endpoint",
        r#""""#,
        || traces::ENDPOINT.into(),
        traces::endpoint_or_none,
    );
    TRACES_SAMPLE_RATIO: Key<f64> =
        Key::read_by("traces.sample_ratio", "0.01", || "a number from 0 to 1".into(), traces::ratio);
    TRACES_SERVICE_NAME: Key<String> =
        Key::read_by("traces.service_name", r#""ringest""#, || "a name".into(), some_text);
    TRACES_HEADERS_FILE: Key<Option<String>> =
        Key::read_by("traces.headers_file", r#""""#, || KEY_FILE.into(), text_or_none);
    TRACES_TIMEOUT: Key<Duration> = timeout("traces.timeout_ms", "10_000");
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
    SASL_USERNAME_FILE: Key<Option<String>> =
        Key::read_by("kafka.sasl_username_file", r#""""#, || KEY_FILE.into(), text_or_none);
    SASL_PASSWORD_FILE: Key<Option<String>> =
        Key::read_by("kafka.sasl_password_file", r#""""#, || KEY_FILE.into(), text_or_none);
    SSL_KEY_PASSWORD_FILE: Key<Option<String>> =
        Key::read_by("kafka.ssl_key_password_file", r#""""#, || KEY_FILE.into(), text_or_none);
    SSL_KEYSTORE_PASSWORD_FILE: Key<Option<String>> =
        Key::read_by("kafka.ssl_keystore_password_file", r#""""#, || KEY_FILE.into(), text_or_none);
    TOKEN_URL: Key<Option<String>> = Key::read_by(
        "kafka.oauth.token_url",
        r#""""#,
        || "a URL, or \"\" for none".into(),
        text_or_none,
    );
    OAUTH_CLIENT_ID: Key<Option<String>> = Key::read_by(
        "kafka.oauth.client_id",
        r#""""#,
        || "a string, or \"\" for none".into(),
        text_or_none,
    );
    OAUTH_CLIENT_SECRET: Key<Option<String>> = Key::read_by(
        "kafka.oauth.client_secret",
        r#""""#,
        || "a string, or \"\" for none".into(),
        text_or_none,
    );
    OAUTH_CLIENT_SECRET_FILE: Key<Option<String>> =
        Key::read_by("kafka.oauth.client_secret_file", r#""""#, || KEY_FILE.into(), text_or_none);
    OAUTH_SCOPE: Key<Option<String>> = Key::read_by(
        "kafka.oauth.scope",
        r#""""#,
        || "scopes separated by spaces, or \"\" for none".into(),
        text_or_none,
    );
    OAUTH_PARAMETERS: Key<Vec<(String, String)>> = Key::read_by(
        "kafka.oauth.parameters",
        "{}",
        || "a table of strings, such as { audience = \"kafka\" }".into(),
        texts,
    );
    OAUTH_EXTENSIONS: Key<Vec<(String, String)>> = Key::read_by(
        "kafka.oauth.extensions",
        "{}",
        || {
            "a table of strings, such as { logicalCluster = \"lkc-1\" }, with alphabetic names other than \
             \"auth\", and values of printable ASCII"
                .into()
        },
        |value| texts(value).filter(|all| all.iter().all(is_extension)),
    );
    TOKEN_FILE: Key<Option<String>> =
        Key::read_by("kafka.oauth.token_file", r#""""#, || KEY_FILE.into(), text_or_none);
}

#[cfg(test)]
mod tests;
