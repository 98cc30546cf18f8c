//! Data models: what a person declares about one kind of record.

/// One data model in one version.
#[derive(Clone, Debug)]
pub struct Model {
    /// As written; compared without case.
    pub name: String,
    /// As written, e.g. `1.10`.
    pub version: Version,
    /// The Kafka topic of its records.
    pub topic: String,
}

/// A version: numbers between dots, compared number by number (1.10 > 1.9).
#[derive(Clone, Debug)]
pub struct Version(String);

impl Version {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
