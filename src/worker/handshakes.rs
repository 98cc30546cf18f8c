//! The end of a listener without a reset: closing it resets every connection that the kernel has accepted for
//! it and that the process has not. So no further one begins, those that have begun are accepted, and then
//! the listener closes.

use std::{io, net::TcpListener, os::fd::AsFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{SockFilter, SockRef};

/// Drops the segments that begin a connection, SYN without ACK. It is a program of classic BPF over the TCP
/// header, where the flags are in byte 13 (RFC 9293 section 3.1).
const NO_SYN: [SockFilter; 5] = {
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    [
        SockFilter::new(0x30, 0, 0, 13),        // load the byte
        SockFilter::new(0x54, 0, 0, SYN | ACK), // and
        SockFilter::new(0x15, 0, 1, SYN), // if equal, the next instruction, else the one behind it
        SockFilter::new(0x06, 0, 0, 0),   // drop
        SockFilter::new(0x06, 0, 0, u32::MAX), // pass
    ]
};

/// Lets no further connection begin. The client sends its SYN again, by default after a second (RFC 6298
/// section 2), and meets a closed port, or another process on it.
///
/// # Errors
/// The system does not allow it.
pub(super) fn stop(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).attach_filter(&NO_SYN)
}

/// Whether there are connections that the kernel has accepted and the process has not.
pub(super) fn are_waiting(listener: &TcpListener) -> bool {
    let mut readable = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut readable, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{SocketAddr, TcpStream},
        time::Duration,
    };

    use super::*;

    fn no_connection_begins(address: &str) {
        let listener = TcpListener::bind(address).expect("a port");
        let address: SocketAddr = listener.local_addr().expect("its address");
        assert!(!are_waiting(&listener));
        let mut before = TcpStream::connect(address).expect("the kernel accepts");
        stop(&listener).expect("every process may do that");
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        assert!(late.is_err(), "no segment of it is answered");
        assert!(are_waiting(&listener));
        let (mut accepted, _) = listener.accept().expect("it waits");
        assert!(!are_waiting(&listener));
        // The filter, which the connection has too, passes all others.
        before.write_all(b"request").expect("connected");
        let mut request = [0; 7];
        accepted.read_exact(&mut request).expect("it has arrived");
        assert_eq!(&request, b"request");
    }

    #[test]
    fn no_connection_begins_and_those_that_have_are_accepted() {
        no_connection_begins("127.0.0.1:0");
    }

    #[test]
    fn the_same_over_ipv6() {
        // Not every machine has it.
        if TcpListener::bind("[::1]:0").is_ok() {
            no_connection_begins("[::1]:0");
        }
    }
}
