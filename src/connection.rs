//! One connection, from its first byte to its last: the only file that knows every stage.
//!
//! ```text
//! read head -> authenticate -> route -> quotas -> admit -> read body -> validate -> produce -> (delivery) -> answer
//!                                                             └ dead letters for invalid records ┘
//! ```

use std::{
    cell::Cell,
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    rc::Rc,
    time::{Duration, Instant},
};

use monoio::net::TcpStream;

use crate::{
    admission::Holder,
    auth::Hint,
    buffer::SEGMENT_BYTES_MIN,
    context::{ActiveSnapshot, Context, Ending, Facts, Stage, cut},
    deadline::Deadline,
    http::{ContentCoding, Framing, HeadParser, Identifiers, Method, RequestHead},
    networks::{ClientAddress, Subnet},
    outcome::{Allow, Outcome, Refusal},
    request_id::RequestId,
    traces::SpanContext,
    validate::Validator,
};

use answer::{End, Processed};
use certified::Certified;
use charge::take_request;
use client::Client;
use conclude::conclude;
use dead_letters::produce_dead_letters;
use decode::USUAL_RATIO;
use forward::{Destination, Enqueued, Rejected, Validated};
use head::body_format;
use transport::{Gone, Transport, Unread};

mod answer;
mod authenticate;
mod body;
mod certified;
mod charge;
mod client;
mod conclude;
mod cors;
mod dead_letters;
mod decode;
mod enqueue;
mod forward;
mod handshake;
mod head;
mod session;
mod transport;

/// Why a request ends early.
enum Interrupt {
    /// It is refused, and answered.
    Refused(Refusal),
    /// The client has closed the connection, so there is no answer.
    Gone,
    /// It was not read, as an answer before it has ended the connection.
    Ended,
}

impl<R: Into<Refusal>> From<R> for Interrupt {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<Gone> for Interrupt {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// What becomes of the connection after a request.
enum Next {
    Request,
    /// The client has its last answer, but may still be sending.
    Linger,
    Close,
}

/// One client's connection.
pub(crate) struct Connection {
    transport: Transport,
    parser: HeadParser,
    client: Client,
    /// The client that the memory of the current request is charged to.
    holder: Holder,
    /// When the first byte of the current request was there.
    began: Option<Instant>,
    /// When the current request last waited for something before its body.
    waited: Instant,
    /// No request has begun.
    is_new: bool,
    /// It is beyond the limit of connections: one request is answered, and only `/health` is served.
    is_reserved: bool,
    /// When it is to end with its next answer, if that is bounded.
    ends_at: Option<Instant>,
    /// The client's certificate, where it has presented one.
    certified: Option<Box<Certified>>,
    /// Where the cache had the last credential.
    cache_hint: Cell<Hint>,
    /// The index of the last request's route.
    last_route: usize,
    /// Pipelined requests before the current one whose answers are due, in their order. Allocated
    /// with the first one.
    unanswered: VecDeque<Processed>,
    context: Rc<Context>,
}

impl Connection {
    /// `deadline` watches `stream`, which comes from `peer`.
    pub(crate) fn new(
        stream: TcpStream,
        peer: ClientAddress,
        deadline: Deadline,
        is_reserved: bool,
        context: Rc<Context>,
    ) -> Box<Self> {
        let input = context.pool.take(SEGMENT_BYTES_MIN);
        let age_max = context.config.timeouts.connection_age_max;
        let ends_at = age_max.map(|age_max| context.clock.now() + shortened(age_max));
        // Boxed, as each future that it is moved through has it twice.
        Box::new(Self {
            transport: Transport::new(stream, deadline, input),
            parser: HeadParser::new(context.head_limits),
            client: Client::new(peer, &context.config.listen.trusted_proxies),
            holder: context.admission.holder(None, Subnet::of(peer).number()),
            began: None,
            waited: context.clock.now(),
            is_new: true,
            is_reserved,
            ends_at,
            certified: None,
            cache_hint: Cell::default(),
            last_route: 0,
            unanswered: VecDeque::new(),
            context,
        })
    }

