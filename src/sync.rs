//! The atomics and locks of the state that threads share: those of the standard library. `tests/atomics`
//! compiles the modules that use them against loom's instead, which tries every order of steps.

pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
