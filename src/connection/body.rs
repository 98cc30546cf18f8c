//! Reading a request's body.

use std::{ops::Range, rc::Rc, time::Duration};

use crate::{
    admission::{AdmissionError, Permit},
    buffer::{Frozen, INPUT_BYTES, Pool, ReadBuffer, grown_capacity, segment_capacity},
    context::Context,
    deadline::Wait,
    http::{ChunkedDecoder, ChunkedLimits, ChunkedStep, Framing, RequestHead},
    model::SchemaPrefix,
    outcome::{self, Refusal},
    quota::Quotas,
    response::CONTINUE,
    validate::Validator,
};

use super::{Connection, Interrupt, charge::owe_bytes, transport::Unread};

/// The most bytes ever reserved before a body: the prefix of its only record.
const HEADROOM_BYTES_MAX: usize = size_of::<SchemaPrefix>();

/// How much of a body is read before other tasks may run, unless that would answer those before it.
const ARRIVED_BYTES_MAX: usize = 64 * 1024;

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

    /// Bytes of it.
    pub(super) fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether validating it takes so long that other requests should be served in between.
    pub(super) fn is_long(&self) -> bool {
        self.len() > Validator::STEP_BYTES
    }

    /// Freezes its bytes; `input` is the connection's.
    pub(super) fn freeze(&mut self, input: &mut ReadBuffer) -> Frozen {
        let buffer = self.segment.as_mut().unwrap_or(input);
        buffer.freeze(self.range.clone())
    }
}

/// A segment that a body has to itself, and the permit for it.
pub(super) struct OwnSegment {
    pub(super) segment: ReadBuffer,
    pub(super) permit: Permit,
}

impl OwnSegment {
    /// One for `len` bytes, the first `headroom` of them filled.
    pub(super) fn new(headroom: usize, len: usize, permit: Permit, pool: &Rc<Pool>) -> Self {
        let mut segment = pool.take(len);
        segment.append(&[0; HEADROOM_BYTES_MAX][..headroom]);
        Self { segment, permit }
    }

    /// Makes room for `needed` bytes of at most `most`.
    pub(super) fn grow(
        &mut self,
        needed: usize,
        most: usize,
        pool: &Rc<Pool>,
    ) -> Result<(), AdmissionError> {
        let capacity = grown_capacity(self.segment.capacity(), needed, most);
        // Both exist while one is copied to the other.
        let permit = self.permit.another(capacity)?;
        let mut segment = pool.take(capacity);
        segment.append(self.segment.bytes(0..self.segment.filled()));
        *self = Self { segment, permit };
        Ok(())
    }
}

