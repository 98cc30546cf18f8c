//! The management listener: a page at `/`, and `/health`, `/ready`, `/routes`, `/openapi.json`, `/status`, `/metrics`
//! and `/samples`, on a thread of its own.
//!
//! monoio-http decodes the requests. Its decoder is lenient about framing and has no limits, so a
//! connection carries **one** request, bounded in bytes and in time, and is then closed: whatever a
//! client declares about a body, bytes after the first head are never parsed as a request. The thread
//! uses epoll, which also works where `io_uring` is not allowed.

mod answer;
mod brokers;
mod exposition;
mod page;
mod process;
mod receive;
mod routes;
mod state;
mod status;

use std::{
    io,
    net::{Shutdown, SocketAddr},
    os::fd::AsRawFd,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use monoio::{
    LegacyDriver, RuntimeBuilder,
    io::{AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tracing::Level;

use crate::{
    deadline::{Deadline, Deadlines, Wait},
    isolation::isolated,
    log::{Kind, Line},
};
use answer::Answer;
use receive::receive;

pub use exposition::{CodeLabel, Exposition, Sources};
pub use page::PageFacts;
pub use routes::routes_json;
pub use state::AdminState;

/// Connections served at a time; for a further one the oldest is closed.
pub const CONNECTIONS_MAX: usize = 64;
/// Time limit from accepting a connection to the end of its request's head.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit from the end of the head to the close of the connection.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes read and discarded after the response, at most.
const LINGER_BYTES_MAX: usize = 65_536;
/// Delay before the next accept after an error.
const BACK_OFF: Duration = Duration::from_millis(50);
/// A pause in which a connection that was closed ends.
const PAUSE: Duration = Duration::from_millis(1);
/// How long [`AdminHandle::stop`] lets open connections finish.
const STOP_GRACE: Duration = Duration::from_millis(250);
/// How long [`AdminHandle::stop`] waits for the thread.
pub const STOP_TIMEOUT: Duration = Duration::from_millis(400);

static FAILURES: Kind = Kind::new("management listener: accept failed", Level::WARN);
static PANICS: Kind = Kind::new("management connections closed after a panic", Level::ERROR);

/// A running management listener. Dropping it leaves the listener running.
#[derive(Debug)]
pub struct AdminHandle {
    /// The bound address, with the real port if port 0 was configured.
    pub local_address: SocketAddr,
    listener: std::net::TcpListener,
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl AdminHandle {
    /// Stops listening, gives open connections a quarter of a second, and ends the thread; returns within
    /// [`STOP_TIMEOUT`].
    pub fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        // On Linux, shutting a listener down ends its pending accept.
        if let Err(error) = socket2::SockRef::from(&self.listener).shutdown(Shutdown::Both) {
            tracing::warn!(%error, "can't shut down the management listener");
            return;
        }
        // It may wait for a log that can't be written.
        let deadline = Instant::now() + STOP_TIMEOUT;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.thread.is_finished() && self.thread.join().is_err() {
            tracing::error!("the management thread has panicked");
        }
    }
}

/// Listens at `address` (port 0: chosen by the system) and serves `state` on a new thread.
///
/// # Errors
/// The address is in use, not local or not allowed (fault of the operator), or the thread or its epoll
/// instance can't be created (fault of the system).
pub fn spawn(address: SocketAddr, state: AdminState) -> io::Result<AdminHandle> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let local_address = listener.local_addr()?;
    let stopping = Arc::new(AtomicBool::new(false));
    let (started, start) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("ringest-admin".to_owned())
        .spawn({
            let listener = listener.try_clone()?;
            let stopping = Arc::clone(&stopping);
            move || {
                // The receiver below waits for this, or for the `Ok` that `run` sends.
                if let Err(error) = run(listener, state, &stopping, &started) {
                    let _ = started.send(Err(error));
                }
            }
        })?;
    start.recv().map_err(io::Error::other)??;
    Ok(AdminHandle {
        local_address,
        listener,
        stopping,
        thread,
    })
}

/// Runs on the thread: creates the runtime, reports success through `started`, and serves.
fn run(
    listener: std::net::TcpListener,
    state: AdminState,
    stopping: &AtomicBool,
    started: &mpsc::Sender<io::Result<()>>,
) -> io::Result<()> {
    let mut runtime = RuntimeBuilder::<LegacyDriver>::new()
        .enable_timer()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let _ = started.send(Ok(()));
        serve(listener, state, stopping).await;
        Ok(())
    })
}

/// Accepts connections until `stopping` is set.
async fn serve(listener: TcpListener, state: AdminState, stopping: &AtomicBool) {
    let state = Rc::new(state);
    let open = Rc::new(Deadlines::default());
    while !stopping.load(Ordering::Acquire) {
        if open.leaving() > 0 {
            sleep(PAUSE).await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                if open.len() >= CONNECTIONS_MAX {
                    open.end_oldest_reserved();
                }
                let state = Rc::clone(&state);
                let place = open.watch_reserved(stream.as_raw_fd());
                monoio::spawn(async move {
                    if let Err(panicked) = isolated(converse(stream, place, &state)).await
                        && let Some(Line { count }) = PANICS.admit()
                    {
                        tracing::error!(count, %panicked, "management connection closed after a panic");
                    }
                });
            }
            Err(_) if stopping.load(Ordering::Acquire) => break,
            Err(error) => {
                // Mostly out of file descriptors.
                if let Some(Line { count }) = FAILURES.admit() {
                    tracing::warn!(count, %error, "management listener: accept failed");
                }
                sleep(BACK_OFF).await;
            }
        }
    }
    let deadline = Instant::now() + STOP_GRACE;
    while !open.is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Serves one request, then closes the connection. `place` is dropped first, as it watches the socket.
async fn converse(mut stream: TcpStream, place: Deadline, state: &AdminState) {
    let answer = match timeout(REQUEST_TIMEOUT, receive(&mut stream)).await {
        Ok(received) => answer::answer(received, state),
        Err(_) => Some(Answer::request_timeout()),
    };
    if let Some(answer) = answer {
        // Only the order of connections matters here: no deadline expires.
        place.set(Wait::Write, Instant::now());
        // Ignored: after a timeout or on a closed connection no response is possible.
        let _ = timeout(ANSWER_TIMEOUT, send(&mut stream, answer)).await;
    }
}

/// Sends the response and waits for the client to close: closing with unread bytes would reset the
/// connection, and the client could lose the response (RFC 9112, section 9.6).
async fn send(stream: &mut TcpStream, answer: Answer) -> io::Result<()> {
    stream.write_all(answer.into_bytes()).await.0?;
    stream.shutdown().await?;
    let mut buffer = vec![0; 4096];
    let mut lingered = 0;
    while lingered < LINGER_BYTES_MAX {
        let (read, returned) = stream.read(buffer).await;
        buffer = returned;
        match read? {
            0 => break,
            bytes => lingered += bytes,
        }
    }
    Ok(())
}
