//! A connection's socket: the bytes received and not yet processed, the bytes to send, and the
//! deadline. Of the meaning of the bytes it knows only how many of a body are unread.

use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use monoio::{
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::TcpStream,
    time::sleep,
};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv, send},
};
use rustls::pki_types::CertificateDer;

use super::session::Session;
use crate::{
    buffer::{INPUT_BYTES, ReadBuffer, SEGMENT_BYTES_MIN, segment_capacity},
    clock::Clock,
    deadline::{self, Deadline, Wait},
    http::{ChunkedDecoder, ChunkedLimits, ChunkedStep, Framing, RequestHead},
};

/// The most bytes of a rejected body that are read and discarded to keep the connection.
const SKIPPED_BYTES_MAX: usize = 512 * 1024;

/// The most bytes that are discarded at once.
const DISCARDED_BYTES: usize = 64 * 1024;

/// How long bytes behind the last answer are read and discarded, so that the client receives it:
/// closing with unread bytes makes the kernel send a reset, which overtakes the answer.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes are discarded so; a client that sends more gets the reset.
const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long the next of these bytes may take.
const LINGER_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Answers or reads of one connection in a row before other tasks run.
const STEPS_MAX: u32 = 64;

/// The largest output whose memory is kept for the next answer.
pub(super) const OUTPUT_KEPT_BYTES_MAX: usize = 1024;

/// A pause in which the other tasks and the tick run.
const PAUSE: Duration = Duration::from_millis(1);

/// The client has closed the connection, or it broke.
#[derive(Debug)]
pub(super) struct Gone;

/// How much of the current request's body is still to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    Bytes(u64),
    /// A chunked body, from its first byte.
    Chunked,
    /// Bytes whose end is not known any more.
    Unknown,
}

/// What waits for a TLS session is boxed, so that its state is not a part of every connection's.
pub(super) struct Transport {
    // Before `stream`: it must not outlive the socket that it shuts down.
    pub(super) deadline: Deadline,
    stream: TcpStream,
    /// What encrypts and decrypts, once a TLS handshake is complete.
    session: Option<Box<Session>>,
    /// The bytes received; `None` only while the kernel has the buffer.
    input: Option<ReadBuffer>,
    /// The offset in `input` of the bytes not yet processed: a head while it is read, then the body,
    /// then the next head.
    pub(super) start: usize,
    pub(super) unread: Unread,
    /// The bytes of the last request, where a segment of `INPUT_BYTES` holds them and the smallest does not; else 0.
    /// The next one is expected to be alike.
    expected_bytes: usize,
    /// The answer being sent; the memory of a small one is kept for the next.
    pub(super) output: Vec<u8>,
    /// Answers and reads since other tasks last ran for sure.
    steps: u32,
}

impl Transport {
    /// `deadline` watches `stream`; `input` is empty.
    pub(super) fn new(stream: TcpStream, deadline: Deadline, input: ReadBuffer) -> Self {
        Self {
            deadline,
            stream,
            session: None,
            input: Some(input),
            start: 0,
            unread: Unread::Bytes(0),
            expected_bytes: 0,
            output: Vec::new(),
            steps: 0,
        }
    }

