//! Reading a request's head, and checking that it announces a body of records.

use std::time::Instant;

use crate::{
    deadline::Wait,
    http::{Coding, Codings, ContentCoding, HeadError, MediaType, Method, RequestHead},
    outcome::{self, Allow, Refusal},
    validate::Format,
};

use super::{Connection, Interrupt};

impl Connection {
    /// Waits for the next request's head. Where it has not arrived, the requests before it are
    /// answered first.
    pub(super) async fn read_head(&mut self) -> Result<RequestHead, Interrupt> {
        self.parser.reset();
        self.began = None;
        if !self.unanswered.is_empty() {
            if let Some(head) = self.arrived_head()? {
                return Ok(head);
            }
            if !self.answer_before_waiting().await? {
                return Err(Interrupt::Ended);
            }
        }
        let (transport, context) = (&mut self.transport, &self.context);
        if transport.rest().is_empty() {
            transport.shrink_input();
            self.began = None;
        }
        let (timeouts, mut is_idle) = (&context.config.timeouts, true);
        let idle_max = if std::mem::take(&mut self.is_new) {
            timeouts.head
        } else {
            timeouts.idle
        };
        transport
            .deadline
            .set(Wait::Idle, context.clock.now() + idle_max);
        if transport.rest().is_empty() {
            transport.receive_expected().await?;
        }
        loop {
            let has_begun =
                !transport.rest().is_empty() || (is_idle && transport.await_record().await?);
            if has_begun {
                self.waited = Instant::now();
                self.began.get_or_insert(self.waited);
            }
            if !transport.rest().is_empty() {
                let trusted = &context.config.listen.trusted_proxies;
                if self.client.skip_proxy_header(transport, trusted)?
                    && let Some(head) = self.parser.parse(transport.rest())?
                {
                    transport.deadline.clear();
                    transport.begin_request(&head);
                    return Ok(head);
                }
            }
            if has_begun && std::mem::take(&mut is_idle) {
                let until = context.clock.now() + timeouts.head;
                transport.deadline.set(Wait::Read, until);
            }
            if transport.input().room() == 0 {
                transport.enlarge_input(context.config.limits.head_bytes_max);
            }
            if transport.receive(usize::MAX).await? == 0 {
                return Err(self.end_of_head());
            }
        }
    }

    /// The next request's head, if it has arrived.
    fn arrived_head(&mut self) -> Result<Option<RequestHead>, HeadError> {
        self.waited = Instant::now();
        self.began = Some(self.waited);
        loop {
            if !self.transport.rest().is_empty()
                && let Some(head) = self.parser.parse(self.transport.rest())?
            {
                self.transport.begin_request(&head);
                return Ok(Some(head));
            }
            if self.transport.receive_next() == 0 {
                return Ok(None);
            }
        }
    }

    /// Why the head ended too early. An idle connection ends without an answer, also where the first
    /// bytes of a request arrive at that very moment: to its client they came too late.
    fn end_of_head(&self) -> Interrupt {
        match self.transport.deadline.expired() {
            Some(Wait::Idle | Wait::Read) if self.is_reserved => Refusal::ConnectionsFull.into(),
            Some(Wait::Read) if self.context.is_draining() => Refusal::Draining.into(),
            Some(Wait::Read) => Refusal::Timeout(outcome::Deadline::Head).into(),
            Some(Wait::Idle | Wait::Write | Wait::Linger) | None => Interrupt::Gone,
        }
    }
}

/// The format of the records in the body that a head announces, and the body's coding, which is one of
/// `accepted`.
pub(super) fn body_format(
    head: &RequestHead,
    accepted: Codings,
) -> Result<(Format, Option<Coding>), Refusal> {
    if head.method != Method::Post {
        return Err(Refusal::Method(Allow::Post));
    }
    let coding = match head.content_encoding {
        ContentCoding::Identity => None,
        ContentCoding::Coded(coding) if accepted.contains(coding) => Some(coding),
        ContentCoding::Coded(_) | ContentCoding::Unsupported => {
            return Err(Refusal::ContentCoding(accepted));
        }
    };
    let format = match head.content_type {
        MediaType::Json => Format::Json,
        MediaType::Ndjson => Format::Ndjson,
        MediaType::Unsupported => return Err(Refusal::MediaType),
    };
    Ok((format, coding))
}
