//! Numbers for people, as the page writes them.

use std::time::Duration;

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// What is shown where there is no figure.
pub(super) const NONE: &str = "-";

/// A figure, or [`NONE`].
pub(super) fn or_none<T>(figure: Option<T>, shown: impl FnOnce(T) -> String) -> String {
    figure.map_or_else(|| NONE.to_owned(), shown)
}

/// A number up to 99,999 as it is, then with three digits and a unit: `1.23M`.
pub(super) fn count(number: f64) -> String {
    if number < 99_999.5 {
        return grouped(&format!("{number:.0}"));
    }
    let (scaled, unit) = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")]
        .into_iter()
        .find(|(unit, _)| number >= unit * 0.9995)
        .map_or((number, ""), |(unit, name)| (number / unit, name));
    format!("{}{unit}", three_digits(scaled))
}

/// Three digits, of a number below 1,000.
fn three_digits(number: f64) -> String {
    match number {
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    match digits.len().checked_sub(3) {
        None | Some(0) => digits.to_owned(),
        Some(at) => format!("{},{}", grouped(&digits[..at]), &digits[at..]),
    }
}

/// A count a second: small ones with a decimal.
pub(super) fn per_second(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 {
        format!("{rate:.1}")
    } else {
        count(rate)
    }
}

/// Milliseconds, with two digits at least.
pub(super) fn time(ms: f64) -> String {
    match ms {
        ..0.995 => format!("{ms:.2} ms"),
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        ..9_950.0 => format!("{:.1} s", ms / 1_000.0),
        _ => format!("{:.0} s", ms / 1_000.0),
    }
}

/// Bytes in binary units.
pub(super) fn bytes(number: f64) -> String {
    let mut scaled = number;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if scaled < 1_023.5 {
            break;
        }
        scaled /= 1_024.0;
        unit = larger;
    }
    let decimals = usize::from(scaled < 9.95 && unit != UNITS[0]);
    format!("{scaled:.decimals$} {unit}")
}

/// A share of 1.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The two largest units of a time.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{minutes} min {} s", seconds % 60),
        3_600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A counter as a number to compute with.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, shown) in [
            (0.0, "0"),
            (7.4, "7"),
            (999.0, "999"),
            (1_000.0, "1,000"),
            (99_999.0, "99,999"),
            (99_999.6, "100K"),
            (123_456.0, "123K"),
            (999_499.0, "999K"),
            (999_999.0, "1.00M"),
            (1_234_567.0, "1.23M"),
            (45_600_000_000.0, "45.6G"),
            (7e15, "7000T"),
        ] {
            assert_eq!(count(number), shown);
        }
        for (rate, shown) in [
            (0.0, "0"),
            (0.04, "0.0"),
            (9.9, "9.9"),
            (9.96, "10"),
            (1e3, "1,000"),
        ] {
            assert_eq!(per_second(rate), shown);
        }
        for (ms, shown) in [
            (0.0, "0.00 ms"),
            (0.25, "0.25 ms"),
            (1.0, "1.0 ms"),
            (9.96, "10 ms"),
            (999.0, "999 ms"),
            (999.6, "1.0 s"),
            (9_960.0, "10 s"),
        ] {
            assert_eq!(time(ms), shown);
        }
        for (number, shown) in [
            (0.0, "0 B"),
            (1_023.0, "1023 B"),
            (1_023.9, "1.0 KiB"),
            (1_536.0, "1.5 KiB"),
            (268_435_456.0, "256 MiB"),
            (1e18, "909495 TiB"),
        ] {
            assert_eq!(bytes(number), shown);
        }
        for (seconds, shown) in [
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3_661, "1 h 1 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), shown);
        }
        assert_eq!(percent(0.996), "100 %");
        assert_eq!(or_none(None, count), "-");
    }
}
