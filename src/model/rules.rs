//! What the validator applies to the bodies of one model.

use super::{Field, OnInvalid, UnknownFields};

/// A model's rules, compiled.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What becomes of a request with faulty records.
    pub on_invalid: OnInvalid,
    /// Where in a record its partition key is, member by member.
    pub partition_key: Option<Vec<String>>,
    /// Where in a record its timestamp is, member by member.
    pub timestamp_field: Option<Vec<String>>,
}

impl Rules {
    /// Any JSON object is a record.
    pub fn any() -> Self {
        Self::default()
    }

    /// Records hold these fields.
    pub fn compile(_fields: &[Field], _unknown_fields: UnknownFields) -> Self {
        Self::default()
    }
}
