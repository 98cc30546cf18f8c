//! Accepting connections, and handing each to a task of its own.

use std::{cell::RefCell, io, net::Shutdown, os::fd::AsRawFd, rc::Rc, sync::Arc, time::Duration};

use monoio::{net::TcpListener, time::sleep};

use super::handover::Handover;
use crate::{
    admission::ConnectionGuard,
    connection::Connection,
    context::Context,
    deadline::{Deadline, shutdown},
    isolation::isolated,
    metrics::Driver,
};

/// Delay before the next attempt to accept: after an error (no file descriptor), or at the limit of
/// connections.
const BACK_OFF: Duration = Duration::from_millis(20);

/// The listener that connections are accepted from, while there is one.
#[derive(Clone, Default)]
pub(super) struct Listening(Rc<RefCell<Option<std::net::TcpListener>>>);

impl Listening {
    /// Begins to accept from this listener.
    pub(super) fn begin(&self, listener: std::net::TcpListener) -> io::Result<TcpListener> {
        let same = listener.try_clone()?;
        let listener = TcpListener::from_std(listener)?;
        self.0.replace(Some(same));
        Ok(listener)
    }

    /// Shuts the listener down, if there is one: accepting from it ends.
    pub(super) fn end(&self) {
        if let Some(listener) = self.0.take() {
            shutdown(listener.as_raw_fd(), Shutdown::Both);
        }
    }
}

/// Accepts connections until a drain shuts the listener down. Where the control thread has done so,
/// because this worker was stuck, it accepts from the next one that the control thread hands over.
pub(crate) async fn accept(
    (mut listener, listening): (TcpListener, Listening),
    handover: Arc<Handover>,
    context: Rc<Context>,
) {
    let mut warned = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                warned = false;
                // From here on a drain waits for it.
                let deadline = context.deadlines.watch(stream.as_raw_fd());
                let Some(guard) = admit(&context, &deadline).await else {
                    return;
                };
                // Answers are small and written whole: Nagle's algorithm would only delay them.
                if stream.set_nodelay(true).is_ok() {
                    let connection =
                        Connection::new(stream, peer.ip(), deadline, Rc::clone(&context));
                    monoio::spawn(serve(connection, guard, Rc::clone(&context)));
                }
            }
            Err(_) if context.is_draining() => return,
            Err(error) if is_shut_down(&error) => {
                listening.end();
                drop(listener);
                match next(&listening, &handover, &context).await {
                    Some(next) => listener = next,
                    None => return,
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::error!("cannot accept connections: {error}");
                }
                sleep(BACK_OFF).await;
            }
        }
    }
}

/// Whether an accept has failed because the socket does not listen (EINVAL).
fn is_shut_down(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

/// The next listener that the control thread hands over; `None` if a drain begins before.
async fn next(
    listening: &Listening,
    handover: &Handover,
    context: &Context,
) -> Option<TcpListener> {
    while !context.is_draining() {
        if let Some(listener) = handover.take_listener() {
            let is_epoll = context.metrics.driver() == Some(Driver::Epoll);
            let begun = listener.set_nonblocking(is_epoll);
            match begun.and_then(|()| listening.begin(listener)) {
                Ok(listener) => return Some(listener),
                Err(error) => tracing::error!("cannot accept connections: {error}"),
            }
        }
        sleep(BACK_OFF).await;
    }
    None
}

/// Waits until the process is below its limit of connections; new ones wait in the kernel's queue
/// meanwhile. `None` when the connection was cut meanwhile, which only a failed worker does.
async fn admit(context: &Context, deadline: &Deadline) -> Option<ConnectionGuard> {
    while !deadline.has_expired() {
        if let Some(guard) = context.connections.enter() {
            return Some(guard);
        }
        sleep(BACK_OFF).await;
    }
    None
}

/// A connection's whole life. A panic ends this connection only.
async fn serve(connection: Connection, _guard: ConnectionGuard, context: Rc<Context>) {
    let metrics = &context.metrics;
    metrics.connections_accepted.add(1);
    metrics.connections_open.add(1);
    if let Err(panicked) = isolated(connection.serve()).await {
        metrics.connection_panics.add(1);
        tracing::error!("connection closed: {panicked}");
    }
    metrics.connections_open.sub(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::CONNECTION_BYTES;

    /// The task that an idle connection is.
    #[test]
    fn a_connection_takes_little() {
        fn bytes_of<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = bytes_of(serve);
        assert!(bytes < CONNECTION_BYTES, "{bytes} bytes");
    }
}
