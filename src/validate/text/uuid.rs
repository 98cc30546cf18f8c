//! UUIDs (RFC 9562 section 4) in four common forms.

use super::FormatError;

/// `8-4-4-4-12` hexadecimal digits, also in braces or after `urn:uuid:`; or 32 digits.
pub(in super::super) fn check(text: &[u8]) -> Result<(), FormatError> {
    if let Ok(hyphenated) = text.try_into() {
        return is_hyphenated(hyphenated);
    }
    let urn = text.strip_prefix(b"urn:uuid:");
    let braced = || text.strip_prefix(b"{")?.strip_suffix(b"}");
    if let Some(inner) = urn.or_else(braced) {
        let hyphenated = inner.try_into();
        return hyphenated.map_or(Err(&"not 8-4-4-4-12 hexadecimal digits"), is_hyphenated);
    }
    let simple = text.try_into();
    simple.map_or(Err(&"not 8-4-4-4-12 hexadecimal digits"), are_hexadecimal)
}

#[inline]
fn is_hyphenated(text: &[u8; 36]) -> Result<(), FormatError> {
    if [8, 13, 18, 23].iter().any(|index| text[*index] != b'-') {
        return Err(&"not 8-4-4-4-12 hexadecimal digits");
    }
    // Contiguous and without branches, so that the check compiles to a few vector instructions.
    let mut digits = [0; 32];
    digits[..8].copy_from_slice(&text[..8]);
    digits[8..12].copy_from_slice(&text[9..13]);
    digits[12..16].copy_from_slice(&text[14..18]);
    digits[16..20].copy_from_slice(&text[19..23]);
    digits[20..].copy_from_slice(&text[24..]);
    are_hexadecimal(&digits)
}

#[inline]
fn are_hexadecimal(digits: &[u8; 32]) -> Result<(), FormatError> {
    let mut others = 0;
    for byte in digits {
        let is_decimal = byte.wrapping_sub(b'0') < 10;
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 6;
        others |= u8::from(!(is_decimal | is_letter));
    }
    match others {
        0 => Ok(()),
        _ => Err(&"not all characters are hexadecimal digits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0198c7a2-4b1e-7D3A-9f00-5e2c8a41b7d6";

    #[test]
    fn forms() {
        let simple = GOOD.replace('-', "");
        for good in [
            GOOD,
            &simple,
            &format!("{{{GOOD}}}"),
            &format!("urn:uuid:{GOOD}"),
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            "",
            "{}",
            "urn:uuid:",
            &format!("URN:UUID:{GOOD}"),
            &format!("urn:uuid:{simple}"),
            &format!("{{{simple}}}"),
            &format!("{{{GOOD}"),
            &format!("{GOOD}}}"),
            &format!(" {GOOD}"),
            &format!("{GOOD}\n"),
            &GOOD[1..],
            &simple[1..],
            &format!("{simple}0"),
            &GOOD.replace('-', "_"),
            "0198c7a24-b1e-7d3a-9f00-5e2c8a41b7d6",
            "--------------------------------",
            "------------------------------------",
        ] {
            assert!(check(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_byte_is_checked() {
        for index in 0..GOOD.len() {
            for other in 0..=u8::MAX {
                let mut text = GOOD.as_bytes().to_vec();
                let is_digit = text[index] != b'-';
                text[index] = other;
                let fits = if is_digit {
                    other.is_ascii_hexdigit()
                } else {
                    other == b'-'
                };
                assert_eq!(check(&text).is_ok(), fits, "{other} at {index}");
            }
        }
    }
}
