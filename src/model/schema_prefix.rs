//! The prefix of records whose model names a schema.

/// Precedes each record of a model with a schema, as the wire format of Confluent's schema registry
/// has it: a zero byte, then the schema ID as four bytes, big-endian.
pub type SchemaPrefix = [u8; 5];

/// The prefix for a schema ID.
pub fn schema_prefix(id: u32) -> SchemaPrefix {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_zero_and_the_id_big_endian() {
        assert_eq!(schema_prefix(0), [0; 5]);
        assert_eq!(schema_prefix(0x0102_0304), [0, 1, 2, 3, 4]);
        assert_eq!(schema_prefix(u32::MAX), [0, 255, 255, 255, 255]);
    }
}
