//! The bytes of a block at which the plain text of a string ends, as bits.

use wide::u8x16;

/// The bytes of a block.
pub(super) const BLOCK_BYTES: usize = u64::BITS as usize;

/// What strings are searched for in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// A bit for each quotation mark, backslash and control character; the lowest for the first byte.
    pub(super) special: u64,
    /// Whether a byte is beyond ASCII.
    pub(super) beyond_ascii: bool,
}

impl Marks {
    /// Sixteen bytes at a time, by the instructions for vectors that each processor of the kind has.
    #[inline]
    pub(super) fn of(block: &[u8; BLOCK_BYTES]) -> Self {
        let (mut special, mut all) = (0, u8x16::ZERO);
        let (parts, _) = block.as_chunks();
        for (index, part) in parts.iter().enumerate() {
            let bytes = u8x16::new(*part);
            all |= bytes;
            // With this bit flipped, a quotation mark follows the last control character; no other byte does.
            let above_control_and_quote =
                (bytes ^ u8x16::splat(2)).saturating_sub(u8x16::splat(0x20));
            let least = above_control_and_quote.min(bytes ^ u8x16::splat(b'\\'));
            let mask = least.simd_eq(u8x16::ZERO).to_bitmask();
            special |= u64::from(mask) << (16 * index);
        }
        Self {
            special,
            beyond_ascii: all.to_bitmask() != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, byte by byte.
    fn expected(block: &[u8; BLOCK_BYTES]) -> Marks {
        let is_special = |byte: &u8| *byte < b' ' || b"\"\\".contains(byte);
        let bits = block.iter().rev().map(|byte| u64::from(is_special(byte)));
        Marks {
            special: bits.fold(0, |bits, bit| bits << 1 | bit),
            beyond_ascii: !block.is_ascii(),
        }
    }

    #[test]
    fn each_byte_at_each_place() {
        for (place, byte) in
            (0..BLOCK_BYTES).flat_map(|it| (0..=u8::MAX).map(move |byte| (it, byte)))
        {
            for around in *b"a\"\\\x00\x1f #\x80\xff" {
                let mut block = [around; BLOCK_BYTES];
                block[place] = byte;
                assert_eq!(Marks::of(&block), expected(&block), "{byte} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn all_special_bytes_are_marked(bytes in prop::collection::vec(prop_oneof![
            any::<u8>(), 0x1e_u8..0x25, 0x5a_u8..0x5f, 0x9e_u8..0xa5, 0xda_u8..0xdf,
        ], BLOCK_BYTES)) {
            let block = bytes.try_into().expect("so many");
            prop_assert_eq!(Marks::of(&block), expected(&block));
        }
    }
}
