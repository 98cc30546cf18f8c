//! **ringest** takes JSON over HTTP, checks who sends it and whether each record fits its data
//! model, and forwards the very bytes that arrived to Kafka or Redpanda. A 2xx means that every
//! in-sync replica has the record.

pub mod buffer;
pub mod cli;
pub mod config;
pub mod http;
pub mod log;
pub mod metrics;
pub mod model;
pub mod outcome;
pub mod produce;
pub mod route;
pub mod validate;
