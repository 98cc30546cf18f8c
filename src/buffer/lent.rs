//! What debug builds check of memory that others use: frozen bytes stay as they were, and memory in the pool
//! holds a pattern that nobody overwrites. Writes of every origin show, the kernel's included; late reads
//! find the pattern, which is no JSON.

use std::{
    cell::UnsafeCell,
    hash::BuildHasher,
    io::{self, Write as _},
    process,
};

/// What memory in the pool holds.
static PATTERN: [u8; 4096] = [0xDB; 4096];

/// Fills memory that goes into the pool.
pub(super) fn poison(memory: &mut [UnsafeCell<u8>]) {
    let memory: *mut [UnsafeCell<u8>] = memory;
    // SAFETY: `UnsafeCell<u8>` has the layout of `u8`, and the borrow is exclusive.
    unsafe { &mut *(memory as *mut [u8]) }.fill(PATTERN[0]);
}

/// Checks memory that comes from the pool.
pub(super) fn check_poisoned(memory: &[UnsafeCell<u8>]) {
    let memory: *const [UnsafeCell<u8>] = memory;
    // SAFETY: `UnsafeCell<u8>` has the layout of `u8`; the pool alone has the memory, as is checked here.
    let bytes = unsafe { &*(memory as *const [u8]) };
    let mut chunks = bytes.chunks(PATTERN.len());
    if !chunks.all(|chunk| chunk == &PATTERN[..chunk.len()]) {
        let at = bytes.iter().position(|byte| *byte != PATTERN[0]);
        found(&format!("memory in the pool was written to, at {at:?}"));
    }
}

/// A hash of bytes that are frozen.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    foldhash::quality::FixedState::default().hash_one(bytes)
}

/// Checks that bytes are what they were when they were frozen.
pub(super) fn check_unchanged(bytes: &[u8], before: u64) {
    if hash(bytes) != before {
        found("bytes were written to while they were frozen");
    }
}

/// Ends the process, which must not run on with bytes that nobody sent. A panic would be caught.
#[expect(clippy::disallowed_methods, reason = "the process ends here")]
fn found(what: &str) {
    if cfg!(test) {
        // None in addition to the one that a test has failed with.
        assert!(std::thread::panicking(), "{what}");
    } else {
        let _ = writeln!(io::stderr(), "{what}");
        process::abort();
    }
}
