//! Looks up schema IDs in a schema registry, for models that name a subject. Happens before serving
//! begins and on reloads; no request ever waits for it.
//!
//! Uses the interface of Confluent's Schema Registry, `GET /subjects/{subject}/versions/{version}`,
//! which Redpanda and Apicurio implement too. Redirects are not followed and proxies are not used, so
//! that credentials only reach the configured URL.

mod client;
mod settings;

use std::{fmt, sync::Arc, time::Duration};

pub(crate) use client::is_base_url;
pub use settings::{Credentials, SchemaRegistry};

use crate::model::{Model, Schema};

/// The models, with each subject replaced by its schema ID. Sends one request for each distinct
/// subject and version, and none if no model names a subject. Nothing is cached between calls.
///
/// # Errors
/// [`RegistryError`], the fault of the operator or the registry: without its schema ID a model can't
/// be served, as its records need the schema prefix.
pub fn resolve(
    registry: Option<&SchemaRegistry>,
    models: &[Arc<Model>],
) -> Result<Vec<Arc<Model>>, RegistryError> {
    let subjects = subjects(models);
    if subjects.is_empty() {
        return Ok(models.to_vec());
    }
    let answers = match registry {
        Some(registry) => client::look_up(registry, &subjects),
        None => subjects
            .iter()
            .map(|_| Err(LookupError::NoRegistry))
            .collect(),
    };
    let url = registry.map_or("", |registry| &registry.url);
    let failures: Vec<FailedLookup> = subjects
        .iter()
        .zip(&answers)
        .filter_map(|(schema, answer)| {
            let reason = answer.as_ref().err()?.clone();
            Some(FailedLookup::new(schema, models, url, reason))
        })
        .collect();
    if !failures.is_empty() {
        return Err(RegistryError(failures));
    }
    let id_of = |schema: &Schema| {
        let place = subjects.iter().position(|subject| *subject == schema)?;
        answers[place].as_ref().ok().copied()
    };
    let resolved = models.iter().map(|model| {
        let Some(id) = model.schema.as_ref().and_then(id_of) else {
            return Arc::clone(model);
        };
        let (name, version) = (&model.name, &model.version);
        tracing::info!("model {name} {version}: schema ID {id}");
        Arc::new(Model {
            schema: Some(Schema::Id(id)),
            ..Model::clone(model)
        })
    });
    Ok(resolved.collect())
}

/// The distinct subjects and versions that models name, in the order of the models.
fn subjects(models: &[Arc<Model>]) -> Vec<&Schema> {
    let mut subjects: Vec<&Schema> = Vec::new();
    for model in models {
        if let Some(schema @ Schema::Subject { .. }) = &model.schema
            && !subjects.contains(&schema)
        {
            subjects.push(schema);
        }
    }
    subjects
}

/// All failed look-ups, in the order of the models; never empty. Displayed one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RegistryError(Vec<FailedLookup>);

impl RegistryError {
    /// The failed look-ups.
    pub fn iter(&self) -> impl Iterator<Item = &FailedLookup> {
        self.0.iter()
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, failure) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{failure}")?;
        }
        Ok(())
    }
}

/// A schema whose ID could not be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedLookup {
    /// The models that use it, such as `Order 1.0, Refund 1.0`.
    pub models: String,
    /// The subject in the registry.
    pub subject: String,
    /// The version; `None`: the latest.
    pub version: Option<u32>,
    /// The URL of the registry, without credentials.
    pub url: String,
    /// Why the look-up failed.
    pub reason: LookupError,
}

impl FailedLookup {
    fn new(schema: &Schema, models: &[Arc<Model>], url: &str, reason: LookupError) -> Self {
        let named = models
            .iter()
            .filter(|model| model.schema.as_ref() == Some(schema))
            .map(|model| format!("{} {}", model.name, model.version));
        let (subject, version) = match schema {
            Schema::Subject { subject, version } => (subject.clone(), *version),
            // Never looked up: it has its ID.
            Schema::Id(id) => (id.to_string(), None),
        };
        Self {
            models: named.collect::<Vec<_>>().join(", "),
            subject,
            version,
            url: url.to_owned(),
            reason,
        }
    }
}

impl fmt::Display for FailedLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            models,
            subject,
            version,
            url,
            reason,
        } = self;
        write!(f, "model {models}: subject {subject:?}, ")?;
        match version {
            Some(version) => write!(f, "version {version}")?,
            None => write!(f, "latest version")?,
        }
        write!(f, ", schema registry {url}: {reason}")
    }
}

/// Why a look-up failed. Excerpts of responses are shortened and escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No registry is configured. Fault of the operator.
    #[error("schema_registry.url is not set")]
    NoRegistry,
    /// The subject does not exist (error code 40401). Fault of the operator.
    #[error("subject not found (40401)")]
    UnknownSubject,
    /// The version does not exist (error code 40402). Fault of the operator.
    #[error("version not found (40402)")]
    UnknownVersion,
    /// Credentials are missing, wrong or insufficient: the HTTP status. Fault of the operator.
    #[error(
        "access denied ({0}): check schema_registry.username and schema_registry.password, and their \
         read permission for the subject"
    )]
    Unauthorized(u16),
    /// Another HTTP error status, with an excerpt of the response.
    #[error("response {0}: {1}")]
    Status(u16, String),
    /// The response has no schema ID: probably not a schema registry. An excerpt of it.
    #[error("the response contains no schema ID: {0}")]
    NotARegistry(String),
    /// Timeout. Fault of the registry or the network.
    #[error("no response within schema_registry.timeout_ms = {}", .0.as_millis())]
    TimedOut(Duration),
    /// The connection failed, or the certificate is not trusted.
    #[error("request failed: {0}")]
    Unreachable(String),
}
