//! The lower bound that ringest is compared with: one thread with monoio that reads each POST
//! completely and responds `200 {"accepted":1}` with ringest's headers. It validates and produces
//! nothing and has no deadlines and only the limits below: the difference is the cost of ringest's
//! work.
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

/// Initial size of a connection's buffer, in bytes.
const BUFFER_BYTES: usize = 16 * 1024;
/// Bytes of head and body together, at most.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Header fields of a request, at most.
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
            // `reserve_exact` makes room for a large body without doubling the buffer.
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

/// The length of the request at the start of `received`; `None` while its head is incomplete.
///
/// # Errors
/// `InvalidData` for an invalid head, one without a `Content-Length`, and a request above [`REQUEST_BYTES_MAX`].
fn request_bytes(received: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let status = head.parse(received).map_err(io::Error::other)?;
    let httparse::Status::Complete(head_bytes) = status else {
        return if received.len() < REQUEST_BYTES_MAX {
            Ok(None)
        } else {
            Err(invalid())
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
        .ok_or_else(invalid)
}

fn invalid() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "no valid Content-Length, or request too large",
    )
}

/// The response, formatted once a second because of its `Date`.
#[derive(Default)]
struct Answer {
    text: Vec<u8>,
    second: u64,
}

impl Answer {
    /// The bytes of the response, to be passed to monoio; the caller puts them back into `text`.
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
                request_bytes(&request[..cut]).expect("a partial head"),
                None
            );
        }
        for cut in request.len() - 2..=request.len() {
            let needed = request_bytes(&request[..cut]).expect("a complete head");
            assert_eq!(needed, Some(request.len()));
        }
    }

    #[test]
    fn invalid_framing_is_an_error() {
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
