//! The headers that a request's records carry.

use std::ffi::{CStr, CString};

/// What librdkafka keeps of a header beside its name and value (`rd_kafka_header_t`, its place in a
/// list, and what malloc adds), in bytes.
const QUEUED_HEADER_BYTES: usize = 80;

/// What a header takes in a message beside its name and value, at most: two varints of 32 bits
/// (Kafka's protocol, "Record Header").
const WIRE_HEADER_BYTES: usize = 10;

/// Headers (KIP-82): every record of the request carries all of them.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<(CString, Vec<u8>)>);

impl Headers {
    /// Adds a header with a copy of `value`. A name with a NUL in it is one that no model can have:
    /// such a header is left out.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        if let Ok(name) = CString::new(name) {
            self.0.push((name, value.to_vec()));
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&CStr, &[u8])> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_c_str(), value.as_slice()))
    }

    /// What they take in each message, at most, in bytes.
    pub(super) fn wire_bytes(&self) -> usize {
        self.sum(WIRE_HEADER_BYTES)
    }

    /// What librdkafka's copy for each record takes, in bytes.
    pub(super) fn queued_bytes(&self) -> usize {
        self.sum(QUEUED_HEADER_BYTES)
    }

    fn sum(&self, beside: usize) -> usize {
        self.iter()
            .map(|(name, value)| name.count_bytes() + value.len() + beside)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_nul_is_left_out_and_any_value_is_kept() {
        let mut headers = Headers::default();
        assert!(headers.is_empty());
        headers.push("a\0b", b"1");
        assert!(headers.is_empty());
        headers.push("trace", b"\0\xff");
        headers.push("trace", b"");
        let pairs: Vec<_> = headers.iter().collect();
        assert_eq!(pairs, [(c"trace", &b"\0\xff"[..]), (c"trace", b"")]);
        assert_eq!(headers.wire_bytes(), 5 + 2 + 10 + 5 + 10);
    }
}
