//! Dates and times (RFC 3339), checked against the calendar.

use super::FormatError;

/// A day of the proleptic Gregorian calendar, year 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// An instant, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct DateTime {
    date: Date,
    hour: u8,
    minute: u8,
    second: u8,
    millisecond: u16,
    /// Minutes ahead of UTC.
    offset: i16,
}

/// `YYYY-MM-DD`.
pub(in super::super) fn date(text: &[u8]) -> Result<Date, FormatError> {
    match text.split_first_chunk() {
        Some((digits, [])) => calendar_day(digits),
        Some((digits, _)) if calendar_day(digits).is_ok() => Err(&"unexpected text after the date"),
        _ => Err(&"not YYYY-MM-DD"),
    }
}

/// RFC 3339 `date-time`; a space is allowed instead of the `T`, and second 60 in any minute. The fraction
/// may have any number of digits and is truncated to milliseconds.
pub(in super::super) fn date_time(text: &[u8]) -> Result<DateTime, FormatError> {
    let (date, text) = text.split_first_chunk().ok_or(&"not YYYY-MM-DD")?;
    let date = calendar_day(date)?;
    let text = match text {
        [b'T' | b't' | b' ', rest @ ..] => rest,
        [] => return Err(&"the time is missing"),
        _ => return Err(&"no `T` between date and time"),
    };
    let (time, text) = text.split_first_chunk().ok_or(&"not hh:mm:ss")?;
    let (hour, minute, second) = time_of_day(*time)?;
    let (millisecond, text) = match text {
        [b'.', rest @ ..] => fraction(rest)?,
        _ => (0, text),
    };
    let offset = zone(text)?;
    Ok(DateTime {
        date,
        hour,
        minute,
        second,
        millisecond,
        offset,
    })
}

impl Date {
    /// Unix time of the start of the day in UTC, in milliseconds.
    pub(in super::super) fn unix_ms(self) -> i64 {
        // Counting years from March puts the leap day last; 400 years have 146,097 days.
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let days_before_month = (153 * month + 2) / 5;
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let days = 365 * year + leap_days + days_before_month + i64::from(self.day) - 1;
        (days - 719_468) * 86_400_000
    }
}

impl DateTime {
    /// Unix time in milliseconds; second 60 counts as the first second of the next minute.
    pub(in super::super) fn unix_ms(self) -> i64 {
        let minutes = 60 * i64::from(self.hour) + i64::from(self.minute) - i64::from(self.offset);
        let seconds = 60 * minutes + i64::from(self.second);
        self.date.unix_ms() + 1_000 * seconds + i64::from(self.millisecond)
    }
}

#[inline]
fn calendar_day(text: &[u8; 10]) -> Result<Date, FormatError> {
    let start = numbers(text, *b"dddd-dd-");
    let end = numbers(&text[2..], *b"dd-dd-dd");
    let (Some(start), Some(end)) = (start, end) else {
        return Err(&"not YYYY-MM-DD");
    };
    let (century, year_of_century, month, day) = (start[0], start[2], end[3], end[6]);
    // A year divisible by 100 is a leap year only if divisible by 400.
    let is_leap = match year_of_century {
        0 => century % 4 == 0,
        _ => year_of_century % 4 == 0,
    };
    let days = match month {
        2 => 28 + u8::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return Err(&"month out of range"),
    };
    if day == 0 || day > days {
        return Err(&"day out of range");
    }
    let year = 100 * u16::from(century) + u16::from(year_of_century);
    Ok(Date { year, month, day })
}

#[inline]
fn time_of_day(text: [u8; 8]) -> Result<(u8, u8, u8), FormatError> {
    let Some([hour, _, _, minute, _, _, second, _]) = numbers(&text, *b"dd:dd:dd") else {
        return Err(&"not hh:mm:ss");
    };
    if hour > 23 || minute > 59 || second > 60 {
        return Err(&"time of day out of range");
    }
    Ok((hour, minute, second))
}

