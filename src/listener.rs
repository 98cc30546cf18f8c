//! Accepting connections, and handing each to a task of its own.

use std::{rc::Rc, time::Duration};

use monoio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{admission::ConnectionGuard, connection, isolation::isolated, worker::Worker};

/// How long accepting rests when it can't go on: no file descriptor, or no room.
const BACK_OFF: Duration = Duration::from_millis(20);

/// Accepts until the listener is shut down, which only a drain does.
pub(crate) async fn accept(listener: TcpListener, worker: Rc<Worker>) {
    let mut warned = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Some(guard) = place(&worker).await else {
                    return;
                };
                warned = false;
                monoio::spawn(serve(stream, guard, Rc::clone(&worker)));
            }
            Err(_) if worker.is_draining() => return,
            Err(error) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::error!("no connection can be accepted: {error}");
                }
                sleep(BACK_OFF).await;
            }
        }
    }
}

/// Waits for one of the process's connections to end, if all places are taken. Those that come
/// meanwhile wait in the kernel's queue. `None` once a drain has begun.
async fn place(worker: &Worker) -> Option<ConnectionGuard> {
    loop {
        if let Some(guard) = worker.connections.enter() {
            return Some(guard);
        }
        if worker.is_draining() {
            return None;
        }
        sleep(BACK_OFF).await;
    }
}

/// A connection's whole life. Its panic is its own end, and nobody else's.
async fn serve(stream: TcpStream, _guard: ConnectionGuard, worker: Rc<Worker>) {
    // Answers are small and written whole: waiting for more of them gains nothing.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let metrics = &worker.metrics;
    metrics.connections_accepted.add(1);
    metrics.connections_open.add(1);
    if let Err(panicked) = isolated(connection::serve(stream, Rc::clone(&worker))).await {
        metrics.connection_panics.add(1);
        tracing::error!("a connection ended: {panicked}");
    }
    metrics.connections_open.sub(1);
}
