//! The keys of an issuer at a URL as last fetched, and the fetches that tokens cause which name other keys.
//!
//! An issuer may publish a key at any time. So a token with an unknown key is rejected only once a set that
//! was fetched after its arrival lacks the key; until then its request waits for a fetch, or gets 503 if none
//! begins soon. Everyone can send such tokens, which is why they cause few fetches:
//! - A bucket holds [`BURST`] fetches; another one is added each [`REFILL`].
//! - Keys that a fetched set lacked are remembered. Tokens that name one of them leave one fetch to new keys.
//! - The same token again within [`TOKEN_MEMORY`] is rejected without a fetch.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use foldhash::quality;
use lru::LruCache;

use super::VerificationKeys;
use crate::sync::locked;

/// Fetches that unknown keys may cause at once.
pub const BURST: u32 = 5;

/// Time until one more of them is allowed.
pub const REFILL: Duration = Duration::from_secs(5);

/// How long a token that was rejected for its key is rejected without a fetch.
pub const TOKEN_MEMORY: Duration = Duration::from_secs(5);

/// How long unknown keys are remembered.
const KEY_MEMORY: Duration = Duration::from_mins(10);

/// Maximum remembered keys and tokens; the least recently used ones are dropped.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("not 0");

/// A request waits for a fetch that begins within this time.
const BEGINS_WITHIN: Duration = Duration::from_secs(1);

/// The keys of an issuer at a URL. Shared by the thread that fetches them and the workers, which use it only
/// for tokens with unknown keys; the lock is never held for more than a look-up in a table.
pub struct FetchedKeys {
    state: Mutex<State>,
    /// Fetches that have ended, and other changes of the keys.
    changes: AtomicU64,
    /// Hashes what is remembered, with a key of its own.
    hasher: RandomState,
    wake: Box<dyn Fn() + Send + Sync>,
}

struct State {
    keys: Option<Arc<VerificationKeys>>,
    /// When the fetch began that `keys` are the result of.
    confirmed: Option<Instant>,
    /// When the fetch in progress began.
    running: Option<Instant>,
    /// When the next fetch begins anyway.
    scheduled: Option<Instant>,
    /// When the next fetch may begin that a token causes.
    wanted: Option<Instant>,
    /// Whether the last fetch failed; then only the schedule causes one.
    failed: bool,
    bucket: Bucket,
    /// When a set was fetched that lacked these keys, and the keys of these tokens, by their hash.
    remembered: LruCache<u64, Instant, quality::RandomState>,
}

/// The fetches that tokens may cause.
#[derive(Clone, Copy)]
struct Bucket {
    /// When it is full again; in the past if it is.
    full: Option<Instant>,
}

/// A key that a token names and its issuer's keys lack.
#[derive(Debug)]
pub struct UnknownKey {
    fetched: Arc<FetchedKeys>,
    /// The keys that lack it.
    keys: Arc<VerificationKeys>,
    kid: u64,
    token: u64,
}

/// What is known of an unknown key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// A set that was fetched late enough lacks it.
    Lacking,
    /// Newer keys will be active soon, or fetched.
    Awaited,
    /// No fetch is allowed soon.
    NotSoon,
}

