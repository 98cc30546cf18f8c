//! The framing of requests.

use std::io;

/// Bytes of head and body together, at most.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a head, at most.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header fields of a request, at most.
const HEADERS_MAX: usize = 64;

/// The lengths of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head, the empty line included.
    pub bytes: usize,
    /// Bytes of the body.
    pub body_bytes: usize,
}

/// The head at the start of `received`; `None` while it is incomplete.
///
/// # Errors
/// `InvalidData` for an invalid head, one above 16 KiB or without a `Content-Length`, and a request above 16 MiB.
pub fn head(received: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let status = head.parse(received).map_err(io::Error::other)?;
    let httparse::Status::Complete(bytes) = status else {
        return if received.len() < HEAD_BYTES_MAX {
            Ok(None)
        } else {
            Err(invalid())
        };
    };
    head.headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok())
        .filter(|body_bytes| *body_bytes <= REQUEST_BYTES_MAX - bytes.min(REQUEST_BYTES_MAX))
        .map(|body_bytes| Some(Head { bytes, body_bytes }))
        .ok_or_else(invalid)
}

fn invalid() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "no valid Content-Length, or request too large",
    )
}

/// Counts the requests of one connection in what is received, wherever it is cut; bodies are not kept.
#[derive(Default)]
pub struct Requests {
    /// The start of a head whose end is not received yet.
    head: Vec<u8>,
    /// Bytes that the current body lacks.
    body_left: usize,
}

impl Requests {
    /// Takes the next received bytes; returns how many requests end in them.
    ///
    /// # Errors
    /// Those of [`head`].
    pub fn take(&mut self, mut received: &[u8]) -> io::Result<usize> {
        let mut ended = 0;
        while !received.is_empty() {
            if self.body_left > 0 {
                let skipped = self.body_left.min(received.len());
                self.body_left -= skipped;
                received = &received[skipped..];
                ended += usize::from(self.body_left == 0);
                continue;
            }
            let before = self.head.len();
            let parsed = if before == 0 {
                head(received)?
            } else {
                self.head.extend_from_slice(received);
                head(&self.head)?
            };
            let Some(parsed) = parsed else {
                if before == 0 {
                    self.head.extend_from_slice(received);
                }
                break;
            };
            received = &received[parsed.bytes - before..];
            self.head.clear();
            self.body_left = parsed.body_bytes;
            ended += usize::from(parsed.body_bytes == 0);
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"POST /ingest/Event/1.0 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    const EMPTY: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn requests_are_counted_wherever_they_are_cut() {
        let sent = [ONE, EMPTY, ONE, ONE].concat();
        for first in 0..=sent.len() {
            for second in first..=sent.len() {
                let mut requests = Requests::default();
                let parts = [&sent[..first], &sent[first..second], &sent[second..]];
                let ended = parts.map(|part| requests.take(part).expect("valid"));
                assert_eq!(ended.iter().sum::<usize>(), 4, "{first} {second}");
            }
        }
        let mut requests = Requests::default();
        let ended: usize = (sent.chunks(1))
            .map(|byte| requests.take(byte).expect("valid"))
            .sum();
        assert_eq!(ended, 4);
    }

    #[test]
    fn a_request_ends_with_the_last_byte_of_its_body() {
        let mut requests = Requests::default();
        assert_eq!(requests.take(&ONE[..ONE.len() - 1]).expect("valid"), 0);
        assert_eq!(requests.take(b"}").expect("valid"), 1);
    }

    #[test]
    fn invalid_framing_is_an_error() {
        let long = format!("POST / HTTP/1.1\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        for request in [
            "nonsense\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            &long,
        ] {
            assert!(head(request.as_bytes()).is_err(), "{request:?}");
        }
        for (body_bytes, fits) in [(REQUEST_BYTES_MAX - 100, true), (REQUEST_BYTES_MAX, false)] {
            let request = format!("POST / HTTP/1.1\r\nContent-Length: {body_bytes}\r\n\r\n");
            assert_eq!(head(request.as_bytes()).is_ok(), fits, "{body_bytes}");
        }
    }
}
