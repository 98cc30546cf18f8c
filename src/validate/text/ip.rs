//! IP addresses.

use std::net::Ipv6Addr;

use super::FormatError;

/// Four decimal numbers of at most three digits, 0 to 255; leading zeros are allowed and do not mean octal.
pub(in super::super) fn v4(text: &[u8]) -> Result<(), FormatError> {
    let mut parts = 0;
    for part in text.split(|byte| *byte == b'.') {
        parts += 1;
        if part.is_empty() || part.len() > 3 || !part.iter().all(u8::is_ascii_digit) {
            return Err(&"not four numbers separated by dots");
        }
        let number = part
            .iter()
            .fold(0, |number, digit| 10 * number + u16::from(digit - b'0'));
        if number > 255 {
            return Err(&"a number above 255");
        }
    }
    if parts == 4 {
        Ok(())
    } else {
        Err(&"not four numbers separated by dots")
    }
}

/// The forms of RFC 4291 section 2.2, without a zone, brackets or a prefix length. An embedded IPv4
/// address must not have leading zeros.
pub(in super::super) fn v6(text: &[u8]) -> Result<(), FormatError> {
    let text = str::from_utf8(text).unwrap_or_default();
    match text.parse::<Ipv6Addr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(&"not an IPv6 address (RFC 4291 section 2.2)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_4() {
        for good in ["0.0.0.0", "255.255.255.255", "010.0.0.1", "192.168.001.001"] {
            assert_eq!(v4(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            "",
            "1",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.",
            ".1.2.3",
            "1..2.3",
            "256.0.0.1",
            "0.0.0.256",
            "999.0.0.1",
            "0001.2.3.4",
            "1.2.3.4 ",
            " 1.2.3.4",
            "1.2.3.-4",
            "a.b.c.d",
            "1.2.3.0x4",
            "::1",
            "1.2.3.4/8",
        ] {
            assert!(v4(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn version_6() {
        for good in [
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "1:2:3:4:5:6:7:8",
            "FFFF:ffff::",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "0001:0000::",
        ] {
            assert_eq!(v6(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            "",
            ":",
            ":::",
            "1",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1::2::3",
            "00001::",
            "g::",
            "fe80::1%eth0",
            "[::1]",
            "::1/64",
            "1.2.3.4",
            "::1.2.3",
            "::1.2.3.256",
            "::01.2.3.4",
            "::1.2.3.4:5",
            " ::1",
            "::1 ",
        ] {
            assert!(v6(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
