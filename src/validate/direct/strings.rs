//! Strings (RFC 8259 section 7): each function returns the offset behind what it read.

use super::{
    Direct,
    marks::{BLOCK_BYTES, Marks},
};

/// A block of the text whose strings are being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    start: usize,
    marks: Marks,
}

impl Block {
    /// One that no offset is in.
    pub(super) const NONE: Self = Self {
        start: usize::MAX / 2,
        marks: Marks {
            special: 0,
            beyond_ascii: false,
        },
    };

    /// The block that begins at `start`; zeros follow the text, which are control characters.
    #[inline]
    fn of(text: &[u8], start: usize) -> Self {
        let text = text.get(start..).unwrap_or_default();
        let marks = match text.first_chunk() {
            Some(block) => Marks::of(block),
            None => Self::last(text),
        };
        Self { start, marks }
    }

    #[cold]
    #[inline(never)]
    fn last(text: &[u8]) -> Marks {
        let mut padded = [0; BLOCK_BYTES];
        padded[..text.len()].copy_from_slice(text);
        Marks::of(&padded)
    }

    pub(super) fn is_beyond_ascii(&self) -> bool {
        self.marks.beyond_ascii
    }
}

impl<'d> Direct<'d> {
    /// The rest of a string.
    #[inline]
    pub(super) fn string(&mut self, at: usize) -> Option<usize> {
        let end = self.plain(at);
        self.string_end(end)
    }

    /// The rest of a string from the end of its plain text on.
    #[inline]
    pub(super) fn string_end(&mut self, end: usize) -> Option<usize> {
        match self.peek(end)? {
            b'"' => Some(end + 1),
            b'\\' => self.escaped_string(end),
            _ => None,
        }
    }

    /// The rest of a string without an escape: its text, and the offset behind it.
    #[inline]
    pub(super) fn plain_string(&mut self, at: usize) -> Option<(&'d [u8], usize)> {
        let end = self.plain(at);
        (self.peek(end)? == b'"').then(|| (&self.text[at..end], end + 1))
    }

    /// The rest of a string from an escape on.
    #[inline(never)]
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

    /// The offset of the first byte from `at` on that is not plain text of a string: a quotation mark, a
    /// backslash or a control character; the end of the text without any.
    #[inline]
    pub(super) fn plain(&mut self, at: usize) -> usize {
        let offset = at.wrapping_sub(self.block.start);
        if offset < BLOCK_BYTES {
            let special = self.block.marks.special >> offset;
            if special != 0 {
                return at + special.trailing_zeros() as usize;
            }
        }
        self.plain_beyond_block(at)
    }

    /// The same where the current block does not have it.
    #[inline(never)]
    fn plain_beyond_block(&mut self, at: usize) -> usize {
        let next = self.block.start + BLOCK_BYTES;
        let mut start = if (self.block.start..next).contains(&at) {
            next
        } else {
            at
        };
        loop {
            self.block = Block::of(self.text, start);
            self.is_beyond_ascii |= self.block.is_beyond_ascii();
            let special = self.block.marks.special;
            if special != 0 {
                return start + special.trailing_zeros() as usize;
            }
            start += BLOCK_BYTES;
        }
    }
}
