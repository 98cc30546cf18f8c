//! Floats, decimals and JSON numbers as text.

use super::FormatError;

/// The number of leading ASCII digits.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A float in a string: `[+-]?(digits[.digits?][exp] | .digits[exp] | inf | infinity | nan)`, in any
/// case. Any magnitude and any number of digits are accepted.
pub(in super::super) fn float(text: &[u8]) -> Result<(), FormatError> {
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

/// A decimal in a string: `-?digits(.digits)?`; leading zeros are allowed.
pub(in super::super) fn decimal(text: &[u8]) -> Result<(), FormatError> {
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

/// A JSON number as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum IntegerValue {
    /// It has a fractional part.
    NotAnInteger,
    /// It is exactly this integer.
    Exact(i128),
    /// It is an integer outside the range of `i128`.
    OutOfRange,
}

/// The integer value of a JSON number (RFC 8259 section 6), as JSON Schema defines it: `1.0` and `1e2`
/// are integers.
pub(in super::super) fn integer_value(text: &[u8]) -> IntegerValue {
    let (negative, unsigned) = match text.strip_prefix(b"-") {
        Some(unsigned) => (true, unsigned),
        None => (false, text),
    };
    let exponent_at = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match exponent_at {
        Some(index) => (&unsigned[..index], exponent(&unsigned[index + 1..])),
        None => (unsigned, 0),
    };
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let fraction = point.map_or(0, |index| mantissa.len() - index - 1);
    // The number is `digits` without trailing zeros, followed by `shift` zeros.
    let digits = || mantissa.iter().filter(|byte| **byte != b'.');
    let zeros = digits().rev().take_while(|digit| **digit == b'0').count();
    let count = mantissa.len() - usize::from(point.is_some());
    if zeros == count {
        return IntegerValue::Exact(0);
    }
    let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let shift = exponent
        .saturating_sub(signed(fraction))
        .saturating_add(signed(zeros));
    if shift < 0 {
        return IntegerValue::NotAnInteger;
    }
    let value = digits()
        .take(count - zeros)
        .try_fold(0_i128, |value, digit| {
            let digit = i128::from(digit - b'0');
            // Negative accumulation: `-i128::MIN` does not fit an i128.
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
    value.map_or(IntegerValue::OutOfRange, IntegerValue::Exact)
}

/// The value of an exponent; saturates at the limits of `i64`.
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
            ("0", IntegerValue::Exact(0)),
            ("-0.000e5", IntegerValue::Exact(0)),
            ("0e99999999999999999999", IntegerValue::Exact(0)),
            ("1.0", IntegerValue::Exact(1)),
            ("-1e2", IntegerValue::Exact(-100)),
            ("1.50E+1", IntegerValue::Exact(15)),
            ("1200e-2", IntegerValue::Exact(12)),
            ("1200e-3", IntegerValue::NotAnInteger),
            ("1.5", IntegerValue::NotAnInteger),
            ("1e-1", IntegerValue::NotAnInteger),
            ("1e-99999999999999999999", IntegerValue::NotAnInteger),
            ("1e38", IntegerValue::Exact(10_i128.pow(38))),
            ("1e39", IntegerValue::OutOfRange),
            ("1e99999999999999999999", IntegerValue::OutOfRange),
            (
                "170141183460469231731687303715884105727",
                IntegerValue::Exact(i128::MAX),
            ),
            (
                "170141183460469231731687303715884105728",
                IntegerValue::OutOfRange,
            ),
            (
                "-170141183460469231731687303715884105728",
                IntegerValue::Exact(i128::MIN),
            ),
            (
                "-170141183460469231731687303715884105729",
                IntegerValue::OutOfRange,
            ),
            (
                "-17014118346046923173168730371588410572.8e1",
                IntegerValue::Exact(i128::MIN),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(integer_value(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        /// The grammar is the one of `f64::from_str`.
        #[test]
        fn floats_agree_with_rust(text in "[+-]?([0-9]{0,3}\\.?[0-9]{0,3}([eE][+-]?[0-9]{0,2})?|[iI]nf(inity)?|nan|[a-f.+-]{0,4})") {
            prop_assert_eq!(float(text.as_bytes()).is_ok(), text.parse::<f64>().is_ok());
        }

        #[test]
        fn integers_with_fraction_and_exponent(number: i64, zeros in 0_usize..5, shift in 0_usize..5) {
            let zeros = "0".repeat(zeros);
            let text = format!("{number}{zeros}.{}e-{}", "0".repeat(shift), zeros.len());
            let text = text.replace(".e", "e");
            prop_assert_eq!(integer_value(text.as_bytes()), IntegerValue::Exact(number.into()));
        }
    }
}
