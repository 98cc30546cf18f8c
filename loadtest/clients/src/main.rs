//! Clients of the load tests, for servers on the loopback address: `junk` sends distinct invalid tokens at
//! a given rate; `valid` sends records with valid tokens at a constant rate and measures response times;
//! `steady` does so without tokens, at rates that a core can just carry. Each prints one line of JSON at its end and has a time limit, whatever the server
//! does.

mod answer;
mod junk;
mod steady;
mod token;
mod valid;

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

use clap::{Parser, Subcommand};
use socket2::{Domain, Socket, Type};

/// Time limit for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Clients of the load tests.
#[derive(Parser)]
enum Arguments {
    #[command(flatten)]
    Role(Role),
}

#[derive(Subcommand)]
enum Role {
    /// Send distinct invalid tokens at a given rate.
    Junk(junk::Arguments),
    /// Send records with valid tokens at a constant rate until stdin is closed.
    Valid(valid::Arguments),
    /// Send records at a constant rate, open loop.
    Steady(steady::Arguments),
}

fn main() -> io::Result<()> {
    let Arguments::Role(role) = Arguments::parse();
    let sums = match role {
        Role::Junk(arguments) => junk::run(arguments)?,
        Role::Valid(arguments) => valid::run(&arguments)?,
        Role::Steady(arguments) => steady::run(&arguments)?,
    };
    println!("{sums}");
    Ok(())
}

/// Connects from this local address: servers may distinguish clients by it.
fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&to.into(), CONNECT_TIMEOUT)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// The head of a POST up to the token; followed by [`after_token`].
fn before_token(server: SocketAddr, path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n\
         Authorization: Bearer "
    )
}

/// The rest of the request after the token: the end of the head, and the body.
fn after_token(body: &str) -> String {
    format!("\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A percentile, given in thousandths, of sorted values by the nearest-rank method; `None` without values.
fn percentile(sorted: &[u64], thousandths: usize) -> Option<u64> {
    let rank = (sorted.len() * thousandths).div_ceil(1_000);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_use_the_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).collect();
        for percent in [1, 50, 99, 100] {
            assert_eq!(percentile(&hundred, 10 * percent), Some(percent as u64));
        }
        assert_eq!(percentile(&[7], 500), Some(7));
        assert_eq!(percentile(&[], 990), None);
    }
}
