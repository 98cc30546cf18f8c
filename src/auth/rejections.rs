//! Tokens that were verified and rejected, so that the same token costs a hash the next time.

use std::hash::Hasher;

use ring::rand::SystemRandom;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{AuthError, Denial};

/// The bits of a slot that are an error; the others are those of the token's hash.
const ERROR_BITS: u128 = 0xff;

/// The bit of these that says that the token is authentic.
const AUTHENTIC: u8 = 0x80;

/// Rejected tokens of one snapshot: another one may have their keys. A bounded table of keyed hashes
/// (`SipHash-1-3`, 128 bits, of which 120 are compared), so that clients can't choose a slot or make a
/// valid token look like one of these. A token replaces the one that has its slot.
#[derive(Debug)]
pub struct Rejections {
    hasher: SipHasher13,
    /// Empty until the first token.
    slots: Vec<u128>,
}

impl Rejections {
    /// Tokens, at most.
    const SLOTS: usize = 4_096;

    /// Maximum memory, in bytes.
    pub const BYTES_MAX: usize = Self::SLOTS * size_of::<u128>();

    /// None.
    ///
    /// # Panics
    /// If the system random number generator fails.
    pub fn new() -> Self {
        let key: [u8; 16] = ring::rand::generate(&SystemRandom::new())
            .expect("the system random number generator works")
            .expose();
        Self {
            hasher: SipHasher13::new_with_key(&key),
            slots: Vec::new(),
        }
    }

    /// Why the token was rejected, if it was. Where that is not final ([`AuthError::is_final`]), nothing but the
    /// token's being authentic holds now.
    pub fn find(&self, token: &[u8]) -> Option<Denial> {
        if self.slots.is_empty() {
            return None;
        }
        let (hash, slot) = self.place(token);
        let found = self.slots[slot];
        let is_same = (found ^ hash) & !ERROR_BITS == 0;
        let error = u8::try_from(found & ERROR_BITS).ok()?;
        let reason = AuthError::ALL.get(usize::from(error & !AUTHENTIC)).copied();
        let reason = reason.filter(|_| is_same)?;
        Some(Denial {
            reason,
            is_authentic: error & AUTHENTIC != 0,
        })
    }

    /// Remembers a token that was just rejected, unless the same keys may accept it later and its signature
    /// was not verified.
    pub fn insert(&mut self, token: &[u8], denial: Denial) {
        let Denial {
            reason,
            is_authentic,
        } = denial;
        if !reason.is_final() && !is_authentic {
            return;
        }
        if self.slots.is_empty() {
            self.slots = vec![0; Self::SLOTS];
        }
        let (hash, slot) = self.place(token);
        let authentic = if is_authentic { AUTHENTIC } else { 0 };
        self.slots[slot] = (hash & !ERROR_BITS) | u128::from(reason as u8 | authentic);
    }

    /// The hash of a token, and its slot.
    fn place(&self, token: &[u8]) -> (u128, usize) {
        let mut hasher = self.hasher;
        hasher.write(token);
        let hash: u128 = hasher.finish128().into();
        let slot = hash >> 64 & (Self::SLOTS as u128 - 1);
        (hash, usize::try_from(slot).unwrap_or(0))
    }
}

impl Default for Rejections {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_token_is_found_with_its_reason_and_no_other_is() {
        let mut rejections = Rejections::new();
        assert_eq!(rejections.find(b"a"), None);
        for (token, error) in [
            (&b"a"[..], AuthError::UnknownKey),
            (b"b", AuthError::Signature),
            (b"a", AuthError::Audience),
        ] {
            for denial in [Denial::from(error), Denial::of_authentic(error)] {
                rejections.insert(token, denial);
                assert_eq!(rejections.find(token), Some(denial));
            }
        }
        let expired = Denial::of_authentic(AuthError::Expired);
        rejections.insert(b"d", expired);
        assert_eq!(rejections.find(b"d"), Some(expired));
        assert_eq!(rejections.find(b"c"), None);
        assert_eq!(Rejections::new().find(b"a"), None);
    }

    #[test]
    fn a_token_that_the_same_keys_may_accept_later_is_not_remembered() {
        let mut rejections = Rejections::new();
        for error in [
            AuthError::KeyId,
            AuthError::Expired,
            AuthError::NotYetValid,
            AuthError::KeysUnavailable,
            AuthError::Busy,
        ] {
            rejections.insert(b"a", error.into());
            assert_eq!(rejections.find(b"a"), None, "{error:?}");
        }
    }

    #[test]
    fn a_flood_of_tokens_is_bounded() {
        let mut rejections = Rejections::new();
        for n in 0..3 * Rejections::SLOTS {
            rejections.insert(&n.to_be_bytes(), AuthError::UnknownKey.into());
        }
        let found =
            (0..3 * Rejections::SLOTS).filter(|n| rejections.find(&n.to_be_bytes()).is_some());
        let found = found.count();
        assert!(
            found <= Rejections::SLOTS && found > Rejections::SLOTS / 2,
            "{found}"
        );
    }
}
