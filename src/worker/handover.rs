//! What the control thread hands to a worker that runs.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Mutex,
};

use crate::sync::locked;

/// Shared by the control thread and one worker.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    listener: Mutex<Option<TcpListener>>,
    connections: Mutex<Vec<(TcpStream, SocketAddr)>>,
}

impl Handover {
    /// Gives the worker a listener, in place of one that was shut down.
    pub(crate) fn give_listener(&self, listener: Option<TcpListener>) {
        *locked(&self.listener) = listener;
    }

    /// The listener that was given since the last call.
    pub(crate) fn take_listener(&self) -> Option<TcpListener> {
        locked(&self.listener).take()
    }

    /// Gives the worker a connection that the kernel had accepted for another one.
    pub(crate) fn give_connection(&self, connection: (TcpStream, SocketAddr)) {
        locked(&self.connections).push(connection);
    }

    /// The connections that were given since the last call.
    pub(crate) fn take_connections(&self) -> Vec<(TcpStream, SocketAddr)> {
        std::mem::take(&mut *locked(&self.connections))
    }
}
