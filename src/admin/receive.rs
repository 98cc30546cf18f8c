//! The head of a request, read by monoio-http within a bound.

use std::io;

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

/// No read begins once so many bytes of a head have arrived. Far below the 65,535 bytes of a header
/// name beyond which the decoder panics.
pub(super) const HEAD_BYTES_MAX: usize = 16_384;

/// What came from a client.
#[derive(Debug)]
pub(super) enum Received {
    /// A head that could be read; what follows it is not looked at.
    Request {
        /// As written: methods are case-sensitive.
        method: String,
        /// Without the query.
        path: String,
    },
    /// Not a head of HTTP/1.
    Malformed,
    /// No end of the head within [`HEAD_BYTES_MAX`].
    TooLarge,
    /// The client left, or the connection broke.
    Gone,
}

/// Reads one head.
pub(super) async fn receive(stream: &mut TcpStream) -> Received {
    let mut bounded = Bounded {
        stream,
        left: HEAD_BYTES_MAX,
    };
    let next = RequestDecoder::new(&mut bounded).next().await;
    match next {
        Some(Ok(request)) => Received::Request {
            method: request.method().as_str().to_owned(),
            path: request.uri().path().to_owned(),
        },
        Some(Err(_)) if bounded.left == 0 => Received::TooLarge,
        None | Some(Err(HttpError::IOError(_) | HttpError::H1DecodeError(DecodeError::Io(_)))) => {
            Received::Gone
        }
        Some(Err(_)) => Received::Malformed,
    }
}

/// A stream that fails once `left` is used up. The last read may go beyond it, by what the
/// decoder's buffer has room for.
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
