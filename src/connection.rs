//! One connection, from its first byte to its last: the only file that knows every stage.
//!
//! ```text
//! read head -> authenticate -> route -> admit -> read body -> validate -> produce -> (delivery) -> answer
//!                                                             └ dead letters for invalid records ┘
//! ```

use std::{cell::Cell, net::IpAddr, rc::Rc};

use monoio::net::TcpStream;

use crate::{
    auth::Hint,
    context::{ActiveSnapshot, Context},
    deadline::Deadline,
    http::{HeadParser, Method, RequestHead, Version},
    outcome::{Allow, Outcome, Refusal},
    response::{Form, Persistence},
};

use conclude::conclude;
use dead_letters::produce_dead_letters;
use forward::{Destination, Validated};
use head::body_format;
use transport::{Gone, Transport, Unread};

mod authenticate;
mod body;
mod conclude;
mod dead_letters;
mod forward;
mod head;
mod transport;

/// Why a request ends early.
enum Interrupt {
    /// It is refused, and answered.
    Refused(Refusal),
    /// The client has closed the connection, so there is no answer.
    Gone,
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
    peer: IpAddr,
    /// Where the cache had the last credential.
    cache_hint: Cell<Hint>,
    context: Rc<Context>,
}

impl Connection {
    /// `deadline` watches `stream`, which comes from `peer`.
    pub(crate) fn new(
        stream: TcpStream,
        peer: IpAddr,
        deadline: Deadline,
        context: Rc<Context>,
    ) -> Self {
        let input = context.pool.take(context.config.limits.head_bytes_max);
        Self {
            transport: Transport::new(stream, deadline, input),
            parser: HeadParser::new(context.head_limits),
            peer,
            cache_hint: Cell::default(),
            context,
        }
    }

    /// Serves requests until the client or a rule ends the connection.
    pub(crate) async fn serve(mut self) {
        loop {
            match self.exchange().await {
                Next::Request => self.transport.yield_now().await,
                Next::Linger => return self.transport.linger(&self.context.clock).await,
                Next::Close => return,
            }
        }
    }

    /// One request and its answer.
    async fn exchange(&mut self) -> Next {
        let head = match self.read_head().await {
            Ok(head) => head,
            Err(Interrupt::Gone) => return Next::Close,
            Err(Interrupt::Refused(refusal)) => {
                self.transport.unread = Unread::Unknown;
                let (active, outcome) = (self.context.active_snapshot(), Outcome::Refused(refusal));
                self.context.observe(&active, None, &outcome);
                return self.answer(None, &outcome).await;
            }
        };
        // The request keeps this snapshot, even if another one is published meanwhile.
        let active = self.context.active_snapshot();
        let mut route = None;
        let outcome = match self.handle(&active, &head, &mut route).await {
            Ok(outcome) => outcome,
            Err(Interrupt::Refused(refusal)) => Outcome::Refused(refusal),
            Err(Interrupt::Gone) => return Next::Close,
        };
        self.context.observe(&active, route, &outcome);
        self.answer(Some(&head), &outcome).await
    }

    /// The stages of a request behind its head. `indexed` is set as soon as the route is known.
    async fn handle(
        &mut self,
        active: &ActiveSnapshot,
        head: &RequestHead,
        indexed: &mut Option<usize>,
    ) -> Result<Outcome, Interrupt> {
        let context = Rc::clone(&self.context);
        let path = head.path.of(self.transport.head(head));
        if path == b"/health" {
            return Ok(health(head.method, context.is_draining())?);
        }
        if head.method == Method::Options {
            // The same for every path: the client is not authenticated yet.
            return Err(Refusal::Method(Allow::Post).into());
        }
        let principal = self.authenticate(active, head).await?;
        let route = active.snapshot.routes.find(path);
        let route = route.ok_or(Refusal::UnknownRoute)?;
        *indexed = Some(route.index);
        let destination = Destination {
            route: principal.authorize(route).ok_or(Refusal::RouteNotAllowed)?,
            metrics: active.metrics_of(route.index),
        };
        let format = body_format(head)?;
        if context.is_draining() {
            return Err(Refusal::Draining.into());
        }

        let headers = self.kafka_headers(head, &principal, route);
        let body = self.read_body(head, route.headroom()).await?;
        let Validated { delivery, rejected } =
            self.validate_and_enqueue(destination, format, body, headers)?;
        let dead_letters = match &rejected {
            // Rare, so that its state is not a part of every connection's.
            Some(rejected) => Box::pin(produce_dead_letters(&context, destination, rejected)).await,
            None => Ok(()),
        };
        let delivered = match delivery {
            Some(delivery) => Some(delivery.end(&context, destination.metrics).await),
            None => None,
        };
        if matches!(delivered, Some(Ok(_))) {
            // Another task has run: the one that reads delivery reports.
            self.transport.has_yielded();
        }
        Ok(conclude(delivered, rejected, dead_letters)?)
    }

    /// Sends the client the answer to its request.
    async fn answer(&mut self, head: Option<&RequestHead>, outcome: &Outcome) -> Next {
        let (transport, context) = (&mut self.transport, &self.context);
        let keep = outcome.keeps_connection()
            && head.is_some_and(|head| head.keep_alive && transport.can_skip(head))
            // The last byte may have come with the deadline, which ended reading.
            && !transport.deadline.has_expired()
            && !context.is_draining();
        let persistence = match (keep, head.map(|head| head.version)) {
            (false, _) => Persistence::Close,
            (true, Some(Version::Http10)) => Persistence::KeepHttp10,
            (true, _) => Persistence::Keep,
        };
        let form = Form {
            persistence,
            head_only: head.is_some_and(|head| head.method == Method::Head),
            date: context.clock.http_date(),
        };
        context
            .responses
            .write(outcome, form, &mut transport.output);
        let timeouts = &context.config.timeouts;
        if transport
            .send(context.clock.now() + timeouts.idle)
            .await
            .is_err()
        {
            return Next::Close;
        }
        if !keep {
            return Next::Linger;
        }
        match transport
            .skip_body(context.clock.now() + timeouts.body)
            .await
        {
            Ok(()) => Next::Request,
            Err(Gone) => Next::Linger,
        }
    }
}

/// For load balancers that know one port only.
fn health(method: Method, draining: bool) -> Result<Outcome, Refusal> {
    match method {
        Method::Get | Method::Head if draining => Err(Refusal::Draining),
        Method::Get | Method::Head => Ok(Outcome::Healthy),
        Method::Post | Method::Options | Method::Other => Err(Refusal::Method(Allow::GetHead)),
    }
}
