//! Numbers (RFC 8259 section 6).

use wide::u8x16;

use super::Direct;

/// Digits before the point, with those that an exponent adds: far below the maximum of a 64-bit float.
const WHOLE_DIGITS_MAX: usize = 300;

/// Numbers of fewer bytes are looked at in one go.
const SHORT_BYTES: usize = 16;

impl Direct<'_> {
    /// A number that a 64-bit float holds: the offset behind it, and whether it has neither a fraction nor an
    /// exponent.
    #[inline]
    pub(super) fn number(&self, at: usize) -> Option<(usize, bool)> {
        let start = at + usize::from(self.peek(at)? == b'-');
        let text = self.text.get(start..)?;
        let Some(bytes) = text.first_chunk() else {
            return self.long_number(start);
        };
        let others = not_digits(bytes);
        let whole = others.trailing_zeros() as usize;
        if whole == 0 || whole > 1 && bytes[0] == b'0' {
            return None;
        }
        match bytes.get(whole) {
            Some(b'.') => {
                let end = (others & (others - 1)).trailing_zeros() as usize;
                match bytes.get(end) {
                    Some(b'e' | b'E') | None => self.long_number(start),
                    Some(_) => (end > whole + 1).then_some((start + end, false)),
                }
            }
            Some(b'e' | b'E') | None => self.long_number(start),
            Some(_) => Some((start + whole, true)),
        }
    }

    /// The same of any length, behind the sign.
    #[inline(never)]
    fn long_number(&self, start: usize) -> Option<(usize, bool)> {
        let mut at = self.digits(start);
        let whole = at - start;
        let has_leading_zero = whole > 1 && self.text[start] == b'0';
        if whole == 0 || whole > WHOLE_DIGITS_MAX || has_leading_zero {
            return None;
        }
        let mut is_whole = true;
        if self.peek(at) == Some(b'.') {
            let fraction = at + 1;
            at = self.digits(fraction);
            if at == fraction {
                return None;
            }
            is_whole = false;
        }
        if let Some(b'e' | b'E') = self.peek(at) {
            at = self.exponent(at + 1, whole)?;
            is_whole = false;
        }
        Some((at, is_whole))
    }

    /// The exponent of a number with so many digits before the point.
    fn exponent(&self, at: usize, whole: usize) -> Option<usize> {
        let sign = self.peek(at);
        let at = at + usize::from(matches!(sign, Some(b'+' | b'-')));
        let end = self.digits(at);
        let exponent = &self.text[at..end];
        let value = match exponent.len() {
            1..=3 => exponent
                .iter()
                .fold(0, |value, digit| 10 * value + usize::from(digit - b'0')),
            _ => return None,
        };
        (sign == Some(b'-') || whole + value <= WHOLE_DIGITS_MAX).then_some(end)
    }

    /// Behind any digits.
    fn digits(&self, at: usize) -> usize {
        let digits = self.text.get(at..).unwrap_or_default().iter();
        at + digits.take_while(|byte| byte.is_ascii_digit()).count()
    }
}

/// A bit for each byte that is not a digit, the lowest for the first, and then ones.
#[inline]
fn not_digits(bytes: &[u8; SHORT_BYTES]) -> u32 {
    let digits = u8x16::new(*bytes) - u8x16::splat(b'0');
    !digits.min(u8x16::splat(9)).simd_eq(digits).to_bitmask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_that_are_not_digits(bytes in prop::array::uniform16(prop_oneof![
            4 => b'0'..=b'9', 1 => any::<u8>(), 1 => 0x2e_u8..0x32, 1 => 0x38_u8..0x3c, 1 => 0xae_u8..0xbc,
        ])) {
            let digits = bytes.iter().rev().map(|byte| u32::from(byte.is_ascii_digit()));
            prop_assert_eq!(not_digits(&bytes), !digits.fold(0, |bits, bit| bits << 1 | bit));
        }
    }
}
