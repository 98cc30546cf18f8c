//! What the control thread hands to a worker that runs.

use std::{
    net::TcpListener,
    sync::{Mutex, PoisonError},
};

/// Shared by the control thread and one worker.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    listener: Mutex<Option<TcpListener>>,
}

impl Handover {
    /// Gives the worker a listener, in place of one that was shut down.
    pub(crate) fn give_listener(&self, listener: Option<TcpListener>) {
        *self.listener() = listener;
    }

    /// The listener that was given since the last call.
    pub(crate) fn take_listener(&self) -> Option<TcpListener> {
        self.listener().take()
    }

    fn listener(&self) -> std::sync::MutexGuard<'_, Option<TcpListener>> {
        // No code panics while it holds the lock.
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
