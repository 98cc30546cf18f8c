//! Answers, in the order of their requests (RFC 9112 section 9.3.2).
//!
//! What a client has pipelined is read ahead. A `POST` is not safe, so that requests are still processed one
//! after the other, up to and including the enqueueing of their records: only the waits for their delivery
//! reports overlap. So records get to the producer in the order of the requests, and those of several
//! requests into one batch. Answers that are complete leave in one write.
//!
//! Nothing is read ahead behind a request whose answer ends the connection, as nothing behind it may be
//! processed (section 9.6). Where a drain begins meanwhile, the last of the requests that were processed
//! gets the answer that ends the connection.

use std::{borrow::Cow, rc::Rc, time::Instant};

use crate::{
    context::{ActiveSnapshot, Facts},
    http::{ContentCoding, Framing, Method, RequestHead, Version},
    outcome::{Outcome, Refusal},
    produce::Delivered,
    response::{Form, Persistence},
};

use super::{
    Connection, Next,
    forward::Enqueued,
    transport::{Gone, OUTPUT_KEPT_BYTES_MAX},
};

/// Requests of one connection that are processed and not answered, at most.
const IN_FLIGHT_MAX: usize = 16;

/// Bytes of their bodies beyond which none is read ahead: validating them takes time, for which other
/// connections wait.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The memory that a request takes is at most this many times its body: with copies of its records,
/// which are larger where they get a prefix, and of their keys, each in a segment that may be twice
/// as large as needed.
const MEMORY_PER_BODY: usize = 8;

/// What of a request's head its answer depends on.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    version: Version,
    head_only: bool,
    keep_alive: bool,
    expect_continue: bool,
}

/// A request behind all its stages but the last.
pub(super) struct Processed {
    /// `None` where the head could not be read.
    pub(super) asked: Option<Asked>,
    pub(super) active: Rc<ActiveSnapshot>,
    /// More header fields of its answer.
    pub(super) fields: Cow<'static, [u8]>,
    /// Boxed, as futures have several copies.
    pub(super) facts: Box<Facts>,
    pub(super) end: End,
}

/// How a request ends.
pub(super) enum End {
    Outcome(Outcome),
    /// As the delivery of its records, all of the request's.
    Delivery(Enqueued),
}

impl From<&RequestHead> for Asked {
    fn from(head: &RequestHead) -> Self {
        Self {
            version: head.version,
            head_only: head.method == Method::Head,
            keep_alive: head.keep_alive,
            expect_continue: head.expect_continue,
        }
    }
}

impl Processed {
    /// A request whose head could not be read.
    pub(super) fn without_head(
        active: Rc<ActiveSnapshot>,
        fields: Cow<'static, [u8]>,
        facts: Box<Facts>,
        refusal: Refusal,
    ) -> Self {
        Self {
            asked: None,
            active,
            fields,
            facts,
            end: End::Outcome(Outcome::Refused(refusal)),
        }
    }

    /// Bytes of the body, of records that are delivered.
    fn body_bytes(&self) -> usize {
        match &self.end {
            End::Outcome(_) => 0,
            End::Delivery(enqueued) => enqueued.body_bytes(),
        }
    }

    fn keeps_connection(&self) -> bool {
        match &self.end {
            End::Outcome(outcome) => outcome.keeps_connection(),
            // No failure of a delivery ends a connection.
            End::Delivery(_) => true,
        }
    }

    /// Whether its answer is small. A large one does not wait for others: that would take memory.
    fn is_small(&self) -> bool {
        match &self.end {
            End::Outcome(outcome) => !outcome.lists_records(),
            End::Delivery(_) => true,
        }
    }
}

impl Connection {
    /// Answers the request and those before it, unless the next request has arrived already.
    pub(super) async fn answer(&mut self, request: Processed) -> Next {
        let Some(request) = self.put_off(request) else {
            return Next::Request;
        };
        self.answer_last(request).await.unwrap_or(Next::Close)
    }

    /// Leaves the answer for later, where the next request is processed before.
    fn put_off(&mut self, request: Processed) -> Option<Processed> {
        if !self.reads_ahead(&request) {
            return Some(request);
        }
        self.transport.skip_arrived();
        self.unanswered.push_back(request);
        None
    }

    /// Whether the request behind this one is processed before this one is answered.
    fn reads_ahead(&mut self, request: &Processed) -> bool {
        // A client that has pipelined may do so again, and behind a body that was not received in the
        // input the next request can't be there yet.
        let body_bytes = request.body_bytes();
        let looks =
            self.unanswered.capacity() > 0 || body_bytes >= self.transport.input().capacity();
        if !looks && self.transport.rest().is_empty() {
            return false;
        }
        let before = self.unanswered.iter().map(Processed::body_bytes);
        self.unanswered.len() + 1 < IN_FLIGHT_MAX
            && body_bytes + before.sum::<usize>() <= BODY_BYTES_MAX
            && request.is_small()
            && request.keeps_connection()
            && self.can_continue(request.asked)
            && self.transport.has_next(looks)
    }

    /// Whether the connection can continue behind the current request, if its answer allows it.
    fn can_continue(&self, asked: Option<Asked>) -> bool {
        let can_skip = |asked: Asked| self.transport.can_skip(asked.expect_continue);
        asked.is_some_and(|asked| asked.keep_alive && can_skip(asked))
            // The last byte may have come with the deadline, which ended reading.
            && !self.transport.deadline.has_expired()
            && !self.context.is_draining()
            && !self.is_reserved
            && self.ends_at.is_none_or(|at| self.context.clock.now() < at)
    }

