//! What is produced with a record: headers, and the schema in its prefix.

use super::{Model, Reader};
use crate::{
    document::{Setting, Value},
    http,
    model::{HeaderValue, KafkaHeader, Schema},
};

/// Request headers that hold credentials, which must not be written to a topic.
const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The allowed values of a Kafka header.
const HEADER: &str = "a string, { header = \"…\" } for a request header, { principal = true } \
    for the authenticated principal, { client = \"address\" } for the client's IP address, or \
    { request = \"id\" } for the request's identifier";

/// The longest name of a subject, in bytes.
const SUBJECT_BYTES_MAX: usize = 255;

/// The allowed values of `schema`.
const SCHEMA: &str = "{ id = 7 } or { subject = \"orders-value\", version = 3 }";

impl Reader<'_> {
    pub(super) fn kafka_headers(&mut self) -> Vec<KafkaHeader> {
        let Some(setting) = self.tree.get("kafka_headers") else {
            return Vec::new();
        };
        if !setting.is_table() {
            self.fail(setting, "not allowed: this is a section, [kafka_headers]");
            return Vec::new();
        }
        let headers = &setting.inner;
        if headers.len() > Model::KAFKA_HEADERS_MAX {
            let message = format!(
                "too many headers ({}): at most {}",
                headers.len(),
                Model::KAFKA_HEADERS_MAX
            );
            self.fail(setting, message);
        }
        let headers = headers.iter().filter_map(|it| self.kafka_header(it));
        headers.collect()
    }

    fn kafka_header(&mut self, header: &Setting) -> Option<KafkaHeader> {
        let name = header.name.clone();
        if !(1..=Model::HEADER_NAME_BYTES_MAX).contains(&name.len()) {
            let message = format!(
                "the name has {} bytes: from 1 to {}",
                name.len(),
                Model::HEADER_NAME_BYTES_MAX
            );
            self.fail(header, message);
        }
        let value = match &header.value {
            Value::Text(text) if text.len() <= Model::HEADER_CONSTANT_BYTES_MAX => {
                HeaderValue::Constant(text.clone())
            }
            Value::Text(text) => {
                let message = format!(
                    "the value has {} bytes: at most {}",
                    text.len(),
                    Model::HEADER_CONSTANT_BYTES_MAX
                );
                self.fail(header, message);
                return None;
            }
            Value::Table(_) => {
                let unknown = header.unknown_keys(&["header", "principal", "client", "request"]);
                self.errors.extend(unknown);
                let get = |name| header.get(name);
                let sources = ["header", "principal", "client", "request"].map(get);
                match sources {
                    [Some(field), None, None, None] => self.request_field(field)?,
                    [None, Some(it), None, None] if it.value.boolean() == Some(true) => {
                        HeaderValue::Principal
                    }
                    [None, None, Some(it), None] if it.value.text() == Some("address") => {
                        HeaderValue::ClientAddress
                    }
                    [None, None, None, Some(it)] if it.value.text() == Some("id") => {
                        HeaderValue::RequestId
                    }
                    _ => {
                        self.refuse(header, HEADER);
                        return None;
                    }
                }
            }
            _ => {
                self.refuse(header, HEADER);
                return None;
            }
        };
        Some(KafkaHeader { name, value })
    }

    /// A request header, by its name in lower case.
    fn request_field(&mut self, field: &Setting) -> Option<HeaderValue> {
        let Some(name) = field.value.text().filter(|name| is_token(name)) else {
            let allowed = format!(
                "the name of an HTTP header, of at most {} bytes",
                Model::HEADER_NAME_BYTES_MAX
            );
            self.refuse(field, &allowed);
            return None;
        };
        let name = name.to_ascii_lowercase();
        if CREDENTIALS.contains(&name.as_str()) {
            self.refuse(field, "credentials must not be written to a topic");
            return None;
        }
        Some(HeaderValue::Request(name))
    }

    pub(super) fn schema(&mut self) -> Option<Schema> {
        let schema = self.tree.get("schema");
        if let Some(id) = self.tree.get("schema_id") {
            if schema.is_some() {
                self.fail(id, "not allowed together with schema, which also sets it");
            }
            return self.number(id).map(Schema::Id);
        }
        let schema = schema?;
        if !schema.is_table() {
            self.refuse(schema, SCHEMA);
            return None;
        }
        let unknown = schema.unknown_keys(&["id", "subject", "version"]);
        self.errors.extend(unknown);
        match (
            schema.get("id"),
            schema.get("subject"),
            schema.get("version"),
        ) {
            (Some(id), None, None) => self.number(id).map(Schema::Id),
            (None, Some(subject), version) => {
                let version = version.and_then(|it| self.schema_version(it));
                let subject = self.subject(subject)?;
                Some(Schema::Subject { subject, version })
            }
            _ => {
                self.refuse(schema, SCHEMA);
                None
            }
        }
    }

    fn subject(&mut self, setting: &Setting) -> Option<String> {
        let is_allowed = |name: &&str| {
            (1..=SUBJECT_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control)
        };
        let subject = setting.value.text().filter(is_allowed);
        if subject.is_none() {
            let allowed = format!("the name of a subject, of 1 to {SUBJECT_BYTES_MAX} bytes");
            self.refuse(setting, &allowed);
        }
        subject.map(str::to_owned)
    }

    /// `None` for the latest, which is the default.
    fn schema_version(&mut self, setting: &Setting) -> Option<u32> {
        match setting.value.text() {
            None => self.number(setting),
            Some("latest") => None,
            Some(_) => {
                self.refuse(setting, "a number, or \"latest\" (the default)");
                None
            }
        }
    }

    /// A schema ID or version: a positive `int` of Java.
    fn number(&mut self, setting: &Setting) -> Option<u32> {
        let number = setting.value.integer();
        let number = number.filter(|it| (1..=i128::from(i32::MAX)).contains(it));
        if number.is_none() {
            self.refuse(setting, "a whole number from 1 to 2_147_483_647");
        }
        number.and_then(|it| u32::try_from(it).ok())
    }
}

/// What the name of a header field may be (RFC 9110, section 5.6.2), within our bound.
fn is_token(name: &str) -> bool {
    name.len() <= Model::HEADER_NAME_BYTES_MAX && http::is_token(name.as_bytes())
}