impl Connection {
    /// Reads the body that `head` announces. Afterwards `start` is behind it. At least `headroom`
    /// bytes before it are in the same buffer and may be overwritten. Bytes that were not announced count
    /// against `quotas`.
    pub(super) async fn read_body(
        &mut self,
        head: &RequestHead,
        headroom: usize,
        quotas: Quotas<'_>,
    ) -> Result<RawBody, Interrupt> {
        let max = self.context.config.limits.body_bytes_max;
        match head.framing {
            Framing::None => self.read_sized(head, headroom, 0).await,
            Framing::Length(len) => match usize::try_from(len) {
                Ok(len) if len <= max => self.read_sized(head, headroom, len).await,
                _ => Err(Refusal::BodyTooLarge.into()),
            },
            Framing::Chunked => self.read_chunked(head, headroom, max, quotas).await,
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
        let mut body = self.announced(headroom, end)?;
        body.segment.append(self.transport.rest());
        self.transport.start = self.transport.input().filled();
        let mut waits = false;
        while body.segment.filled() < end {
            if body.segment.room() == 0 {
                self.transport.unread = Unread::Bytes((end - body.segment.filled()) as u64);
                body.grow(body.segment.filled() + 1, end, &self.context.pool)?;
            }
            let limit = end - body.segment.filled();
            if !waits {
                // What is a little larger than the input has arrived with it.
                let segment = &mut body.segment;
                let looks = segment.filled() < ARRIVED_BYTES_MAX || !self.unanswered.is_empty();
                if looks && self.transport.receive_arrived_into(segment, limit) > 0 {
                    continue;
                }
                waits = true;
                self.begin_body(head).await?;
            }
            let (received, segment) = self.transport.receive_into(body.segment, limit).await;
            body.segment = segment;
            match received {
                Ok(0) => return Err(self.end_of_body()),
                Ok(received) => self.extend_deadline(received),
                Err(_) => return Err(Interrupt::Gone),
            }
        }
        Ok(self.end_body(Some(body.segment), headroom..end, len, body.permit))
    }

    /// The body stays where the socket's bytes were received, behind its head.
    async fn read_in_place(
        &mut self,
        head: &RequestHead,
        headroom: usize,
        len: usize,
    ) -> Result<RawBody, Interrupt> {
        let capacity = self.transport.input().capacity();
        let permit = self.context.admission.admit(self.holder, capacity)?;
        if self.transport.start + len > capacity {
            // The last bytes of the head make the headroom.
            self.transport.start -= headroom;
            self.transport.release_input(capacity);
            self.transport.start = headroom;
        }
        let body = self.transport.start..self.transport.start + len;
        while self.transport.input().filled() < body.end && self.receive_arrived() {}
        if self.transport.input().filled() < body.end {
            self.begin_body(head).await?;
            while self.transport.input().filled() < body.end {
                match self.transport.receive(usize::MAX).await? {
                    0 => return Err(self.end_of_body()),
                    received => self.extend_deadline(received),
                }
            }
        }
        self.transport.start = body.end;
        Ok(self.end_body(None, body, len, permit))
    }

    /// The chunks are copied to one segment, without their coding.
    async fn read_chunked(
        &mut self,
        head: &RequestHead,
        headroom: usize,
        max: usize,
        quotas: Quotas<'_>,
    ) -> Result<RawBody, Interrupt> {
        let permit = self
            .context
            .admission
            .admit(self.holder, segment_capacity(headroom))?;
        let mut body = OwnSegment::new(headroom, headroom, permit, &self.context.pool);
        let mut decoder = ChunkedDecoder::new(ChunkedLimits::new(max));
        self.transport.unread = Unread::Unknown;
        let mut waits = false;
        loop {
            let rest = self.transport.rest();
            let (consumed, step) = decoder.decode(rest)?;
            if let ChunkedStep::Data(data) = &step {
                if data.len() > body.segment.room() {
                    let needed = body.segment.filled() + data.len();
                    body.grow(needed, headroom + max, &self.context.pool)?;
                }
                body.segment.append(&rest[data.clone()]);
                owe_bytes(quotas, data.len() as u64);
            }
            self.transport.start += consumed;
            match step {
                ChunkedStep::Data(_) => {}
                ChunkedStep::Done => break,
                ChunkedStep::NeedMore => self.receive_more(head, &mut waits).await?,
            }
        }
        let range = headroom..body.segment.filled();
        let len = range.len();
        Ok(self.end_body(Some(body.segment), range, len, body.permit))
    }

    /// A segment for a body of `end` bytes with its headroom: all of it at once, as long as the budget
    /// has room for bytes that have not arrived, else one that grows with them.
    fn announced(&self, headroom: usize, end: usize) -> Result<OwnSegment, AdmissionError> {
        let Context {
            admission, pool, ..
        } = &*self.context;
        if let Some(permit) = admission.announce(self.holder, segment_capacity(end)) {
            return Ok(OwnSegment::new(headroom, end, permit, pool));
        }
        let here = headroom + self.transport.rest().len();
        let permit = admission.admit(self.holder, segment_capacity(here))?;
        Ok(OwnSegment::new(headroom, here, permit, pool))
    }

    /// Reads more of a body into the input, whose bytes before `start` are done with. `waits`: whether the
    /// client was waited for before.
    pub(super) async fn receive_more(
        &mut self,
        head: &RequestHead,
        waits: &mut bool,
    ) -> Result<(), Interrupt> {
        self.transport.release_input(INPUT_BYTES);
        if self.receive_arrived() {
            return Ok(());
        }
        if !std::mem::replace(waits, true) {
            self.begin_body(head).await?;
        }
        match self.transport.receive(usize::MAX).await? {
            0 => return Err(self.end_of_body()),
            received => self.extend_deadline(received),
        }
        Ok(())
    }

    /// Reads what has arrived of a pipelined request, so that those before it are not answered without
    /// need. `false` if that is nothing.
    fn receive_arrived(&mut self) -> bool {
        !self.unanswered.is_empty() && self.transport.receive_arrived() > 0
    }

    /// `received` bytes were the body on its way, without the chunked coding.
    pub(super) fn end_body(
        &mut self,
        segment: Option<ReadBuffer>,
        range: Range<usize>,
        received: usize,
        mut permit: Permit,
    ) -> RawBody {
        permit.arrived();
        self.transport.deadline.clear();
        self.transport.unread = Unread::Bytes(0);
        self.context
            .metrics
            .body_bytes_received
            .add(received as u64);
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
                .send(
                    self.context.clock.now() + self.context.config.timeouts.idle,
                    true,
                )
                .await?;
        }
        let until = self.context.clock.now() + self.context.config.timeouts.body;
        self.transport.deadline.set(Wait::Read, until);
        Ok(())
    }

    /// Bytes that arrive extend the deadline by the time that they take at the least rate, and a pause is
    /// never longer than `body_timeout_ms`.
    fn extend_deadline(&self, received: usize) {
        let rate_min = self.context.config.limits.body_rate_min as u64;
        let nanoseconds = received as u64 * 1_000_000_000 / rate_min;
        self.postpone_deadline(Duration::from_nanos(nanoseconds));
    }

    /// Extends the deadline by time that is not the client's.
    pub(super) fn postpone_deadline(&self, by: Duration) {
        let latest = self.context.clock.now() + self.context.config.timeouts.body;
        self.transport.deadline.extend(by, latest);
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
