//! A floor: `io_uring` without a runtime. One thread submits, completions are delivered when it waits for
//! them, connections are accepted and received from by multishot operations into a ring of buffers, and
//! sockets are direct descriptors. It reads each POST completely and answers 200; what it shares with the
//! other floors is in `loadtest/floor`.

#![expect(
    unsafe_code,
    reason = "the kernel reads and writes memory that operations refer to"
)]

mod buffers;

use std::{
    io, mem,
    net::TcpListener,
    os::fd::{AsRawFd, RawFd},
    time::SystemTime,
};

use clap::Parser;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use loadtest_floor::{Answer, Arguments, Requests, serve_each};

use buffers::Buffers;

/// Operations that are submitted at once, at most.
const ENTRIES: u32 = 4_096;
/// Completions that wait, at most; the kernel keeps any others.
const COMPLETIONS: u32 = 16_384;
/// Connections, at most.
const CONNECTIONS: u32 = 16_384;
/// Bytes of unsent answers of a connection, at most: the client does not read.
const UNSENT_BYTES_MAX: usize = 1024 * 1024;

fn main() -> io::Result<()> {
    serve_each(&Arguments::parse(), serve)
}

#[expect(clippy::needless_pass_by_value, reason = "a worker owns its listener")]
fn serve(listener: TcpListener) -> io::Result<()> {
    let ring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(COMPLETIONS)
        .build(ENTRIES)?;
    register_descriptors(&ring)?;
    let mut server = Server {
        buffers: Buffers::register(&ring)?,
        listener: listener.as_raw_fd(),
        connections: Vec::new(),
        ring,
    };
    server.accept()?;
    let mut answer = Answer::default();
    let mut completions = Vec::new();
    loop {
        match server.ring.submit_and_wait(1) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            submitted => submitted?,
        };
        let answer = answer.at(SystemTime::now());
        completions.extend(server.ring.completion());
        for completion in completions.drain(..) {
            server.complete(&completion, answer)?;
        }
        server.buffers.publish();
    }
}

/// Registers as many direct descriptors as the limit of open files permits.
fn register_descriptors(ring: &IoUring) -> io::Result<()> {
    let mut count = CONNECTIONS;
    loop {
        match ring.submitter().register_files_sparse(count) {
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) && count > 1 => count /= 2,
            registered => return registered,
        }
    }
}

/// What a completion is of; with the index of the connection it makes the operation's user data.
#[derive(Clone, Copy)]
enum Kind {
    Accept,
    Receive,
    Send,
    /// A cancellation or a close, whose result does not matter.
    End,
}

fn user_data(kind: Kind, index: u32) -> u64 {
    u64::from(index) << 32 | kind as u64
}

/// A connection, whose index is that of its direct descriptor.
#[derive(Default)]
struct Connection {
    requests: Requests,
    /// Answers that the kernel is sending: neither changed nor dropped until it has.
    output: Vec<u8>,
    /// Bytes of `output` that are sent.
    sent: usize,
    /// The answers after those.
    next: Vec<u8>,
    is_receiving: bool,
    /// Nothing more is received, answered or sent.
    has_ended: bool,
}

struct Server {
    ring: IoUring,
    buffers: Buffers,
    listener: RawFd,
    connections: Vec<Connection>,
}

impl Server {
    fn complete(&mut self, completion: &cqueue::Entry, answer: &[u8]) -> io::Result<()> {
        let index = u32::try_from(completion.user_data() >> 32).expect("32 bits");
        let kind = completion.user_data() & u64::from(u32::MAX);
        let (result, flags) = (completion.result(), completion.flags());
        if kind == Kind::Accept as u64 {
            if !cqueue::more(flags) {
                self.accept()?;
            }
            self.accepted(result)
        } else if kind == Kind::Receive as u64 {
            self.received(index, result, flags, answer)
        } else if kind == Kind::Send as u64 {
            self.sent(index, result)
        } else {
            Ok(())
        }
    }

