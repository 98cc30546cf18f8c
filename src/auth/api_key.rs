//! API keys: names, hashes, expiry times, and their form in the configuration.

use std::{fmt, num::NonZeroU32, sync::Arc};

use jiff::civil::{DateTime, date};
use ring::{digest, pbkdf2};
use toml::value::{Datetime, Offset};

use super::Globs;
use crate::{cors::Origins, quota::Bucket};

/// A configured API key.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The name of its client.
    pub name: Box<str>,
    /// The hash of its token.
    pub hash: KeyHash,
    /// The authorized routes.
    pub routes: Globs,
    /// When it expires, as Unix time in milliseconds.
    pub expires_ms: Option<u64>,
    /// The origins of the pages that it is for: such a key is public, and may be in a query. Only with
    /// [`KeyHash::Sha256`].
    pub origins: Option<Arc<Origins>>,
    /// How much its client may send, if that is limited.
    pub bucket: Option<Arc<Bucket>>,
}

impl ApiKey {
    /// Maximum length of a name, in bytes.
    pub const NAME_BYTES_MAX: usize = 128;

    /// Whether the text is a valid name: it is written to logs and, if a model says so, into a Kafka header.
    pub fn is_name(text: &str) -> bool {
        (1..=Self::NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
    }

    /// Parses an RFC 3339 time to Unix time in milliseconds (0 if before 1970); `None` if invalid or
    /// without a UTC offset.
    pub fn expiry_ms(text: &str) -> Option<u64> {
        let mut time: Datetime = text.parse().ok()?;
        let offset_ms = match time.offset.take()? {
            Offset::Z => 0,
            Offset::Custom { minutes } => i128::from(minutes) * 60_000,
        };
        let local: DateTime = time.to_string().parse().ok()?;
        let since = local.duration_since(date(1970, 1, 1).at(0, 0, 0, 0));
        Some(u64::try_from(since.as_millis() - offset_ms).unwrap_or(0))
    }
}

/// The hash of a token, with its algorithm.
///
/// `Display` is its form in the configuration. `Debug` shows the algorithm only, to keep hashes out of
/// logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyHash {
    /// As in Moose: PBKDF2-HMAC-SHA256 of a token `<password>.<salt>`, 1,000 rounds, 20 bytes.
    Pbkdf2([u8; 20]),
    /// SHA-256 of a token with 256 random bits.
    Sha256([u8; 32]),
}

/// Why a text is not a hash; offsets are in bytes, starting at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not a digit or a letter from a to f.
    #[error("the character at offset {0} is not a hex digit")]
    NotHex(usize),
    /// Too few digits.
    #[error("too few digits, it ends at offset {0}")]
    TooShort(usize),
    /// Too many digits.
    #[error("too many digits, it should end at offset {0}")]
    TooLong(usize),
}

/// Rounds of PBKDF2, as in Moose.
const PBKDF2_ROUNDS: NonZeroU32 = NonZeroU32::new(1_000).expect("it is not 0");

/// Number of hex digits in each part of a Moose token.
const PBKDF2_PART_DIGITS: usize = 32;

impl KeyHash {
    /// The prefix of a SHA-256 hash.
    const SHA256: &str = "sha256:";

    /// Parses its form in the configuration: 40 hex digits, or `sha256:` and 64, in either case.
    ///
    /// # Errors
    /// What is invalid, and at which offset.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        match text.strip_prefix(Self::SHA256) {
            Some(digits) => from_hex(digits, Self::SHA256.len()).map(Self::Sha256),
            None => from_hex(text, 0).map(Self::Pbkdf2),
        }
    }

    /// Hashes any token; takes about a microsecond.
    pub fn sha256(token: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
        Self::Sha256(hash)
    }

    /// Hashes a Moose token (32 hex digits, a dot, 32 hex digits), which takes up to 170 µs; `None` at once
    /// for any other token. The text is hashed as is: Moose writes lower case, and the same token in
    /// upper case has another hash.
    pub fn pbkdf2(token: &[u8]) -> Option<Self> {
        let (password, salt) = moose_parts(token)?;
        let mut hash = [0; 20];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, PBKDF2_ROUNDS, salt, password, &mut hash);
        Some(Self::Pbkdf2(hash))
    }

    /// Whether it has the form of a Moose token.
    pub fn is_moose_token(token: &[u8]) -> bool {
        moose_parts(token).is_some()
    }
}

/// Password and salt of a Moose token.
fn moose_parts(token: &[u8]) -> Option<(&[u8], &[u8])> {
    let (password, rest) = token.split_at_checked(PBKDF2_PART_DIGITS)?;
    let salt = rest.strip_prefix(b".")?;
    let is_hex = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    let is_one = salt.len() == PBKDF2_PART_DIGITS && is_hex(password) && is_hex(salt);
    is_one.then_some((password, salt))
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: &[u8] = match self {
            Self::Pbkdf2(bytes) => bytes,
            Self::Sha256(bytes) => {
                f.write_str(Self::SHA256)?;
                bytes
            }
        };
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pbkdf2(_) => "Pbkdf2",
            Self::Sha256(_) => "Sha256",
        })
    }
}

