//! Accepting connections, and handing each to a task of its own.

use std::{os::fd::AsRawFd, rc::Rc, time::Duration};

use monoio::{net::TcpListener, time::sleep};

use crate::{
    admission::ConnectionGuard, connection::Connection, context::Context, deadline::Deadline,
    isolation::isolated,
};

/// Delay before the next attempt to accept: after an error (no file descriptor), or at the limit of
/// connections.
const BACK_OFF: Duration = Duration::from_millis(20);

/// Accepts connections until the listener is shut down, which only a drain does.
pub(crate) async fn accept(listener: TcpListener, context: Rc<Context>) {
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
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::error!("cannot accept connections: {error}");
                }
                sleep(BACK_OFF).await;
            }
        }
    }
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
