//! Records to librdkafka without a copy, delivery reports to outcomes.

pub mod probe;
pub mod properties;
