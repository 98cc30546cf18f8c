//! A model's file, validated as a whole: all errors at once.

mod fields;
mod kafka;
mod location;
mod names;
mod quota;

use std::sync::Arc;

use super::{Field, File, Model, OnInvalid, Rules, UnknownFields};
use crate::document::{ConfigError, Document, Origin, Setting};

/// Keys that a model may have.
pub(super) const KEYS: [&str; 15] = [
    "name",
    "version",
    "topic",
    "path",
    "fields",
    "fields_from",
    "unknown_fields",
    "on_invalid",
    "partition_key",
    "dead_letter_topic",
    "timestamp_field",
    "kafka_headers",
    "schema_id",
    "schema",
    "quota",
];

/// A model, and its position.
pub(super) struct Parsed {
    pub(super) model: Arc<Model>,
    pub(super) name_origin: Origin,
    pub(super) path_origin: Origin,
    file: String,
}

impl Parsed {
    /// The model, for errors of another.
    pub(super) fn shown(&self) -> String {
        let Model { name, version, .. } = &*self.model;
        format!("{name} {version} of {}", self.file)
    }
}

/// Reads one model.
///
/// # Errors
/// All errors in the file, in the order of its lines.
pub(super) fn model(file: &File) -> Result<Parsed, Vec<ConfigError>> {
    let document = Document {
        path: &file.path,
        text: &file.text,
    };
    let tree = document.parse()?;
    let mut reader = Reader {
        document,
        tree: &tree,
        errors: Vec::new(),
    };
    let model = reader.model();
    let origin = |name| match tree.get(name) {
        Some(setting) => setting.origin.clone(),
        None => document.whole(),
    };
    match model {
        Some(model) if reader.errors.is_empty() => Ok(Parsed {
            model: Arc::new(model),
            name_origin: origin("name"),
            path_origin: origin("path"),
            file: file.path.clone(),
        }),
        _ => {
            reader.errors.sort_by(|a, b| a.origin.cmp(&b.origin));
            Err(reader.errors)
        }
    }
}

/// The declared fields of a model's records.
struct Declared {
    /// `None`: nothing is declared, or the declaration is invalid.
    fields: Option<Vec<Field>>,
    unknown_fields: UnknownFields,
}

struct Reader<'a> {
    document: Document<'a>,
    tree: &'a Setting,
    errors: Vec<ConfigError>,
}

impl Reader<'_> {
    /// The model as far as it could be read: valid if there are no errors.
    fn model(&mut self) -> Option<Model> {
        self.errors.extend(self.tree.unknown_keys(&KEYS));
        let name = self.name();
        let version = self.version();
        let topic = self.topic(name.as_deref(), version.as_ref());
        let path = self.path();
        let dead_letter_topic = self.dead_letter_topic(topic.as_deref());
        let declared = self.declared();
        let on_invalid = self.choice(
            "on_invalid",
            [
                ("reject_all", OnInvalid::RejectAll),
                ("accept_valid", OnInvalid::AcceptValid),
            ],
        );
        let partition_key = self.partition_key(&declared);
        let timestamp_field = self.timestamp_field(&declared);
        let kafka_headers = self.kafka_headers();
        let schema = self.schema();
        let quota = self.quota();
        let Declared {
            fields,
            unknown_fields,
        } = declared;
        let mut rules = match &fields {
            Some(fields) => Rules::compile(fields, unknown_fields),
            None => Rules::any(),
        };
        rules.on_invalid = on_invalid.unwrap_or_default();
        rules.partition_key = partition_key;
        rules.timestamp_field = timestamp_field;
        Some(Model {
            path,
            fields,
            unknown_fields,
            dead_letter_topic,
            kafka_headers,
            schema,
            quota,
            rules,
            ..Model::untyped(&name?, version?, &topic?)
        })
    }

    /// Reports an error at a setting.
    fn fail(&mut self, setting: &Setting, message: impl Into<String>) {
        self.errors.push(setting.error(message));
    }

    /// Reports that a setting's value is not allowed.
    fn refuse(&mut self, setting: &Setting, allowed: &str) {
        self.errors.push(setting.not_allowed(allowed));
    }

    /// A string that passes `is_allowed`; else an error.
    fn text(
        &mut self,
        name: &str,
        allowed: &str,
        is_allowed: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let setting = self.tree.get(name)?;
        if let Some(text) = setting.value.text().filter(|text| is_allowed(text)) {
            return Some(text.to_owned());
        }
        self.refuse(setting, allowed);
        None
    }

    /// The meaning of one of the strings that a key allows.
    fn choice<T: Copy>(&mut self, name: &str, choices: [(&str, T); 2]) -> Option<T> {
        let allowed = format!("{:?} or {:?}", choices[0].0, choices[1].0);
        let chosen = self.text(name, &allowed, |given| {
            choices.iter().any(|(choice, _)| *choice == given)
        })?;
        let found = choices.iter().find(|(choice, _)| *choice == chosen);
        found.map(|(_, meaning)| *meaning)
    }
}
