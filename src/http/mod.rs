//! HTTP/1.1: framing (RFC 9112) over byte slices, and the answers; no I/O.

mod body;
mod head;
mod response;

pub use body::{BodyError, ChunkedDecoder, ChunkedLimits, ChunkedStep};
pub use head::{
    Authorization, ContentCoding, Framing, HEADERS_MAX, HeadError, HeadLimits, HeadParser,
    MediaType, Method, REQUEST_LINE_BYTES_MAX, RequestHead, Span, Version, field_value,
};
pub(crate) use response::fault;
pub use response::{CONTINUE, Form, Persistence, Responses};
