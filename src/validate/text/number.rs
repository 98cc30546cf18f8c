//! Numbers that are no plain integers, by their text.

use super::Misspelt;

/// Bytes of ASCII digits that a text starts with.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A float in a string: `[+-]?(digits[.digits?][exp] | .digits[exp] | inf | infinity | nan)`, of any
/// case. Any magnitude and any number of digits pass.
pub(in super::super) fn float(text: &[u8]) -> Result<(), Misspelt> {
    let unsigned = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    let words = [&b"inf"[..], b"infinity", b"nan"];
    if words.iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
        return Ok(());
    }
    let whole = digits(unsigned);
    let mut rest = &unsigned[whole..];
    let mut fraction = 0;
    if let [b'.', after @ ..] = rest {
        fraction = digits(after);
        rest = &after[fraction..];
    }
    if whole + fraction == 0 {
        return Err(&"not a number");
    }
    let exponent = match rest {
        [] => return Ok(()),
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => exponent,
        _ => return Err(&"not a number"),
    };
    if !exponent.is_empty() && digits(exponent) == exponent.len() {
        Ok(())
    } else {
        Err(&"no digits in the exponent")
    }
}

/// A decimal in a string: `-?digits(.digits)?`, with leading zeros if need be.
pub(in super::super) fn decimal(text: &[u8]) -> Result<(), Misspelt> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    match digits(unsigned) {
        0 => Err(&"not a decimal number"),
        whole => match &unsigned[whole..] {
            [] => Ok(()),
            [b'.', fraction @ ..] if digits(fraction) == fraction.len() => match fraction {
                [] => Err(&"no digit after the decimal point"),
                _ => Ok(()),
            },
            _ => Err(&"not a decimal number"),
        },
    }
}

/// What a JSON number is among the integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Whole {
    /// It has a fractional part.
    No,
    /// It is this one.
    Is(i128),
    /// It is an integer beyond an `i128`.
    Beyond,
}

/// Reads a JSON number (RFC 8259 section 6) as JSON Schema does: `1.0` and `1e2` are integers.
pub(in super::super) fn whole(text: &[u8]) -> Whole {
    let (negative, unsigned) = match text.strip_prefix(b"-") {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    let exponent_at = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match exponent_at {
        Some(place) => (&unsigned[..place], exponent(&unsigned[place + 1..])),
        None => (unsigned, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let fraction = point.map_or(0, |place| mantissa.len() - place - 1);
    // The number is `digits` with `shift` zeros behind it, and no zero of its own at the end.
    let digits = || mantissa.iter().filter(|byte| **byte != b'.');
    let zeros = digits().rev().take_while(|digit| **digit == b'0').count();
    let count = mantissa.len() - usize::from(point.is_some());
    if zeros == count {
        return Whole::Is(0);
    }
    let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let shift = exponent
        .saturating_sub(signed(fraction))
        .saturating_add(signed(zeros));
    if shift < 0 {
        return Whole::No;
    }
    let value = digits()
        .take(count - zeros)
        .try_fold(0_i128, |value, digit| {
            let digit = i128::from(digit - b'0');
            // Downwards: the least i128 has no positive counterpart.
            value.checked_mul(10)?.checked_sub(digit)
        });
    let power = u32::try_from(shift).ok();
    let power = power.and_then(|shift| 10_i128.checked_pow(shift));
    let value = value.and_then(|value| value.checked_mul(power?));
    let value = value.and_then(|value| {
        if negative {
            Some(value)
        } else {
            value.checked_neg()
        }
    });
    value.map_or(Whole::Beyond, Whole::Is)
}

/// An exponent's value; one of too many digits as the greatest or least there is.
fn exponent(text: &[u8]) -> i64 {
    let negative = text.starts_with(b"-");
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    let value = digits.fold(0_i64, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats() {
        for good in [
            "0",
            "1",
            "007",
            "1.",
            ".5",
            "+1.5",
            "-1.5",
            "1e5",
            "1.e5",
            ".5E-3",
            "1e+05",
            "1e400",
            "inf",
            "-Inf",
            "+INFINITY",
            "NaN",
            "-nan",
            "1e-99999999999999999999",
        ] {
            assert_eq!(float(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            "",
            ".",
            "+",
            "-",
            "e5",
            ".e5",
            "1e",
            "1e+",
            " 1.5",
            "1.5 ",
            "1_0",
            "0x1p3",
            "infin",
            "in",
            "1..5",
            "--1",
            "+-1",
            "1,5",
            "1.5f",
            "٣",
            "infinity1",
        ] {
            assert!(float(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn decimals() {
        for good in ["0", "-0", "007", "1.5", "-12.340", "0.0"] {
            assert_eq!(decimal(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            "", "-", "1e5", "+1", ".5", "1.", "-.5", "NaN", "1.5.", "1.5.0", "५", " 1", "1\n",
        ] {
            assert!(decimal(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn whole_numbers() {
        let cases = [
            ("0", Whole::Is(0)),
            ("-0.000e5", Whole::Is(0)),
            ("0e99999999999999999999", Whole::Is(0)),
            ("1.0", Whole::Is(1)),
            ("-1e2", Whole::Is(-100)),
            ("1.50E+1", Whole::Is(15)),
            ("1200e-2", Whole::Is(12)),
            ("1200e-3", Whole::No),
            ("1.5", Whole::No),
            ("1e-1", Whole::No),
            ("1e-99999999999999999999", Whole::No),
            ("1e38", Whole::Is(10_i128.pow(38))),
            ("1e39", Whole::Beyond),
            ("1e99999999999999999999", Whole::Beyond),
            (
                "170141183460469231731687303715884105727",
                Whole::Is(i128::MAX),
            ),
            ("170141183460469231731687303715884105728", Whole::Beyond),
            (
                "-170141183460469231731687303715884105728",
                Whole::Is(i128::MIN),
            ),
            ("-170141183460469231731687303715884105729", Whole::Beyond),
            (
                "-17014118346046923173168730371588410572.8e1",
                Whole::Is(i128::MIN),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(whole(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        /// The grammar is that of Rust's own floats, which is tried on texts alone.
        #[test]
        fn floats_as_rust_reads_them(text in "[+-]?([0-9]{0,3}\\.?[0-9]{0,3}([eE][+-]?[0-9]{0,2})?|[iI]nf(inity)?|nan|[a-f.+-]{0,4})") {
            prop_assert_eq!(float(text.as_bytes()).is_ok(), text.parse::<f64>().is_ok());
        }

        #[test]
        fn integers_however_written(number: i64, zeros in 0_usize..5, shift in 0_usize..5) {
            let zeros = "0".repeat(zeros);
            let text = format!("{number}{zeros}.{}e-{}", "0".repeat(shift), zeros.len());
            let text = text.replace(".e", "e");
            prop_assert_eq!(whole(text.as_bytes()), Whole::Is(number.into()));
        }
    }
}
