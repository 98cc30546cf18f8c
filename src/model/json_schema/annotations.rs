//! Keywords that do not constrain values.

/// Keywords that do not constrain values (JSON Schema core, section 8, validation, section 9).
pub(super) const ANNOTATIONS: [&str; 8] = [
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Whether a keyword does not constrain values.
pub(super) fn is_annotation(name: &str) -> bool {
    ANNOTATIONS.contains(&name)
}
