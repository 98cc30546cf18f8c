//! What identifies a request in its answer, in the log and, where a model says so, in Kafka.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

/// Digits of an identifier that ringest makes.
const MADE_BYTES: usize = 16;

/// The longest identifier that is taken over from a request, in bytes.
const GIVEN_BYTES_MAX: usize = 128;

/// Offset and length of the trace ID in `traceparent` (W3C Trace Context, section 3.2.2).
const TRACE_ID: (usize, usize) = (3, 32);

/// The identifier of a request. Its characters need no escaping in JSON, in a header field, or in a log.
#[derive(Clone, Debug)]
pub enum RequestId {
    /// As the client or a proxy has sent it.
    Given(Box<str>),
    /// Hexadecimal digits.
    Made([u8; MADE_BYTES]),
}

impl RequestId {
    /// That of a request with these values of `X-Request-Id` and `traceparent`; `None` if neither can be used.
    pub fn given(request_id: Option<&[u8]>, traceparent: Option<&[u8]>) -> Option<Self> {
        let given = request_id.and_then(text).or_else(|| trace_id(traceparent?));
        given.map(|text| Self::Given(text.into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Given(text) => text,
            Self::Made(digits) => str::from_utf8(digits).unwrap_or_default(),
        }
    }
}

/// The identifiers that one worker makes, no two of which are equal.
#[derive(Debug)]
pub struct RequestIds(Cell<u64>);

impl Default for RequestIds {
    fn default() -> Self {
        Self(Cell::new(RandomState::new().hash_one(())))
    }
}

impl RequestIds {
    /// The next one.
    pub fn next(&self) -> RequestId {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // An odd step passes every number; this one changes all digits (the golden ratio).
        let number = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(number);
        let mut digits = [0; MADE_BYTES];
        for (byte, pair) in number.to_be_bytes().iter().zip(digits.chunks_exact_mut(2)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        RequestId::Made(digits)
    }
}

/// An identifier as others make them, if it is short and needs no escaping.
fn text(value: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:/+=@#|".contains(byte);
    let is_used = (1..=GIVEN_BYTES_MAX).contains(&value.len()) && value.iter().all(is_plain);
    is_used.then(|| str::from_utf8(value).ok()).flatten()
}

/// The trace ID of a `traceparent`.
fn trace_id(traceparent: &[u8]) -> Option<&str> {
    let (start, len) = TRACE_ID;
    let id = traceparent.get(start..start + len)?;
    let is_hex = id.iter().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    let is_whole = traceparent[start - 1] == b'-' && traceparent.get(start + len) == Some(&b'-');
    // All zeros are no ID.
    let is_used = is_whole && is_hex && id.iter().any(|it| *it != b'0');
    is_used.then(|| str::from_utf8(id).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn an_identifier_is_taken_over_if_it_can_be_used() {
        let long = "x".repeat(129);
        let upper = TRACEPARENT.to_uppercase();
        let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let trace = Some("4bf92f3577b34da6a3ce929d0e0e4736");
        for (request_id, traceparent, expected) in [
            (Some("a-1"), None, Some("a-1")),
            (Some("a-1"), Some(TRACEPARENT), Some("a-1")),
            (Some(&long[1..]), None, Some(&long[1..])),
            (Some(&*long), Some(TRACEPARENT), trace),
            (Some(""), Some(TRACEPARENT), trace),
            (Some("a\"b"), Some(TRACEPARENT), trace),
            (Some("a b"), None, None),
            (Some("\u{e9}"), None, None),
            (None, Some(&*upper), None),
            (None, Some(&*zeros), None),
            (None, Some(&TRACEPARENT[..30]), None),
            (None, Some(&TRACEPARENT[1..]), None),
            (None, Some(""), None),
            (None, None, None),
        ] {
            let given = RequestId::given(
                request_id.map(str::as_bytes),
                traceparent.map(str::as_bytes),
            );
            assert_eq!(
                given.as_ref().map(RequestId::as_str),
                expected,
                "{request_id:?}"
            );
        }
    }

    #[test]
    fn those_that_are_made_differ() {
        let ids = RequestIds::default();
        let made: std::collections::HashSet<_> =
            (0..1_000).map(|_| ids.next().as_str().to_owned()).collect();
        assert_eq!(made.len(), 1_000);
        let is_hex = |id: &String| id.len() == 16 && id.bytes().all(|it| it.is_ascii_hexdigit());
        assert!(made.iter().all(is_hex), "{made:?}");
    }
}
