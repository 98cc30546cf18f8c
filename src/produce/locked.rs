//! Locks of the watching threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The value of a lock that nobody holds while anything could panic.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