    /// Its socket, for a TLS handshake.
    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The certificates of the client, where it has presented them.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        let session = self.session.as_ref();
        session.map_or(&[], |session| session.certificates())
    }

    /// What is received and sent from now on is encrypted; the bytes received so far are behind.
    pub(super) fn secure(&mut self, session: Session) {
        self.start = self.input().filled();
        self.session = Some(Box::new(session));
    }

    /// Over TLS, waits until the next bytes arrive, of which the first byte of a request may be: `true`.
    /// Without TLS there is nothing to wait for before they are received: `false`.
    pub(super) async fn await_record(&mut self) -> Result<bool, Gone> {
        let Some(session) = &mut self.session else {
            return Ok(false);
        };
        let readable = Box::pin(session.readable(&self.stream)).await;
        readable.map(|()| true).map_err(|_| Gone)
    }

    /// Lets other tasks run now and then. On epoll reading and writing do not wait while the client
    /// is quick enough, and a task that never waits would be the only one.
    pub(super) async fn yield_now(&mut self) {
        self.count_step();
        if self.steps >= STEPS_MAX {
            self.steps = 0;
            sleep(PAUSE).await;
        }
    }

    /// Counts a step after which other tasks do not run.
    pub(super) fn count_step(&mut self) {
        self.steps += 1;
    }

    /// Another task has just run.
    pub(super) fn has_yielded(&mut self) {
        self.steps = 0;
    }

    /// The bytes received and not yet processed.
    pub(super) fn rest(&self) -> &[u8] {
        self.input().bytes(self.start..self.input().filled())
    }

    /// The head that was just read is behind: its body comes next.
    pub(super) fn begin_request(&mut self, head: &RequestHead) {
        self.start += head.len;
        self.unread = match head.framing {
            Framing::None => Unread::Bytes(0),
            Framing::Length(len) => Unread::Bytes(len),
            Framing::Chunked => Unread::Chunked,
        };
        self.expected_bytes = match head.framing {
            Framing::None | Framing::Chunked => 0,
            Framing::Length(len) => usize::try_from(len)
                .ok()
                .and_then(|len| len.checked_add(head.len))
                .filter(|bytes| (SEGMENT_BYTES_MIN + 1..=INPUT_BYTES).contains(bytes))
                .unwrap_or(0),
        };
    }

    /// The bytes of the head that was just read.
    pub(super) fn head(&self, head: &RequestHead) -> &[u8] {
        self.input().bytes(self.start - head.len..self.start)
    }

    pub(super) fn input(&self) -> &ReadBuffer {
        self.input
            .as_ref()
            .expect("lent to the kernel during a read only")
    }

    pub(super) fn input_mut(&mut self) -> &mut ReadBuffer {
        self.input
            .as_mut()
            .expect("lent to the kernel during a read only")
    }

    /// Makes room in the input by dropping the bytes before `start`. Its capacity is at least `capacity`
    /// afterwards.
    pub(super) fn release_input(&mut self, capacity: usize) {
        let start = std::mem::take(&mut self.start);
        self.input_mut().consume(start, capacity);
    }

    /// Makes room in the full input for a head of at most `head_bytes_max`, which it has begun with.
    pub(super) fn enlarge_input(&mut self, head_bytes_max: usize) {
        let doubled = match self.start {
            0 => 2 * self.input().capacity(),
            _ => 0,
        };
        let most = segment_capacity(head_bytes_max);
        self.release_input(doubled.max(INPUT_BYTES).min(most));
    }

    /// Before a wait for the next request: no more memory than that takes which most send.
    pub(super) fn shrink_input(&mut self) {
        debug_assert!(self.rest().is_empty());
        self.start = 0;
        self.input_mut().clear();
    }

    /// Where a request like the last one does not fit in the input, which is empty: waits until the next one begins
    /// to arrive, and reads what has arrived into a segment that has room for it. Most often that is all of it, so
    /// that its body stays there. Nothing larger is kept while the client sends nothing.
    pub(super) async fn receive_expected(&mut self) -> Result<(), Gone> {
        if self.expected_bytes == 0 || self.session.is_some() {
            return Ok(());
        }
        self.stream.readable(false).await.map_err(|_| Gone)?;
        self.release_input(self.expected_bytes);
        if self.receive_arrived() == 0 {
            // The end of the stream, which the next read finds.
            self.shrink_input();
        }
        Ok(())
    }

    /// Reads once into the input, `limit` bytes at most: how many bytes, 0 at the end of the stream,
    /// which a passed deadline brings about too.
    pub(super) async fn receive(&mut self, limit: usize) -> Result<usize, Gone> {
        let input = self.input.take().expect("no other read is under way");
        let (received, input) = self.receive_into(input, limit).await;
        self.input = Some(input);
        received.map_err(|_| Gone)
    }

    /// Reads once into the room of `buffer`, `limit` bytes at most.
    pub(super) async fn receive_into(
        &mut self,
        mut buffer: ReadBuffer,
        limit: usize,
    ) -> (io::Result<usize>, ReadBuffer) {
        if self.session.is_some() {
            let received = Box::pin(self.receive_decrypted(&mut buffer, limit)).await;
            return (received, buffer);
        }
        let (received, slot) = self.stream.read(buffer.into_slot(limit)).await;
        let buffer = slot.into_buffer(received.as_ref().map_or(0, |received| *received));
        (received, buffer)
    }

    async fn receive_decrypted(
        &mut self,
        buffer: &mut ReadBuffer,
        limit: usize,
    ) -> io::Result<usize> {
        while let Some(session) = &mut self.session {
            session.readable(&self.stream).await?;
            match session.read(&self.stream, buffer, limit) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                received => return received,
            }
            self.yield_now().await;
        }
        Ok(0)
    }

    /// Reads into the input what has arrived, without waiting: how many bytes. 0 also at the end of the
    /// stream and after an error, which the next [`receive`](Self::receive) reports.
    pub(super) fn receive_arrived(&mut self) -> usize {
        let mut input = self.input.take().expect("no other read is under way");
        let received = self.receive_arrived_into(&mut input, usize::MAX);
        self.input = Some(input);
        received
    }

    /// As [`receive_arrived`](Self::receive_arrived), with room for the next request.
    pub(super) fn receive_next(&mut self) -> usize {
        // Where librdkafka may still read from this segment, it takes another one: not for a few bytes.
        if self.input().room() < self.input().capacity() / 2 {
            self.release_input(INPUT_BYTES);
        }
        self.receive_arrived()
    }

    /// As [`receive_arrived`](Self::receive_arrived), into another buffer and `limit` bytes at most.
    pub(super) fn receive_arrived_into(&mut self, buffer: &mut ReadBuffer, limit: usize) -> usize {
        if let Some(session) = &mut self.session {
            return session.read(&self.stream, buffer, limit).unwrap_or(0);
        }
        buffer.fill(limit, |room| {
            recv(self.stream.as_raw_fd(), room, MsgFlags::MSG_DONTWAIT).unwrap_or(0)
        })
    }

    /// Whether a part of the request behind the current one has arrived, and so all of the current one.
    /// If `looks`, that is asked of the kernel too.
    pub(super) fn has_next(&mut self, looks: bool) -> bool {
        let Unread::Bytes(left) = self.unread else {
            return false;
        };
        let here = self.rest().len() as u64;
        left < here || (looks && left == 0 && here == 0 && self.receive_next() > 0)
    }

    /// So many bytes at `start` are done with, which are of the body.
    pub(super) fn take_body(&mut self, bytes: usize) {
        self.start += bytes;
        if let Unread::Bytes(left) = &mut self.unread {
            *left -= bytes as u64;
        }
    }

    /// Discards the rest of a rejected body, all of which has arrived.
    pub(super) fn skip_arrived(&mut self) {
        if let Unread::Bytes(left) = self.unread {
            self.start += usize::try_from(left).unwrap_or(usize::MAX);
            self.unread = Unread::Bytes(0);
        }
    }

    /// Writes what is in `output`; the client has until `until` to take it. `at_once`: without a wait for the
    /// ring, if the socket has room.
    pub(super) async fn send(&mut self, until: Instant, at_once: bool) -> Result<(), Gone> {
        if at_once && self.session.is_none() && self.send_at_once()? {
            return Ok(());
        }
        self.deadline.set(Wait::Write, until);
        let output = std::mem::take(&mut self.output);
        let (sent, output) = match &mut self.session {
            None => self.stream.write_all(output).await,
            Some(session) => {
                let sent = Box::pin(session.write_all(&mut self.stream, &output)).await;
                (sent.map(|()| output.len()), output)
            }
        };
        self.deadline.clear();
        self.keep_output(output);
        sent.map(|_| ()).map_err(|_| Gone)
    }

    /// Keeps the memory of an answer that was sent, if it is small.
    fn keep_output(&mut self, mut output: Vec<u8>) {
        if output.capacity() <= OUTPUT_KEPT_BYTES_MAX {
            output.clear();
            self.output = output;
        }
    }

    /// Writes as much of `output` as the socket has room for; whether that is all.
    fn send_at_once(&mut self) -> Result<bool, Gone> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let sent = match send(self.stream.as_raw_fd(), &self.output, flags) {
            Ok(sent) => sent,
            Err(Errno::EAGAIN | Errno::EINTR) => 0,
            Err(_) => return Err(Gone),
        };
        if sent < self.output.len() {
            self.output.drain(..sent);
            return Ok(false);
        }
        self.deadline.clear();
        let output = std::mem::take(&mut self.output);
        self.keep_output(output);
        Ok(true)
    }

    /// Whether the rest of the body is small enough to be read and discarded. After
    /// `Expect: 100-continue`, a client that got its answer may send the body or not.
    pub(super) fn can_skip(&self, expect_continue: bool) -> bool {
        match self.unread {
            Unread::Bytes(0) => true,
            Unread::Bytes(left) => !expect_continue && left <= SKIPPED_BYTES_MAX as u64,
            Unread::Chunked => !expect_continue,
            Unread::Unknown => false,
        }
    }

    /// Reads and discards the rest of a rejected body, as the next request is behind it. The client has
    /// until `until` to send it.
    ///
    /// # Errors
    /// The next request can't be found.
    pub(super) async fn skip_body(&mut self, until: Instant) -> Result<(), Gone> {
        if self.unread == Unread::Bytes(0) {
            return Ok(());
        }
        self.deadline.set(Wait::Read, until);
        let mut decoder = ChunkedDecoder::new(ChunkedLimits::new(SKIPPED_BYTES_MAX));
        while self.unread != Unread::Bytes(0) {
            if self.start == self.input().filled() {
                if self.discard_arrived() {
                    continue;
                }
                self.release_input(INPUT_BYTES);
                if self.receive(usize::MAX).await? == 0 {
                    return Err(Gone);
                }
            }
            let here = self.rest().len();
            match self.unread {
                Unread::Bytes(left) => {
                    let skipped = usize::try_from(left).map_or(here, |left| left.min(here));
                    self.start += skipped;
                    self.unread = Unread::Bytes(left - skipped as u64);
                }
                Unread::Chunked => {
                    let (consumed, step) = decoder.decode(self.rest()).map_err(|_| Gone)?;
                    self.start += consumed;
                    if step == ChunkedStep::Done {
                        self.unread = Unread::Bytes(0);
                    }
                }
                Unread::Unknown => return Err(Gone),
            }
        }
        self.deadline.clear();
        Ok(())
    }

    /// Discards what has arrived of a rejected body, without copying it; whether that is anything. Over TLS
    /// that can't be.
    fn discard_arrived(&mut self) -> bool {
        let (Unread::Bytes(left), None) = (self.unread, &self.session) else {
            return false;
        };
        // The kernel writes nothing here: tcp(7), MSG_TRUNC.
        let mut room = vec![0; DISCARDED_BYTES];
        let most = usize::try_from(left).map_or(DISCARDED_BYTES, |left| left.min(DISCARDED_BYTES));
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let discarded = recv(self.stream.as_raw_fd(), &mut room[..most], flags).unwrap_or(0);
        self.unread = Unread::Bytes(left - discarded as u64);
        discarded > 0
    }

    /// Says over TLS that this is the end, not an attack that cuts the connection.
    pub(super) fn close(&mut self) {
        if let Some(session) = &mut self.session {
            session.close(&self.stream);
        }
    }

    /// Shuts down the sending side, and discards what the client still sends until it closes its side.
    pub(super) async fn linger(&mut self, clock: &Clock) {
        self.close();
        deadline::shutdown(self.stream.as_raw_fd(), Shutdown::Write);
        if self.deadline.gives_way() {
            return;
        }
        let end = clock.now() + LINGER_TIMEOUT;
        if self.deadline.has_expired() {
            // The reading side is shut down already: nothing can be read, only waited for.
            self.deadline.set(Wait::Linger, end);
            sleep(LINGER_PAUSE_MAX).await;
            return;
        }
        let mut left = LINGER_BYTES_MAX;
        // A client that still sends when the time is over gets the reset, at once: with unread bytes
        // left behind. Were they read, the kernel would neither take more nor say that none are
        // wanted.
        while left > 0 && !self.deadline.has_expired() {
            let pause_end = clock.now() + LINGER_PAUSE_MAX;
            self.deadline.set(Wait::Linger, pause_end.min(end));
            self.start = self.input().filled();
            self.release_input(INPUT_BYTES);
            match self.receive(left).await {
                Ok(received @ 1..) => left -= received,
                Ok(0) | Err(Gone) => return,
            }
            self.yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests;