impl FetchedKeys {
    /// Without keys yet. `wake` is called from other threads when [`FetchedKeys::wanted`] has changed.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            state: Mutex::new(State {
                keys: None,
                confirmed: None,
                running: None,
                scheduled: None,
                wanted: None,
                failed: false,
                bucket: Bucket { full: None },
                remembered: LruCache::with_hasher(REMEMBERED_MAX, quality::RandomState::default()),
            }),
            changes: AtomicU64::new(0),
            hasher: RandomState::new(),
            wake: Box::new(wake),
        }
    }

    /// Keys that were fetched once and will not be fetched again.
    pub fn only(keys: Option<VerificationKeys>) -> Self {
        let this = Self::new(|| {});
        this.lock().keys = keys.map(Arc::new);
        this
    }

    /// The keys as last fetched.
    pub fn keys(&self) -> Option<Arc<VerificationKeys>> {
        self.lock().keys.clone()
    }

    /// When a token causes the next fetch, if one does.
    pub fn wanted(&self) -> Option<Instant> {
        self.lock().wanted
    }

    /// Notes that a fetch begins.
    pub fn begin(&self, now: Instant) {
        let mut state = self.lock();
        let is_scheduled = state.scheduled.is_none_or(|at| at <= now);
        if state.wanted.take().is_some_and(|at| at <= now) && !is_scheduled {
            state.bucket.take(now);
        }
        (state.running, state.scheduled) = (Some(now), None);
    }

    /// Notes that the fetch in progress has succeeded, with these keys if they have changed. The next one
    /// begins at `scheduled`.
    pub fn succeeded(&self, keys: Option<VerificationKeys>, scheduled: Instant) {
        let mut state = self.lock();
        state.confirmed = state.running;
        if let Some(keys) = keys {
            state.keys = Some(Arc::new(keys));
        }
        state.ended(false, scheduled);
        self.changed(state);
    }

    /// Notes that the fetch in progress has failed. The next one begins at `scheduled`.
    pub fn failed(&self, scheduled: Instant) {
        let mut state = self.lock();
        state.ended(true, scheduled);
        self.changed(state);
    }

    /// Drops the keys.
    pub fn expire(&self) {
        let mut state = self.lock();
        (state.keys, state.confirmed) = (None, None);
        self.changed(state);
    }

    fn changed(&self, state: MutexGuard<'_, State>) {
        drop(state);
        self.changes.fetch_add(1, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    fn ended(&mut self, failed: bool, scheduled: Instant) {
        (self.running, self.scheduled) = (None, Some(scheduled));
        self.failed = failed;
        if failed {
            self.wanted = None;
        }
    }

    /// When the next fetch may begin, for a token with this key.
    fn next(&self, kid: u64, now: Instant) -> Option<Instant> {
        let fetches = 1 + u32::from(self.remembers(kid, KEY_MEMORY, now));
        let allowed = (!self.failed).then(|| self.bucket.has(fetches).unwrap_or(now));
        let known = [self.scheduled, self.wanted, allowed];
        known.into_iter().flatten().min().map(|at| at.max(now))
    }

    fn remembers(&self, hash: u64, memory: Duration, now: Instant) -> bool {
        let at = self.remembered.peek(&hash);
        at.is_some_and(|at| now.saturating_duration_since(*at) < memory)
    }
}

impl Bucket {
    /// When there are so many fetches in it; `None`: it has never been used.
    fn has(self, fetches: u32) -> Option<Instant> {
        self.full?.checked_sub((BURST - fetches) * REFILL)
    }

    fn take(&mut self, now: Instant) {
        self.full = Some(self.full.unwrap_or(now).max(now) + REFILL);
    }
}

impl UnknownKey {
    pub(super) fn new(
        fetched: &Arc<FetchedKeys>,
        keys: &Arc<VerificationKeys>,
        kid: Option<&str>,
        token: &str,
    ) -> Self {
        Self {
            kid: fetched.hasher.hash_one(("kid", kid)),
            token: fetched.hasher.hash_one(("token", token)),
            fetched: Arc::clone(fetched),
            keys: Arc::clone(keys),
        }
    }

    /// What is known of it now, for a token that arrived at `since`. May cause a fetch.
    pub fn look_up(&self, since: Instant, now: Instant) -> LookUp {
        let mut state = self.fetched.lock();
        let current = state.keys.as_ref();
        if !current.is_some_and(|keys| Arc::ptr_eq(keys, &self.keys)) {
            return LookUp::Awaited;
        }
        match state.confirmed {
            Some(at) if at > since => {
                state.remembered.put(self.kid, at);
                state.remembered.put(self.token, at);
                return LookUp::Lacking;
            }
            _ if state.remembers(self.token, TOKEN_MEMORY, now) => return LookUp::Lacking,
            _ => {}
        }
        if state.running.is_some_and(|at| at > since) {
            return LookUp::Awaited;
        }
        match state.next(self.kid, now) {
            Some(at) if at <= now + BEGINS_WITHIN => {
                let is_sooner = |than: Option<Instant>| than.is_none_or(|than| at < than);
                if is_sooner(state.wanted) && is_sooner(state.scheduled) {
                    state.wanted = Some(at);
                    drop(state);
                    (self.fetched.wake)();
                }
                LookUp::Awaited
            }
            _ => LookUp::NotSoon,
        }
    }

    /// Differs when a fetch has ended.
    pub fn changes(&self) -> u64 {
        self.fetched.changes.load(Ordering::Acquire)
    }
}

impl fmt::Debug for FetchedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
