//! What the control thread hands to a worker that runs.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::Mutex,
};

use crate::{networks::ClientAddress, sync::locked};

/// A connection that another thread has accepted. Its socket is a unix socket where its client is: a
/// `TcpStream` is any stream socket, but for the options of TCP.
pub(crate) type Accepted = (TcpStream, ClientAddress);

/// Shared by a worker and the threads that hand something to it.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    listener: Mutex<Option<TcpListener>>,
    inbox: Mutex<Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    connections: Vec<Accepted>,
    is_open: bool,
    /// Wakes the worker. Set not to block: a byte that does not fit would be one of many.
    bell: Option<UnixStream>,
}

impl Handover {
    /// Gives the worker a listener, in place of one that was shut down.
    pub(crate) fn give_listener(&self, listener: TcpListener) {
        *locked(&self.listener) = Some(listener);
    }

    /// The listener that was given since the last call.
    pub(crate) fn take_listener(&self) -> Option<TcpListener> {
        locked(&self.listener).take()
    }

    /// A byte in `bell` wakes the worker, which takes connections from now on.
    pub(crate) fn begin(&self, bell: UnixStream) {
        let mut inbox = locked(&self.inbox);
        inbox.bell = Some(bell);
        inbox.is_open = true;
    }

    /// The worker takes connections, or none any more. Without effect on one that has not begun.
    pub(crate) fn set_open(&self, is_open: bool) {
        let mut inbox = locked(&self.inbox);
        inbox.is_open = is_open && inbox.bell.is_some();
    }

    /// The worker has ended. What it has not taken is closed.
    pub(crate) fn end(&self) {
        *locked(&self.listener) = None;
        *locked(&self.inbox) = Inbox::default();
    }

    /// Whether the worker takes connections.
    pub(crate) fn is_open(&self) -> bool {
        locked(&self.inbox).is_open
    }

    /// Gives the worker a connection that another thread has accepted.
    ///
    /// # Errors
    /// The connection, if the worker takes none.
    pub(crate) fn give_connection(&self, connection: Accepted) -> Result<(), Accepted> {
        let mut inbox = locked(&self.inbox);
        if !inbox.is_open {
            return Err(connection);
        }
        inbox.connections.push(connection);
        if let Some(bell) = &mut inbox.bell {
            // The worker looks at each tick, too.
            let _ = bell.write(&[0]);
        }
        Ok(())
    }

    /// The connections that were given since the last call.
    pub(crate) fn take_connections(&self) -> Vec<Accepted> {
        std::mem::take(&mut locked(&self.inbox).connections)
    }
}
