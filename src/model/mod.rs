//! Data models: what a person declares about one kind of record, a TOML file each.

mod parse;
mod version;

use std::{fs, io, path::Path, sync::Arc};

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
    /// What its records must hold, in the order of the file; `None`: any JSON object will do.
    pub fields: Option<Vec<Field>>,
}

/// A declared field of a model. Its type is kept as text: this version does not judge types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its key in a record.
    pub name: String,
    /// As written, in `ClickHouse`'s type language.
    pub type_text: String,
    /// Whether a record may leave it out because a default is declared.
    pub has_default: bool,
}

impl Model {
    /// The longest name, in bytes.
    pub const NAME_BYTES_MAX: usize = 128;

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
