//! Sources of models: the files of a directory, or the built-in samples.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Model, parse, path};
use crate::document::{ConfigError, Document, Value, read_text};

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

/// The files of a directory: the models in it, and what looks like one and is not read.
pub(crate) struct Directory {
    /// The `*.toml`, in the order of their names.
    pub(crate) models: Vec<File>,
    /// Paths from the directory, in their order: models of sub-directories, and of other extensions.
    pub(crate) not_read: Vec<String>,
}

/// The longest file of a model or a schema, in bytes.
pub(super) const FILE_BYTES_MAX: u64 = 16 << 20;

/// Entries of a directory's sub-directories that are looked at, at most.
const ENTRIES_MAX: usize = 1_000;

/// Reads the models of a directory, not of those in it. Hidden files are passed over: editors and
/// copying leave some (`.#Order.toml`, `._Order.toml`), and Kubernetes mounts a `ConfigMap` as links
/// into one (`..data`).
///
/// # Errors
/// What cannot be read, with its path.
pub(crate) fn read_directory(directory: &Path) -> io::Result<Directory> {
    let mut paths = Vec::new();
    let (mut directories, mut not_read) = (Vec::new(), Vec::new());
    for path in entries(directory)? {
        if path.is_dir() {
            directories.push(path);
        } else if path.extension().is_some_and(|it| it == "toml") {
            paths.push(path);
        } else if looks_like_model(&path, &["toml", "yaml", "yml", "json"]) {
            not_read.push(path);
        }
    }
    let mut entries_left = ENTRIES_MAX;
    while entries_left > 0
        && let Some(next) = directories.pop()
    {
        // What can't be read is none of the models.
        let mut inside = entries(&next).unwrap_or_default();
        inside.truncate(entries_left);
        entries_left -= inside.len();
        // A link may lead to a directory that contains this one.
        inside.retain(|path| !path.is_symlink());
        for path in inside {
            if path.is_dir() {
                directories.push(path);
            } else if looks_like_model(&path, &["toml"]) {
                not_read.push(path);
            }
        }
    }
    let mut models = Vec::new();
    for path in paths {
        models.push(File {
            text: read_text(&path, FILE_BYTES_MAX).map_err(|error| at(&path, &error.into()))?,
            path: path.display().to_string(),
        });
    }
    let mut not_read: Vec<_> = not_read
        .iter()
        .filter(|path| !is_named_by(&models, path))
        .map(|path| path.strip_prefix(directory).unwrap_or(path))
        .map(|path| path.display().to_string())
        .collect();
    not_read.sort();
    Ok(Directory { models, not_read })
}

/// The entries of a directory that are not hidden, in the order of their names.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| at(directory, &error))? {
        let entry = entry.map_err(|error| at(directory, &error))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn looks_like_model(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().unwrap_or_default();
    let mut extensions = extensions.iter();
    extensions.any(|it| extension.eq_ignore_ascii_case(it))
}

/// Whether a model names this file, as `fields_from` does.
fn is_named_by(models: &[File], path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.is_some_and(|name| models.iter().any(|model| model.text.contains(name)))
}

/// The name that a file declares, if it can be read so far, valid or not.
pub(crate) fn declared_name(file: &File) -> Option<String> {
    let document = Document {
        path: &file.path,
        text: &file.text,
    };
    let table = document.parse().ok()?;
    let name = table.inner.into_iter().find(|it| it.name == "name")?;
    match name.value {
        Value::Text(name) => Some(name),
        _ => None,
    }
}

/// The models of some files, in their order; errors are added to `errors`.
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
    errors.extend(path::clashes(&models));
    let models = models.into_iter().map(|parsed| parsed.model);
    models.collect()
}

/// The error if one of `others` has the same name and version.
fn same_model(parsed: &parse::Parsed, others: &[parse::Parsed]) -> Option<ConfigError> {
    let Model { name, version, .. } = &*parsed.model;
    let other = others.iter().find(|other| {
        other.model.name.eq_ignore_ascii_case(name) && other.model.version == *version
    })?;
    Some(ConfigError {
        origin: parsed.name_origin.clone(),
        key: "name".to_owned(),
        message: format!(
            "{name} {version} is a duplicate of {}: case and leading zeros are ignored",
            other.shown(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<Arc<Model>, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let file = File {
            path: "Order.toml".to_owned(),
            text: text.to_owned(),
        };
        let mut models = load(&[file], &mut errors);
        if errors.is_empty() {
            Ok(models.remove(0))
        } else {
            Err(errors)
        }
    }

    #[test]
    fn the_reference_names_every_key_and_each_can_be_switched_on() {
        let samples = samples();
        let reference = &samples[0].text;
        for key in parse::KEYS {
            let is_there = |line: &str| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{key} = ")) || line == format!("[{key}]")
            };
            assert!(reference.lines().any(is_there), "{key}");
        }
        let sections = reference.find("# [quota]").expect("behind the fields");
        let (keys, sections) = reference.split_at(sections);
        let written = keys.lines().filter_map(|line| line.strip_prefix("# "));
        // This one would be in place of [fields].
        let off = written.filter(|it| it.contains(" = ") && !it.starts_with("fields_from"));
        let off: Vec<_> = off.collect();
        assert_eq!(off.len(), 8, "{off:#?}");
        for key in off {
            let text = keys.replacen(&format!("# {key}"), key, 1);
            if let Err(errors) = loaded(&text) {
                panic!("{key}\n{errors:#?}");
            }
        }
        let is_set = |line: &&str| line.starts_with('[') || line.contains(" = ");
        let lines = sections.lines().filter_map(|line| line.strip_prefix("# "));
        let sections: Vec<_> = lines.filter(is_set).collect();
        let order = loaded(&format!("{keys}{}", sections.join("\n"))).expect("good");
        assert_eq!(order.kafka_headers.len(), 5);
        assert!(order.quota.is_some(), "{sections:#?}");
        assert_eq!(
            order.rules.partition_key,
            Some(vec!["customerId".to_owned()])
        );
    }

    #[test]
    fn the_samples_are_good() {
        let mut errors = Vec::new();
        let models = load(&samples(), &mut errors);
        assert_eq!(errors, []);
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["Order", "PageView", "RawEvent", "SensorReading"]);
    }
}
