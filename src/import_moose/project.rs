//! The ingest part of `moose.config.toml`: `Project` of Moose's `project.rs`, with its
//! `LocalWebserverConfig` and `KafkaConfig`.

use std::path::Path;

use jsonwebtoken::Algorithm;

use crate::{
    auth::{KeyError, VerificationKeys},
    document::{ConfigError, Document, Setting, Value, grouped},
    model::is_path,
    route::RouteTable,
};

/// The largest body that ringest can be configured to accept (`limits.body_bytes_max`).
const BODY_BYTES_MAX: i128 = 1 << 30;

/// What ringest needs of a project. The default is Moose's.
#[derive(Debug)]
pub(super) struct Project {
    /// What it was read from.
    pub(super) file: Option<String>,
    /// Where Moose listens: an address, or a name.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) management_port: u16,
    /// Before the path of every route, with a slash before it and none after it.
    pub(super) path_prefix: Option<String>,
    pub(super) body_bytes_max: i128,
    pub(super) brokers: String,
    /// Milliseconds until Moose gives a record up.
    pub(super) message_timeout: Option<i128>,
    /// What every topic's name starts with.
    pub(super) namespace: Option<String>,
    /// The URL of a schema registry.
    pub(super) schema_registry: Option<String>,
    /// librdkafka's properties.
    pub(super) properties: Vec<(&'static str, String)>,
    /// Whether there is a password, which is not read.
    pub(super) has_sasl_password: bool,
    /// The tokens that Moose asks for, where it does.
    pub(super) tokens: Option<Tokens>,
}

/// JWTs that Moose asks every ingest API's sender for, signed with RS256.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) issuer: String,
    pub(super) audience: String,
    /// The issuer's public key as PEM; or why what Moose calls `secret` is none.
    pub(super) public_key: Result<String, KeyError>,
}

impl Default for Project {
    fn default() -> Self {
        Self {
            file: None,
            host: "localhost".to_owned(),
            port: 4_000,
            management_port: 5_001,
            path_prefix: None,
            body_bytes_max: 10 * 1_024 * 1_024,
            brokers: "localhost:19092".to_owned(),
            message_timeout: None,
            namespace: None,
            schema_registry: None,
            properties: Vec::new(),
            has_sasl_password: false,
            tokens: None,
        }
    }
}

impl Project {
    /// A project's file.
    ///
    /// # Errors
    /// Everything in it that ringest needs and that is not what Moose has there.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Vec<ConfigError>> {
        let shown = path.display().to_string();
        let document = Document { path: &shown, text };
        let tree = document.parse()?;
        let mut reader = Reader {
            tree: &tree,
            errors: Vec::new(),
        };
        let defaults = Self::default();
        let http = "http_server_config";
        // Moose's older name for the section still works.
        let kafka = if tree.get("redpanda_config").is_some() {
            "redpanda_config"
        } else {
            "kafka_config"
        };
        let properties = [
            ("sasl_username", "sasl.username"),
            ("sasl_mechanism", "sasl.mechanism"),
            ("security_protocol", "security.protocol"),
        ];
        let ports = 0..=i128::from(u16::MAX);
        let port = |reader: &mut Reader<'_>, key, default| {
            let port = reader.integer(http, key, ports.clone());
            port.and_then(|it| u16::try_from(it).ok())
                .unwrap_or(default)
        };
        let project = Self {
            file: path.file_name().map(|it| it.display().to_string()),
            host: reader.text(http, "host").unwrap_or(defaults.host),
            port: port(&mut reader, "port", defaults.port),
            management_port: port(&mut reader, "management_port", defaults.management_port),
            path_prefix: reader.path_prefix(http),
            body_bytes_max: reader
                .integer(http, "max_request_body_size", 1..=BODY_BYTES_MAX)
                .unwrap_or(defaults.body_bytes_max),
            brokers: reader.text(kafka, "broker").unwrap_or(defaults.brokers),
            message_timeout: reader.integer(kafka, "message_timeout_ms", 2..=86_400_000),
            namespace: reader.text(kafka, "namespace"),
            schema_registry: reader.text(kafka, "schema_registry_url"),
            properties: properties
                .into_iter()
                .filter_map(|(key, property)| Some((property, reader.text(kafka, key)?)))
                .collect(),
            has_sasl_password: reader.text(kafka, "sasl_password").is_some(),
            tokens: reader.tokens(),
        };
        if reader.errors.is_empty() {
            Ok(project)
        } else {
            reader.errors.sort_by(|a, b| a.origin.cmp(&b.origin));
            Err(reader.errors)
        }
    }

    /// What the tokens that Moose asks for are verified with, if that is known.
    pub(super) fn public_key(&self) -> Option<&str> {
        let tokens = self.tokens.as_ref()?;
        tokens.public_key.as_deref().ok()
    }
}

/// Sections of a file, and what is wrong with them.
struct Reader<'a> {
    tree: &'a Setting,
    errors: Vec<ConfigError>,
}

impl Reader<'_> {
    /// What `read` makes of a value, if there is one.
    fn value<T>(
        &mut self,
        section: &str,
        key: &str,
        allowed: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let setting = self.tree.get(section)?.get(key)?;
        let read = read(&setting.value);
        if read.is_none() {
            // The value may be a secret, and is not shown.
            self.errors
                .push(setting.error(format!("not allowed: {allowed}")));
        }
        read
    }

    /// A string; an empty one is none.
    fn text(&mut self, section: &str, key: &str) -> Option<String> {
        let text = self.value(section, key, "a string", |it| it.text().map(str::to_owned));
        text.filter(|it| !it.is_empty())
    }

    fn integer(
        &mut self,
        section: &str,
        key: &str,
        range: std::ops::RangeInclusive<i128>,
    ) -> Option<i128> {
        let allowed = format!(
            "a whole number from {} to {}",
            grouped(range.start()),
            grouped(range.end())
        );
        let read = |value: &Value| value.integer().filter(|it| range.contains(it));
        self.value(section, key, &allowed, read)
    }

    /// As Moose has it: a slash before it, none after it.
    fn path_prefix(&mut self, section: &str) -> Option<String> {
        let allowed = format!("a path of at most {} bytes", RouteTable::PREFIX_BYTES_MAX);
        let prefix = self.value(section, "path_prefix", &allowed, |value| {
            let prefix = match value.text()?.trim_matches('/') {
                "" => return Some(None),
                prefix => format!("/{prefix}"),
            };
            let is_good = is_path(&prefix) && prefix.len() <= RouteTable::PREFIX_BYTES_MAX;
            is_good.then_some(Some(prefix))
        });
        prefix.flatten()
    }

    /// `JwtConfig`: the tokens that every ingest API's sender needs, or none.
    fn tokens(&mut self) -> Option<Tokens> {
        let read = |value: &Value| value.boolean();
        let are_asked_for = self.value("jwt", "enforce_on_all_ingest_apis", "true or false", read);
        let issuer = self.text("jwt", "issuer").unwrap_or_default();
        let audience = self.text("jwt", "audience").unwrap_or_default();
        let pem = self.text("jwt", "secret").unwrap_or_default();
        let key = VerificationKeys::from_pem(pem.as_bytes(), &[Algorithm::RS256]);
        are_asked_for.filter(|it| *it).map(|_| Tokens {
            issuer,
            audience,
            public_key: key.map(|_| format!("{}\n", pem.trim())),
        })
    }
}
