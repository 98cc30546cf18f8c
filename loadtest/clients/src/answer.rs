//! A minimal parser of HTTP/1.1 responses.

use std::io;

/// Bytes of a response, at most.
pub(crate) const ANSWER_BYTES_MAX: usize = 4_096;
/// Header fields of a response, at most.
const HEADERS_MAX: usize = 32;

/// A response at the start of the received bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Bytes of head and body together.
    pub(crate) len: usize,
    /// Whether the server closes the connection after this response.
    pub(crate) closes: bool,
}

impl Answer {
    /// Parses the response that `received` begins with; `None` while it is incomplete.
    ///
    /// # Errors
    /// `InvalidData` for an invalid response, and for one whose end is that of the connection.
    pub(crate) fn parse(received: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let status = head.parse(received).map_err(|error| invalid(&error))?;
        let httparse::Status::Complete(head_bytes) = status else {
            return Ok(None);
        };
        let field = |name: &str| {
            head.headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))
                .and_then(|header| str::from_utf8(header.value).ok())
        };
        let code = head.code.unwrap_or_default();
        let chunked =
            field("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked"));
        let body_bytes = if code == 204 {
            Some(0)
        } else if chunked {
            chunked_bytes(&received[head_bytes..])?
        } else {
            let length = field("content-length").and_then(|value| value.parse::<usize>().ok());
            Some(length.ok_or_else(|| invalid(&"no Content-Length"))?)
        };
        let Some(body_bytes) = body_bytes else {
            return Ok(None);
        };
        let len = head_bytes + body_bytes;
        Ok((len <= received.len()).then_some(Self {
            status: code,
            len,
            closes: field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
        }))
    }
}

/// The length of a chunked body without trailers; `None` while it is incomplete.
fn chunked_bytes(received: &[u8]) -> io::Result<Option<usize>> {
    let mut bytes = 0;
    while let Some(rest) = received.get(bytes..) {
        let parsed = httparse::parse_chunk_size(rest).map_err(|_| invalid(&"a chunk's size"))?;
        let httparse::Status::Complete((line_bytes, size)) = parsed else {
            break;
        };
        let size = usize::try_from(size).map_err(|error| invalid(&error))?;
        bytes = bytes
            .saturating_add(line_bytes)
            .saturating_add(size)
            .saturating_add(2);
        if size == 0 {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

fn invalid(what: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn a_response_is_its_head_and_its_body() {
        let whole =
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        for cut in 0..whole.len() {
            let found = Answer::parse(&whole[..cut]).expect("a partial response");
            assert_eq!(found, None, "{cut}");
        }
        let expected = Answer {
            status: 401,
            len: whole.len(),
            closes: true,
        };
        let found = Answer::parse(whole).expect("a response");
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_body_may_be_chunked_or_absent() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let whole = format!("{head}5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
        for cut in 0..whole.len() {
            let found = Answer::parse(&whole.as_bytes()[..cut]).expect("a partial response");
            assert_eq!(found, None, "{cut}");
        }
        for (text, status) in [
            (whole.as_str(), 200),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        ] {
            let expected = Answer {
                status,
                len: text.len(),
                closes: false,
            };
            let pipelined = format!("{text}HTTP");
            let found = Answer::parse(pipelined.as_bytes()).expect("a response");
            assert_eq!(found, Some(expected));
        }
    }

    #[test]
    fn an_invalid_response_is_an_error() {
        for text in [
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        ] {
            assert!(Answer::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
