//! What must hold for every record, whatever it is and however it comes: **the bytes in the topic
//! are the bytes that the client sent**. Over the real binary, with librdkafka's mock cluster in
//! the test's own process and a consumer that reads back.

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod json;
mod stress;

mod topic;
mod wire;

const PATH: &str = "/ingest/Event/1.0";
