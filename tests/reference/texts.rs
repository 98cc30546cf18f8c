//! Scalars as they are written: the grammars of the table's README, as patterns.

use std::{cell::RefCell, collections::HashMap, ops::RangeInclusive};

use num_bigint::BigInt;
use regex::{Captures, Regex};

const INTEGER: &str = "-?(0|[1-9][0-9]*)";
const FLOAT: &str = r"(?i-u)[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)";
const DECIMAL: &str = r"-?[0-9]+(\.[0-9]+)?";
const DATE: &str = "([0-9]{4})-([0-9]{2})-([0-9]{2})";
const DATE_TIME: &str =
    r"(.{10})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?([Zz]|[+-]([0-9]{2}):([0-9]{2}))";
const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const UUID_SIMPLE: &str = "[0-9a-f]{32}";
const IPV4: &str = r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})";
const IPV6_GROUP: &str = "[0-9A-Fa-f]{1,4}";

/// The groups of a pattern that matches the whole text.
fn captures<'t>(pattern: &'static str, text: &'t str) -> Option<Captures<'t>> {
    thread_local! {
        static COMPILED: RefCell<HashMap<&'static str, Regex>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        let regex = compiled
            .entry(pattern)
            .or_insert_with(|| Regex::new(&format!(r"\A(?:{pattern})\z")).expect("a pattern"));
        regex.captures(text)
    })
}

fn is(pattern: &'static str, text: &str) -> bool {
    captures(pattern, text).is_some()
}

/// Whether a group, which is digits, is a number in a range; true if it took no part in the match.
fn in_range(captures: &Captures<'_>, group: usize, range: RangeInclusive<u32>) -> bool {
    let group = captures.get(group).map(|group| group.as_str().parse());
    group.is_none_or(|number| range.contains(&number.expect("digits")))
}

/// An integer without a fraction or an exponent, as JSON has it.
pub(crate) fn integer(text: &str) -> Option<BigInt> {
    is(INTEGER, text).then(|| text.parse().expect("digits"))
}

/// What so many bits hold.
pub(crate) fn range(signed: bool, bits: u32) -> RangeInclusive<BigInt> {
    if signed {
        let end = BigInt::from(2).pow(bits - 1);
        -end.clone()..=end - 1
    } else {
        BigInt::ZERO..=BigInt::from(2).pow(bits) - 1
    }
}

pub(crate) fn is_float(text: &str) -> bool {
    is(FLOAT, text)
}

pub(crate) fn is_decimal(text: &str) -> bool {
    is(DECIMAL, text)
}

/// A day that exists, in a year from 0 to 9999.
pub(crate) fn is_date(text: &str) -> bool {
    let Some(date) = captures(DATE, text) else {
        return false;
    };
    let [year, month]: [u32; 2] = [1, 2].map(|group| date[group].parse().expect("digits"));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    in_range(&date, 2, 1..=12) && in_range(&date, 3, 1..=days)
}

/// RFC 3339, or that with a space between the day and the time.
pub(crate) fn is_date_time(text: &str) -> bool {
    captures(DATE_TIME, text).is_some_and(|it| {
        is_date(&it[1])
            && in_range(&it, 2, 0..=23)
            && in_range(&it, 3, 0..=59)
            && in_range(&it, 4, 0..=60)
            && in_range(&it, 7, 0..=23)
            && in_range(&it, 8, 0..=59)
    })
}

pub(crate) fn is_uuid(text: &str) -> bool {
    let braced = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    let digits = braced.or(text.strip_prefix("urn:uuid:")).unwrap_or(text);
    let is_plain = digits == text;
    let digits = digits.to_ascii_lowercase();
    is(UUID, &digits) || is_plain && is(UUID_SIMPLE, &digits)
}

pub(crate) fn is_ipv4(text: &str) -> bool {
    captures(IPV4, text).is_some_and(|it| (1..=4).all(|part| in_range(&it, part, 0..=255)))
}

/// RFC 4291 section 2.2: eight groups, of which `::` stands for one or more that are zero, and an
/// IPv4 address for the last two.
pub(crate) fn is_ipv6(text: &str) -> bool {
    match text.split_once("::") {
        None => groups(text, true) == Some(8),
        Some((head, tail)) => {
            let count = groups(head, false).and_then(|head| Some(head + groups(tail, true)?));
            count.is_some_and(|count| count <= 7)
        }
    }
}

/// How many groups there are, none in an empty text.
fn groups(text: &str, may_end_with_ipv4: bool) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let parts: Vec<&str> = text.split(':').collect();
    let (last, others) = parts.split_last()?;
    let is_group = |part: &&str| is(IPV6_GROUP, part);
    let is_strict = |part: &str| part == "0" || !part.starts_with('0');
    if !others.iter().all(is_group) {
        return None;
    }
    if is_group(last) {
        return Some(parts.len());
    }
    let ends_with_ipv4 = may_end_with_ipv4 && is_ipv4(last) && last.split('.').all(is_strict);
    ends_with_ipv4.then_some(parts.len() + 1)
}
