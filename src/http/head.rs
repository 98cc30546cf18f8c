//! From a request's first bytes to a [`RequestHead`] (RFC 9112 sections 2 to 6).
//!
//! An ambiguous head is rejected, never guessed at. Two rules make the result independent of how the
//! bytes are split over reads:
//! - an error before the end of the head belongs to a position (a line end, a limit), and lines are
//!   checked from left to right;
//! - everything else is checked once, when the blank line has arrived.

mod bytes;
mod error;
mod fields;
mod media;
mod repeated;
mod request;
mod target;

use std::mem::MaybeUninit;

use httparse::{Header, Request, Status};
use memchr::memchr_iter;

pub(super) use self::{
    bytes::is_token_byte,
    fields::{Field, LONGEST_NAME, field_values},
};
pub use self::{
    error::HeadError,
    fields::{field_value, origin},
    repeated::HEAD_KEPT_BYTES_MAX,
    request::{
        Authorization, ContentCoding, Framing, Identifiers, MediaType, Method, RequestHead, Span,
        Version,
    },
};
use self::{
    fields::{Fields, span_in},
    repeated::Repeated,
};

/// Most bytes of a request line, its CRLF included; RFC 9112 section 3 asks for at least 8,000.
pub const REQUEST_LINE_BYTES_MAX: usize = 8_192;

/// Most header fields that [`HeadLimits::headers_max`] can allow.
pub const HEADERS_MAX: usize = 1_024;

/// Heads with more fields than this take a slower path, whose stack frame is 32 KiB.
const HEADERS_USUAL: usize = 48;

/// Limits of one head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes from the request's first to the end of the blank line.
    pub head_bytes_max: usize,
    /// Header fields; [`HEADERS_MAX`] at most.
    pub headers_max: usize,
}

/// Reads the heads of one connection, however their bytes arrive; each byte is scanned once and parsed once,
/// or compared with that of the head before.
#[derive(Clone, Debug)]
pub struct HeadParser {
    limits: HeadLimits,
    scan: Scan,
    before: Repeated,
}

/// The search for the end of a head.
#[derive(Clone, Debug, Default)]
struct Scan {
    /// Offset of the request line: 0, or 2 behind an empty line. `None` until it is known.
    start: Option<usize>,
    /// Bytes already searched for line ends.
    scanned: usize,
    /// Offset of the line that `scanned` is in.
    line: usize,
    /// Complete lines, the request line included.
    lines: usize,
}

impl HeadParser {
    /// A parser at the start of a request.
    pub fn new(limits: HeadLimits) -> Self {
        let headers_max = limits.headers_max.min(HEADERS_MAX);
        let limits = HeadLimits {
            headers_max,
            ..limits
        };
        Self {
            limits,
            scan: Scan::default(),
            before: Repeated::default(),
        }
    }

    /// Starts over: the next bytes are the first ones of another request.
    pub fn reset(&mut self) {
        self.scan = Scan::default();
    }

    /// Reads the head of the request that starts at `bytes[0]`; `None`: more bytes are needed.
    /// `bytes` contains everything received so far, those of the last call first; bytes behind the
    /// head are ignored. After a head or an error, call [`reset`](Self::reset) before the next
    /// request.
    ///
    /// # Errors
    /// [`HeadError`] as soon as the bytes so far determine it; more bytes never change it.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<Option<RequestHead>, HeadError> {
        let start = if let Some(start) = self.scan.start {
            start
        } else {
            if let Some(head) = self.before.repeated(bytes) {
                return Ok(Some(head));
            }
            match request_line_start(bytes)? {
                Some(start) => self.scan.begin_at(start),
                None => return Ok(None),
            }
        };
        let Some(len) = self.scan.advance(bytes, start, self.limits)? else {
            return Ok(None);
        };
        let bytes = &bytes[..len];
        let fields = self.scan.lines - 1;
        let (head, length) = if fields <= HEADERS_USUAL {
            interpret::<HEADERS_USUAL>(bytes, start)?
        } else {
            interpret_many(bytes, start)?
        };
        self.before.keep(bytes, head, length);
        Ok(Some(head))
    }
}

impl Scan {
    fn begin_at(&mut self, start: usize) -> usize {
        self.start = Some(start);
        self.scanned = start;
        self.line = start;
        start
    }

