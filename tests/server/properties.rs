//! What must hold for every record, whatever it is and however it comes: **the bytes in the topic
//! are the bytes that the client sent**. Over the real binary, with librdkafka's mock cluster in
//! the test's own process and a consumer that reads back.

mod bytes;
mod json;
mod stress;

mod topic;
mod wire;

/// A model with a schema, and what goes before each of its records.
const WITH_SCHEMA: &str =
    "name = \"Event\"\nversion = \"1.0\"\ntopic = \"events\"\nschema_id = 66051\n";
const PREFIX: &[u8] = b"\0\0\x01\x02\x03";

/// A record's own bytes.
fn without(prefix: &[u8], record: &[u8]) -> Vec<u8> {
    let record = record.strip_prefix(prefix);
    record.expect("it begins with the prefix").to_vec()
}
