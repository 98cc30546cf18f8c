//! The head that a connection had before. Most clients that keep a connection send the same one again, but for the
//! digits of `Content-Length`: then it is compared instead of parsed.

use super::{
    fields::decimal,
    request::{Framing, RequestHead, Span},
};

/// The longest head that is kept to be compared with the next one, in bytes: a usual one with a JWT.
pub const HEAD_KEPT_BYTES_MAX: usize = 1_088;

/// The last head that was parsed, if it was short enough.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeated {
    /// Its bytes, and what they are.
    bytes: Vec<u8>,
    head: Option<RequestHead>,
    /// Where its `Content-Length` is.
    length: Span,
}

impl Repeated {
    /// Keeps a valid head: its bytes, what was parsed, and the position of the value of `Content-Length`, which is
    /// empty where there is none.
    pub(super) fn keep(&mut self, bytes: &[u8], head: RequestHead, length: Span) {
        if bytes.len() > HEAD_KEPT_BYTES_MAX {
            return;
        }
        self.bytes.clear();
        self.bytes.reserve_exact(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.head = Some(head);
        self.length = length;
    }

    /// The head that `request` begins with, if its bytes are those of the kept one, or others that differ in the
    /// digits of `Content-Length` only, of which there are as many. A head is what its own bytes say, whatever is
    /// behind it, and a repeated or listed `Content-Length` is not valid: so this is what parsing them finds.
    pub(super) fn repeated(&self, request: &[u8]) -> Option<RequestHead> {
        let mut head = self.head?;
        let request = request.get(..head.len)?;
        let Span { start, end } = self.length;
        if request[end..] != self.bytes[end..] || request[..start] != self.bytes[..start] {
            return None;
        }
        if start < end {
            head.framing = Framing::Length(decimal(&request[start..end])?);
        }
        Some(head)
    }
}
