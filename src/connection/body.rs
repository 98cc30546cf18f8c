//! Reading a request's body.

use std::ops::Range;

use crate::{
    admission::Permit,
    buffer::{Frozen, ReadBuffer, grown_capacity, segment_capacity},
    deadline::Wait,
    http::{ChunkedDecoder, ChunkedLimits, ChunkedStep, Framing, RequestHead},
    model::SchemaPrefix,
    outcome::{self, Refusal},
    response::CONTINUE,
    validate::Validator,
};

use super::{Connection, Interrupt, transport::Unread};

/// The most bytes ever reserved before a body: the prefix of its only record.
const HEADROOM_BYTES_MAX: usize = size_of::<SchemaPrefix>();

/// A complete request body, and the permit for its memory.
pub(super) struct RawBody {
    /// The buffer that it is in; `None`: the connection's input.
    pub(super) segment: Option<ReadBuffer>,
    /// Its position in the buffer.
    pub(super) range: Range<usize>,
    pub(super) permit: Permit,
}

impl RawBody {
    /// Its bytes; `input` is the connection's.
    pub(super) fn bytes<'a>(&'a self, input: &'a ReadBuffer) -> &'a [u8] {
        let buffer = self.segment.as_ref().unwrap_or(input);
        buffer.bytes(self.range.clone())
    }

    /// Whether validating it takes so long that other requests should be served in between.
    pub(super) fn is_long(&self) -> bool {
        self.range.len() > Validator::STEP_BYTES
    }

    /// Freezes its bytes; `input` is the connection's.
    pub(super) fn freeze(&mut self, input: &mut ReadBuffer) -> Frozen {
        let buffer = self.segment.as_mut().unwrap_or(input);
        buffer.freeze(self.range.clone())
    }
}

impl Connection {
    /// Reads the body that `head` announces. Afterwards `start` is behind it. At least `headroom`
    /// bytes before it are in the same buffer and may be overwritten.
    pub(super) async fn read_body(
        &mut self,
        head: &RequestHead,
        headroom: usize,
    ) -> Result<RawBody, Interrupt> {
        let max = self.context.config.limits.body_bytes_max;
        match head.framing {
            Framing::None => self.read_sized(head, headroom, 0).await,
            Framing::Length(len) => match usize::try_from(len) {
                Ok(len) if len <= max => self.read_sized(head, headroom, len).await,
                _ => Err(Refusal::BodyTooLarge.into()),
            },
            Framing::Chunked => self.read_chunked(head, headroom, max).await,
        }
    }

    /// The bytes go from the socket to where librdkafka will read them; where the body needs a
    /// segment of its own, those received together with the head are copied there first.
    async fn read_sized(
        &mut self,
        head: &RequestHead,
        headroom: usize,
        len: usize,
    ) -> Result<RawBody, Interrupt> {
        if headroom + len <= self.transport.input().capacity() {
            return self.read_in_place(head, headroom, len).await;
        }
        let end = headroom + len;
        let permit = self.context.admission.admit(segment_capacity(end))?;
        let mut body = self.segment(headroom, end);
        body.append(self.transport.rest());
        self.transport.start = self.transport.input().filled();
        while !self.unanswered.is_empty() && body.filled() < end {
            let limit = end - body.filled();
            if self.transport.receive_arrived_into(&mut body, limit) == 0 {
                break;
            }
        }
        if body.filled() < end {
            self.begin_body(head).await?;
        }
        while body.filled() < end {
            let limit = end - body.filled();
            let (received, buffer) = self.transport.receive_into(body, limit).await;
            body = buffer;
            match received {
                Ok(0) => return Err(self.end_of_body()),
                Ok(_) => {}
                Err(_) => return Err(Interrupt::Gone),
            }
        }
        Ok(self.end_body(Some(body), headroom..end, permit))
    }

