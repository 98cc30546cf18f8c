//! The TLS session of a connection, between the bytes of its socket and those of HTTP.
//!
//! rustls reads what has arrived into a buffer of its own, decrypts it there, and copies it once for the
//! reader. So nothing is lent to the kernel while a connection waits, on `io_uring` as on epoll: it waits until
//! its socket is readable, and then reads.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsRawFd, RawFd},
};

use monoio::{io::AsyncWriteRentExt, net::TcpStream};
use nix::sys::socket::{MsgFlags, recv, send};
use rustls::{HandshakeKind, ServerConnection, pki_types::CertificateDer};

use super::transport::OUTPUT_KEPT_BYTES_MAX;
use crate::{buffer::ReadBuffer, tls::PART_BYTES};

/// Records without content in a row, such as changes of keys, before other tasks run.
const EMPTY_MAX: u32 = 16;

pub(super) struct Session {
    tls: ServerConnection,
    /// Bytes that are decrypted and not read.
    decrypted: usize,
    /// Whether the socket may have more than what was read of it.
    may_have_more: bool,
    /// Records on their way to the socket; the memory of a few is kept.
    records: Vec<u8>,
}

/// A socket that is read and written without waiting.
struct Ready {
    socket: RawFd,
    /// Whether the last read took all that there was.
    is_drained: bool,
}

impl Session {
    pub(super) fn new(tls: ServerConnection) -> Self {
        Self {
            tls,
            decrypted: 0,
            may_have_more: false,
            records: Vec::new(),
        }
    }

    /// How the handshake was done, once it is complete.
    pub(super) fn handshake(&self) -> Option<HandshakeKind> {
        let is_complete = !self.tls.is_handshaking();
        self.tls.handshake_kind().filter(|_| is_complete)
    }

    /// The client's certificate and those that issued it, as verified in the handshake.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        self.tls.peer_certificates().unwrap_or_default()
    }

    /// Decrypts what has arrived into the room of `buffer`, `limit` bytes at most: how many bytes, 0 at the
    /// end of the stream.
    ///
    /// # Errors
    /// `WouldBlock`: nothing has arrived. Else the stream is broken, and the client has its alert.
    pub(super) fn read(
        &mut self,
        stream: &TcpStream,
        buffer: &mut ReadBuffer,
        limit: usize,
    ) -> io::Result<usize> {
        for _ in 0..EMPTY_MAX {
            let mut read = Ok(0);
            buffer.fill(limit, |room| {
                read = self.tls.reader().read(room);
                *read.as_ref().unwrap_or(&0)
            });
            match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The end without a close_notify: whether something is missing is a question of HTTP's framing.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
                Ok(received) => {
                    self.decrypted -= received;
                    return Ok(received);
                }
            }
            self.read_socket(stream)?;
        }
        Err(ErrorKind::WouldBlock.into())
    }

    /// Processes the first bytes of the stream, which were read already.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn begin(&mut self, mut first: &[u8], stream: &TcpStream) -> io::Result<()> {
        while !first.is_empty() {
            self.process(&mut first, stream)?;
        }
        Ok(())
    }

    /// Reads once from the socket, and processes what that completes: how many bytes, 0 at the end of the
    /// stream.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn read_socket(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut ready = Ready::of(stream);
        let read = self.process(&mut ready, stream);
        self.may_have_more = !ready.is_drained;
        read
    }

    fn process(&mut self, source: &mut dyn Read, stream: &TcpStream) -> io::Result<usize> {
        let read = self.tls.read_tls(source)?;
        let processed = self.tls.process_new_packets();
        if processed.is_err() || self.handshake().is_some() {
            self.write_now(stream);
        }
        self.decrypted = processed
            .map_err(io::Error::other)?
            .plaintext_bytes_to_read();
        Ok(read)
    }

    /// Waits until the socket has more, unless there is something to read already.
    pub(super) async fn readable(&mut self, stream: &TcpStream) -> io::Result<()> {
        if self.decrypted == 0 && !std::mem::replace(&mut self.may_have_more, true) {
            stream.readable(false).await?;
        }
        Ok(())
    }

    /// Encrypts and sends.
    pub(super) async fn write_all(
        &mut self,
        stream: &mut TcpStream,
        plaintext: &[u8],
    ) -> io::Result<()> {
        for part in plaintext.chunks(PART_BYTES) {
            self.tls.writer().write_all(part)?;
            self.flush(stream).await?;
        }
        Ok(())
    }

    /// Sends what is encrypted.
    pub(super) async fn flush(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        while self.tls.wants_write() {
            let mut records = std::mem::take(&mut self.records);
            self.tls.write_tls(&mut records)?;
            let (sent, mut records) = stream.write_all(records).await;
            sent?;
            if records.capacity() <= OUTPUT_KEPT_BYTES_MAX {
                records.clear();
                self.records = records;
            }
        }
        Ok(())
    }

    /// Ends the stream to the client (RFC 8446 section 6.1).
    pub(super) fn close(&mut self, stream: &TcpStream) {
        self.tls.send_close_notify();
        self.write_now(stream);
    }

    /// Sends an alert or a change of keys, as far as the socket takes it at once. The rest is before the next
    /// answer.
    fn write_now(&mut self, stream: &TcpStream) {
        while self.tls.wants_write() && self.tls.write_tls(&mut Ready::of(stream)).is_ok() {}
    }
}

impl Ready {
    fn of(stream: &TcpStream) -> Self {
        Self {
            socket: stream.as_raw_fd(),
            is_drained: true,
        }
    }
}

impl Read for Ready {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let received = recv(self.socket, room, MsgFlags::MSG_DONTWAIT)?;
        self.is_drained = received < room.len();
        Ok(received)
    }
}

impl Write for Ready {
    fn write(&mut self, records: &[u8]) -> io::Result<usize> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        Ok(send(self.socket, records, flags)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
