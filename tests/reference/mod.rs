//! A reference implementation of validation: slow, written from the rules in `tests/moose/README.md`
//! and not from ringest's own code, of which it uses nothing. It agrees with the whole table
//! (`tests/moose/`), so where ringest disagrees with it on anything else, one of the two is wrong.
//!
//! - [`tree`]: a body as `serde_json` reads it, with duplicate keys and all digits;
//! - [`types`]: a model file, its types parsed independently;
//! - [`texts`]: scalars as patterns and big integers;
//! - [`rules`]: the result, and the paths of the invalid values of a record.

pub(crate) mod rules;
pub(crate) mod texts;
pub(crate) mod tree;
pub(crate) mod types;
