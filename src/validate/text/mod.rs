//! How a text is written that stands for a value: pure functions over the unescaped bytes.

pub(super) mod integer;
pub(super) mod ip;
pub(super) mod number;
pub(super) mod time;
pub(super) mod uuid;

/// What is wrong with a text, to follow a colon in a message. A thin pointer, so that a verdict fits
/// the processor's registers.
pub(super) type Misspelt = &'static &'static str;
