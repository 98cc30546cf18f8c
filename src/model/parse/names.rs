//! The name, version, path and topics of a model.

use super::{Model, Reader};
use crate::{
    document::ConfigError,
    model::{self, Version, VersionError},
};

/// Whether Kafka allows a topic name (`Topic.validate`).
fn is_topic(name: &str) -> bool {
    (1..=Model::TOPIC_BYTES_MAX).contains(&name.len())
        && !matches!(name, "." | "..")
        && name
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-'))
}

fn allowed_topic() -> String {
    format!(
        "letters, digits, \".\", \"_\" and \"-\", from 1 to {} bytes, and neither \".\" nor \"..\"",
        Model::TOPIC_BYTES_MAX
    )
}

/// A path of a bounded length that is not ringest's own.
fn is_path(path: &str) -> bool {
    path.len() <= Model::PATH_BYTES_MAX
        && !path.eq_ignore_ascii_case("/health")
        && model::is_path(path)
}

impl Reader<'_> {
    fn required(&mut self, name: &str, allowed: &str) {
        if self.tree.get(name).is_none() {
            self.errors.push(ConfigError {
                origin: self.document.whole(),
                key: name.to_owned(),
                message: format!("missing: {allowed}"),
            });
        }
    }

    pub(super) fn name(&mut self) -> Option<String> {
        let allowed = format!(
            "a letter, then letters, digits, \"_\" and \"-\", of at most {} bytes",
            Model::NAME_BYTES_MAX
        );
        self.required("name", &allowed);
        self.text("name", &allowed, Model::is_name)
    }

    pub(super) fn version(&mut self) -> Option<Version> {
        let allowed = VersionError.to_string();
        self.required("version", &allowed);
        let text = self.text("version", &allowed, |text| text.parse::<Version>().is_ok())?;
        text.parse().ok()
    }

    /// As written, else the name and the version.
    pub(super) fn topic(
        &mut self,
        name: Option<&str>,
        version: Option<&Version>,
    ) -> Option<String> {
        if self.tree.get("topic").is_none() {
            let version = version?.as_str().replace('.', "_");
            return Some(format!("{}_{version}", name?));
        }
        self.text("topic", &allowed_topic(), is_topic)
    }

    /// A topic other than that of the records, so that consumers never get both.
    pub(super) fn dead_letter_topic(&mut self, topic: Option<&str>) -> Option<String> {
        const KEY: &str = "dead_letter_topic";
        let name = self.text(KEY, &allowed_topic(), is_topic)?;
        if Some(name.as_str()) == topic {
            let setting = self.tree.get(KEY)?;
            self.refuse(setting, "a topic other than that of the records");
        }
        Some(name)
    }

    pub(super) fn path(&mut self) -> Option<String> {
        let allowed = format!(
            "a path such as \"/events/clicks\", of letters, digits, \"-\", \".\", \"_\" and \"~\" \
             between slashes, at most {} bytes, and not \"/health\"",
            Model::PATH_BYTES_MAX
        );
        self.text("path", &allowed, is_path)
    }
}
