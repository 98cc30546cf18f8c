//! HTTP/1.1: framing (RFC 9112) and content codings (RFC 9110) over byte slices; no I/O.

mod body;
mod content;
mod forwarded;
mod head;
mod proxy_header;

pub use body::{BodyError, ChunkedDecoder, ChunkedLimits, ChunkedStep};
pub use content::{Coding, Codings, ContentError, Decoder, IdleDecoders, Progress};
pub use forwarded::client;
pub use head::{
    Authorization, ContentCoding, Framing, HEAD_KEPT_BYTES_MAX, HEADERS_MAX, HeadError, HeadLimits,
    HeadParser, Identifiers, MediaType, Method, REQUEST_LINE_BYTES_MAX, RequestHead, Span, Version,
    field_value, origin,
};
pub use proxy_header::{ConnectionStart, PROXY_HEADER_BYTES_MAX, ProxyHeader, proxy_header};

/// Whether a text is a token, as methods and the names of fields are (RFC 9110 section 5.6.2).
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| head::is_token_byte(byte))
}
