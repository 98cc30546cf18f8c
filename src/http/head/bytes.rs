//! Sets of bytes, and comparing without case.

/// Whether `text`, which contains no control characters but tabs, is `lower` but for its case. `lower`
/// is made of lower-case letters, digits, `-` and `/`: of all bytes that the bit 0x20 turns into those only
/// capital letters are not control characters. The length is known when this is compiled, so it
/// takes a few vector instructions and no loop.
#[inline]
pub(super) fn is<const N: usize>(text: &[u8], lower: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(text).is_ok_and(|text| {
        text.iter().zip(lower).fold(0, |differing, (byte, lower)| {
            differing | ((byte | 0x20) ^ lower)
        }) == 0
    })
}

/// unreserved and sub-delims without the comma (RFC 3986 section 2).
#[inline]
pub(super) fn is_name_byte(byte: u8) -> bool {
    const NAME: [bool; 256] = set(b"-._~!$&'()*+;=");
    NAME[usize::from(byte)]
}

/// tchar of RFC 9110 section 5.6.2.
#[inline]
pub(in crate::http) fn is_token_byte(byte: u8) -> bool {
    const TOKEN: [bool; 256] = set(b"!#$%&'*+-.^_`|~");
    TOKEN[usize::from(byte)]
}

/// The letters and digits of ASCII, and `others`.
const fn set(others: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        set[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        set[others[at] as usize] = true;
        at += 1;
    }
    set
}
