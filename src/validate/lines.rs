//! Lines, and whitespace around JSON texts.

use memchr::memchr;

use super::Span;

/// Whitespace as RFC 8259 section 2 defines it.
fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The number of leading whitespace bytes.
pub(super) fn leading_whitespace(text: &[u8]) -> usize {
    match text.first() {
        Some(first) if is_whitespace(*first) => leading(text, |byte| is_whitespace(*byte)),
        _ => 0,
    }
}

/// The number of leading bytes of a kind. Long runs are looked at in blocks without branches, which the
/// compiler turns into vector instructions.
pub(super) fn leading(text: &[u8], is_kind: impl Fn(&u8) -> bool) -> usize {
    let is_block = |block: &&[u8]| block.iter().fold(true, |all, byte| all & is_kind(byte));
    let blocks = text.chunks_exact(BLOCK_BYTES).take_while(is_block).count();
    let blocks = blocks * BLOCK_BYTES;
    blocks
        + text[blocks..]
            .iter()
            .take_while(|byte| is_kind(byte))
            .count()
}

const BLOCK_BYTES: usize = 32;

/// `body[start..end]` without surrounding whitespace.
#[inline]
pub(super) fn trim(body: &[u8], start: usize, end: usize) -> Span {
    match &body[start..end] {
        [first, .., last] if *first > b' ' && *last > b' ' => Span::new(start, end),
        _ => trim_whitespace(body, start, end),
    }
}

fn trim_whitespace(body: &[u8], start: usize, end: usize) -> Span {
    let start = start + leading_whitespace(&body[start..end]);
    let text = &body[start..end];
    let is_block = |block: &&[u8]| {
        let all = block
            .iter()
            .fold(true, |all, byte| all & is_whitespace(*byte));
        all && block.len() == BLOCK_BYTES
    };
    let blank = match text.last() {
        Some(last) if is_whitespace(*last) => {
            text.rchunks(BLOCK_BYTES).take_while(is_block).count()
        }
        _ => 0,
    };
    let text = &text[..text.len() - blank * BLOCK_BYTES];
    let last = text.iter().rposition(|byte| !is_whitespace(*byte));
    Span::new(start, last.map_or(start, |last| start + last + 1))
}

/// The next line of `body` from `at` that is not blank, trimmed; `at` is then behind it. `None` at the
/// end, or after `budget` bytes of blank lines. The CR of a CRLF is whitespace.
pub(super) fn next_line(body: &[u8], at: &mut usize, budget: usize) -> Option<Span> {
    let until = at.saturating_add(budget).min(body.len());
    while *at < until {
        let start = *at;
        let end = memchr(b'\n', &body[start..]).map_or(body.len(), |lf| start + lf);
        *at = end + 1;
        let line = trim(body, start, end);
        if line.len > 0 {
            return Some(line);
        }
    }
    None
}
