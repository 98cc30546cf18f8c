//! The `ringest` binary.
fn main() {}
