//! The grammar (RFC 8259): each function returns the offset behind what it read.

use super::Direct;
use crate::validate::lines;

/// Digits before the point, with those that an exponent adds: far below the maximum of a 64-bit float.
const WHOLE_DIGITS_MAX: usize = 300;

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

    /// A value of any kind, with containers nested to at most `depth`.
    #[inline]
    pub(super) fn any(&mut self, at: usize, depth: usize) -> Option<usize> {
        match self.peek(at)? {
            b'{' | b'[' => self.container(at, depth),
            first => self.scalar(at, first),
        }
    }

    /// An object or an array with whatever is in it.
    pub(super) fn container(&mut self, mut at: usize, depth: usize) -> Option<usize> {
        let depth = depth.min(u64::BITS as usize);
        // Which of the open containers are objects; the innermost has the lowest bit.
        let (mut objects, mut open) = (0_u64, 0);
        loop {
            let first = self.peek(at)?;
            match first {
                b'{' | b'[' => {
                    let is_object = first == b'{';
                    if open == depth {
                        return None;
                    }
                    at = self.space(at + 1);
                    let closer = if is_object { b'}' } else { b']' };
                    if self.peek(at)? == closer {
                        at += 1;
                    } else {
                        objects = objects << 1 | u64::from(is_object);
                        open += 1;
                        if is_object {
                            at = self.any_key(at)?;
                        }
                        continue;
                    }
                }
                _ => at = self.scalar(at, first)?,
            }
            loop {
                if open == 0 {
                    return Some(at);
                }
                at = self.space(at);
                let is_object = objects & 1 == 1;
                match self.peek(at)? {
                    b',' => {
                        at = self.space(at + 1);
                        if is_object {
                            at = self.any_key(at)?;
                        }
                        break;
                    }
                    b'}' if is_object => {}
                    b']' if !is_object => {}
                    _ => return None,
                }
                at += 1;
                objects >>= 1;
                open -= 1;
            }
        }
    }

    /// A key and the colon, up to the value.
    #[inline]
    fn any_key(&mut self, at: usize) -> Option<usize> {
        if self.peek(at)? != b'"' {
            return None;
        }
        let end = self.string(at + 1)?;
        self.colon(end)
    }

    /// The same of a key without an escape, with its text.
    #[inline]
    pub(super) fn key(&mut self, at: usize) -> Option<(&'d [u8], usize)> {
        if self.peek(at)? != b'"' {
            return None;
        }
        let (key, end) = self.plain_string(at + 1)?;
        Some((key, self.colon(end)?))
    }

    #[inline]
    fn colon(&self, at: usize) -> Option<usize> {
        let at = self.space(at);
        (self.peek(at)? == b':').then(|| self.space(at + 1))
    }

    /// A scalar whose first byte is `first`.
    #[inline]
    pub(super) fn scalar(&mut self, at: usize, first: u8) -> Option<usize> {
        match first {
            b'"' => self.string(at + 1),
            b't' => self.literal(at, b"true"),
            b'f' => self.literal(at, b"false"),
            b'n' => self.literal(at, b"null"),
            _ => self.number(at).map(|(end, _)| end),
        }
    }

    #[inline]
    pub(super) fn literal(&self, at: usize, word: &[u8]) -> Option<usize> {
        let is_word = self.text[at..].starts_with(word);
        is_word.then_some(at + word.len())
    }

    /// A number that a 64-bit float holds; also whether it has neither a fraction nor an exponent.
    #[inline]
    pub(super) fn number(&self, at: usize) -> Option<(usize, bool)> {
        let start = at + usize::from(self.peek(at)? == b'-');
        let whole = self.digits(start);
        let has_leading_zero = whole > 1 && self.text[start] == b'0';
        if whole == 0 || whole > WHOLE_DIGITS_MAX || has_leading_zero {
            return None;
        }
        let end = start + whole;
        match self.peek(end) {
            Some(b'.' | b'e' | b'E') => Some((self.fraction(end, whole)?, false)),
            _ => Some((end, true)),
        }
    }

    /// The fraction and the exponent of a number with so many digits before the point.
    #[inline]
    fn fraction(&self, mut at: usize, whole: usize) -> Option<usize> {
        if self.peek(at) == Some(b'.') {
            let digits = self.digits(at + 1);
            if digits == 0 {
                return None;
            }
            at += 1 + digits;
        }
        if matches!(self.peek(at), Some(b'e' | b'E')) {
            let sign = self.peek(at + 1);
            at += 1 + usize::from(matches!(sign, Some(b'+' | b'-')));
            let exponent = &self.text[at..at + self.digits(at)];
            let value = match exponent.len() {
                1..=3 => exponent
                    .iter()
                    .fold(0, |value, digit| 10 * value + usize::from(digit - b'0')),
                _ => return None,
            };
            if sign != Some(b'-') && whole + value > WHOLE_DIGITS_MAX {
                return None;
            }
            at += exponent.len();
        }
        Some(at)
    }

    #[inline]
    fn digits(&self, at: usize) -> usize {
        let digits = self.text.get(at..).unwrap_or_default().iter();
        digits.take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// The rest of a string.
    #[inline]
    pub(super) fn string(&mut self, at: usize) -> Option<usize> {
        let end = self.plain(at);
        match self.peek(end)? {
            b'"' => Some(end + 1),
            b'\\' => self.escaped_string(end),
            _ => None,
        }
    }

    /// The rest of a string from an escape on.
    fn escaped_string(&mut self, mut at: usize) -> Option<usize> {
        loop {
            at = match self.peek(at)? {
                b'"' => return Some(at + 1),
                b'\\' => self.escape(at + 1)?,
                _ => return None,
            };
            at = self.plain(at);
        }
    }

    /// An escape, from behind the backslash.
    fn escape(&self, at: usize) -> Option<usize> {
        match self.peek(at)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
            b'u' => match self.utf16_unit(at + 1)? {
                0xD800..=0xDBFF => {
                    let low = at + 5;
                    let is_pair = self.text.get(low..)?.starts_with(b"\\u")
                        && matches!(self.utf16_unit(low + 2)?, 0xDC00..=0xDFFF);
                    is_pair.then_some(low + 6)
                }
                0xDC00..=0xDFFF => None,
                _ => Some(at + 5),
            },
            _ => None,
        }
    }

    /// The four hexadecimal digits of a `\u`.
    fn utf16_unit(&self, at: usize) -> Option<u16> {
        let digits: &[u8; 4] = self.text.get(at..)?.first_chunk()?;
        digits.iter().try_fold(0, |unit: u16, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some(unit << 4 | u16::try_from(digit).ok()?)
        })
    }

    /// The rest of a string without an escape: its text, and the offset behind it.
    #[inline]
    pub(super) fn plain_string(&mut self, at: usize) -> Option<(&'d [u8], usize)> {
        let end = self.plain(at);
        (self.peek(end)? == b'"').then(|| (&self.text[at..end], end + 1))
    }

    /// The offset of the first byte that is not plain text of a string: a quotation mark, a backslash or a
    /// control character; the end of the text without any.
    #[inline]
    fn plain(&mut self, mut at: usize) -> usize {
        let near = at + BLOCK_BYTES;
        while let Some(word) = self.text.get(at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*word);
            self.bits |= word;
            let special = special(word);
            if special != 0 {
                return at + special.trailing_zeros() as usize / 8;
            }
            at += size_of::<u64>();
            if at == near {
                at = self.plain_blocks(at);
            }
        }
        while let Some(byte) = self.text.get(at) {
            if *byte < b' ' || matches!(byte, b'"' | b'\\') {
                break;
            }
            self.bits |= u64::from(*byte);
            at += 1;
        }
        at
    }

    /// The offset of the first block that is not all plain text.
    #[inline(never)]
    fn plain_blocks(&mut self, mut at: usize) -> usize {
        while let Some(block) = self.text.get(at..).and_then(<[u8]>::first_chunk) {
            let block: &[u8; BLOCK_BYTES] = block;
            let (words, _) = block.as_chunks();
            let words = words.iter().map(|word| u64::from_le_bytes(*word));
            if words.clone().fold(0, |all, word| all | special(word)) != 0 {
                break;
            }
            self.bits |= words.fold(0, |all, word| all | word);
            at += BLOCK_BYTES;
        }
        at
    }
}

/// Long strings are looked at in blocks, without a branch for each word.
const BLOCK_BYTES: usize = 32;

/// The highest bit of the first byte that is a quotation mark, a backslash or a control character; of those
/// behind it any.
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // With this bit flipped, a quotation mark follows the last control character; no other byte does.
    let control_or_quote = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (control_or_quote | backslash) & !word & super::HIGH_BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(bytes in prop::array::uniform8(prop_oneof![
            any::<u8>(), 0x1e_u8..0x25, 0x5a_u8..0x5f, 0x9e_u8..0xa5, 0xda_u8..0xdf,
        ])) {
            let first = bytes.iter().position(|byte| *byte < b' ' || b"\"\\".contains(byte));
            let found = special(u64::from_le_bytes(bytes));
            prop_assert_eq!(found.trailing_zeros() as usize / 8, first.unwrap_or(8));
        }
    }
}
