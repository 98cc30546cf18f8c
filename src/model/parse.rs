//! A model's file, judged as a whole: everything that is wrong with it at once.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Field, File, Kind, Model, Type, Version};
use crate::config::{ConfigError, Document, Origin, Value, nearest, unknown_key};

/// Keys that a model may have.
const KEYS: [&str; 11] = [
    "name",
    "version",
    "topic",
    "fields",
    "unknown_fields",
    "on_invalid",
    "partition_key",
    "dead_letter_topic",
    "timestamp_field",
    "kafka_headers",
    "schema_id",
];

/// Keys that a field may have when it is more than a type.
const FIELD_KEYS: [&str; 2] = ["type", "default"];

/// A model, and where its name stands.
pub(super) struct Parsed {
    pub(super) model: Model,
    pub(super) name_origin: Origin,
}

/// Reads one model.
///
/// # Errors
/// Everything that is wrong with the file, in the order of its lines.
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
    reader.refuse_unknown();
    let name = reader.name();
    let version = reader.version();
    let topic = reader.topic(name.as_deref(), version.as_ref());
    let fields = reader.fields();
    let name_origin = tree
        .get_key_value("name")
        .map_or_else(|| document.whole(), |(key, _)| document.origin(&key.span()));
    let mut errors = reader.errors;
    errors.sort_by(|a, b| a.origin.cmp(&b.origin));
    match (name, version, topic) {
        (Some(name), Some(version), Some(topic)) if errors.is_empty() => Ok(Parsed {
            model: Model {
                fields,
                ..Model::untyped(&name, version, &topic)
            },
            name_origin,
        }),
        _ => Err(errors),
    }
}

type Key<'a> = Spanned<std::borrow::Cow<'a, str>>;

struct Reader<'a> {
    document: Document<'a>,
    tree: &'a DeTable<'a>,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    fn fail(&mut self, origin: Origin, key: &str, message: String) {
        self.errors.push(ConfigError {
            origin,
            key: key.to_owned(),
            message,
        });
    }

    fn origin(&self, key: &Key<'_>) -> Origin {
        self.document.origin(&key.span())
    }

    fn refuse_unknown(&mut self) {
        for (key, value) in self.tree {
            let name = key.get_ref().as_ref();
            let given = self.document.written(value.span());
            let message = match name {
                "name" | "version" | "topic" | "fields" => continue,
                "unknown_fields" => match one_of(value, given, ["forward", "reject"]) {
                    Some(message) => message,
                    None => continue,
                },
                "on_invalid" => match one_of(value, given, ["reject_all", "accept_valid"]) {
                    Some(message) => message,
                    None => continue,
                },
                known if KEYS.contains(&known) => "not supported by this version yet".to_owned(),
                unknown => unknown_key(nearest(unknown, KEYS.into_iter())),
            };
            self.fail(self.origin(key), name, message);
        }
    }

    /// A string that passes `is_allowed`; else an error.
    fn text(
        &mut self,
        name: &str,
        allowed: &str,
        is_allowed: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let (key, value) = self.tree.get_key_value(name)?;
        let text = Value::new(value.get_ref());
        if let Some(text) = text.text().filter(|text| is_allowed(text)) {
            return Some(text.to_owned());
        }
        let given = self.document.written(value.span());
        let message = format!("{given} is not allowed: {allowed}");
        self.fail(self.origin(key), name, message);
        None
    }

    fn required(&mut self, name: &str, allowed: &str) {
        if !self.tree.contains_key(name) {
            let message = format!("missing: {allowed}");
            self.fail(self.document.whole(), name, message);
        }
    }

    fn name(&mut self) -> Option<String> {
        let allowed = format!(
            "a letter, then letters, digits, \"_\" and \"-\", of at most {} bytes",
            Model::NAME_BYTES_MAX
        );
        self.required("name", &allowed);
        self.text("name", &allowed, |name| {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.len() <= Model::NAME_BYTES_MAX
                && name
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'))
        })
    }

    fn version(&mut self) -> Option<Version> {
        let allowed = super::NotAVersion.to_string();
        self.required("version", &allowed);
        let text = self.text("version", &allowed, |text| text.parse::<Version>().is_ok())?;
        text.parse().ok()
    }

    /// As written, else the name and the version. Kafka's rules are those of its
    /// `Topic.validate`.
    fn topic(&mut self, name: Option<&str>, version: Option<&Version>) -> Option<String> {
        if !self.tree.contains_key("topic") {
            let version = version?.as_str().replace('.', "_");
            return Some(format!("{}_{version}", name?));
        }
        let allowed = format!(
            "letters, digits, \".\", \"_\" and \"-\", from 1 to {} bytes, and neither \".\" nor \
             \"..\"",
            Model::TOPIC_BYTES_MAX
        );
        self.text("topic", &allowed, |topic| {
            (1..=Model::TOPIC_BYTES_MAX).contains(&topic.len())
                && !matches!(topic, "." | "..")
                && topic
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-'))
        })
    }

    fn fields(&mut self) -> Option<Vec<Field>> {
        let (key, value) = self.tree.get_key_value("fields")?;
        let DeValue::Table(table) = value.get_ref() else {
            let message = "not allowed: this is a section, [fields]".to_owned();
            self.fail(self.origin(key), "fields", message);
            return None;
        };
        // A table is sorted by name; a person's order is that of the file.
        let mut declared: Vec<_> = table.iter().collect();
        declared.sort_by_key(|(key, _)| key.span().start);
        let fields = declared
            .into_iter()
            .filter_map(|(key, value)| self.field(key, value));
        Some(fields.collect())
    }

    fn field(&mut self, key: &'a Key<'a>, value: &'a Spanned<DeValue<'a>>) -> Option<Field> {
        let name = key.get_ref().to_string();
        let path = format!("fields.{name}");
        let (type_text, has_default) = match value.get_ref() {
            DeValue::Table(table) => {
                for (inner, _) in table {
                    if !FIELD_KEYS.contains(&inner.get_ref().as_ref()) {
                        let message = unknown_key(nearest(inner.get_ref(), FIELD_KEYS.into_iter()));
                        let path = format!("{path}.{}", inner.get_ref());
                        self.fail(self.origin(inner), &path, message);
                    }
                }
                let type_text = table.get("type").and_then(|it| it.get_ref().as_str());
                (type_text, table.contains_key("default"))
            }
            other => (other.as_str(), false),
        };
        let Some(type_text) = type_text else {
            let given = self.document.written(value.span());
            let message = format!(
                "{given} is not allowed: a type such as \"String\", or {{ type = \"…\", default = \
                 … }}"
            );
            self.fail(self.origin(key), &path, message);
            return None;
        };
        Some(Field {
            name,
            type_: Type {
                kind: Kind::Any,
                text: type_text.to_owned(),
            },
            has_default,
        })
    }
}

/// What is wrong with a choice of which this version knows the first only.
fn one_of(value: &Spanned<DeValue<'_>>, given: &str, choices: [&str; 2]) -> Option<String> {
    match value.get_ref().as_str() {
        Some(chosen) if chosen == choices[0] => None,
        Some(chosen) if chosen == choices[1] => Some(format!(
            "{given} is not supported by this version yet: only \"{}\" (the default)",
            choices[0]
        )),
        _ => Some(format!("{given} is not allowed: \"{}\"", choices[0])),
    }
}
