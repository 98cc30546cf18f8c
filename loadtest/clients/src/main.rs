//! The clients of `loadtest/flood`, for servers on the loopback address: `junk` sends tokens that
//! nobody issued, each another one, at a rate; `good` sends records with tokens that are good, at a
//! steady rate, and measures how long their answers take. Each prints one line of JSON at its end,
//! and is bounded in time whatever the server does.

mod answer;
mod good;
mod junk;
mod token;

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

use clap::{Parser, Subcommand};
use socket2::{Domain, Socket, Type};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Clients of an authentication flood.
#[derive(Parser)]
enum Arguments {
    #[command(flatten)]
    Role(Role),
}

#[derive(Subcommand)]
enum Role {
    /// Strangers: distinct junk tokens at a rate.
    Junk(junk::Arguments),
    /// Clients with good tokens, at a steady rate until stdin ends.
    Good(good::Arguments),
}

fn main() -> io::Result<()> {
    let Arguments::Role(role) = Arguments::parse();
    let sums = match role {
        Role::Junk(arguments) => junk::run(arguments)?,
        Role::Good(arguments) => good::run(&arguments)?,
    };
    println!("{sums}");
    Ok(())
}

/// A connection from this address of ours: servers may tell clients apart by it.
fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), CONNECT_TIMEOUT)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// The head of a POST up to the token; [`after_token`] goes behind it.
fn before_token(server: SocketAddr, path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer "
    )
}

/// What follows the token: the rest of the head, and the body.
fn after_token(body: &str) -> String {
    format!("\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
