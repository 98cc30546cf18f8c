//! Range checks of 8- to 256-bit integers on their decimal text: digits are compared with those of the
//! limits, so no width needs arithmetic.

/// Result of [`check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum IntegerCheck {
    /// In range.
    Fits,
    /// An integer, but out of range.
    OutOfRange,
    /// Not `-?(0|[1-9][0-9]*)`.
    NotAnInteger,
}

/// The integer types of `ClickHouse`: bits, then as text the unsigned maximum, the signed maximum and
/// the signed minimum without its sign.
const LIMITS: [(u16, &str, &str, &str); 6] = [
    (8, "255", "127", "128"),
    (16, "65535", "32767", "32768"),
    (32, "4294967295", "2147483647", "2147483648"),
    (
        64,
        "18446744073709551615",
        "9223372036854775807",
        "9223372036854775808",
    ),
    (
        128,
        "340282366920938463463374607431768211455",
        "170141183460469231731687303715884105727",
        "170141183460469231731687303715884105728",
    ),
    (
        256,
        "115792089237316195423570985008687907853269984665640564039457584007913129639935",
        "57896044618658097711785492504343953926634992332820282019728792003956564819967",
        "57896044618658097711785492504343953926634992332820282019728792003956564819968",
    ),
];

/// The minimum (without its sign) and the maximum of a type, as text.
pub(in super::super) fn limits(signed: bool, bits: u16) -> (&'static str, &'static str) {
    let widest = &LIMITS[LIMITS.len() - 1];
    let (_, unsigned, greatest, least) = LIMITS.iter().find(|row| row.0 == bits).unwrap_or(widest);
    if signed {
        (least, greatest)
    } else {
        ("0", unsigned)
    }
}

/// Whether an integer, as JSON writes it, has so few bytes that it fits for sure.
#[inline]
pub(in super::super) fn is_short(text: &[u8], signed: bool, bits: u16) -> bool {
    // Fewer digits than the limits have, and the sign: log 2 is more than 3 / 10.
    let digits = usize::from(bits.saturating_sub(1)) * 3 / 10;
    text.len() <= digits && (signed || !text.starts_with(b"-"))
}

/// Checks a text against a type. `-0` counts as 0, signed or not; the caller rejects it where it is not
/// allowed.
pub(in super::super) fn check(text: &[u8], signed: bool, bits: u16) -> IntegerCheck {
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    match digits {
        [b'0'] => {}
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {}
        _ => return IntegerCheck::NotAnInteger,
    }
    let (least, greatest) = limits(signed, bits);
    let limit = if negative { least } else { greatest }.as_bytes();
    // Without leading zeros the longer number is greater; of equal length, the lexicographically greater.
    if (digits.len(), digits) <= (limit.len(), limit) {
        IntegerCheck::Fits
    } else {
        IntegerCheck::OutOfRange
    }
}

#[cfg(test)]
mod tests {
    use super::{IntegerCheck::*, *};

    /// Decimal text plus or minus one.
    fn step(text: &str, up: bool) -> String {
        let (wrap, to) = if up { (b'9', b'0') } else { (b'0', b'9') };
        let mut digits = text.as_bytes().to_vec();
        let carry = digits.iter().rposition(|digit| *digit != wrap);
        for digit in &mut digits[carry.map_or(0, |index| index + 1)..] {
            *digit = to;
        }
        match carry {
            Some(index) if up => digits[index] += 1,
            Some(index) => digits[index] -= 1,
            None => digits.insert(0, b'1'),
        }
        let text = String::from_utf8(digits).expect("digits");
        let trimmed = text.trim_start_matches('0');
        if trimmed.is_empty() { "0" } else { trimmed }.to_owned()
    }

    #[test]
    fn short_integers_fit() {
        for (bits, signed) in LIMITS
            .iter()
            .flat_map(|row| [(row.0, true), (row.0, false)])
        {
            let longest = (1..100)
                .filter(|len| is_short(&b"9".repeat(*len), signed, bits))
                .max();
            let nines = "9".repeat(longest.expect("one digit fits"));
            assert_eq!(check(nines.as_bytes(), signed, bits), Fits, "{nines}");
            let (least, greatest) = limits(signed, bits);
            assert!(nines.len() < greatest.len(), "{nines}");
            assert_eq!(is_short(b"-1", signed, bits), signed && least.len() > 1);
            assert!(is_short(b"0", signed, bits));
        }
        assert!(!is_short(b"-0", false, 64));
    }

    #[test]
    fn limits_are_powers_of_two() {
        for (bits, unsigned, greatest, least) in LIMITS {
            let mut power = "1".to_owned();
            let mut powers = Vec::new();
            for _ in 0..bits {
                let mut doubled = String::new();
                let mut carry = 0;
                for digit in power.bytes().rev() {
                    let twice = 2 * (digit - b'0') + carry;
                    doubled.insert(0, char::from(b'0' + twice % 10));
                    carry = twice / 10;
                }
                if carry == 1 {
                    doubled.insert(0, '1');
                }
                powers.push(std::mem::replace(&mut power, doubled));
            }
            assert_eq!(step(unsigned, true), power);
            assert_eq!(powers.last().map(String::as_str), Some(least));
            assert_eq!(step(greatest, true), least);
        }
    }

    #[test]
    fn limits_are_inclusive() {
        for (bits, unsigned, greatest, least) in LIMITS {
            let check = |text: &str, signed| check(text.as_bytes(), signed, bits);
            assert_eq!(check(unsigned, false), Fits);
            assert_eq!(check(&step(unsigned, true), false), OutOfRange);
            assert_eq!(check(&format!("{unsigned}0"), false), OutOfRange);
            assert_eq!(check(greatest, true), Fits);
            assert_eq!(check(&step(greatest, false), true), Fits);
            assert_eq!(check(least, true), OutOfRange);
            assert_eq!(check(&format!("-{least}"), true), Fits);
            assert_eq!(check(&format!("-{}", step(least, true)), true), OutOfRange);
            assert_eq!(check("-1", false), OutOfRange);
            for zero in ["0", "-0"] {
                assert_eq!((check(zero, true), check(zero, false)), (Fits, Fits));
            }
        }
    }

    #[test]
    fn non_integers_are_rejected() {
        let bad = [
            "", "-", "+1", "--1", "01", "-01", "00", "1.0", "1e2", " 1", "1 ", "1\n", "1_0", "0x1",
            "٣", "1\0",
        ];
        for text in bad {
            for (bits, ..) in LIMITS {
                assert_eq!(check(text.as_bytes(), true, bits), NotAnInteger, "{text:?}");
                assert_eq!(
                    check(text.as_bytes(), false, bits),
                    NotAnInteger,
                    "{text:?}"
                );
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_i128(number: i128, bits in 0_usize..5, shift in 0_u32..128) {
            let (number, bits) = (number >> shift, LIMITS[bits].0);
            let text = number.to_string();
            let signed = number >> (bits - 1) == 0 || number >> (bits - 1) == -1;
            let unsigned = number >= 0 && (bits == 128 || number >> bits == 0);
            let expected = |fits| if fits { Fits } else { OutOfRange };
            proptest::prop_assert_eq!(check(text.as_bytes(), true, bits), expected(signed));
            proptest::prop_assert_eq!(check(text.as_bytes(), false, bits), expected(unsigned));
        }
    }
}
