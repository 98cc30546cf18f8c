//! A schema registry is asked, before serving begins, for the numbers of the schemas that models
//! name by their subject. On the control thread alone: no request ever waits for it.
//!
//! The interface is that of Confluent's Schema Registry, `GET
//! /subjects/{subject}/versions/{version}`, which Redpanda and Apicurio have too. Redirects are not
//! followed and proxies not used, so credentials go to the configured URL and nowhere else.

mod client;
mod settings;

use std::{fmt, sync::Arc, time::Duration};

pub(crate) use client::is_base_url;
pub use settings::{Credentials, SchemaRegistry};

use crate::model::{Model, Schema};

/// The models, each subject in its place by the number that the registry gave it. Nobody is asked
/// where no model names a subject, and once where several name the same version of one.
///
/// Call it again with what a reload has read: nothing is kept between calls.
///
/// # Errors
/// [`Unresolved`]: the operator's or the registry's. Records of these models can't be framed, so
/// they can't be served.
pub fn resolve(
    registry: Option<&SchemaRegistry>,
    models: &[Arc<Model>],
) -> Result<Vec<Arc<Model>>, Unresolved> {
    let subjects = subjects(models);
    if subjects.is_empty() {
        return Ok(models.to_vec());
    }
    let answers = match registry {
        Some(registry) => client::ask(registry, &subjects),
        None => subjects.iter().map(|_| Err(Reason::NoRegistry)).collect(),
    };
    let url = registry.map_or("", |registry| &registry.url);
    let failures: Vec<Failure> = subjects
        .iter()
        .zip(&answers)
        .filter_map(|(schema, answer)| {
            let reason = answer.as_ref().err()?.clone();
            Some(Failure::new(schema, models, url, reason))
        })
        .collect();
    if !failures.is_empty() {
        return Err(Unresolved(failures));
    }
    let number = |schema: &Schema| {
        let place = subjects.iter().position(|subject| *subject == schema)?;
        answers[place].as_ref().ok().copied()
    };
    let resolved = models.iter().map(|model| {
        let Some(id) = model.schema.as_ref().and_then(number) else {
            return Arc::clone(model);
        };
        let (name, version) = (&model.name, &model.version);
        tracing::info!("{name} {version}: its schema has the number {id}");
        Arc::new(Model {
            schema: Some(Schema::Id(id)),
            ..Model::clone(model)
        })
    });
    Ok(resolved.collect())
}

/// The subjects that models name, each version once, in the order of the models.
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

/// Everything that the registry did not tell, in the order of the models; never empty. Displayed
/// one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Unresolved(Vec<Failure>);

impl Unresolved {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.0.iter()
    }
}

impl fmt::Display for Unresolved {
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

/// One schema whose number is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The models that name it, such as `Order 1.0, Refund 1.0`.
    pub models: String,
    /// Its name in the registry.
    pub subject: String,
    /// Which of its versions; `None`: the latest.
    pub version: Option<u32>,
    /// Who was asked: never with credentials.
    pub url: String,
    /// What came of it.
    pub reason: Reason,
}

impl Failure {
    fn new(schema: &Schema, models: &[Arc<Model>], url: &str, reason: Reason) -> Self {
        let named = models
            .iter()
            .filter(|model| model.schema.as_ref() == Some(schema))
            .map(|model| format!("{} {}", model.name, model.version));
        let (subject, version) = match schema {
            Schema::Subject { subject, version } => (subject.clone(), *version),
            // Has its number: never asked for.
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            models,
            subject,
            version,
            url,
            reason,
        } = self;
        write!(f, "{models}: subject {subject:?}, ")?;
        match version {
            Some(version) => write!(f, "version {version}")?,
            None => write!(f, "latest version")?,
        }
        write!(f, ", of the schema registry {url}: {reason}")
    }
}

/// Why a number is not known. What the registry said is quoted shortened and escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The operator's: nothing says whom to ask.
    #[error("schema_registry.url is not set")]
    NoRegistry,
    /// The operator's: the name is wrong, or nobody has registered it yet (40401).
    #[error("it knows no such subject (40401)")]
    UnknownSubject,
    /// The operator's: the subject has other versions (40402).
    #[error("the subject has no such version (40402)")]
    UnknownVersion,
    /// The operator's: credentials are missing, wrong, or not enough. The HTTP status.
    #[error(
        "it refuses to answer ({0}): schema_registry.username and schema_registry.password must be \
         those of someone who may read the subject"
    )]
    Unauthorized(u16),
    /// Anything but an answer: the HTTP status, and what it said.
    #[error("it answers {0}: {1}")]
    Status(u16, String),
    /// Whatever answered is no schema registry: what it sent.
    #[error("what it answers is no schema with an id: {0}")]
    NotARegistry(String),
    /// The registry's, or the network's.
    #[error("no answer within schema_registry.timeout_ms = {}", .0.as_millis())]
    TimedOut(Duration),
    /// The registry's, the network's, or its certificate is not to be trusted.
    #[error("it can't be asked: {0}")]
    Unreachable(String),
}
