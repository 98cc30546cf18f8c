//! `traceparent` (W3C Trace Context, section 3.2).

/// The client's span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    pub(super) is_sampled: bool,
}

/// The length of version 00: version, trace ID, span ID and flags, in hexadecimal digits, with dashes between
/// them. Later versions may have more, behind another dash.
const BYTES: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;

impl Parent {
    /// Reads a field's value; one that is malformed is as none.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let (first, rest) = value.split_at_checked(BYTES)?;
        let dashes = [2, 35, 52];
        let [version] = bytes(&first[..2])?;
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let [flags] = bytes(&first[53..])?;
        let parent = Self {
            trace_id: bytes(&first[3..35])?,
            span_id: bytes(&first[36..52])?,
            is_sampled: flags & 1 != 0,
        };
        let has_ids = parent.trace_id != [0; 16] && parent.span_id != [0; 8];
        let is_good = is_whole && has_ids && dashes.iter().all(|at| first[*at] == b'-');
        is_good.then_some(parent)
    }
}

/// Bytes of twice as many hexadecimal digits, in lower case.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_parent_is_read() {
        let number = |text: &str| u128::from_str_radix(text, 16).expect("hexadecimal");
        for (version, flags, rest, is_sampled) in [
            ("00", "01", "", true),
            ("00", "00", "", false),
            ("00", "03", "", true),
            ("00", "fe", "", false),
            ("01", "01", "", true),
            ("fe", "01", "-more", true),
        ] {
            let text = format!("{version}-{TRACE}-{SPAN}-{flags}{rest}");
            let parent = Parent::parse(text.as_bytes()).expect(&text);
            assert_eq!(u128::from_be_bytes(parent.trace_id), number(TRACE));
            let span_id = u64::from_be_bytes(parent.span_id);
            assert_eq!(u128::from(span_id), number(SPAN));
            assert_eq!(parent.is_sampled, is_sampled, "{text}");
        }
    }

    #[test]
    fn what_is_malformed_is_no_parent() {
        let whole = format!("00-{TRACE}-{SPAN}-01");
        let zeros = |digits| "0".repeat(digits);
        for text in [
            String::new(),
            whole[..54].to_owned(),
            whole.to_uppercase(),
            format!("{whole}-"),
            format!("{whole}0"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("01-{TRACE}-{SPAN}-01x"),
            format!("00-{}-{SPAN}-01", zeros(32)),
            format!("00-{TRACE}-{}-01", zeros(16)),
            format!("00-{TRACE}-{SPAN}_01"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00{}", "\u{e9}".repeat(27)),
        ] {
            assert_eq!(Parent::parse(text.as_bytes()), None, "{text}");
        }
    }
}