    /// Serves requests until the client or a rule ends the connection.
    pub(crate) async fn serve(mut self: Box<Self>) {
        let active = self.context.active_snapshot();
        if let Some(tls) = &active.snapshot.tls {
            // Boxed, so that its state is not a part of every connection's.
            match Box::pin(self.secure(tls)).await {
                Ok(()) => {}
                Err(Interrupt::Gone | Interrupt::Ended) => return,
                Err(Interrupt::Refused(refusal)) => {
                    Box::pin(self.refuse(refusal)).await;
                    return Box::pin(self.transport.linger(&self.context.clock)).await;
                }
            }
        }
        drop(active);
        loop {
            match self.exchange().await {
                // Records that wait for the next request do not wait for other tasks too.
                Next::Request if !self.unanswered.is_empty() => self.transport.count_step(),
                Next::Request => self.transport.yield_now().await,
                Next::Linger => {
                    return Box::pin(self.transport.linger(&self.context.clock)).await;
                }
                Next::Close => return self.transport.close(),
            }
        }
    }

    /// Answers a request whose head could not be read.
    async fn refuse(&mut self, refusal: Refusal) -> Next {
        self.transport.unread = Unread::Unknown;
        let active = self.context.active_snapshot();
        let fields = self.cors_fields_of_rest(&active);
        let facts = self.facts(&active, None, None);
        let request = Processed::without_head(active, fields, facts, refusal);
        self.answer(request).await
    }

    /// One request and its answer, which may wait for a pipelined one.
    async fn exchange(&mut self) -> Next {
        let head = match self.read_head().await {
            Ok(head) => head,
            Err(Interrupt::Gone) => return Next::Close,
            Err(Interrupt::Ended) => return Next::Linger,
            Err(Interrupt::Refused(refusal)) => return self.refuse(refusal).await,
        };
        let trusted = &self.context.config.listen.trusted_proxies;
        (self.client).begin_request(self.transport.head(&head), trusted);
        // The request keeps this snapshot, even if another one is published meanwhile, unless it waits for it.
        let mut active = self.context.active_snapshot();
        let fields = self.cors_fields(&active, &head);
        let mut facts = self.facts(&active, self.given_id(&head), self.span(&head));
        let end = match self.handle(&mut active, &head, &mut facts).await {
            Ok(end) => end,
            Err(Interrupt::Refused(refusal)) => End::Outcome(Outcome::Refused(refusal)),
            Err(Interrupt::Gone) => return Next::Close,
            Err(Interrupt::Ended) => return Next::Linger,
        };
        let request = Processed {
            asked: Some((&head).into()),
            active,
            fields,
            facts,
            end,
        };
        self.answer(request).await
    }

    /// The stages of a request behind its head. What becomes known of it is in `facts`, however it ends.
    async fn handle(
        &mut self,
        active: &mut Rc<ActiveSnapshot>,
        head: &RequestHead,
        facts: &mut Facts,
    ) -> Result<End, Interrupt> {
        let context = Rc::clone(&self.context);
        if let Some(preflighted) = self.preflight(active, head) {
            return Ok(End::Outcome(preflighted?));
        }
        if self.path(head) == b"/health" {
            let is_ending = context.ending() >= Ending::Announced;
            return Ok(End::Outcome(health(head.method, is_ending)?));
        }
        if self.is_reserved {
            return Err(Refusal::ConnectionsFull.into());
        }
        if head.method == Method::Options {
            // The same for every path: the client is not authenticated yet.
            return Err(Refusal::Method(Allow::Post).into());
        }
        let principal = self.authenticate(active, head, facts).await?;
        facts.principal = Some(principal.clone());
        facts.end_stage(Stage::Authenticated);
        let subnet = Subnet::of(self.client.address()).number();
        self.holder = context.admission.holder(principal.name(), subnet);
        let routes = &active.snapshot.routes;
        let Some(route) = routes.find_likely(self.last_route, self.path(head)) else {
            facts.unknown_path = Some(cut(self.path(head)).into());
            return Err(Refusal::UnknownRoute.into());
        };
        (facts.route, self.last_route) = (Some(route.index), route.index);
        let destination = Destination::new(active, &principal, route)?;
        let (format, coding) = body_format(head, context.config.limits.content_encodings)?;
        if context.ending() == Ending::Refusing {
            return Err(Refusal::Draining.into());
        }
        if context.load.is_exceeded(self.waited) || self.waits_long(head) {
            return Err(Refusal::Overloaded.into());
        }
        let quotas = destination.quotas;
        take_request(quotas, head, context.config.limits.body_bytes_max)?;
        let headers = self.kafka_headers(head, facts, &principal, route);
        self.make_room(head).await?;
        let headroom = route.headroom();
        let body = match coding {
            None => self.read_body(head, headroom, quotas).await?,
            // Its state is not a part of every connection's.
            Some(coding) => Box::pin(self.read_coded(head, coding, headroom, quotas)).await?,
        };
        facts.body_bytes = body.len();
        facts.end_stage(Stage::Received);
        let Validated { delivery, rejected } = if body.is_long() {
            // Rare, as below.
            Box::pin(self.validate_and_enqueue_long(destination, format, body, headers)).await?
        } else {
            self.validate_and_enqueue(destination, format, body, headers)?
        };
        facts.records = delivery.as_ref().map_or(0, Enqueued::records);
        facts.end_stage(Stage::Enqueued);
        Ok(match (delivery, rejected) {
            (Some(enqueued), None) => End::Delivery(enqueued),
            (None, None) => End::Outcome(Outcome::Empty),
            (delivery, Some(rejected)) => {
                // Rare, so that its state is not a part of every connection's.
                let outcome = Box::pin(self.end_rejected(destination, delivery, rejected));
                End::Outcome(outcome.await?)
            }
        })
    }

