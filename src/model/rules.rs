//! What the validator applies to the bodies of one model.

use super::{Field, OnInvalid, UnknownFields, program::Program};

/// A model's rules, compiled.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The policy for requests with invalid records.
    pub on_invalid: OnInvalid,
    /// Where in a record its partition key is, member by member.
    pub partition_key: Option<Vec<String>>,
    /// Where in a record its timestamp is, member by member.
    pub timestamp_field: Option<Vec<String>>,
    /// `None`: any object is valid.
    program: Option<Program>,
}

impl Rules {
    /// Any JSON object is a record.
    pub fn any() -> Self {
        Self::default()
    }

    /// Records hold these fields. A type's depth is the depth to which the validator recurses.
    pub fn compile(fields: &[Field], unknown_fields: UnknownFields) -> Self {
        Self {
            program: Some(Program::compile(fields, unknown_fields)),
            ..Self::default()
        }
    }

    /// The types of the fields; `None`: any object is valid.
    pub(crate) fn program(&self) -> Option<&Program> {
        self.program.as_ref()
    }
}