/// The milliseconds of a fraction, and the rest of the text.
#[inline]
fn fraction(text: &[u8]) -> Result<(u16, &[u8]), FormatError> {
    let (mut milliseconds, mut weight, mut count) = (0, 100, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        milliseconds += weight * u16::from(digit);
        weight /= 10;
        count += 1;
    }
    if count == 0 {
        return Err(&"no digit after the decimal point");
    }
    Ok((milliseconds, &text[count..]))
}

/// Minutes ahead of UTC.
#[inline]
fn zone(text: &[u8]) -> Result<i16, FormatError> {
    match text {
        [b'Z' | b'z'] => Ok(0),
        [] => Err(&"the time zone is missing"),
        [sign @ (b'+' | b'-'), time @ ..] => {
            let time: Result<[u8; 5], _> = time.try_into();
            let Some([hour, _, _, minute, ..]) = time.ok().and_then(|time| {
                let [a, b, colon, c, d] = time;
                numbers(&[a, b, colon, c, d, b':', b'0', b'0'], *b"dd:dd:dd")
            }) else {
                return Err(&"the time zone is not Z or ±hh:mm");
            };
            if hour > 23 || minute > 59 {
                return Err(&"time zone out of range");
            }
            let minutes = 60 * i16::from(hour) + i16::from(minute);
            Ok(if *sign == b'+' { minutes } else { -minutes })
        }
        _ => Err(&"the time zone is not Z or ±hh:mm"),
    }
}