    /// Continues the search for the blank line; its end is the head's length.
    fn advance(
        &mut self,
        bytes: &[u8],
        start: usize,
        limits: HeadLimits,
    ) -> Result<Option<usize>, HeadError> {
        let window = bytes.len().min(limits.head_bytes_max);
        let line_max = start
            .saturating_add(REQUEST_LINE_BYTES_MAX)
            .min(limits.head_bytes_max);
        let from = self.scanned.min(window);
        for found in memchr_iter(b'\n', &bytes[from..window]) {
            let end = from + found;
            if self.lines == 0 && end >= line_max {
                return Err(HeadError::RequestLineTooLong);
            }
            if end == self.line || bytes[end - 1] != b'\r' {
                return Err(HeadError::LineEnd);
            }
            if end == self.line + 1 {
                return Ok(Some(end + 1));
            }
            if self.lines > 0 && matches!(bytes[self.line], b' ' | b'\t') {
                return Err(HeadError::Folded);
            }
            // This line is field number `lines`: the request line was number 0.
            if self.lines > limits.headers_max {
                return Err(HeadError::TooManyHeaders);
            }
            self.lines += 1;
            self.line = end + 1;
        }
        self.scanned = window;
        if self.lines == 0 && window >= line_max {
            return Err(HeadError::RequestLineTooLong);
        }
        if window == limits.head_bytes_max {
            return Err(HeadError::HeadTooLarge);
        }
        Ok(None)
    }
}

/// Where the request line starts: one empty line in front of it is skipped (RFC 9112 section 2.2).
/// A first byte that can't start a method is rejected at once, so that a TLS client does not wait
/// for the deadline.
fn request_line_start(bytes: &[u8]) -> Result<Option<usize>, HeadError> {
    let start = match bytes {
        [] | [b'\r'] | [b'\r', b'\n'] => return Ok(None),
        [b'\r', b'\n', b'\r', ..] => return Err(HeadError::EmptyLines),
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => return Err(HeadError::LineEnd),
        _ => 0,
    };
    match bytes[start] {
        b'\n' => Err(HeadError::LineEnd),
        first if is_token_byte(first) => Ok(Some(start)),
        _ => Err(HeadError::RequestLine),
    }
}

/// [`interpret`] for the maximum number of fields, in a stack frame of its own.
#[cold]
#[inline(never)]
fn interpret_many(head: &[u8], start: usize) -> Result<(RequestHead, Span), HeadError> {
    interpret::<HEADERS_MAX>(head, start)
}

/// Checks a complete head whose lines all end in LF; only the last one is empty. Also the position of the value of
/// `Content-Length`, which is empty where there is none.
fn interpret<const N: usize>(head: &[u8], start: usize) -> Result<(RequestHead, Span), HeadError> {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; N];
    let mut request = Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(&head[start..], &mut headers);
    match parsed {
        // httparse and the scan must agree on the end of the head.
        Ok(Status::Complete(len)) if start + len == head.len() => {}
        Ok(_) => return Err(HeadError::LineEnd),
        Err(error) => return Err(explain(error, &head[start..])),
    }
    let (Some(method), Some(path), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(HeadError::RequestLine);
    };
    let (method, path) = target::parse(method.as_bytes(), path.as_bytes())?;
    let version = if minor == 0 {
        Version::Http10
    } else {
        Version::Http11
    };
    let mut fields = Fields::new();
    for header in request.headers.iter() {
        fields.add(head, header.name.as_bytes(), header.value)?;
    }
    fields.check(version)?;
    let interpreted = RequestHead {
        len: head.len(),
        method,
        path: span_in(head, path),
        version,
        framing: fields.framing(),
        keep_alive: fields.keep_alive(version),
        expect_continue: version == Version::Http11 && fields.expect_continue(),
        content_type: fields.content_type(),
        content_encoding: fields.content_encoding(),
        authorization: fields.authorization(),
        identifiers: fields.identifiers(),
    };
    Ok((interpreted, fields.length_span()))
}

/// The rule behind an error of httparse.
#[cold]
fn explain(error: httparse::Error, head: &[u8]) -> HeadError {
    match error {
        httparse::Error::HeaderName => HeadError::FieldName,
        httparse::Error::HeaderValue => HeadError::FieldValue,
        httparse::Error::TooManyHeaders => HeadError::TooManyHeaders,
        // Errors of the request line, or a bare CR where a field or the blank line should start.
        httparse::Error::Token
        | httparse::Error::Version
        | httparse::Error::NewLine
        | httparse::Error::Status => {
            let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            target::request_line_error(line).unwrap_or(HeadError::LineEnd)
        }
    }
}
