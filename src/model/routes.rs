//! Models' paths of their own, which must lead to one model only.

use std::{collections::HashMap, sync::Arc};

use super::parse::Parsed;
use crate::{config::ConfigError, route};

/// Each model whose own path leads to another model as well. Case makes no difference in a path.
pub(super) fn clashes(parsed: &[Parsed]) -> Vec<ConfigError> {
    let models: Vec<_> = parsed.iter().map(|it| Arc::clone(&it.model)).collect();
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut errors = Vec::new();
    for (path, index) in route::paths(&models) {
        let Some(other) = taken.insert(path.to_ascii_lowercase(), index) else {
            continue;
        };
        // The one to be mended is the one that names a path. Where none does, name and version are
        // the same, which is told of these.
        let (named, other) = match models[index].path {
            Some(_) => (index, other),
            None => (other, index),
        };
        if let Some(path) = &models[named].path {
            errors.push(ConfigError {
                origin: parsed[named].path_origin.clone(),
                key: "path".to_owned(),
                message: format!("\"{path}\" leads to {} already", parsed[other].shown()),
            });
        }
    }
    errors
}
