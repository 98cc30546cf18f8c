//! Credentials that this core has verified.

use std::{cell::Cell, hash::Hasher};

use constant_time_eq::constant_time_eq;
use foldhash::fast::FixedState;
use lru::LruCache;
use ring::rand::SystemRandom;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Grant, Principal};

/// Memory of an entry beside its token, its name and its routes: the grant, list and table.
const ENTRY_BYTES: usize = 256;

/// What an entry is reckoned with when the cache's bound in bytes is made from that in entries: a JWT
/// with an RSA signature and a dozen claims takes about 900.
const ENTRY_BYTES_USUAL: usize = 1_280;

/// The verified credentials of one snapshot, least recently used first to go; bounded in entries and
/// bytes. Failures are not remembered: strangers could push out those who are known.
///
/// A credential is found by a keyed hash (SipHash-1-3, 128 bits), so that nobody can choose
/// where his own lands, and counts only if its own bytes are those that were verified.
#[derive(Debug)]
pub struct Cache {
    hasher: SipHasher13,
    entries: LruCache<u128, Entry, FixedState>,
    entries_max: usize,
    bytes: usize,
    bytes_max: usize,
}

/// Where a token may be: its hash, or that of another one. Nothing is taken on its word.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint(u128);

#[derive(Debug)]
struct Entry {
    token: Box<[u8]>,
    principal: Principal,
    bytes: usize,
}

impl Cache {
    /// The most memory that the entries take, in bytes.
    pub const fn bytes_max(entries_max: usize) -> usize {
        entries_max.saturating_mul(ENTRY_BYTES_USUAL)
    }

    /// With room for `entries_max` credentials, in [`Cache::bytes_max`].
    ///
    /// # Panics
    /// If the system has no random bytes to give.
    pub fn new(entries_max: usize) -> Self {
        let key: [u8; 16] = ring::rand::generate(&SystemRandom::new())
            .expect("the system has random bytes")
            .expose();
        Self {
            hasher: SipHasher13::new_with_key(&key),
            // What it hashes is a hash already, of which nobody outside knows anything.
            entries: LruCache::unbounded_with_hasher(FixedState::default()),
            entries_max,
            bytes: 0,
            bytes_max: Self::bytes_max(entries_max),
        }
    }

    /// Credentials remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The principal of a token that was verified before and is good now. `hint` is where the
    /// connection's last one was, and becomes where this one is: most connections present the same
    /// one each time, and to hash it costs more than all the rest.
    pub fn find(&mut self, token: &[u8], hint: &Cell<Hint>, now_ms: u64) -> Option<Principal> {
        let Hint(mut hash) = hint.get();
        if !self.is_at(hash, token) {
            hash = self.hash(token);
            if !self.is_at(hash, token) {
                return None;
            }
            hint.set(Hint(hash));
        }
        // Which is the one used last from now on.
        let principal = &self.entries.get(&hash)?.principal;
        if principal.grant().validity.contains(now_ms) {
            return Some(principal.clone());
        }
        self.forget(hash);
        None
    }

    /// Whether what was verified there is this very token.
    fn is_at(&self, hash: u128, token: &[u8]) -> bool {
        let entry = self.entries.peek(&hash);
        entry.is_some_and(|entry| constant_time_eq(&entry.token, token))
    }

    /// Remembers a token that was just verified.
    pub fn insert(&mut self, token: &[u8], grant: Grant) -> Principal {
        let bytes = ENTRY_BYTES + token.len() + grant.heap_bytes();
        let principal = Principal::new(grant);
        if bytes > self.bytes_max {
            return principal;
        }
        let entry = Entry {
            token: token.into(),
            principal: principal.clone(),
            bytes,
        };
        self.bytes += bytes;
        if let Some((_, replaced)) = self.entries.push(self.hash(token), entry) {
            self.bytes -= replaced.bytes;
        }
        while (self.entries.len() > self.entries_max || self.bytes > self.bytes_max)
            && let Some((_, oldest)) = self.entries.pop_lru()
        {
            self.bytes -= oldest.bytes;
        }
        principal
    }

    /// Whether a token is remembered, be it good now or not.
    pub fn contains(&self, token: &[u8]) -> bool {
        self.is_at(self.hash(token), token)
    }

    /// Forgets a token.
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
