//! Sockets that outlive the process: those that a service manager has passed (`LISTEN_FDS`, `sd_listen_fds(3)`).
//!
//! A listener of a worker's own is closed with the process, and what waits in it is reset. One that was passed
//! stays open, and the next process accepts what waits. Neither can it be shut down to end an accept. So a
//! thread waits for connections on these sockets, and hands each to a worker; it ends before the drain begins.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use listenfd::ListenFd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use tracing::Level;

use crate::{
    log::{Kind, Line},
    worker::Handover,
};

/// Delay before the next attempt after an error, or while no worker takes connections.
const BACK_OFF: Duration = Duration::from_millis(20);

static FAILURES: Kind = Kind::new("passed sockets that can't be accepted from", Level::ERROR);

/// The sockets that were passed; none if the variables are not for this process.
///
/// # Errors
/// One is no TCP socket, or does not listen.
pub(super) fn passed_sockets() -> io::Result<Vec<TcpListener>> {
    let mut passed = ListenFd::from_env();
    let sockets = (0..passed.len()).map(|index| passed.take_tcp_listener(index));
    let sockets: Vec<TcpListener> = sockets
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    for socket in &sockets {
        if !SockRef::from(socket).is_listener()? {
            let address = socket.local_addr()?;
            return Err(io::Error::other(format!(
                "the socket of {address} does not listen"
            )));
        }
    }
    Ok(sockets)
}

/// The thread that accepts.
pub(super) struct Acceptor {
    thread: JoinHandle<()>,
    /// Ends the thread.
    stop: UnixStream,
}

impl Acceptor {
    /// Begins to accept from `sockets`, of which there is at least one, for the workers with these handovers.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn start(
        sockets: Vec<TcpListener>,
        workers: Vec<Arc<Handover>>,
    ) -> io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        let thread = thread::Builder::new()
            .name("ringest-accept".to_owned())
            .spawn(move || {
                let mut next = 0;
                while wait(&sockets, &stopped) {
                    if !accept_all(&sockets, &workers, &mut next) {
                        thread::sleep(BACK_OFF);
                    }
                }
            })?;
        Ok(Self { thread, stop })
    }

    /// Accepts no more. What has not been accepted waits for the next process.
    pub(super) fn stop(mut self) {
        // It fails only if the thread has ended.
        let _ = self.stop.write_all(&[0]);
        if self.thread.join().is_err() {
            tracing::error!("the thread that accepts from passed sockets has panicked");
        }
    }
}

/// Waits for connections; `false` if there are to be no more.
fn wait(sockets: &[TcpListener], stopped: &UnixStream) -> bool {
    let fds = sockets.iter().map(AsFd::as_fd).chain([stopped.as_fd()]);
    let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    // A signal interrupts it: nothing is ready then.
    let _ = poll(&mut fds, PollTimeout::NONE);
    !fds.last().is_some_and(|it| it.any().unwrap_or(false))
}

/// Accepts what waits; `false` if something has to be waited for.
fn accept_all(sockets: &[TcpListener], workers: &[Arc<Handover>], next: &mut usize) -> bool {
    for socket in sockets {
        loop {
            if !workers.iter().any(|it| it.is_open()) {
                return false;
            }
            match socket.accept() {
                Ok(connection) => give(connection, workers, next),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The client has gone meanwhile, or a signal has arrived.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    if let Some(Line { count }) = FAILURES.admit() {
                        tracing::error!(count, "cannot accept connections: {error}");
                    }
                    return false;
                }
            }
        }
    }
    true
}

/// Gives a connection to the next worker that takes some.
fn give(connection: (TcpStream, SocketAddr), workers: &[Arc<Handover>], next: &mut usize) {
    let mut connection = Some(connection);
    for _ in 0..workers.len() {
        let worker = &workers[*next % workers.len()];
        *next = next.wrapping_add(1);
        connection = connection.and_then(|it| worker.give_connection(it).err());
        if connection.is_none() {
            return;
        }
    }
}
