//! Sources of models: the files of a directory, or the built-in samples.

use std::{fs, io, path::Path, sync::Arc};

use super::{Model, parse, path};
use crate::document::ConfigError;

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
/// What cannot be read, with its path.
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
        let section = reference.find("# [kafka_headers]").expect("at the end");
        let (keys, section) = reference.split_at(section);
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
        let order = loaded(&(keys.to_owned() + &section.replace("# ", ""))).expect("good");
        assert_eq!(order.kafka_headers.len(), 3);
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
