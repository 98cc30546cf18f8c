//! A floor: monoio, with the ring flags of ringest, reads each POST completely into memory and answers 200;
//! what it shares with the other floors is in `loadtest/floor`.

use std::{io, net::TcpListener as StdListener, time::SystemTime};

use clap::Parser;
use loadtest_floor::{Answer, head, serve_each};
use monoio::{
    IoUringDriver, RuntimeBuilder,
    buf::IoBufMut,
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::{TcpListener, TcpStream},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Initial size of a connection's buffer, in bytes.
const BUFFER_BYTES: usize = 16 * 1024;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    floor: loadtest_floor::Arguments,
    /// A ring as monoio makes it by default: the kernel interrupts the thread for completions.
    #[arg(long)]
    default_ring: bool,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    serve_each(&arguments.floor, |listener| {
        serve(listener, arguments.default_ring)
    })
}

fn serve(listener: StdListener, default_ring: bool) -> io::Result<()> {
    let mut ring = io_uring::IoUring::builder();
    if !default_ring {
        ring.setup_single_issuer().setup_defer_taskrun();
    }
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new()
        .uring_builder(ring)
        .build()?;
    runtime.block_on(accept(listener))
}

async fn accept(listener: StdListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        monoio::spawn(async move {
            if let Err(error) = converse(stream).await {
                eprintln!("connection: {error}");
            }
        });
    }
}

/// Answers one connection's requests until the client closes it.
async fn converse(mut stream: TcpStream) -> io::Result<()> {
    let mut answer = Answer::default();
    let mut output = Vec::new();
    let mut received = Vec::with_capacity(BUFFER_BYTES);
    loop {
        match request_bytes(&received)? {
            Some(needed) if needed <= received.len() => {
                received.drain(..needed);
                output.clear();
                output.extend_from_slice(answer.at(SystemTime::now()));
                let (written, bytes) = stream.write_all(output).await;
                written?;
                output = bytes;
                continue;
            }
            // `reserve_exact` makes room for a large body without doubling the buffer.
            Some(needed) => received.reserve_exact(needed - received.len()),
            None if received.len() == received.capacity() => received.reserve(BUFFER_BYTES),
            None => {}
        }
        let filled = received.len();
        let (read, slice) = stream.read(received.slice_mut(filled..)).await;
        received = slice.into_inner();
        if read? == 0 {
            return Ok(());
        }
    }
}

/// The length of the request at the start of `received`; `None` while its head is incomplete.
///
/// # Errors
/// Those of [`head`].
fn request_bytes(received: &[u8]) -> io::Result<Option<usize>> {
    Ok(head(received)?.map(|head| head.bytes + head.body_bytes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn requests_are_answered() {
        loadtest_floor::check::check(|listener| super::serve(listener, false));
    }

    #[test]
    fn requests_are_answered_on_the_default_ring() {
        loadtest_floor::check::check(|listener| super::serve(listener, true));
    }
}