    /// The body stays where the socket's bytes were received, behind its head.
    async fn read_in_place(
        &mut self,
        head: &RequestHead,
        headroom: usize,
        len: usize,
    ) -> Result<RawBody, Interrupt> {
        let capacity = self.transport.input().capacity();
        let permit = self.context.admission.admit(capacity)?;
        if self.transport.start + len > capacity {
            // The last bytes of the head make the headroom.
            self.transport.start -= headroom;
            self.transport.release_input();
            self.transport.start = headroom;
        }
        let body = self.transport.start..self.transport.start + len;
        while self.transport.input().filled() < body.end && self.receive_arrived() {}
        if self.transport.input().filled() < body.end {
            self.begin_body(head).await?;
            while self.transport.input().filled() < body.end {
                if self.transport.receive(usize::MAX).await? == 0 {
                    return Err(self.end_of_body());
                }
            }
        }
        self.transport.start = body.end;
        Ok(self.end_body(None, body, permit))
    }

    /// The chunks are copied to one segment, without their coding.
    async fn read_chunked(
        &mut self,
        head: &RequestHead,
        headroom: usize,
        max: usize,
    ) -> Result<RawBody, Interrupt> {
        let mut permit = self.context.admission.admit(segment_capacity(headroom))?;
        let mut body = self.segment(headroom, headroom);
        let mut decoder = ChunkedDecoder::new(ChunkedLimits::new(max));
        self.transport.unread = Unread::Unknown;
        let mut waits = false;
        loop {
            let rest = self.transport.rest();
            let (consumed, step) = decoder.decode(rest)?;
            if let ChunkedStep::Data(data) = &step {
                if data.len() > body.room() {
                    let needed = body.filled() + data.len();
                    let capacity = grown_capacity(body.capacity(), needed, headroom + max);
                    // Both exist while one is copied to the other.
                    let larger_permit = self.context.admission.admit(capacity)?;
                    let mut larger = self.context.pool.take(capacity);
                    larger.append(body.bytes(0..body.filled()));
                    (body, permit) = (larger, larger_permit);
                }
                body.append(&rest[data.clone()]);
            }
            self.transport.start += consumed;
            match step {
                ChunkedStep::Data(_) => {}
                ChunkedStep::Done => break,
                ChunkedStep::NeedMore => {
                    self.transport.release_input();
                    if self.receive_arrived() {
                        continue;
                    }
                    if !std::mem::replace(&mut waits, true) {
                        self.begin_body(head).await?;
                    }
                    if self.transport.receive(usize::MAX).await? == 0 {
                        return Err(self.end_of_body());
                    }
                }
            }
        }
        let range = headroom..body.filled();
        Ok(self.end_body(Some(body), range, permit))
    }

    /// Reads what has arrived of a pipelined request, so that those before it are not answered without
    /// need. `false` if that is nothing.
    fn receive_arrived(&mut self) -> bool {
        !self.unanswered.is_empty() && self.transport.receive_arrived() > 0
    }

    /// A segment for `len` bytes, the first `headroom` of them filled.
    fn segment(&self, headroom: usize, len: usize) -> ReadBuffer {
        let mut segment = self.context.pool.take(len);
        segment.append(&[0; HEADROOM_BYTES_MAX][..headroom]);
        segment
    }

    fn end_body(
        &mut self,
        segment: Option<ReadBuffer>,
        range: Range<usize>,
        permit: Permit,
    ) -> RawBody {
        self.transport.deadline.clear();
        self.transport.unread = Unread::Bytes(0);
        self.context
            .metrics
            .body_bytes_received
            .add(range.len() as u64);
        RawBody {
            segment,
            range,
            permit,
        }
    }

    /// Before the wait for the rest of the body: answers the requests before it, asks a client that
    /// waits for it to send the body (RFC 9110 section 10.1.1), and sets the deadline.
    async fn begin_body(&mut self, head: &RequestHead) -> Result<(), Interrupt> {
        self.answer_unanswered().await?;
        if head.expect_continue {
            self.transport.output.extend_from_slice(CONTINUE);
            self.transport
                .send(self.context.clock.now() + self.context.config.timeouts.idle)
                .await?;
        }
        let until = self.context.clock.now() + self.context.config.timeouts.body;
        self.transport.deadline.set(Wait::Read, until);
        Ok(())
    }

    /// Why the body ended too early.
    fn end_of_body(&mut self) -> Interrupt {
        self.transport.unread = Unread::Unknown;
        if self.transport.deadline.has_expired() && self.context.is_draining() {
            Refusal::Draining.into()
        } else if self.transport.deadline.has_expired() {
            Refusal::Timeout(outcome::Deadline::Body).into()
        } else {
            Interrupt::Gone
        }
    }
}
