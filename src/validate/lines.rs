//! Lines and the whitespace around a JSON text.

use memchr::memchr;

use super::Span;

/// Whitespace of RFC 8259 section 2.
fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Bytes of whitespace that `text` starts with.
pub(super) fn leading_whitespace(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_whitespace(**byte)).count()
}

/// What is left of `body[start..end]` without the whitespace around it.
pub(super) fn trim(body: &[u8], start: usize, end: usize) -> Span {
    let start = start + leading_whitespace(&body[start..end]);
    let last = body[start..end]
        .iter()
        .rposition(|byte| !is_whitespace(*byte));
    Span::new(start, last.map_or(start, |last| start + last + 1))
}

/// The lines of `body` that hold more than whitespace, trimmed. The CR of a CRLF is whitespace.
pub(super) fn non_empty(body: &[u8]) -> impl Iterator<Item = Span> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        while rest < body.len() {
            let start = rest;
            let end = memchr(b'\n', &body[start..]).map_or(body.len(), |lf| start + lf);
            rest = end + 1;
            let line = trim(body, start, end);
            if line.len > 0 {
                return Some(line);
            }
        }
        None
    })
}
