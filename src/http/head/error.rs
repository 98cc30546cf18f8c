//! Errors of a request head.

/// Why a head is rejected. All but the last five are malformed requests (400). The connection is
/// closed after any of them, because the start of the next request is not known for sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// More than one empty line before the request line (RFC 9112 section 2.2).
    #[error("more than one empty line before the request line")]
    EmptyLines,
    /// CR or LF that is not part of a CRLF (RFC 9112 section 2.2).
    #[error("a line does not end in CRLF, or contains a bare CR or LF")]
    LineEnd,
    /// Not `method SP request-target SP HTTP/d.d` (RFC 9112 section 3).
    #[error("the request line is not \"method target HTTP-version\" with single spaces")]
    RequestLine,
    /// A target that no form allows for this method, or a byte that none allows (RFC 9112
    /// section 3.2): a fragment, a bad percent-encoding, user information, a scheme other than
    /// http and https.
    #[error("the request target is invalid")]
    Target,
    /// A line that starts with whitespace: a folded value, or whitespace before the first field
    /// (RFC 9112 sections 2.2 and 5.2).
    #[error("a header line starts with whitespace")]
    Folded,
    /// A name that is empty or no token, whitespace before the colon, no colon (RFC 9112
    /// section 5.1).
    #[error("a header field name is invalid")]
    FieldName,
    /// NUL or another control character in a value, or a bare CR (RFC 9110 section 5.5).
    #[error("a header field value contains a control character")]
    FieldValue,
    /// HTTP/1.1 without `Host` (RFC 9112 section 3.2).
    #[error("the Host field is missing")]
    HostMissing,
    /// `Host` more than once (RFC 9112 section 3.2).
    #[error("more than one Host field")]
    HostRepeated,
    /// `Host` is not `host [":" port]` with a host that is not empty (RFC 9112 sections 3.2, 3.3).
    #[error("the Host field is invalid")]
    Host,
    /// `Content-Length` is not 1*DIGIT, a list included, or exceeds 64 bits (RFC 9110 section 8.6).
    #[error("Content-Length is not a decimal number")]
    ContentLength,
    /// `Content-Length` more than once, equal values included (RFC 9112 section 6.3).
    #[error("more than one Content-Length field")]
    ContentLengthRepeated,
    /// `Transfer-Encoding` is not exactly one field that says `chunked`, or is sent with HTTP/1.0
    /// (RFC 9112 section 6.1).
    #[error("Transfer-Encoding is not exactly \"chunked\", or was sent with HTTP/1.0")]
    TransferEncoding,
    /// `Content-Length` and `Transfer-Encoding` in one request (RFC 9112 section 6.1).
    #[error("both Content-Length and Transfer-Encoding are present")]
    LengthAndEncoding,
    /// `Content-Type` more than once: it is no list (RFC 9110 sections 5.3 and 8.3).
    #[error("more than one Content-Type field")]
    ContentTypeRepeated,
    /// A header of the PROXY protocol before the request that is malformed, or longer than
    /// [`PROXY_HEADER_BYTES_MAX`](crate::http::PROXY_HEADER_BYTES_MAX).
    #[error("the header of the PROXY protocol is malformed")]
    ProxyHeader,
    /// The request line exceeds [`REQUEST_LINE_BYTES_MAX`](super::REQUEST_LINE_BYTES_MAX) or the
    /// whole head's bound: 414.
    #[error("the request line is too long")]
    RequestLineTooLong,
    /// The head exceeds [`head_bytes_max`](super::HeadLimits::head_bytes_max): 431 (RFC 6585 section 5).
    #[error("the head is too large")]
    HeadTooLarge,
    /// The head exceeds [`headers_max`](super::HeadLimits::headers_max): 431 (RFC 6585 section 5).
    #[error("too many header fields")]
    TooManyHeaders,
    /// A well-formed version other than 1.0 and 1.1: 505. RFC 9110 section 2.5 would let HTTP/1.2
    /// be read as 1.1, but no client sends such a version.
    #[error("the HTTP version is not supported")]
    UnsupportedVersion,
    /// `Expect` asks for something other than `100-continue`: 417 (RFC 9110 section 10.1.1).
    /// Reported only for heads that are valid otherwise.
    #[error("the expectation is not supported")]
    UnsupportedExpectation,
}
