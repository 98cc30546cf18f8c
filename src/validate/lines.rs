//! Lines, and whitespace around JSON texts.

use memchr::memchr;

use super::Span;

/// Whitespace as RFC 8259 section 2 defines it.
fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The number of leading whitespace bytes.
pub(super) fn leading_whitespace(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_whitespace(**byte)).count()
}

/// `body[start..end]` without surrounding whitespace.
pub(super) fn trim(body: &[u8], start: usize, end: usize) -> Span {
    let start = start + leading_whitespace(&body[start..end]);
    let last = body[start..end]
        .iter()
        .rposition(|byte| !is_whitespace(*byte));
    Span::new(start, last.map_or(start, |last| start + last + 1))
}

/// The lines of `body` that are not blank, trimmed. The CR of a CRLF is whitespace.
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
