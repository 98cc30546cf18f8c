//! Models' paths of their own, which must lead to one model only.

use std::collections::HashMap;

use super::parse::Parsed;
use crate::config::ConfigError;

/// Each model whose own path leads to another model already. Case makes no difference in a path.
pub(super) fn clashes(models: &[Parsed]) -> Vec<ConfigError> {
    let mut taken: HashMap<String, &Parsed> = HashMap::new();
    for parsed in models.iter().filter(|it| it.model.path.is_none()) {
        let name = parsed.model.name.to_ascii_lowercase();
        let versioned = format!("/ingest/{name}/{}", parsed.model.version);
        taken.insert(versioned, parsed);
        taken.insert(format!("/ingest/{name}"), parsed);
    }
    let mut errors = Vec::new();
    for parsed in models {
        let Some(path) = &parsed.model.path else {
            continue;
        };
        if let Some(other) = taken.insert(path.to_ascii_lowercase(), parsed) {
            errors.push(ConfigError {
                origin: parsed.path_origin.clone(),
                key: "path".to_owned(),
                message: format!("\"{path}\" leads to {} already", other.shown()),
            });
        }
    }
    errors
}