    /// What is known of a request that begins.
    fn facts(
        &self,
        active: &ActiveSnapshot,
        id: Option<RequestId>,
        span: Option<Box<SpanContext>>,
    ) -> Box<Facts> {
        let client = self.client.address();
        (self.context).facts(active, id, client, self.began, span)
    }

    /// Whether the request would wait for many others with long bodies.
    fn waits_long(&self, head: &RequestHead) -> bool {
        let ratio = match head.content_encoding {
            ContentCoding::Coded(_) => USUAL_RATIO,
            ContentCoding::Identity | ContentCoding::Unsupported => 1,
        };
        let is_long = |len: u64| len > (Validator::STEP_BYTES / ratio) as u64;
        matches!(head.framing, Framing::Length(len) if is_long(len))
            && self.context.long_work.is_full()
    }

    /// The identifier that the request with this head has.
    fn given_id(&self, head: &RequestHead) -> Option<RequestId> {
        let [request_id, traceparent] = self.identifiers(head);
        RequestId::given(request_id, traceparent)
    }

    /// The span of the request with this head, if it is sampled for a trace.
    fn span(&self, head: &RequestHead) -> Option<Box<SpanContext>> {
        let sampler = self.context.sampler.as_ref()?;
        let [_, traceparent] = self.identifiers(head);
        sampler.begin(traceparent, head.method)
    }

    /// The values of `X-Request-Id` and `traceparent`.
    fn identifiers(&self, head: &RequestHead) -> [Option<&[u8]>; 2] {
        let Identifiers {
            request_id,
            traceparent,
        } = head.identifiers;
        let bytes = self.transport.head(head);
        [request_id, traceparent].map(|span| span.map(|span| span.of(bytes)))
    }

    fn path(&self, head: &RequestHead) -> &[u8] {
        head.path.of(self.transport.head(head))
    }

    /// The end of a request with invalid records: their dead letters, and the valid records' delivery.
    async fn end_rejected(
        &mut self,
        destination: Destination<'_>,
        delivery: Option<Enqueued>,
        rejected: Rejected,
    ) -> Result<Outcome, Interrupt> {
        // What it waits for may take long.
        self.answer_unanswered().await?;
        if let Some(enqueued) = &delivery {
            enqueued.dispatch();
        }
        let context = &self.context;
        let dead_letters = produce_dead_letters(context, destination, &rejected).await;
        let delivered = match delivery {
            Some(enqueued) => Some(enqueued.end(context, destination.metrics).await),
            None => None,
        };
        Ok(conclude(delivered, rejected, dead_letters)?)
    }
}

/// Between 80 % and 100 % of a connection's longest age: connections that began together, as after a
/// restart, do not end together.
fn shortened(age_max: Duration) -> Duration {
    let [random, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    age_max * (5 * 255 - u32::from(random)) / (5 * 255)
}

/// For load balancers that know one port only.
fn health(method: Method, is_ending: bool) -> Result<Outcome, Refusal> {
    match method {
        Method::Get | Method::Head if is_ending => Ok(Outcome::Unhealthy),
        Method::Get | Method::Head => Ok(Outcome::Healthy),
        Method::Post | Method::Options | Method::Other => Err(Refusal::Method(Allow::GetHead)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_live_for_a_little_less_than_the_longest_age_and_not_equally_long() {
        let age_max = Duration::from_mins(1);
        let ages: Vec<_> = (0..100).map(|_| shortened(age_max)).collect();
        let allowed = Duration::from_secs(48)..=age_max;
        assert!(ages.iter().all(|age| allowed.contains(age)), "{ages:?}");
        assert!(ages.iter().any(|age| *age != ages[0]), "{ages:?}");
        let longest = Duration::from_hours(24);
        assert!(shortened(longest) <= longest);
    }
}
