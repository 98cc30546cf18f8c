//! The atomics and locks of the state that threads share: those of the standard library. `tests/atomics`
//! compiles the modules that use them against loom's instead, which tries every order of steps.

pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

use std::sync::PoisonError;

/// The value of a lock, whose holders do not panic.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
