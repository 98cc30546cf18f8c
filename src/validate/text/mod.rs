//! Parsers and checks of values written as text: pure functions over the unescaped bytes.

pub(super) mod integer;
pub(super) mod ip;
pub(super) mod number;
pub(super) mod time;
pub(super) mod typed;
pub(super) mod uuid;

/// What is wrong with the format of a text; appended to a message after a colon. A thin pointer, so
/// that a `Result` fits in registers.
pub(super) type FormatError = &'static &'static str;