    /// Answers every request so far; this one is the last.
    async fn answer_last(&mut self, request: Processed) -> Result<Next, Gone> {
        if let End::Delivery(enqueued) = &request.end {
            enqueued.dispatch();
        }
        self.write_unanswered(false).await?;
        let keeps = self.write(request, true).await?;
        self.send().await?;
        if !keeps {
            return Ok(Next::Linger);
        }
        let until = self.context.clock.now() + self.context.config.timeouts.body;
        let skipped = self.transport.skip_body(until).await;
        Ok(skipped.map_or(Next::Linger, |()| Next::Request))
    }

    /// Answers the requests before the current one, whose answer follows.
    pub(super) async fn answer_unanswered(&mut self) -> Result<(), Gone> {
        if !self.unanswered.is_empty() {
            self.write_unanswered(false).await?;
            self.send().await?;
        }
        Ok(())
    }

    /// Answers the requests before the next one, of which not all has arrived. Whether the connection
    /// continues.
    pub(super) async fn answer_before_waiting(&mut self) -> Result<bool, Gone> {
        if self.unanswered.is_empty() {
            return Ok(true);
        }
        let keeps = self.write_unanswered(true).await?;
        self.send().await?;
        Ok(keeps)
    }

    /// A request that was read ahead is not refused for the memory and the place in the queue that those
    /// before it have: where they may be short, it waits for their answers.
    pub(super) async fn make_room(&mut self, head: &RequestHead) -> Result<(), Gone> {
        if self.unanswered.is_empty() || self.has_room(head) {
            return Ok(());
        }
        self.answer_unanswered().await
    }

    fn has_room(&self, head: &RequestHead) -> bool {
        let (context, limits) = (&self.context, &self.context.config.limits);
        let body_bytes = match head.framing {
            Framing::None => 0,
            Framing::Length(_) if head.content_encoding != ContentCoding::Identity => {
                limits.body_bytes_max
            }
            Framing::Length(len) => usize::try_from(len).unwrap_or(usize::MAX),
            Framing::Chunked => limits.body_bytes_max,
        };
        let body_bytes = body_bytes.min(limits.body_bytes_max);
        let segment = self.transport.input().capacity();
        let bytes = segment + body_bytes.saturating_mul(MEMORY_PER_BODY);
        // The shortest record has two bytes and a separator.
        let records = (body_bytes / 3 + 1).min(limits.records_max);
        context.admission.has_room(self.holder, bytes)
            && context.producer.has_room(self.holder, records)
    }

    /// Appends the answers to the requests before the current one to the output. The last one may end
    /// the connection if `may_end`: no request behind it was processed. Whether the connection
    /// continues.
    async fn write_unanswered(&mut self, may_end: bool) -> Result<bool, Gone> {
        if self.unanswered.is_empty() {
            return Ok(true);
        }
        self.context.producer.dispatch(Instant::now());
        let mut keeps = true;
        while let Some(request) = self.unanswered.pop_front() {
            let may_end = may_end && self.unanswered.is_empty();
            // Boxed, so that its state does not enlarge the future of a connection without pipelining.
            keeps = Box::pin(self.write(request, may_end)).await?;
        }
        Ok(keeps)
    }

    /// Appends the answer to the output, as soon as the request has ended: one that ends the connection
    /// only if `may_end`. Whether the connection continues.
    async fn write(&mut self, request: Processed, may_end: bool) -> Result<bool, Gone> {
        let Processed {
            asked,
            active,
            fields,
            mut facts,
            end,
        } = request;
        let (outcome, ended) = match end {
            End::Outcome(outcome) => (outcome, Instant::now()),
            End::Delivery(enqueued) => {
                // Complete answers do not wait for this one.
                if !self.transport.output.is_empty() && !enqueued.has_ended() {
                    Box::pin(self.send()).await?;
                }
                let metrics = active.metrics_of(enqueued.route());
                let delivered = enqueued.end(&self.context, metrics).await;
                if delivered.is_ok() {
                    // Another task has run: the one that reads delivery reports.
                    self.transport.has_yielded();
                }
                let ended = delivered.as_ref().map(Delivered::at);
                let ended = ended.unwrap_or_else(|_| Instant::now());
                (delivered.into(), ended)
            }
        };
        (self.context).observe(&active, &mut facts, &outcome, ended);
        let keeps = !may_end
            || (outcome.keeps_connection()
                && self.can_continue(asked)
                && !self.context.is_to_move(&outcome));
        let persistence = match (keeps, asked.map(|asked| asked.version)) {
            (false, _) => Persistence::Close,
            (true, Some(Version::Http10)) => Persistence::KeepHttp10,
            (true, _) => Persistence::Keep,
        };
        let form = Form {
            persistence,
            head_only: asked.is_some_and(|asked| asked.head_only),
            date: self.context.clock.http_date(),
            fields: &fields,
            request_id: facts.id.as_str(),
        };
        let (responses, output) = (&self.context.responses, &mut self.transport.output);
        responses.write(&outcome, form, output);
        Ok(keeps)
    }

    /// Sends the output.
    async fn send(&mut self) -> Result<(), Gone> {
        let until = self.context.clock.now() + self.context.config.timeouts.idle;
        // A client that takes a large answer slowly holds its memory.
        let bytes = self.transport.output.capacity();
        let is_large = bytes > OUTPUT_KEPT_BYTES_MAX;
        let _permit = is_large.then(|| self.context.admission.charge(self.holder, bytes));
        let at_once = self.context.load.answers_few();
        self.transport.send(until, at_once).await
    }
}
