//! The grammar (RFC 8259): each function returns the offset behind what it read.

use super::Direct;
use crate::validate::lines;

impl<'d> Direct<'d> {
    #[inline]
    pub(in super::super) fn peek(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// Behind any whitespace.
    #[inline]
    pub(in super::super) fn space(&self, at: usize) -> usize {
        match self.text.get(at) {
            Some(byte) if *byte <= b' ' => at + lines::leading_whitespace(&self.text[at..]),
            _ => at,
        }
    }

    /// A value of any kind.
    #[inline]
    pub(super) fn any(&mut self, at: usize) -> Option<usize> {
        match self.peek(at)? {
            b'{' | b'[' => self.container(at),
            first => self.scalar(at, first),
        }
    }

    /// An object or an array with whatever is in it.
    pub(super) fn container(&mut self, mut at: usize) -> Option<usize> {
        let depth = self.depth.min(u64::BITS as usize);
        // Which of the open containers are objects; the innermost has the lowest bit.
        let (mut objects, mut open) = (0_u64, 0);
        loop {
            let first = self.peek(at)?;
            let mut is_complete;
            if matches!(first, b'{' | b'[') {
                if open == depth {
                    return None;
                }
                open += 1;
                objects = objects << 1 | u64::from(first == b'{');
                at = self.space(at + 1);
                is_complete = self.peek(at)? == closer(objects);
            } else {
                at = match first {
                    // Frequent: no call.
                    b'"' => self.string(at + 1)?,
                    _ => self.scalar(at, first)?,
                };
                (is_complete, at) = self.follower(at, closer(objects))?;
            }
            while is_complete {
                at += 1;
                open -= 1;
                objects >>= 1;
                if open == 0 {
                    return Some(at);
                }
                (is_complete, at) = self.follower(at, closer(objects))?;
            }
            if objects & 1 == 1 {
                at = self.any_key(at)?;
            }
        }
    }

    /// The comma behind a member or an element, up to the next one; or the closing bracket, and true.
    #[inline]
    pub(super) fn follower(&self, at: usize, closer: u8) -> Option<(bool, usize)> {
        match self.text.get(at..)? {
            [b',', next, ..] if *next > b' ' => Some((false, at + 1)),
            [byte, ..] if *byte == closer => Some((true, at)),
            _ => self.spaced_follower(at, closer),
        }
    }

    /// The same as [`follower`](Self::follower) with whitespace around it.
    #[inline(never)]
    fn spaced_follower(&self, at: usize, closer: u8) -> Option<(bool, usize)> {
        let at = self.space(at);
        match self.peek(at)? {
            b',' => Some((false, self.space(at + 1))),
            byte if byte == closer => Some((true, at)),
            _ => None,
        }
    }

    /// A key and the colon, up to the value.
    #[inline]
    fn any_key(&mut self, at: usize) -> Option<usize> {
        if self.peek(at)? != b'"' {
            return None;
        }
        let end = self.plain(at + 1);
        self.key_end(end).or_else(|| {
            let end = self.string_end(end)?;
            self.spaced_colon(end)
        })
    }

    /// The same of a key without an escape, with its text.
    #[inline]
    pub(super) fn key(&mut self, at: usize) -> Option<(&'d [u8], usize)> {
        if self.peek(at)? != b'"' {
            return None;
        }
        let end = self.plain(at + 1);
        let key = &self.text[at + 1..end];
        if let Some(start) = self.key_end(end) {
            return Some((key, start));
        }
        let start = (self.peek(end)? == b'"').then(|| self.spaced_colon(end + 1))??;
        Some((key, start))
    }

    /// The usual end of a key: up to the value, without whitespace.
    #[inline]
    fn key_end(&self, end: usize) -> Option<usize> {
        match self.text.get(end..)? {
            [b'"', b':', first, ..] if *first > b' ' => Some(end + 2),
            _ => None,
        }
    }

    /// The colon behind a key, up to the value, with whitespace around it.
    #[inline(never)]
    fn spaced_colon(&self, at: usize) -> Option<usize> {
        let at = self.space(at);
        (self.peek(at)? == b':').then(|| self.space(at + 1))
    }

    /// A scalar whose first byte is `first`.
    #[inline]
    pub(super) fn scalar(&mut self, at: usize, first: u8) -> Option<usize> {
        match first {
            b'"' => self.string(at + 1),
            b'-' | b'0'..=b'9' => self.number(at).map(|(end, _)| end),
            b't' => self.literal(at, b"true"),
            b'f' => self.literal(at, b"false"),
            b'n' => self.literal(at, b"null"),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn literal(&self, at: usize, word: &[u8]) -> Option<usize> {
        let is_word = self.text[at..].starts_with(word);
        is_word.then_some(at + word.len())
    }
}

/// The closing bracket of the innermost container.
#[inline]
fn closer(objects: u64) -> u8 {
    if objects & 1 == 1 { b'}' } else { b']' }
}
