//! The management listener: `/health`, `/ready`, `/routes`, `/openapi.json` and
//! `/metrics`, on a thread of its own.
//!
//! monoio-http decodes the requests. Its decoder is lenient about framing and sets no bounds, so
//! here a connection carries **one** request, bounded in bytes and in time, and then closes:
//! whatever a client says about a body, nothing after the first head is ever read as a request.
//! The thread runs on epoll, which works everywhere, `io_uring` refused or not.

mod answer;
mod exposition;
mod receive;
mod routes;

use std::{
    io,
    net::{Shutdown, SocketAddr},
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

use crate::{isolation::isolated, readiness::Readiness, snapshot::Published};
use answer::Answer;
use receive::receive;

pub use exposition::{CodeLabel, Exposition, Sources};
pub use routes::routes_json;

/// Connections served at a time; further ones wait until one of them ends.
pub const CONNECTIONS_MAX: usize = 64;
/// From accepting a connection to the end of its request's head.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// From the end of the head to the close of the connection.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a client may still send while its answer is on the way, in bytes.
const LINGER_BYTES_MAX: usize = 65_536;
/// How long accepting rests when it can't go on.
const BACK_OFF: Duration = Duration::from_millis(50);
/// How long [`AdminHandle::stop`] lets open connections finish.
const STOP_GRACE: Duration = Duration::from_millis(250);

/// What the management listener tells.
#[derive(Debug)]
pub struct AdminState {
    /// The routes of its latest snapshot are those of `/routes` and `/openapi.json`, which are the
    /// very JSON of `--list-routes --format json` and `--format openapi`.
    pub published: Arc<Published>,
    /// The body of `/metrics`.
    pub exposition: Exposition,
    /// What `/health` and `/ready` say.
    pub readiness: Arc<Readiness>,
}

/// A running management listener. Dropping it leaves the listener running.
#[derive(Debug)]
pub struct AdminHandle {
    /// Where it listens: the real port where 0 was asked for.
    pub local_address: SocketAddr,
    listener: std::net::TcpListener,
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl AdminHandle {
    /// Stops listening, gives open connections a quarter of a second, and ends the thread.
    pub fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        // Linux ends a pending accept of a listener that is shut down.
        if let Err(error) = socket2::SockRef::from(&self.listener).shutdown(Shutdown::Both) {
            tracing::warn!(%error, "the management listener could not be shut down");
            return;
        }
        if self.thread.join().is_err() {
            tracing::error!("the management thread had panicked");
        }
    }
}

/// Listens at `address` (port 0: the system chooses) and serves `state` from a new thread.
///
/// # Errors
/// The operator's: an address in use, not ours or not allowed. The system's: no thread, no epoll.
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
                // The receiver waits below until one of the two was sent.
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

/// The thread: builds what it needs, says that it did, and serves.
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

/// Accepts until told to stop.
async fn serve(listener: TcpListener, state: AdminState, stopping: &AtomicBool) {
    let state = Rc::new(state);
    // Every connection holds a clone, so the count is that of the connections, and one more.
    let open = Rc::new(());
    let mut failing = false;
    while !stopping.load(Ordering::Acquire) {
        if Rc::strong_count(&open) > CONNECTIONS_MAX {
            sleep(BACK_OFF).await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                failing = false;
                let state = Rc::clone(&state);
                let open = Rc::clone(&open);
                monoio::spawn(async move {
                    if let Err(panicked) = isolated(converse(stream, &state)).await {
                        tracing::error!(%panicked, "a management connection ended early");
                    }
                    drop(open);
                });
            }
            Err(_) if stopping.load(Ordering::Acquire) => break,
            Err(error) => {
                // Out of file descriptors, mostly: one line, not one for each attempt.
                if !failing {
                    tracing::warn!(%error, "the management listener can't accept");
                }
                failing = true;
                sleep(BACK_OFF).await;
            }
        }
    }
    let patience = Instant::now() + STOP_GRACE;
    while Rc::strong_count(&open) > 1 && Instant::now() < patience {
        sleep(Duration::from_millis(5)).await;
    }
}

/// One request, one answer, then the connection closes.
async fn converse(mut stream: TcpStream, state: &AdminState) {
    let answer = match timeout(REQUEST_TIMEOUT, receive(&mut stream)).await {
        Ok(received) => answer::answer(received, state),
        Err(_) => Some(Answer::request_timeout()),
    };
    if let Some(answer) = answer {
        // Too late or gone: either way there is nobody left to tell.
        let _ = timeout(ANSWER_TIMEOUT, send(&mut stream, answer)).await;
    }
}

/// Sends the answer and waits for the client to close: closing with unread bytes would reset the
/// connection, and with it the answer on its way (RFC 9112, section 9.6).
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
