//! A fixed port of loopback that leads to the broker of `--dev`, which listens on a port of the system's choice.
//! Clients bootstrap here; the broker then names its own address to them.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

/// Connections at a time; further ones are closed. A client needs one or two.
const CONNECTIONS_MAX: usize = 64;

/// The pause after a failed accept, such as for want of files.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens on `port`, 0 for any, until the process ends. Returns the address.
///
/// # Errors
/// The port is in use or reserved, or there can be no thread. Fault of the operator, or of the system.
pub(super) fn start(port: u16, broker: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = listener.local_addr()?;
    let open = Arc::new(());
    spawn(move || {
        loop {
            let Ok((client, _)) = listener.accept() else {
                thread::sleep(PAUSE);
                continue;
            };
            // One is this thread's.
            if Arc::strong_count(&open) <= CONNECTIONS_MAX {
                let open = Arc::clone(&open);
                // Whatever fails, both ends are closed.
                let _ = spawn(move || {
                    let _ = forward(&client, broker);
                    drop(open);
                });
            }
        }
    })?;
    Ok(address)
}

fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name("ringest-forward".to_owned());
    thread.spawn(run).map(|_| ())
}

/// Until one end closes or fails.
fn forward(client: &TcpStream, broker: SocketAddr) -> io::Result<()> {
    let broker = TcpStream::connect(broker)?;
    thread::scope(|scope| {
        let back = thread::Builder::new().name("ringest-forward".to_owned());
        back.spawn_scoped(scope, || copy(&broker, client))?;
        copy(client, &broker);
        Ok(())
    })
}

/// Copies until `from` ends, then ends both: a Kafka client that has stopped sending waits for nothing.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    // An end that is gone already needs none.
    let _ = io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
