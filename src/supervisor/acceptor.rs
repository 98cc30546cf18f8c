//! Sockets that the workers share: those that a service manager has passed (`LISTEN_FDS`, `sd_listen_fds(3)`),
//! and a unix socket, as there can be one only at its path.
//!
//! A listener of a worker's own is closed with the process, and what waits in it is reset. One that was passed
//! stays open, and the next process accepts what waits. Neither can it be shut down to end an accept. So a
//! thread waits for connections on these sockets, and hands each to a worker; it ends before the drain begins.

use std::{
    io::{self, Write},
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use listenfd::ListenFd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{SockAddr, Socket};
use tracing::Level;

use super::unix_socket::SocketFile;
use crate::{
    config::ListenAddress,
    log::{Kind, Line},
    networks::ClientAddress,
    worker::{Accepted, Handover},
};

/// Delay before the next attempt after an error, or while no worker takes connections.
const BACK_OFF: Duration = Duration::from_millis(20);

static FAILURES: Kind = Kind::new("shared sockets that can't be accepted from", Level::ERROR);

/// Listeners of all workers together.
pub(super) struct SharedSockets {
    listeners: Vec<Socket>,
    /// That of the only one, where it ends with the process.
    file: Option<SocketFile>,
}

impl SharedSockets {
    /// The sockets that were passed; `None` if the variables are not for this process.
    ///
    /// # Errors
    /// One is neither TCP nor a unix stream socket, or does not listen.
    pub(super) fn passed() -> io::Result<Option<Self>> {
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len()).map(|index| take(&mut passed, index));
        let listeners: Vec<Socket> = sockets
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?;
        for socket in &listeners {
            if !socket.is_listener()? {
                let address = address(&socket.local_addr()?);
                return Err(io::Error::other(format!(
                    "the socket of {address} does not listen"
                )));
            }
        }
        let file = None;
        Ok((!listeners.is_empty()).then_some(Self { listeners, file }))
    }

    /// A unix socket of this process.
    pub(super) fn unix((listener, file): (Socket, SocketFile)) -> Self {
        Self {
            listeners: vec![listener],
            file: Some(file),
        }
    }

    /// Their addresses, of which there is at least one.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn addresses(&self) -> io::Result<Vec<ListenAddress>> {
        let listeners = self.listeners.iter();
        listeners.map(|it| Ok(address(&it.local_addr()?))).collect()
    }
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<Option<Socket>> {
    let Ok(listener) = passed.take_tcp_listener(index) else {
        let unix = passed.take_unix_listener(index);
        let unix = unix.map_err(|_| {
            io::Error::other(format!(
                "socket {index} is neither a TCP nor a unix stream socket"
            ))
        })?;
        return Ok(unix.map(Socket::from));
    };
    Ok(listener.map(Socket::from))
}

fn address(address: &SockAddr) -> ListenAddress {
    if let Some(address) = address.as_socket() {
        return ListenAddress::Tcp(address);
    }
    let abstract_name = || {
        let name = address.as_abstract_namespace().unwrap_or_default();
        format!("@{}", name.escape_ascii()).into()
    };
    let path = address.as_pathname().map(PathBuf::from);
    ListenAddress::Unix(path.unwrap_or_else(abstract_name))
}

/// The thread that accepts.
pub(super) struct Acceptor {
    thread: JoinHandle<()>,
    /// Ends the thread.
    stop: UnixStream,
    file: Option<SocketFile>,
}

impl Acceptor {
    /// Begins to accept from `sockets` for the workers with these handovers.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) fn start(sockets: SharedSockets, workers: Vec<Arc<Handover>>) -> io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let SharedSockets { listeners, file } = sockets;
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let outlive_process = file.is_none();
        let thread = thread::Builder::new()
            .name("ringest-accept".to_owned())
            .spawn(move || {
                let mut next = 0;
                while wait(&listeners, &stopped) {
                    if !accept_all(&listeners, &workers, &mut next) {
                        thread::sleep(BACK_OFF);
                    }
                }
                if !outlive_process {
                    accept_last(&listeners, &workers, &mut next);
                }
            })?;
        Ok(Self { thread, stop, file })
    }

    /// Accepts no more. What has not been accepted waits for the next process, or is accepted now.
    pub(super) fn stop(mut self) {
        // Before the last ones are accepted.
        drop(self.file.take());
        // It fails only if the thread has ended.
        let _ = self.stop.write_all(&[0]);
        if self.thread.join().is_err() {
            tracing::error!("the thread that accepts from shared sockets has panicked");
        }
    }
}

/// Waits for connections; `false` if there are to be no more.
fn wait(sockets: &[Socket], stopped: &UnixStream) -> bool {
    let fds = sockets.iter().map(AsFd::as_fd).chain([stopped.as_fd()]);
    let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    // A signal interrupts it: nothing is ready then.
    let _ = poll(&mut fds, PollTimeout::NONE);
    !fds.last().is_some_and(|it| it.any().unwrap_or(false))
}

/// Accepts what waits, and lets no further connection begin: on a unix socket they are refused from then on.
fn accept_last(sockets: &[Socket], workers: &[Arc<Handover>], next: &mut usize) {
    for socket in sockets {
        // No error to report: what comes too late is reset.
        let _ = socket.shutdown(Shutdown::Read);
    }
    accept_all(sockets, workers, next);
}

/// Accepts what waits; `false` if something has to be waited for.
fn accept_all(sockets: &[Socket], workers: &[Arc<Handover>], next: &mut usize) -> bool {
    for socket in sockets {
        loop {
            if !workers.iter().any(|it| it.is_open()) {
                return false;
            }
            match socket.accept() {
                Ok((connection, peer)) => {
                    let peer = peer.as_socket().map(|peer| peer.ip().into());
                    let peer = peer.unwrap_or(ClientAddress::Unix);
                    give((connection.into(), peer), workers, next);
                }
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
fn give(connection: Accepted, workers: &[Arc<Handover>], next: &mut usize) {
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
