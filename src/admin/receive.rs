//! Reads the head of a request with monoio-http's decoder, bounded in size.

use std::{io, net::IpAddr, os::fd::AsRawFd as _};

use monoio::{
    BufResult,
    buf::{IoBufMut, IoVecBufMut},
    io::{AsyncReadRent, stream::Stream},
    net::TcpStream,
};
use monoio_http::{
    common::error::HttpError,
    h1::codec::decoder::{DecodeError, RequestDecoder},
};
use nix::sys::socket::{MsgFlags, recv};

/// No further read begins once this many bytes have arrived. Far below 65,535, the length of a header
/// name beyond which the decoder panics.
pub(super) const HEAD_BYTES_MAX: usize = 16_384;

/// What was received from a client.
#[derive(Debug)]
pub(super) enum Received {
    /// A valid head; bytes after it are ignored.
    Request {
        /// As sent: methods are case-sensitive.
        method: String,
        /// Without the query string.
        path: String,
        /// Whether the client wants plain text and not `OpenMetrics`: its `Accept` names that alone.
        wants_plain_text: bool,
        /// It arrived on loopback, and `Host` is a name other than `localhost`: the page of another site may have had
        /// its own name resolved to this address (DNS rebinding).
        is_of_another_site: bool,
    },
    /// Not a valid HTTP/1 head.
    Malformed,
    /// No end of the head within [`HEAD_BYTES_MAX`].
    TooLarge,
    /// The client closed the connection, or it failed.
    Gone,
}

/// The first byte of TLS: the content type of a handshake (RFC 8446, section 5.1), which no method begins with.
const TLS_HANDSHAKE: u8 = 22;

/// Reads one head.
pub(super) async fn receive(stream: &mut TcpStream) -> Received {
    // Its bytes may never have what ends a head.
    if stream.readable(false).await.is_ok() {
        let mut first = [0];
        let looked = recv(stream.as_raw_fd(), &mut first, MsgFlags::MSG_PEEK);
        if looked == Ok(1) && first[0] == TLS_HANDSHAKE {
            return Received::Malformed;
        }
    }
    let mut bounded = Bounded {
        stream,
        left: HEAD_BYTES_MAX,
    };
    let next = RequestDecoder::new(&mut bounded).next().await;
    let address = bounded.stream.local_addr();
    let on_loopback = address.is_ok_and(|it| it.ip().is_loopback());
    match next {
        Some(Ok(request)) => Received::Request {
            method: request.method().as_str().to_owned(),
            path: request.uri().path().to_owned(),
            wants_plain_text: {
                let accepted = request.headers().get_all("accept").iter();
                wants_plain_text(accepted.map(ureq::http::HeaderValue::as_bytes))
            },
            is_of_another_site: on_loopback
                && (request.headers().get("host"))
                    .is_some_and(|host| !is_of_this_host(host.to_str().unwrap_or_default())),
        },
        Some(Err(_)) if bounded.left == 0 => Received::TooLarge,
        None | Some(Err(HttpError::IOError(_) | HttpError::H1DecodeError(DecodeError::Io(_)))) => {
            Received::Gone
        }
        Some(Err(_)) => Received::Malformed,
    }
}

/// Whether the value of `Host` is an IP address or `localhost`, with or without a port.
fn is_of_this_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|it| it.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

/// `accepted`: the values of `Accept` (RFC 9110, section 12.5.1), of which the weights are not looked at.
fn wants_plain_text<'a>(accepted: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut plain, mut open) = (false, false);
    for range in accepted.flat_map(|it| it.split(|byte| *byte == b',')) {
        let name = range.split(|byte| *byte == b';').next().unwrap_or(range);
        plain |= name.trim_ascii().eq_ignore_ascii_case(b"text/plain");
        open |= (name.trim_ascii()).eq_ignore_ascii_case(b"application/openmetrics-text");
    }
    plain && !open
}

/// A stream that fails once `left` bytes were read. The last read may exceed it by up to the size of
/// the decoder's buffer.
struct Bounded<'a> {
    stream: &'a mut TcpStream,
    left: usize,
}

impl Bounded<'_> {
    fn take<T>(&mut self, (read, buffer): BufResult<usize, T>) -> BufResult<usize, T> {
        if let Ok(bytes) = read {
            self.left = self.left.saturating_sub(bytes);
        }
        (read, buffer)
    }
}

impl AsyncReadRent for Bounded<'_> {
    async fn read<T: IoBufMut>(&mut self, buffer: T) -> BufResult<usize, T> {
        if self.left == 0 {
            return (Err(io::ErrorKind::FileTooLarge.into()), buffer);
        }
        let result = self.stream.read(buffer).await;
        self.take(result)
    }

    async fn readv<T: IoVecBufMut>(&mut self, buffer: T) -> BufResult<usize, T> {
        if self.left == 0 {
            return (Err(io::ErrorKind::FileTooLarge.into()), buffer);
        }
        let result = self.stream.readv(buffer).await;
        self.take(result)
    }
}
