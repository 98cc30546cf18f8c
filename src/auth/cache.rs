//! The cache of verified credentials of one worker.

use std::{cell::Cell, hash::Hasher};

use constant_time_eq::constant_time_eq;
use foldhash::fast::FixedState;
use lru::LruCache;
use ring::rand::SystemRandom;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Denial, KeySet, Principal, Verified, verified::Proof};

/// Memory of an entry without its token, name and routes: the proof, the grant, the list and the table.
const ENTRY_BYTES: usize = 320;

/// Assumed size of an entry, to derive the limit in bytes from the limit in entries: a JWT with an RSA
/// signature and a dozen claims takes about 900.
const ENTRY_BYTES_USUAL: usize = 1_280;

/// An LRU cache of verified credentials, limited in entries and bytes. Failures are not cached: invalid
/// tokens could evict valid ones.
///
/// What a credential grants holds in the key set that it was verified with. In another set it is derived
/// anew, from the token's own bytes, when the token is looked up for the first time; the hash or the
/// signature is not computed again where the set contains what proved it.
///
/// Credentials are found by a keyed hash (SipHash-1-3, 128 bits), so that clients can't choose hash
/// values, and match only if their bytes equal the verified ones.
#[derive(Debug)]
pub struct Cache {
    hasher: SipHasher13,
    entries: LruCache<u128, Entry, FixedState>,
    entries_max: usize,
    bytes: usize,
    bytes_max: usize,
}

/// The hash of the last token of a connection; only a hint, the token is always compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint(u128);

#[derive(Debug)]
struct Entry {
    token: Box<[u8]>,
    proof: Proof,
    /// The serial number of the key set that the principal holds in.
    key_set: u64,
    principal: Principal,
    bytes: usize,
}

impl Cache {
    /// Maximum memory of the entries, in bytes.
    pub const fn bytes_max(entries_max: usize) -> usize {
        entries_max.saturating_mul(ENTRY_BYTES_USUAL)
    }

    /// A cache of up to `entries_max` credentials and [`Cache::bytes_max`] bytes.
    ///
    /// # Panics
    /// If the system random number generator fails.
    pub fn new(entries_max: usize) -> Self {
        let key: [u8; 16] = ring::rand::generate(&SystemRandom::new())
            .expect("the system random number generator works")
            .expose();
        Self {
            hasher: SipHasher13::new_with_key(&key),
            // Its input is already a keyed hash.
            entries: LruCache::unbounded_with_hasher(FixedState::default()),
            entries_max,
            bytes: 0,
            bytes_max: Self::bytes_max(entries_max),
        }
    }

    /// The number of cached credentials.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Changes the limit; the least recently used credentials are dropped.
    pub fn resize(&mut self, entries_max: usize) {
        self.entries_max = entries_max;
        self.bytes_max = Self::bytes_max(entries_max);
        self.evict();
    }

    /// The principal of a cached token in this key set, or why the token is not valid any more; `None` if it
    /// has to be verified. `hint` is the hash of the connection's last token, and is updated: most
    /// connections always send the same token, and hashing it would cost more than the rest of the look-up.
    pub fn find(
        &mut self,
        token: &[u8],
        hint: &Cell<Hint>,
        keys: &KeySet,
        now_ms: u64,
    ) -> Option<Result<Principal, Denial>> {
        let Hint(mut hash) = hint.get();
        if !self.is_at(hash, token) {
            hash = self.hash(token);
            if !self.is_at(hash, token) {
                return None;
            }
            hint.set(Hint(hash));
        }
        // Marks it as most recently used.
        let entry = self.entries.get(&hash)?;
        if entry.key_set != keys.serial() {
            return self.renew(hash, keys, now_ms);
        }
        if entry.principal.grant().validity.contains(now_ms) {
            return Some(Ok(entry.principal.clone()));
        }
        self.forget(hash);
        None
    }

    /// Derives the principal of an entry in another key set. An entry that has to be verified, or whose
    /// issuer has no keys now, is kept.
    fn renew(
        &mut self,
        hash: u128,
        keys: &KeySet,
        now_ms: u64,
    ) -> Option<Result<Principal, Denial>> {
        let entry = self.entries.peek(&hash)?;
        let check = keys.check(&entry.token, now_ms);
        let renewed = match check {
            Ok(check) => check.renew(entry.proof, now_ms)?,
            Err(denial) => Err(denial),
        };
        match renewed {
            Ok(verified) => {
                let entry = self.entries.pop(&hash)?;
                self.bytes -= entry.bytes;
                Some(Ok(self.push(hash, entry.token, verified, keys)))
            }
            Err(denial) => {
                if !denial.reason.is_server_error() {
                    self.forget(hash);
                }
                Some(Err(denial))
            }
        }
    }

    /// Whether the entry with this hash is for this token.
    fn is_at(&self, hash: u128, token: &[u8]) -> bool {
        let entry = self.entries.peek(&hash);
        entry.is_some_and(|entry| constant_time_eq(&entry.token, token))
    }

    /// Caches a token that was just verified with this key set.
    pub fn insert(&mut self, token: &[u8], verified: Verified, keys: &KeySet) -> Principal {
        self.push(self.hash(token), token.into(), verified, keys)
    }

    fn push(&mut self, hash: u128, token: Box<[u8]>, of: Verified, keys: &KeySet) -> Principal {
        let bytes = ENTRY_BYTES + token.len() + of.grant.heap_bytes();
        let principal = Principal::new(of.grant);
        if bytes > self.bytes_max {
            return principal;
        }
        let entry = Entry {
            token,
            proof: of.proof,
            key_set: keys.serial(),
            principal: principal.clone(),
            bytes,
        };
        self.bytes += bytes;
        if let Some((_, replaced)) = self.entries.push(hash, entry) {
            self.bytes -= replaced.bytes;
        }
        self.evict();
        principal
    }

    fn evict(&mut self) {
        while (self.entries.len() > self.entries_max || self.bytes > self.bytes_max)
            && let Some((_, oldest)) = self.entries.pop_lru()
        {
            self.bytes -= oldest.bytes;
        }
    }

    /// Whether a token is cached, valid now or not.
    pub fn contains(&self, token: &[u8]) -> bool {
        self.is_at(self.hash(token), token)
    }

    /// Removes a token.
    pub fn remove(&mut self, token: &[u8]) {
        if self.contains(token) {
            self.forget(self.hash(token));
        }
    }

    fn forget(&mut self, hash: u128) {
        if let Some(entry) = self.entries.pop(&hash) {
            self.bytes -= entry.bytes;
        }
    }

    fn hash(&self, token: &[u8]) -> u128 {
        let mut hasher = self.hasher;
        hasher.write(token);
        hasher.finish128().into()
    }
}

#[cfg(test)]
mod tests;
