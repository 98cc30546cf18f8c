//! Where models come from: the files of a directory, or those that are built in.

use std::{fs, io, path::Path, sync::Arc};

use super::{Model, parse, routes};
use crate::config::ConfigError;

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
    let mut models: Vec<parse::Parsed> = Vec::new();
    for file in files {
        match parse::model(file) {
            Ok(parsed) => {
                errors.extend(same_model(&parsed, &models));
                models.push(parsed);
            }
            Err(wrong) => errors.extend(wrong),
        }
    }
    errors.extend(routes::clashes(&models));
    let models = models.into_iter().map(|parsed| Arc::new(parsed.model));
    models.collect()
}

/// What is wrong if one of `others` has the same name and version.
fn same_model(parsed: &parse::Parsed, others: &[parse::Parsed]) -> Option<ConfigError> {
    let Model { name, version, .. } = &parsed.model;
    let other = others.iter().find(|other| {
        other.model.name.eq_ignore_ascii_case(name) && other.model.version == *version
    })?;
    Some(ConfigError {
        origin: parsed.name_origin.clone(),
        key: "name".to_owned(),
        message: format!(
            "{name} {version} is also {}: case and leading zeros make no difference",
            other.shown(),
        ),
    })
}