/// Decodes hex digits; `offset` is added to the offsets in errors.
fn from_hex<const BYTES: usize>(text: &str, offset: usize) -> Result<[u8; BYTES], HashError> {
    let digits = text.as_bytes();
    if let Some(bad) = digits.iter().position(|it| !it.is_ascii_hexdigit()) {
        return Err(HashError::NotHex(offset + bad));
    }
    if digits.len() < 2 * BYTES {
        return Err(HashError::TooShort(offset + digits.len()));
    }
    if digits.len() > 2 * BYTES {
        return Err(HashError::TooLong(offset + 2 * BYTES));
    }
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0);
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(value(pair[0]) << 4 | value(pair[1])).unwrap_or(0);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from Python's `hashlib.pbkdf2_hmac("sha256", part1, part2, 1000, 20)` and `hashlib.sha256`.
    const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0.00112233445566778899aabbccddeeff";
    const PBKDF2: &str = "ac0c9d4a1ffec86cd8529d6b1d6c0c5fd33cbe87";
    const SHA256: &str = "sha256:bef88c673eb216c056aa04e358e82142d2bd558f2c2079d366dffa86eeb54d35";

    #[test]
    fn hashes_match_reference_values() {
        let pbkdf2 = KeyHash::pbkdf2(TOKEN.as_bytes()).expect("it is one of Moose's");
        assert_eq!(pbkdf2.to_string(), PBKDF2);
        assert_eq!(KeyHash::sha256(TOKEN.as_bytes()).to_string(), SHA256);
    }

    #[test]
    fn parse_reads_what_display_writes() {
        for text in [PBKDF2, SHA256] {
            let hash = KeyHash::parse(text).expect(text);
            assert_eq!(hash.to_string(), text);
            let digits = text.strip_prefix("sha256:").unwrap_or(text);
            let upper = text.replace(digits, &digits.to_uppercase());
            assert_eq!(KeyHash::parse(&upper), Ok(hash));
            assert!(!format!("{hash:?}").contains(&digits[..4]));
        }
    }

    #[test]
    fn invalid_hashes_are_reported_with_offset() {
        use HashError::{NotHex, TooLong, TooShort};
        let zeros = |count| "0".repeat(count);
        for (text, error) in [
            (String::new(), TooShort(0)),
            (zeros(39), TooShort(39)),
            (zeros(41), TooLong(40)),
            (zeros(64), TooLong(40)),
            (format!("{}g", zeros(39)), NotHex(39)),
            (format!(" {}", zeros(40)), NotHex(0)),
            (format!("{}\n", zeros(40)), NotHex(40)),
            ("sha256:".to_owned(), TooShort(7)),
            (format!("sha256:{}", zeros(63)), TooShort(70)),
            (format!("sha256:{}", zeros(65)), TooLong(71)),
            (format!("sha256:{}é", zeros(62)), NotHex(69)),
            (format!("SHA256:{}", zeros(64)), NotHex(0)),
            (format!("md5:{}", zeros(32)), NotHex(0)),
        ] {
            assert_eq!(KeyHash::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn pbkdf2_hashes_only_moose_tokens() {
        let (password, salt) = TOKEN.split_once('.').expect("two parts");
        for other in [
            String::new(),
            ".".to_owned(),
            password.to_owned(),
            format!("{password}."),
            format!("{password}{salt}"),
            format!("{password}:{salt}"),
            format!("{TOKEN}0"),
            format!("{TOKEN}.{salt}"),
            format!(" {}", &TOKEN[1..]),
            TOKEN.replacen(&password[..1], "g", 1),
            format!("{}g", &TOKEN[..64]),
        ] {
            assert_eq!(KeyHash::pbkdf2(other.as_bytes()), None, "{other}");
        }
        let upper = KeyHash::pbkdf2(TOKEN.to_uppercase().as_bytes());
        assert!(upper.is_some_and(|it| it.to_string() != PBKDF2));
    }

    #[test]
    fn expiry_times() {
        for (text, expected) in [
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("1970-01-01T00:00:01.5Z", Some(1_500)),
            ("1970-01-01T02:00:00+01:00", Some(3_600_000)),
            ("2027-01-01T00:00:00Z", Some(1_798_761_600_000)),
            ("1969-12-31T23:59:59Z", Some(0)),
            ("9999-12-31T23:59:59Z", Some(253_402_300_799_000)),
            ("1970-01-01T00:00:00", None),
            ("1970-01-01", None),
            ("00:00:00", None),
            ("2027-02-29T00:00:00Z", None),
            ("2027-01-01T00:00:00+01:00[Europe/Paris]", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(ApiKey::expiry_ms(text), expected, "{text}");
        }
    }

    #[test]
    fn names() {
        for good in ["mobile", "the shop's till 3", "ü", &"x".repeat(128)] {
            assert!(ApiKey::is_name(good), "{good}");
        }
        for bad in ["", "a\nb", "a\u{7f}", &"x".repeat(129)] {
            assert!(!ApiKey::is_name(bad), "{bad}");
        }
    }
}
