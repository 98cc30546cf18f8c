//! Versions of a model.

use std::{cmp::Ordering, fmt, str::FromStr};

/// A version: numbers separated by dots, compared number by number (1.10 > 1.9, 1.0 > 1, 1.00 = 1.0).
#[derive(Clone, Debug)]
pub struct Version(String);

impl Version {
    /// The maximum length, in bytes.
    pub const BYTES_MAX: usize = 32;

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The numbers, without leading zeros: of two, the one with more digits is greater, and with
    /// as many digits the order is that of their text. So no number is too large.
    fn numbers(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbers = self
            .0
            .split('.')
            .map(|number| number.trim_start_matches('0'));
        numbers.map(|digits| (digits.len(), digits))
    }
}

/// A text that is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "numbers separated by dots, such as \"1.0\", of at most {} bytes",
    Version::BYTES_MAX
)]
pub struct VersionError;

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
        if text.len() <= Self::BYTES_MAX && text.split('.').all(is_number) {
            Ok(Self(text.to_owned()))
        } else {
            Err(VersionError)
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers().cmp(other.numbers())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn only_numbers_between_dots() {
        let longest = "1".repeat(Version::BYTES_MAX);
        for good in ["0", "1.0", "10.20.30", "007", &longest] {
            assert_eq!(version(good).as_str(), good);
        }
        let longer = "1".repeat(Version::BYTES_MAX + 1);
        for bad in [
            "", ".", "1.", ".1", "1..0", "v1", "1.0-a", "+1", " 1", "١", &longer,
        ] {
            assert_eq!(bad.parse::<Version>().err(), Some(VersionError), "{bad}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(version("1.10") > version("1.9"));
        assert!(version("1.0") > version("1"));
        assert!(version("2") > version("1.99"));
        assert!(version("1.00") == version("01.0"));
        assert!(version("99999999999999999999999") < version("100000000000000000000000"));
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_lists_of_numbers(
            a in prop::collection::vec((0_u64..200, 0_usize..3), 1..4),
            b in prop::collection::vec((0_u64..200, 0_usize..3), 1..4),
        ) {
            let text = |numbers: &[(u64, usize)]| {
                let parts = numbers.iter().map(|(n, zeros)| format!("{}{n}", "0".repeat(*zeros)));
                version(&parts.collect::<Vec<_>>().join("."))
            };
            let numbers = |list: &[(u64, usize)]| list.iter().map(|it| it.0).collect::<Vec<_>>();
            prop_assert_eq!(text(&a).cmp(&text(&b)), numbers(&a).cmp(&numbers(&b)));
        }
    }
}
