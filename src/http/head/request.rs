//! The parsed head of a request.

use crate::http::content::Coding;

/// Part of the bytes that were parsed, as offsets from the request's first byte, so that the
/// buffer may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes at this position of the buffer that was parsed.
    ///
    /// # Panics
    /// If `request` is shorter than the buffer that was parsed.
    #[inline]
    pub fn of(self, request: &[u8]) -> &[u8] {
        &request[self.start..self.end]
    }
}

/// The request methods that ringest distinguishes (RFC 9110 section 9); names are case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`: its answer carries no content.
    Head,
    /// `POST`
    Post,
    /// `OPTIONS`
    Options,
    /// Any other token, `CONNECT` included.
    Other,
}

/// The supported versions (RFC 9112 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// How the end of the body is determined (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Neither field: no body.
    None,
    /// `Content-Length`, in bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The format that `Content-Type` declares for the body, as far as ringest evaluates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// One JSON document. Also assumed where the field declares no format (absent,
    /// empty, `text/plain`, `application/octet-stream`) or is the default of `curl -d`
    /// (`application/x-www-form-urlencoded`).
    Json,
    /// One JSON document a line.
    Ndjson,
    /// Another format, or text that is not UTF-8.
    Unsupported,
}

/// The value of `Content-Encoding` (RFC 9110 section 8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentCoding {
    /// Not compressed.
    Identity,
    /// Compressed once, with a known coding.
    Coded(Coding),
    /// An unknown coding, or several.
    Unsupported,
}

/// The `Authorization` field (RFC 9110 section 11.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// No such field.
    Absent,
    /// One, with the position of its value.
    Value(Span),
    /// Several. Not a framing error: authentication rejects it like any other invalid credential.
    Repeated,
}

/// One request's head. Owns no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Bytes of the head: a skipped empty line in front and the blank line at the end included.
    pub len: usize,
    /// The method.
    pub method: Method,
    /// The path of the target: no query, and of an absolute form no scheme and authority. Starts
    /// with `/` and every `%` in it is followed by two hex digits; `*` for `OPTIONS *`; empty for
    /// `CONNECT`, whose target has none.
    pub path: Span,
    /// The version.
    pub version: Version,
    /// How the end of the body is determined.
    pub framing: Framing,
    /// Whether the client keeps the connection open (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// Whether the client may be waiting for `100 Continue` (RFC 9110 section 10.1.1).
    pub expect_continue: bool,
    /// The body's format.
    pub content_type: MediaType,
    /// The body's coding.
    pub content_encoding: ContentCoding,
    /// The credential presented.
    pub authorization: Authorization,
    /// What identifies the request to others.
    pub identifiers: Identifiers,
}

/// The fields that may have the request's identifier, the first one of each name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identifiers {
    /// The value of `X-Request-Id`, which many proxies set.
    pub request_id: Option<Span>,
    /// The value of `traceparent` (W3C Trace Context).
    pub traceparent: Option<Span>,
}
