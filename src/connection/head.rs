//! Reading a request's head, and checking that it announces a body of records.

use crate::{
    deadline::Wait,
    http::{ContentCoding, Framing, MediaType, Method, RequestHead},
    outcome::{self, Allow, Refusal},
    validate::Format,
};

use super::{Connection, Interrupt, transport::Unread};

impl Connection {
    /// Waits for the next request's head.
    pub(super) async fn read_head(&mut self) -> Result<RequestHead, Interrupt> {
        let (transport, context) = (&mut self.transport, &self.context);
        self.parser.reset();
        if transport.rest().is_empty() {
            transport.release_input();
        }
        let (timeouts, mut is_idle) = (&context.config.timeouts, true);
        let idle_until = context.clock.now() + timeouts.idle;
        transport.deadline.set(Wait::Idle, idle_until);
        loop {
            if !transport.rest().is_empty() {
                if let Some(head) = self.parser.parse(transport.rest())? {
                    transport.deadline.clear();
                    transport.start += head.len;
                    transport.unread = match head.framing {
                        Framing::None => Unread::Bytes(0),
                        Framing::Length(len) => Unread::Bytes(len),
                        Framing::Chunked => Unread::Chunked,
                    };
                    return Ok(head);
                }
                if std::mem::take(&mut is_idle) {
                    let until = context.clock.now() + timeouts.head;
                    transport.deadline.set(Wait::Read, until);
                }
            }
            if transport.input().room() == 0 {
                transport.release_input();
            }
            if transport.receive(usize::MAX).await? == 0 {
                return Err(self.end_of_head(is_idle));
            }
        }
    }

    /// Why the head ended too early.
    fn end_of_head(&self, is_idle: bool) -> Interrupt {
        let (has_expired, is_draining) = (
            self.transport.deadline.has_expired(),
            self.context.is_draining(),
        );
        match (has_expired, is_idle) {
            (true, true) if is_draining => Interrupt::Gone,
            (true, false) if is_draining => Refusal::Draining.into(),
            (true, true) => Refusal::Timeout(outcome::Deadline::Idle).into(),
            (true, false) => Refusal::Timeout(outcome::Deadline::Head).into(),
            (false, _) => Interrupt::Gone,
        }
    }
}

/// The format of the records in the body that a head announces.
pub(super) fn body_format(head: &RequestHead) -> Result<Format, Refusal> {
    if head.method != Method::Post {
        return Err(Refusal::Method(Allow::Post));
    }
    if head.content_encoding != ContentCoding::Identity {
        return Err(Refusal::ContentCoding);
    }
    match head.content_type {
        MediaType::Json => Ok(Format::Json),
        MediaType::Ndjson => Ok(Format::Ndjson),
        MediaType::Unsupported => Err(Refusal::MediaType),
    }
}