    fn accepted(&mut self, result: i32) -> io::Result<()> {
        let Ok(index) = u32::try_from(result) else {
            return Err(io::Error::from_raw_os_error(-result));
        };
        let slot = index as usize;
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, Connection::default);
        }
        self.connections[slot] = Connection::default();
        self.receive(index)
    }

    fn received(&mut self, index: u32, result: i32, flags: u32, answer: &[u8]) -> io::Result<()> {
        let connection = &mut self.connections[index as usize];
        connection.is_receiving = cqueue::more(flags);
        if let Some(id) = cqueue::buffer_select(flags) {
            let bytes = self.buffers.bytes(id, usize::try_from(result).unwrap_or(0));
            let ended = if connection.has_ended {
                Ok(0)
            } else {
                connection.requests.take(bytes)
            };
            self.buffers.give_back(id);
            for _ in 0..*ended.as_ref().unwrap_or(&0) {
                connection.next.extend_from_slice(answer);
            }
            if ended.is_err() || connection.next.len() > UNSENT_BYTES_MAX {
                return self.end(index);
            }
        }
        if result == 0 || (result < 0 && result != -libc::ENOBUFS) {
            connection.has_ended = true;
        } else if !connection.is_receiving && !connection.has_ended {
            self.receive(index)?;
        }
        self.send(index)
    }

    fn sent(&mut self, index: u32, result: i32) -> io::Result<()> {
        let connection = &mut self.connections[index as usize];
        let Ok(sent) = usize::try_from(result) else {
            connection.output.clear();
            return self.end(index);
        };
        connection.sent += sent;
        if connection.sent == connection.output.len() {
            connection.output.clear();
        } else {
            // The rest of what the socket had no room for.
            return self.push_send(index);
        }
        self.send(index)
    }

    /// Sends the next answers unless the ones before are being sent; closes the connection at its end.
    fn send(&mut self, index: u32) -> io::Result<()> {
        let connection = &mut self.connections[index as usize];
        if !connection.output.is_empty() {
            return Ok(());
        }
        if connection.has_ended {
            return if connection.is_receiving {
                Ok(())
            } else {
                self.push(
                    opcode::Close::new(types::Fixed(index)).build(),
                    Kind::End,
                    index,
                )
            };
        }
        if connection.next.is_empty() {
            return Ok(());
        }
        mem::swap(&mut connection.output, &mut connection.next);
        connection.sent = 0;
        self.push_send(index)
    }

    fn push_send(&mut self, index: u32) -> io::Result<()> {
        let connection = &self.connections[index as usize];
        let rest = &connection.output[connection.sent..];
        let length = u32::try_from(rest.len()).expect("bounded");
        let entry = opcode::Send::new(types::Fixed(index), rest.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL)
            .build();
        self.push(entry, Kind::Send, index)
    }

    /// Ends a connection from this side: what it is receiving and sending is cancelled.
    fn end(&mut self, index: u32) -> io::Result<()> {
        let connection = &mut self.connections[index as usize];
        connection.has_ended = true;
        let (receives, sends) = (connection.is_receiving, !connection.output.is_empty());
        for (kind, is_running) in [(Kind::Receive, receives), (Kind::Send, sends)] {
            if is_running {
                let cancel = opcode::AsyncCancel::new(user_data(kind, index)).build();
                self.push(cancel, Kind::End, index)?;
            }
        }
        self.send(index)
    }

    fn accept(&mut self) -> io::Result<()> {
        let accept = opcode::AcceptMulti::new(types::Fd(self.listener)).allocate_file_index(true);
        self.push(accept.build(), Kind::Accept, 0)
    }

    fn receive(&mut self, index: u32) -> io::Result<()> {
        self.connections[index as usize].is_receiving = true;
        let entry = opcode::RecvMulti::new(types::Fixed(index), buffers::GROUP).build();
        self.push(entry, Kind::Receive, index)
    }

    fn push(&mut self, entry: squeue::Entry, kind: Kind, index: u32) -> io::Result<()> {
        let entry = entry.user_data(user_data(kind, index));
        loop {
            // SAFETY: an entry refers to the listener, which outlives the ring; to the registered buffers,
            // which are never freed; or to an `output`, which is neither changed nor dropped until its
            // `Send` has completed: a connection is replaced only after its descriptor was closed, and
            // that is only submitted when its `output` is empty.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return Ok(());
            }
            self.ring.submit()?;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn requests_are_answered() {
        loadtest_floor::check::check(super::serve);
    }
}
