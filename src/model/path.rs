//! The paths of models, of which no two models may share one.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::{Model, Version, parse::Parsed};
use crate::document::ConfigError;

/// The start of the path of a model that has no `path`.
const PREFIX: &str = "/ingest/";

const _: () = assert!(
    PREFIX.len() + Model::NAME_BYTES_MAX + 1 + Version::BYTES_MAX <= Model::PATH_BYTES_MAX,
    "the usual path of a model is no longer than one of its own may be"
);

/// Whether a text can be the path of a route, or the prefix of all: a slash before each segment and
/// none at the end, only unreserved characters in the segments (RFC 3986, sections 2.3 and 3.3), and
/// no dot segment, so that no proxy normalizes it to another one.
pub fn is_path(text: &str) -> bool {
    let is_segment = |segment: &str| {
        let is_unreserved =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        !matches!(segment, "" | "." | "..") && segment.bytes().all(is_unreserved)
    };
    let segments = text.strip_prefix('/');
    segments.is_some_and(|segments| segments.split('/').all(is_segment))
}

/// Every path of a model, without the prefix, and the model's index: first each model's own path,
/// then the paths without a version.
pub(crate) fn paths(models: &[Arc<Model>]) -> impl Iterator<Item = (Cow<'_, str>, usize)> {
    let all = || models.iter().enumerate();
    let own = all().map(|(index, model)| (path(model), index));
    let latest = all().filter(|(_, model)| is_latest(model, models));
    own.chain(latest.map(|(index, model)| (format!("{PREFIX}{}", model.name).into(), index)))
}

/// A model's own path, as declared.
pub(crate) fn path(model: &Model) -> Cow<'_, str> {
    match &model.path {
        Some(path) => path.into(),
        None => format!("{PREFIX}{}/{}", model.name, model.version).into(),
    }
}

/// Whether `/ingest/<name>` is a path of this version: the highest of those without a `path`.
pub(crate) fn is_latest(model: &Model, models: &[Arc<Model>]) -> bool {
    let mut others = models
        .iter()
        .filter(|other| other.path.is_none() && other.name.eq_ignore_ascii_case(&model.name));
    model.path.is_none() && others.all(|other| other.version <= model.version)
}

/// An error for each model whose own path is the path of another model as well. Paths are compared
/// without case.
pub(super) fn clashes(parsed: &[Parsed]) -> Vec<ConfigError> {
    let models: Vec<_> = parsed.iter().map(|it| Arc::clone(&it.model)).collect();
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut errors = Vec::new();
    for (path, index) in paths(&models) {
        let Some(other) = taken.insert(path.to_ascii_lowercase(), index) else {
            continue;
        };
        // The error is reported for the model that names a path. Where none does, name and version are
        // the same, which is reported as such.
        let (named, other) = match models[index].path {
            Some(_) => (index, other),
            None => (other, index),
        };
        if let Some(path) = &models[named].path {
            errors.push(ConfigError {
                origin: parsed[named].path_origin.clone(),
                key: "path".to_owned(),
                message: format!(
                    "\"{path}\" is already the path of {}",
                    parsed[other].shown()
                ),
            });
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn what_can_be_a_path() {
        for path in ["/a", "/a/b", "/~x/1.0", "/...", "/a-b_c", "/.a"] {
            assert!(is_path(path), "{path}");
        }
        for path in [
            "", "/", "a", "a/b", "/a/", "//a", "/a//b", "/.", "/a/..", "/a b", "/a$b", "/a:b",
            "/a?b", "/a#b", "/a%20b", "/naïve", "/a\\b", "/a\n",
        ] {
            assert!(!is_path(path), "{path}");
        }
    }
}
