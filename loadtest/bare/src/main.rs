//! The floor that ringest is measured against: one thread, monoio, a POST is read whole and
//! answered `200 {"accepted":1}` with the headers that ringest sends. Nothing is validated or
//! produced, no deadline or limit but the two constants is kept: what ringest costs above this is
//! what its work costs.
//!
//! `loadtest-bare [ADDRESS]`; the default is a free port of the loopback address.

use std::{
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use monoio::{
    FusionDriver, RuntimeBuilder,
    buf::IoBufMut,
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::{TcpListener, TcpStream},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes that a connection's buffer has from the start and keeps.
const BUFFER_BYTES: usize = 16 * 1024;
/// Bytes of head and body together.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Header fields of a request.
const HEADERS_MAX: usize = 64;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:0");
    RuntimeBuilder::<FusionDriver>::new()
        .build()?
        .block_on(serve(address))
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    eprintln!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        monoio::spawn(async move {
            if let Err(error) = converse(stream).await {
                eprintln!("connection: {error}");
            }
        });
    }
}

/// Answers one connection's requests until the client closes it.
async fn converse(mut stream: TcpStream) -> io::Result<()> {
    let mut answer = Answer::default();
    let mut received = Vec::with_capacity(BUFFER_BYTES);
    loop {
        match request_bytes(&received)? {
            Some(needed) if needed <= received.len() => {
                received.drain(..needed);
                let (written, bytes) = stream.write_all(answer.bytes(SystemTime::now())).await;
                written?;
                answer.text = bytes;
                continue;
            }
            // `reserve_exact` leaves an array's body room without doubling it at every read.
            Some(needed) => received.reserve_exact(needed - received.len()),
            None if received.len() == received.capacity() => received.reserve(BUFFER_BYTES),
            None => {}
        }
        let filled = received.len();
        let (read, slice) = stream.read(received.slice_mut(filled..)).await;
        received = slice.into_inner();
        if read? == 0 {
            return Ok(());
        }
    }
}

/// How long the request at the start of `received` is, head and body, once its head is complete.
///
/// # Errors
/// `InvalidData` for a head that httparse refuses, one without a `Content-Length`, and a request
/// above [`REQUEST_BYTES_MAX`].
fn request_bytes(received: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let status = head.parse(received).map_err(io::Error::other)?;
    let httparse::Status::Complete(head_bytes) = status else {
        return if received.len() < REQUEST_BYTES_MAX {
            Ok(None)
        } else {
            Err(refused())
        };
    };
    head.headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| {
            std::str::from_utf8(header.value)
                .ok()?
                .parse::<usize>()
                .ok()
        })
        .and_then(|body_bytes| head_bytes.checked_add(body_bytes))
        .filter(|&total| total <= REQUEST_BYTES_MAX)
        .map(Some)
        .ok_or_else(refused)
}

fn refused() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "no Content-Length, or too large a request",
    )
}

/// The one answer, written anew when the second changes (its `Date`).
#[derive(Default)]
struct Answer {
    text: Vec<u8>,
    second: u64,
}

impl Answer {
    /// The answer's bytes, lent to the ring; the caller puts them back into `text`.
    fn bytes(&mut self, now: SystemTime) -> Vec<u8> {
        let second = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if second != self.second {
            self.second = second;
            self.text = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\
                 Date: {}\r\n\r\n{{\"accepted\":1}}",
                httpdate::fmt_http_date(now)
            )
            .into_bytes();
        }
        std::mem::take(&mut self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_is_its_head_and_its_body() {
        let request = b"POST /ingest/Event/1.0 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..request.len() - 2 {
            assert_eq!(
                request_bytes(&request[..cut]).expect("a head in part"),
                None
            );
        }
        for cut in request.len() - 2..=request.len() {
            let needed = request_bytes(&request[..cut]).expect("a whole head");
            assert_eq!(needed, Some(request.len()));
        }
    }

    #[test]
    fn what_cannot_be_framed_is_refused() {
        for request in [
            "POST / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert!(request_bytes(request.as_bytes()).is_err(), "{request:?}");
        }
        for (body_bytes, fits) in [(REQUEST_BYTES_MAX - 100, true), (REQUEST_BYTES_MAX, false)] {
            let request = format!("POST / HTTP/1.1\r\nContent-Length: {body_bytes}\r\n\r\n");
            assert_eq!(
                request_bytes(request.as_bytes()).is_ok(),
                fits,
                "{body_bytes}"
            );
        }
    }

    #[test]
    fn the_date_follows_the_clock() {
        let mut answer = Answer::default();
        let first = answer.bytes(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert!(first.ends_with(b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{\"accepted\":1}"));
        answer.text = first;
        let next = answer.bytes(UNIX_EPOCH + Duration::from_secs(784_111_778));
        assert!(next.ends_with(b"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n\r\n{\"accepted\":1}"));
    }
}
