//! A floor: epoll without a runtime, edge-triggered, one read and one write a request. It reads each POST
//! completely and answers 200; what it shares with the other floors is in `loadtest/floor`.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
    time::SystemTime,
};

use clap::Parser;
use loadtest_floor::{Answer, Arguments, Requests, serve_each};
use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
};

/// Bytes read at once, at most.
const READ_BYTES: usize = 64 * 1024;
/// Events of one call, at most.
const EVENTS: usize = 1_024;
/// What the listener's events carry; those of a connection carry its descriptor.
const LISTENER: u64 = u64::MAX;

fn main() -> io::Result<()> {
    serve_each(&Arguments::parse(), serve)
}

#[expect(clippy::needless_pass_by_value, reason = "a worker owns its listener")]
fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut connections = Vec::new();
    let mut events = vec![EpollEvent::empty(); EVENTS];
    let mut buffer = vec![0; READ_BYTES];
    let mut answer = Answer::default();
    loop {
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        let answer = answer.at(SystemTime::now());
        for event in &events[..ready] {
            if event.data() == LISTENER {
                accept(&listener, &epoll, &mut connections)?;
                continue;
            }
            let slot: &mut Option<Connection> = &mut connections[index(event.data())];
            let ends = event
                .events()
                .intersects(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
            let progress = slot
                .as_mut()
                .map(|it| it.progress(ends, &mut buffer, answer));
            if !matches!(progress, Some(Ok(Progress::Waits))) {
                *slot = None;
            }
        }
    }
}

/// Accepts all connections that wait; `connections` are indexed by their descriptors.
fn accept(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nonblocking(true)?;
        let flags = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLET;
        let descriptor = u64::try_from(stream.as_raw_fd()).expect("not negative");
        epoll.add(&stream, EpollEvent::new(flags, descriptor))?;
        let index = index(descriptor);
        if connections.len() <= index {
            connections.resize_with(index + 1, || None);
        }
        connections[index] = Some(Connection {
            stream,
            requests: Requests::default(),
            output: Vec::new(),
        });
    }
}

fn index(descriptor: u64) -> usize {
    usize::try_from(descriptor).expect("a descriptor")
}

/// What comes next on a connection.
enum Progress {
    /// It waits for its next event.
    Waits,
    /// The client has closed it.
    Ended,
}

struct Connection {
    stream: TcpStream,
    requests: Requests,
    /// Answers that are not sent yet. While there are any nothing is read.
    output: Vec<u8>,
}

impl Connection {
    /// Reads and answers what there is. A read that does not fill the buffer has emptied the socket: the
    /// next event comes with the next byte. `ends`: the client has closed, and so it reads up to there.
    ///
    /// # Errors
    /// The connection's, and of an invalid request.
    fn progress(&mut self, ends: bool, buffer: &mut [u8], answer: &[u8]) -> io::Result<Progress> {
        while self.is_flushed()? {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Ok(Progress::Ended),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Waits),
                Err(error) => return Err(error),
            };
            for _ in 0..self.requests.take(&buffer[..read])? {
                self.output.extend_from_slice(answer);
            }
            if read < buffer.len() && !ends {
                self.is_flushed()?;
                break;
            }
        }
        Ok(Progress::Waits)
    }

    /// Sends what it can; whether that is all.
    fn is_flushed(&mut self) -> io::Result<bool> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn requests_are_answered() {
        loadtest_floor::check::check(super::serve);
    }
}
