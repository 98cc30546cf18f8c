//! What a record carries to Kafka beside its own bytes: headers, and the schema in its prefix.

use toml::de::{DeTable, DeValue};

use super::{Key, Model, Reader, Written};
use crate::{
    document::Value,
    model::{HeaderValue, KafkaHeader, Schema},
};

/// Fields of a request that hold credentials: what they hold must not end up in a topic.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// What a Kafka header may be.
const HEADER: &str = "a text, { header = \"…\" } for a field of the request, or { principal = true } for who sent it";

/// The longest name of a subject, in bytes.
const SUBJECT_BYTES_MAX: usize = 255;

/// What a schema may be.
const SCHEMA: &str = "{ id = 7 } or { subject = \"orders-value\", version = 3 }";

impl Reader<'_> {
    pub(super) fn kafka_headers(&mut self) -> Vec<KafkaHeader> {
        const KEY: &str = "kafka_headers";
        let Some((key, value)) = self.tree.get_key_value(KEY) else {
            return Vec::new();
        };
        let DeValue::Table(table) = value.get_ref() else {
            let message = "not allowed: this is a section, [kafka_headers]".to_owned();
            self.fail(self.origin(key), KEY, message);
            return Vec::new();
        };
        if table.len() > Model::KAFKA_HEADERS_MAX {
            let message = format!(
                "{} are too many: at most {}",
                table.len(),
                Model::KAFKA_HEADERS_MAX
            );
            self.fail(self.origin(key), KEY, message);
        }
        let mut declared: Vec<_> = table.iter().collect();
        declared.sort_by_key(|(key, _)| key.span().start);
        let headers = declared
            .into_iter()
            .filter_map(|(key, value)| self.kafka_header(key, value));
        headers.collect()
    }

    fn kafka_header(&mut self, key: &Key<'_>, value: &Written<'_>) -> Option<KafkaHeader> {
        let name = key.get_ref().to_string();
        let path = format!("kafka_headers.{name}");
        if !(1..=Model::HEADER_NAME_BYTES_MAX).contains(&name.len()) {
            let message = format!(
                "the name has {} bytes: from 1 to {}",
                name.len(),
                Model::HEADER_NAME_BYTES_MAX
            );
            self.fail(self.origin(key), &path, message);
        }
        let value = match value.get_ref() {
            DeValue::String(text) if text.len() <= Model::HEADER_CONSTANT_BYTES_MAX => {
                HeaderValue::Constant(text.to_string())
            }
            DeValue::String(text) => {
                let message = format!(
                    "the text has {} bytes: at most {}",
                    text.len(),
                    Model::HEADER_CONSTANT_BYTES_MAX
                );
                self.fail(self.origin(key), &path, message);
                return None;
            }
            DeValue::Table(table) => {
                self.refuse_unknown(&format!("{path}."), table, &["header", "principal"]);
                match (table.get("header"), table.get("principal")) {
                    (Some(field), None) => self.request_field(&path, key, field)?,
                    (None, Some(it)) if it.get_ref().as_bool() == Some(true) => {
                        HeaderValue::Principal
                    }
                    _ => {
                        self.refuse(&path, key, value, HEADER);
                        return None;
                    }
                }
            }
            _ => {
                self.refuse(&path, key, value, HEADER);
                return None;
            }
        };
        Some(KafkaHeader { name, value })
    }

    /// A field of the request, by its name in lower case.
    fn request_field(
        &mut self,
        path: &str,
        key: &Key<'_>,
        field: &Written<'_>,
    ) -> Option<HeaderValue> {
        let path = format!("{path}.header");
        let Some(name) = field.get_ref().as_str().filter(|name| is_token(name)) else {
            let allowed = format!(
                "the name of a header field of HTTP, of at most {} bytes",
                Model::HEADER_NAME_BYTES_MAX
            );
            self.refuse(&path, key, field, &allowed);
            return None;
        };
        let name = name.to_ascii_lowercase();
        if CREDENTIALS.contains(&name.as_str()) {
            let allowed = "a credential must not end up in a topic";
            self.refuse(&path, key, field, allowed);
            return None;
        }
        Some(HeaderValue::Request(name))
    }

    pub(super) fn schema(&mut self) -> Option<Schema> {
        if let Some((key, value)) = self.tree.get_key_value("schema_id") {
            if self.tree.contains_key("schema") {
                let message = "not allowed beside schema, which says it too".to_owned();
                self.fail(self.origin(key), "schema_id", message);
            }
            return self.number("schema_id", key, value).map(Schema::Id);
        }
        let (key, value) = self.tree.get_key_value("schema")?;
        let DeValue::Table(table) = value.get_ref() else {
            self.refuse("schema", key, value, SCHEMA);
            return None;
        };
        self.refuse_unknown("schema.", table, &["id", "subject", "version"]);
        match (table.get_key_value("id"), table.get_key_value("subject")) {
            (Some((key, id)), None) if !table.contains_key("version") => {
                self.number("schema.id", key, id).map(Schema::Id)
            }
            (None, Some((key, subject))) => {
                let version = self.schema_version(table);
                let subject = self.subject(key, subject)?;
                Some(Schema::Subject { subject, version })
            }
            _ => {
                self.refuse("schema", key, value, SCHEMA);
                None
            }
        }
    }

    fn subject(&mut self, key: &Key<'_>, value: &Written<'_>) -> Option<String> {
        let is_allowed = |name: &&str| {
            (1..=SUBJECT_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control)
        };
        let subject = value.get_ref().as_str().filter(is_allowed);
        if subject.is_none() {
            let allowed = format!("the name of a subject, of 1 to {SUBJECT_BYTES_MAX} bytes");
            self.refuse("schema.subject", key, value, &allowed);
        }
        subject.map(str::to_owned)
    }

    /// `None` for the latest, which is the default.
    fn schema_version(&mut self, table: &DeTable<'_>) -> Option<u32> {
        const KEY: &str = "schema.version";
        let (key, value) = table.get_key_value("version")?;
        match value.get_ref().as_str() {
            None => self.number(KEY, key, value),
            Some("latest") => None,
            Some(_) => {
                self.refuse(KEY, key, value, "a number, or \"latest\" (the default)");
                None
            }
        }
    }

    /// A number as a registry gives it: a positive `int` of Java.
    fn number(&mut self, name: &str, key: &Key<'_>, value: &Written<'_>) -> Option<u32> {
        let number = Value::new(value.get_ref()).integer();
        let number = number.filter(|it| (1..=i128::from(i32::MAX)).contains(it));
        if number.is_none() {
            let allowed = "a whole number from 1 to 2_147_483_647";
            self.refuse(name, key, value, allowed);
        }
        number.and_then(|it| u32::try_from(it).ok())
    }
}

/// What the name of a header field may be (RFC 9110, section 5.6.2), within our bound.
fn is_token(name: &str) -> bool {
    (1..=Model::HEADER_NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it))
}
