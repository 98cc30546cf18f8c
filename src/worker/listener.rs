//! Accepting connections, and handing each to a task of its own. Where all are in use, an idle one gives way
//! to the new one; where none idles, the new one gets a place in a small reserve, where `/health` is served
//! and everything else is answered 503.

use std::{
    cell::RefCell,
    io,
    net::{Shutdown, SocketAddr},
    os::fd::{AsRawFd, RawFd},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use monoio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use nix::libc::{EMFILE, ENFILE};
use tracing::Level;

use super::{
    handover::{Accepted, Handover},
    handshakes,
};
use crate::{
    connection::Connection,
    connections::{ConnectionError, ConnectionGuard, LEAVING_MAX, RESERVE},
    context::Context,
    deadline::{Deadline, shutdown},
    isolation::isolated,
    log::{Kind, Line},
    metrics::Driver,
    networks::{ClientAddress, Subnet, is_in},
};

/// Delay before the next attempt to accept after an error.
const BACK_OFF: Duration = Duration::from_millis(20);

/// A pause in which the worker's other tasks run.
const PAUSE: Duration = Duration::from_millis(1);

/// Connections accepted in a row. On `io_uring` an accept completes once every connection that has something
/// to do was served: under load the next ones would wait for that in the kernel, one after another.
const IN_A_ROW_MAX: usize = 32;

static PANICS: Kind = Kind::new("connections closed after a panic", Level::ERROR);

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

    /// Lets no further connection begin, while those that have begun can be accepted.
    pub(super) fn stop_handshakes(&self) {
        let listener = self.0.borrow();
        let stopped = listener.as_ref().map_or(Ok(()), handshakes::stop);
        if let Err(error) = stopped {
            tracing::debug!("connections that begin during the drain may be reset: {error}");
        }
    }

    /// Whether there are connections that the kernel has accepted and the process has not.
    pub(super) fn has_backlog(&self) -> bool {
        self.0
            .borrow()
            .as_ref()
            .is_some_and(handshakes::are_waiting)
    }

    /// A connection that the kernel has accepted and the process has not. What goes wrong with that is left
    /// for the next accept to find.
    fn accept_waiting(&self) -> Option<(std::net::TcpStream, SocketAddr)> {
        let listener = self.0.borrow();
        let listener = listener.as_ref().filter(|it| handshakes::are_waiting(it));
        listener?.accept().ok()
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
    (mut current, listening): (Option<TcpListener>, Listening),
    handover: Arc<Handover>,
    context: Rc<Context>,
) {
    loop {
        let Some(listener) = &current else {
            current = next(&listening, &handover, &context).await;
            if current.is_none() {
                return;
            }
            continue;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                begin(stream, peer.ip().into(), &context);
                let more = accept_waiting(&listening, &context);
                // Where this task never waits, on epoll, no other runs.
                if more == IN_A_ROW_MAX {
                    sleep(PAUSE).await;
                }
                while context.deadlines.leaving() >= LEAVING_MAX {
                    sleep(PAUSE).await;
                }
            }
            Err(error) if is_shut_down(&error) => {
                listening.end();
                current = None;
            }
            Err(error) => {
                let is_short_of_files = matches!(error.raw_os_error(), Some(EMFILE | ENFILE));
                if context.is_draining() && !is_short_of_files {
                    return;
                }
                log_failure(&error);
                if is_short_of_files && context.deadlines.make_room(None, context.clock.now()) {
                    context.metrics.connections_evicted.add(1);
                }
                sleep(BACK_OFF).await;
            }
        }
    }
}

/// Accepts connections that the kernel has accepted already, as many as may be accepted now: how many.
fn accept_waiting(listening: &Listening, context: &Rc<Context>) -> usize {
    let mut accepted = 0;
    while accepted < IN_A_ROW_MAX && context.deadlines.leaving() < LEAVING_MAX {
        let Some((stream, peer)) = listening.accept_waiting() else {
            break;
        };
        adopt(stream, peer.ip().into(), context);
        accepted += 1;
    }
    accepted
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
            let begun = listener.set_nonblocking(is_epoll(context));
            match begun.and_then(|()| listening.begin(listener)) {
                Ok(listener) => return Some(listener),
                Err(error) => log_failure(&error),
            }
        }
        sleep(BACK_OFF).await;
    }
    None
}

/// Whether sockets must not block: epoll's must not, those of `io_uring` must.
pub(super) fn is_epoll(context: &Context) -> bool {
    context.metrics.driver() == Some(Driver::Epoll)
}

/// Serves connections that another thread has accepted.
pub(super) fn adopt_all(connections: Vec<Accepted>, context: &Rc<Context>) {
    for (stream, peer) in connections {
        adopt(stream, peer, context);
    }
}

