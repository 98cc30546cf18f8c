//! Data models: the declaration of one kind of record, a TOML file each.

mod example;
mod files;
mod json_schema;
mod names;
mod parse;
mod path;
mod program;
mod rules;
mod schema_prefix;
pub(crate) mod text;
mod types;
mod version;

pub(crate) use files::{Directory, File, declared_name, load, read_directory, samples};
pub use path::is_path;
pub(crate) use path::{is_latest, path, paths};
pub(crate) use program::{Bounds, Instruction, Op, Program, Shape};
pub use rules::Rules;
pub use schema_prefix::{SchemaPrefix, schema_prefix};
pub use types::{Kind, Object, Type, TypeError};
pub use version::{Version, VersionError};

use crate::quota::Quota;

/// One data model in one version.
#[derive(Clone, Debug)]
pub struct Model {
    /// As written: a letter, then letters, digits, `_` and `-`; compared without case.
    pub name: String,
    /// As written, e.g. `1.10`.
    pub version: Version,
    /// The Kafka topic of its records.
    pub topic: String,
    /// The path that its records are posted to, such as `/events/clicks`; `None`: `/ingest/<name>/<version>`,
    /// and `/ingest/<name>` for the highest version.
    pub path: Option<String>,
    /// The fields of its records, in the order of the file; `None`: any JSON object is valid.
    pub fields: Option<Vec<Field>>,
    /// The policy for fields that are not declared.
    pub unknown_fields: UnknownFields,
    /// The topic of dead letters about invalid records.
    pub dead_letter_topic: Option<String>,
    /// The Kafka headers of each record.
    pub kafka_headers: Vec<KafkaHeader>,
    /// The schema that consumers find in a registry; `None`: records go without a prefix.
    pub schema: Option<Schema>,
    /// How much its route takes, if that is limited.
    pub quota: Option<Quota>,
    /// The rules that the validator applies.
    pub rules: Rules,
}

/// A declared field of a model, a tuple or a nested object.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its key in a record.
    pub name: String,
    /// What its value must be.
    pub type_: Type,
    /// Whether a record may omit it.
    pub may_be_absent: bool,
}

impl Field {
    /// As in `ClickHouse`: a column may be omitted if it is `Nullable` or has a default.
    pub fn declared(name: String, type_: Type, has_default: bool) -> Self {
        let is_nullable = matches!(type_.kind, Kind::Nullable(_));
        Self {
            name,
            may_be_absent: has_default || is_nullable,
            type_,
        }
    }
}

/// The policy for fields that a model does not declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// They may hold any JSON, and are forwarded with the record.
    #[default]
    Forward,
    /// Each is an error.
    Reject,
}

/// The policy for requests with invalid records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInvalid {
    /// 400, and no record is produced.
    #[default]
    RejectAll,
    /// 207, and the valid records are produced.
    AcceptValid,
}

/// A header of each record (KIP-82).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaHeader {
    /// Its key.
    pub name: String,
    /// Where its value comes from.
    pub value: HeaderValue,
}

/// Where a Kafka header's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// The model.
    Constant(String),
    /// The request header of this lower-case name; omitted if the request has none.
    Request(String),
    /// The name of the principal; omitted without authentication.
    Principal,
    /// The client's IP address, without a port.
    ClientAddress,
    /// The identifier of the request, as its answer has it.
    RequestId,
}

/// The schema that a record's prefix identifies, in the wire format of Confluent's registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schema {
    /// By its ID.
    Id(u32),
    /// By its subject: the registry is asked for the ID at start.
    Subject {
        /// Such as `orders-value`.
        subject: String,
        /// Which of its versions; `None`: the latest.
        version: Option<u32>,
    },
}

impl Model {
    /// The longest name, in bytes.
    pub const NAME_BYTES_MAX: usize = 128;

    /// Whether a text can be a model's name: a letter, then letters, digits, `_` and `-`.
    pub fn is_name(text: &str) -> bool {
        let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.len() <= Self::NAME_BYTES_MAX
            && text.bytes().all(is_inside)
    }

    /// Any JSON object is a valid record, and is forwarded unchanged.
    pub fn untyped(name: &str, version: Version, topic: &str) -> Self {
        Self {
            name: name.to_owned(),
            version,
            topic: topic.to_owned(),
            path: None,
            fields: None,
            unknown_fields: UnknownFields::default(),
            dead_letter_topic: None,
            kafka_headers: Vec::new(),
            schema: None,
            quota: None,
            rules: Rules::any(),
        }
    }

    /// The longest name of a topic, in bytes (Kafka's own bound, `Topic.validate`).
    pub const TOPIC_BYTES_MAX: usize = 249;

    /// The longest path of its own, in bytes.
    pub const PATH_BYTES_MAX: usize = 256;

    /// Kafka headers of a record.
    pub const KAFKA_HEADERS_MAX: usize = 16;

    /// The longest name of a Kafka header, and of a field of a request that one is taken from.
    pub const HEADER_NAME_BYTES_MAX: usize = 255;

    /// The longest constant value of a Kafka header, in bytes.
    pub const HEADER_CONSTANT_BYTES_MAX: usize = 1_024;
}
