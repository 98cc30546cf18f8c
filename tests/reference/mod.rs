//! A second opinion on every record: a slow judge, written from the rules in `tests/moose/README.md`
//! and not from ringest's own code, of which it uses nothing. It agrees with the whole table
//! (`tests/moose/`), so where ringest disagrees with it on anything else, one of the two is wrong.
//!
//! - [`tree`]: a body as `serde_json` reads it, keys that come twice and all digits kept;
//! - [`types`]: a model file, its types read by a parser of its own;
//! - [`texts`]: scalars as patterns and big integers;
//! - [`rules`]: the verdict, and where in a record its faults are.

pub(crate) mod rules;
pub(crate) mod texts;
pub(crate) mod tree;
pub(crate) mod types;