/// Parses the first eight bytes of a text by a pattern in which `d` is a digit and any other byte is
/// literal. In the result, the position of a digit followed by another one holds their two-digit number.
/// All eight bytes are processed at once in one word (SWAR).
#[inline]
fn numbers(text: &[u8], pattern: [u8; 8]) -> Option<[u8; 8]> {
    let zero = pattern.map(|byte| if byte == b'd' { b'0' } else { byte });
    // Adding this sets the highest bit of a byte above 9 (digits) or above 0 (literals).
    let headroom = pattern.map(|byte| if byte == b'd' { 0x7f - 9 } else { 0x7f });
    let digits = u64::from_le_bytes(*text.first_chunk()?) ^ u64::from_le_bytes(zero);
    let excess = digits.wrapping_add(u64::from_le_bytes(headroom));
    if (digits | excess) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // At most 99 each, so there is no carry between bytes.
    Some((10 * digits + (digits >> 8)).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(text: &str) -> i64 {
        date_time(text.as_bytes()).expect(text).unix_ms()
    }

    #[test]
    fn dates() {
        for good in [
            "0000-01-01",
            "9999-12-31",
            "2024-02-29",
            "2000-02-29",
            "0000-02-29",
            "2023-04-30",
            "1969-12-31",
        ] {
            assert!(date(good.as_bytes()).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", "not YYYY-MM-DD"),
            ("2024-1-01", "not YYYY-MM-DD"),
            ("2024/01/01", "not YYYY-MM-DD"),
            ("+024-01-01", "not YYYY-MM-DD"),
            ("२०२४-01-01", "not YYYY-MM-DD"),
            ("2024-00-01", "month out of range"),
            ("2024-13-01", "month out of range"),
            ("2024-01-00", "day out of range"),
            ("2024-01-32", "day out of range"),
            ("2023-02-29", "day out of range"),
            ("1900-02-29", "day out of range"),
            ("2023-04-31", "day out of range"),
            ("2024-01-01 ", "unexpected text after the date"),
            ("2024-01-01T00:00:00Z", "unexpected text after the date"),
        ] {
            assert_eq!(date(bad.as_bytes()), Err(&why), "{bad}");
        }
    }

    #[test]
    fn dates_and_times() {
        for good in [
            "2026-11-24T08:00:00Z",
            "2026-11-24t08:00:00z",
            "2026-11-24 08:00:00Z",
            "2026-11-24T23:59:59.1+23:59",
            "2026-11-24T00:00:00-00:00",
            "2026-11-24T08:17:60Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:60.0123456789012345678901234567890123456789Z",
        ] {
            assert!(date_time(good.as_bytes()).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("yesterday", "not YYYY-MM-DD"),
            ("2026-11-24", "the time is missing"),
            ("2026-11-24  08:00:00Z", "not hh:mm:ss"),
            ("2026-11-24_08:00:00Z", "no `T` between date and time"),
            ("2026-11-24T08:00Z", "not hh:mm:ss"),
            ("2026-11-24T08:00:0", "not hh:mm:ss"),
            ("2026-11-24T24:00:00Z", "time of day out of range"),
            ("2026-11-24T08:60:00Z", "time of day out of range"),
            ("2026-11-24T08:00:61Z", "time of day out of range"),
            ("2026-11-24T08:00:00", "the time zone is missing"),
            ("2026-11-24T08:00:00.", "no digit after the decimal point"),
            ("2026-11-24T08:00:00.Z", "no digit after the decimal point"),
            ("2026-11-24T08:00:00,5Z", "the time zone is not Z or ±hh:mm"),
            ("2026-11-24T08:00:00.5", "the time zone is missing"),
            ("2026-11-24T08:00:00+24:00", "time zone out of range"),
            ("2026-11-24T08:00:00+00:60", "time zone out of range"),
            (
                "2026-11-24T08:00:00+0000",
                "the time zone is not Z or ±hh:mm",
            ),
            ("2026-11-24T08:00:00+00", "the time zone is not Z or ±hh:mm"),
            (
                "2026-11-24T08:00:00\u{2212}00:00",
                "the time zone is not Z or ±hh:mm",
            ),
            ("2026-11-24T08:00:00Z ", "the time zone is not Z or ±hh:mm"),
            ("2026-11-24T08:00:00ZZ", "the time zone is not Z or ±hh:mm"),
            ("2023-02-29T08:00:00Z", "day out of range"),
            ("1700000000", "not YYYY-MM-DD"),
        ] {
            assert_eq!(date_time(bad.as_bytes()), Err(&why), "{bad}");
        }
    }

    #[test]
    fn milliseconds() {
        assert_eq!(ms("1970-01-01T00:00:00Z"), 0);
        assert_eq!(ms("1969-12-31T23:59:59.999Z"), -1);
        assert_eq!(ms("1970-01-01T01:00:00+01:00"), 0);
        assert_eq!(ms("1969-12-31T18:30:00.001-05:30"), 1);
        assert_eq!(ms("2026-11-24T08:00:00.1239Z"), 1_795_507_200_123);
        assert_eq!(ms("2016-12-31T23:59:60Z"), ms("2017-01-01T00:00:00Z"));
        assert_eq!(ms("9999-12-31T23:59:59.999Z"), 253_402_300_799_999);
        assert_eq!(ms("0000-01-01T00:00:00Z"), -62_167_219_200_000);
        let day = date(b"2000-03-01").expect("a date");
        assert_eq!(day.unix_ms(), 951_868_800_000);
    }

    /// Covers every month of every year.
    #[test]
    fn unix_time_is_contiguous_over_all_months() {
        let mut expected = Date {
            year: 0,
            month: 1,
            day: 1,
        }
        .unix_ms();
        for year in 0..=9999_u16 {
            for month in 1..=12 {
                let day = |day: u8| date(format!("{year:04}-{month:02}-{day:02}").as_bytes());
                // Each month is checked at its first and last day.
                let last = (28..=31).rev().find(|it| day(*it).is_ok()).expect("days");
                assert_eq!(day(1).map(Date::unix_ms), Ok(expected));
                assert_eq!(
                    day(last).map(Date::unix_ms),
                    Ok(expected + i64::from(last - 1) * 86_400_000)
                );
                expected += i64::from(last) * 86_400_000;
            }
        }
        assert_eq!(expected, 253_402_300_800_000);
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in "[0-9TZtz:. +-]{0,40}") {
            let _ = (date(text.as_bytes()), date_time(text.as_bytes()));
        }
    }
}
