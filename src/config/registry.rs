//! `[schema_registry]`: the registry that schema IDs are looked up in.

use std::sync::Arc;

use super::{
    keys::{REGISTRY_PASSWORD, REGISTRY_TIMEOUT, REGISTRY_URL, REGISTRY_USERNAME},
    reader::Reader,
};
use crate::{
    document::{ConfigError, Origin},
    model::{Model, Schema},
    registry::{Credentials, SchemaRegistry},
};

const URL: &str = REGISTRY_URL.name;
const USERNAME: &str = REGISTRY_USERNAME.name;
const PASSWORD: &str = REGISTRY_PASSWORD.name;

impl Reader {
    /// `None` where there is no URL.
    pub(super) fn schema_registry(&mut self) -> Option<SchemaRegistry> {
        let timeout = self.get(&REGISTRY_TIMEOUT);
        let credentials = self.credentials();
        let written = self.setting(REGISTRY_URL.at());
        let written = written.and_then(|setting| setting.value.text());
        if written.is_some_and(|url| url.contains('@')) {
            // Not shown: the part before the @ may be a password.
            let message =
                format!("a URL with credentials is not allowed: set {USERNAME} and {PASSWORD}");
            self.fail(REGISTRY_URL.at(), message);
            return None;
        }
        let url = self.get(&REGISTRY_URL);
        (!url.is_empty()).then_some(SchemaRegistry {
            url,
            credentials,
            timeout,
        })
    }

    /// Both or neither; an empty string is none.
    fn credentials(&mut self) -> Option<Credentials> {
        let username = self.get(&REGISTRY_USERNAME);
        let password = self.get(&REGISTRY_PASSWORD);
        match (username.is_empty(), password.is_empty()) {
            _ if !self.are_good(&[USERNAME, PASSWORD]) => {}
            (false, false) => return Some(Credentials { username, password }),
            (false, true) => {
                let message = format!("has no effect without {PASSWORD}");
                self.fail(REGISTRY_USERNAME.at(), message);
            }
            (true, false) => {
                let message = format!("has no effect without {USERNAME}");
                self.fail(REGISTRY_PASSWORD.at(), message);
            }
            (true, true) => {}
        }
        None
    }
}

/// The error that models name subjects without a registry configured. It points to `file`;
/// `errors` are the earlier ones, of which one may already be about the URL.
pub(super) fn missing(
    models: &[Arc<Model>],
    file: &Origin,
    errors: &[ConfigError],
) -> Option<ConfigError> {
    if errors.iter().any(|error| error.key == URL) {
        return None;
    }
    let asks = |model: &&Arc<Model>| matches!(model.schema, Some(Schema::Subject { .. }));
    let names = models
        .iter()
        .filter(asks)
        .map(|model| format!("{} {}", model.name, model.version));
    let names = names.collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| ConfigError {
        origin: file.clone(),
        key: URL.to_owned(),
        message: format!(
            "missing: the registry that has the subjects of {names}, such as \
             \"https://registry.example.com:8081\""
        ),
    })
}

/// The warning about it, if any.
pub(super) fn warning(registry: &SchemaRegistry) -> Option<String> {
    let is_in_clear = registry.credentials.is_some() && registry.url.starts_with("http:");
    is_in_clear.then(|| format!("{URL} is http: {PASSWORD} is sent unencrypted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_name_subjects_need_a_registry() {
        let model = |name: &str, schema| {
            let version = "1.0".parse().expect("a version");
            Arc::new(Model {
                schema,
                ..Model::untyped(name, version, "topic")
            })
        };
        let subject = || {
            Some(Schema::Subject {
                subject: "orders-value".to_owned(),
                version: None,
            })
        };
        let file = Origin::File {
            path: "ringest.toml".to_owned(),
            line: None,
        };
        let others = [model("Plain", None), model("Known", Some(Schema::Id(7)))];
        assert_eq!(missing(&others, &file, &[]), None);
        let models = [model("Order", subject()), model("Refund", subject())];
        let error = missing(&models, &file, &[]).expect("no registry");
        assert_eq!(
            error.to_string(),
            "ringest.toml: schema_registry.url: missing: the registry that has the subjects of \
             Order 1.0, Refund 1.0, such as \"https://registry.example.com:8081\""
        );
        assert_eq!(
            missing(&models, &file, &[error]),
            None,
            "it is reported once"
        );
    }
}
