//! The model, the topic and the record of tests that need just one of each.

/// Where records of the model `Event`, version `1.0`, are posted.
pub(crate) const PATH: &str = "/ingest/Event/1.0";

/// Where they are produced to.
pub(crate) const TOPIC: &str = "events";

/// One that is valid where the model has no fields.
pub(crate) const RECORD: &[u8] = br#"{"n":1}"#;