/// Serves a connection that the runtime has not accepted. One that can't be served is closed.
fn adopt(stream: std::net::TcpStream, peer: ClientAddress, context: &Rc<Context>) {
    let adopted = stream.set_nonblocking(is_epoll(context));
    if let Ok(stream) = adopted.and_then(|()| TcpStream::from_std(stream)) {
        begin(stream, peer, context);
    }
}

/// Begins to serve a connection.
fn begin(stream: TcpStream, peer: ClientAddress, context: &Rc<Context>) {
    // From here on a drain waits for it.
    let place = admit(context, stream.as_raw_fd(), peer);
    // Answers are small and written whole: Nagle's algorithm would only delay them.
    if peer == ClientAddress::Unix || stream.set_nodelay(true).is_ok() {
        start(stream, peer, place, context);
    }
}

/// A connection's place among the others.
struct Place {
    deadline: Deadline,
    /// `None` in the reserve.
    guard: Option<ConnectionGuard>,
}

/// Finds a place for a connection: a free one, that of an idle connection, or one in the reserve.
fn admit(context: &Context, socket: RawFd, peer: ClientAddress) -> Place {
    let (connections, deadlines) = (&context.connections, &context.deadlines);
    // Connections of a trusted proxy are those of many clients.
    let is_proxy = is_in(&context.config.listen.trusted_proxies, peer);
    let subnet = (!is_proxy).then(|| Subnet::of(peer).number());
    let place = |guard| Place {
        deadline: deadlines.watch(socket, subnet),
        guard: Some(guard),
    };
    // One that has more than its share makes room for itself only.
    let gives_way = match connections.enter(subnet) {
        Ok(guard) => return place(guard),
        Err(ConnectionError::Full) => None,
        Err(ConnectionError::SubnetFull) => subnet,
    };
    let is_replaced = deadlines.make_room(gives_way, context.clock.now());
    record_full(context, is_replaced);
    if is_replaced {
        return place(connections.replace(subnet));
    }
    if deadlines.reserved() >= RESERVE {
        deadlines.end_oldest_reserved();
    }
    Place {
        deadline: deadlines.watch_reserved(socket),
        guard: None,
    }
}

fn start(stream: TcpStream, peer: ClientAddress, place: Place, context: &Rc<Context>) {
    let Place { deadline, guard } = place;
    let connection = Connection::new(stream, peer, deadline, guard.is_none(), Rc::clone(context));
    monoio::spawn(serve(connection, guard, Rc::clone(context)));
}

/// A connection's whole life. A panic ends this connection only.
async fn serve(connection: Box<Connection>, _guard: Option<ConnectionGuard>, context: Rc<Context>) {
    let metrics = &context.metrics;
    metrics.connections_accepted.add(1);
    metrics.connections_open.add(1);
    if let Err(panicked) = isolated(connection.serve()).await {
        metrics.connection_panics.add(1);
        if let Some(Line { count }) = PANICS.admit() {
            tracing::error!(count, "connection closed: {panicked}");
        }
    }
    metrics.connections_open.sub(1);
}

/// Counts and logs that a connection gave way to a new one, or that the new one was refused.
fn record_full(context: &Context, is_evicted: bool) {
    static EVICTED: Kind = Kind::new("connections are full: idle ones were closed", Level::WARN);
    static REFUSED: Kind = Kind::new("connections are full: new ones were refused", Level::WARN);
    let metrics = &context.metrics;
    let (counter, kind, effect) = if is_evicted {
        let evicted = &metrics.connections_evicted;
        (evicted, &EVICTED, "an idle one was closed")
    } else {
        let refused = &metrics.connections_refused;
        (refused, &REFUSED, "a new one was refused")
    };
    counter.add(1);
    if let Some(Line { count }) = kind.admit() {
        let max = context.connections.max();
        tracing::warn!(
            count,
            max,
            "connections are full (limits.connections_max, or those of one address): {effect}"
        );
    }
}

fn log_failure(error: &io::Error) {
    static FAILURES: Kind = Kind::new("cannot accept connections", Level::ERROR);
    if let Some(Line { count }) = FAILURES.admit() {
        tracing::error!(count, "cannot accept connections: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admission::CONNECTION_BYTES, http::HEAD_KEPT_BYTES_MAX};

    /// The task that an idle connection is.
    #[test]
    fn a_connection_takes_little() {
        fn bytes_of<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        // What is kept of the last answer and of the last head, and the places in the worker's tables and the driver's.
        const BESIDE: usize = 1_024 + HEAD_KEPT_BYTES_MAX + 512;
        let (task, state) = (bytes_of(serve), size_of::<Connection>());
        let bytes = task + state + BESIDE;
        assert!(bytes <= CONNECTION_BYTES, "{task} + {state} bytes");
        assert!(task <= 2_048, "{task} bytes");
    }
}
