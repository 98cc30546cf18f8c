//! The command line, and a listener for each worker.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    process, thread,
};

use clap::Parser;
use socket2::{Domain, Socket, Type};

/// Connections that wait to be accepted, at most; the system may have a lower bound.
const BACKLOG: i32 = 4_096;

/// Arguments of a floor.
#[derive(Parser)]
pub struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub address: SocketAddr,
    /// Threads, each with a listener of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub workers: u16,
}

/// Runs `serve` on a thread for each worker, with its listener; prints the address once all listen. A worker
/// that fails ends the process.
///
/// # Errors
/// The system's, for an address that cannot be listened on.
pub fn serve_each<F>(arguments: &Arguments, serve: F) -> io::Result<()>
where
    F: Fn(TcpListener) -> io::Result<()> + Sync,
{
    let first = listen(arguments.address)?;
    let address = first.local_addr()?;
    let others = (1..arguments.workers).map(|_| listen(address));
    let listeners = [Ok(first)].into_iter().chain(others);
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    eprintln!("listening on {address}");
    thread::scope(|scope| {
        for listener in listeners {
            scope.spawn(|| {
                if let Err(error) = serve(listener) {
                    eprintln!("{error}");
                    process::exit(1);
                }
            });
        }
    });
    Ok(())
}

/// A listener among which the kernel distributes connections; they have `TCP_NODELAY`, which they inherit.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
