//! The end of a round: a worker handles all input that there is, and then looks for more.

use std::{
    cell::Cell,
    future::poll_fn,
    io::{self, Write},
    pin::pin,
    time::Duration,
};

use monoio::{io::AsyncReadRent, net::UnixStream, time::sleep};

/// A pause instead, while another task waits for the same.
const PAUSE: Duration = Duration::from_millis(1);

/// Waits for the ends of a worker's rounds.
pub(crate) struct Round {
    /// A byte written here arrives at the other end when the worker looks for input.
    bell: std::os::unix::net::UnixStream,
    /// `None` while a task waits.
    rung: Cell<Option<UnixStream>>,
}

impl Round {
    /// Call it in the worker's runtime; `nonblocking` as for the runtime's other sockets.
    ///
    /// # Errors
    /// There is no file descriptor left.
    pub(crate) fn new(nonblocking: bool) -> io::Result<Self> {
        let (bell, rung) = std::os::unix::net::UnixStream::pair()?;
        rung.set_nonblocking(nonblocking)?;
        let rung = Cell::new(Some(UnixStream::from_std(rung)?));
        Ok(Self { bell, rung })
    }

    /// Lets the worker handle the input that there is. A task that only woke itself would go on before.
    pub(crate) async fn end(&self) {
        let Some(mut reader) = self.rung.take() else {
            return sleep(PAUSE).await;
        };
        {
            let mut read = pin!(reader.read(vec![0_u8]));
            let mut has_rung = false;
            // Only once the read waits: on epoll it would complete at once otherwise.
            poll_fn(|context| {
                let poll = read.as_mut().poll(context).map(|_| ());
                if poll.is_pending() && !std::mem::replace(&mut has_rung, true) {
                    // One byte at a time is in the socket, so that there is room.
                    let _ = (&self.bell).write(&[0]);
                }
                poll
            })
            .await;
        }
        self.rung.set(Some(reader));
    }
}
