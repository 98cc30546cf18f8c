//! Data models: what a person declares about one kind of record, a TOML file each.

mod names;
mod parse;
mod program;
mod rules;
mod types;
mod version;

use std::{fs, io, path::Path, sync::Arc};

pub(crate) use program::{Instruction, Op, Program, Shape};
pub use rules::Rules;
pub use types::{Kind, Object, Type, TypeError};
pub use version::{NotAVersion, Version};

use crate::config::ConfigError;

/// One data model in one version.
#[derive(Clone, Debug)]
pub struct Model {
    /// As written: a letter, then letters, digits, `_` and `-`; compared without case.
    pub name: String,
    /// As written, e.g. `1.10`.
    pub version: Version,
    /// The Kafka topic of its records.
    pub topic: String,
    /// Where its records are posted, such as `/events/clicks`; `None`: `/ingest/<name>/<version>`,
    /// and `/ingest/<name>` for the highest version.
    pub path: Option<String>,
    /// What its records must hold, in the order of the file; `None`: any JSON object will do.
    pub fields: Option<Vec<Field>>,
    /// What becomes of fields that are not declared.
    pub unknown_fields: UnknownFields,
    /// Where invalid records go besides the answer.
    pub dead_letter_topic: Option<String>,
    /// What each record carries beside its bytes.
    pub kafka_headers: Vec<KafkaHeader>,
    /// The schema that consumers find in a registry; `None`: records go without a prefix.
    pub schema: Option<Schema>,
    /// All of it that the validator applies.
    pub rules: Rules,
}

/// A declared field of a model, a tuple or a nested object.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its key in a record.
    pub name: String,
    /// What its value must be.
    pub type_: Type,
    /// Whether a record may leave it out because a default is declared.
    pub has_default: bool,
}

/// What becomes of fields that a model does not declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// They may hold any JSON, and are forwarded with the record.
    #[default]
    Forward,
    /// Each is a fault.
    Reject,
}

/// What becomes of a request with faulty records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInvalid {
    /// 400, and none of it is produced.
    #[default]
    RejectAll,
    /// 207: the good ones are produced.
    AcceptValid,
}

/// A header of each record (KIP-82).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaHeader {
    /// Its key.
    pub name: String,
    /// Where its value comes from.
    pub value: HeaderValue,
}

/// Where a Kafka header's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// The model.
    Constant(String),
    /// The request's field of this lower-case name; left out where the request has none.
    Request(String),
    /// The name of who sent it; left out where nobody was asked.
    Principal,
}

/// The schema that a record's prefix names, in the wire format of Confluent's registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// By its number.
    Id(u32),
    /// By its name: the registry is asked for the number before serving begins.
    Subject {
        /// Such as `orders-value`.
        subject: String,
        /// Which of its versions; `None`: the latest.
        version: Option<u32>,
    },
}

impl Model {
    /// The longest name, in bytes.
    pub const NAME_BYTES_MAX: usize = 128;

    /// Any JSON object is a record of it, and goes to the topic as it is.
    pub fn untyped(name: &str, version: Version, topic: &str) -> Self {
        Self {
            name: name.to_owned(),
            version,
            topic: topic.to_owned(),
            path: None,
            fields: None,
            unknown_fields: UnknownFields::default(),
            dead_letter_topic: None,
            kafka_headers: Vec::new(),
            schema: None,
            rules: Rules::any(),
        }
    }

    /// The longest name of a topic, in bytes (Kafka's own bound, `Topic.validate`).
    pub const TOPIC_BYTES_MAX: usize = 249;
}

/// What an operator should know of these models, if anything.
pub(crate) fn warning(models: &[Arc<Model>]) -> Option<String> {
    let typed = models.iter().filter(|model| model.fields.is_some());
    let names: Vec<_> = typed
        .map(|model| format!("{} {}", model.name, model.version))
        .collect();
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("field types are not judged yet: any JSON object is accepted for {names}")
    })
}

/// The text of a model's file.
pub(crate) struct File {
    /// As shown in errors.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

/// The sample models that are built in, of `config/models`.
pub(crate) fn samples() -> Vec<File> {
    [
        ("Order.toml", include_str!("../../config/models/Order.toml")),
        (
            "PageView.toml",
            include_str!("../../config/models/PageView.toml"),
        ),
        (
            "RawEvent.toml",
            include_str!("../../config/models/RawEvent.toml"),
        ),
        (
            "SensorReading.toml",
            include_str!("../../config/models/SensorReading.toml"),
        ),
    ]
    .map(|(name, text)| File {
        path: format!("config/models/{name} (built in)"),
        text: text.to_owned(),
    })
    .into()
}

/// The `*.toml` of a directory, not of those in it, in the order of their names.
///
/// # Errors
/// Whatever can't be read, its path in the text.
pub(crate) fn read_directory(directory: &Path) -> io::Result<Vec<File>> {
    let at = |path: &Path, error: &io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| at(directory, &error))? {
        let path = entry.map_err(|error| at(directory, &error))?.path();
        if path.extension().is_some_and(|it| it == "toml") && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    let files = paths.into_iter().map(|path| {
        Ok(File {
            text: fs::read_to_string(&path).map_err(|error| at(&path, &error))?,
            path: path.display().to_string(),
        })
    });
    files.collect()
}

/// The models of some files, in their order; what is wrong with them is added to `errors`.
pub(crate) fn load(files: &[File], errors: &mut Vec<ConfigError>) -> Vec<Arc<Model>> {
    let mut models: Vec<(Arc<Model>, &File)> = Vec::new();
    for file in files {
        match parse::model(file) {
            Ok(parsed) => {
                let same = |(model, _): &&(Arc<Model>, &File)| {
                    model.name.eq_ignore_ascii_case(&parsed.model.name)
                        && model.version == parsed.model.version
                };
                if let Some((model, other)) = models.iter().find(same) {
                    errors.push(ConfigError {
                        origin: parsed.name_origin,
                        key: "name".to_owned(),
                        message: format!(
                            "{} {} is also {} {} of {}: case and leading zeros make no difference",
                            parsed.model.name,
                            parsed.model.version,
                            model.name,
                            model.version,
                            other.path,
                        ),
                    });
                }
                models.push((Arc::new(parsed.model), file));
            }
            Err(wrong) => errors.extend(wrong),
        }
    }
    models.into_iter().map(|(model, _)| model).collect()
}
