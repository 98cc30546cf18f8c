//! One connection, from its first byte to its last: the only file that knows every stage.
//!
//! ```text
//! read head -> authenticate -> route -> admit -> read body -> validate -> produce -> (delivery) -> answer
//!                                                             └ letters about what is not valid ┘
//! ```

use std::{
    cell::Cell,
    io,
    net::{IpAddr, Shutdown},
    os::fd::AsRawFd,
    rc::Rc,
    time::Duration,
};

use monoio::{
    io::{AsyncReadRent, AsyncWriteRentExt},
    net::TcpStream,
    time::sleep,
};

use crate::{
    auth::Hint,
    buffer::ReadBuffer,
    context::{ActiveSnapshot, Context},
    deadline::{self, Deadline, Wait},
    http::{ContentCoding, Framing, HeadParser, MediaType, Method, RequestHead, Version},
    outcome::{self, Allow, Outcome, Refusal},
    response::{Form, Persistence},
    validate::Format,
};

use forward::{Judged, conclude, deliver_letters};

mod authenticate;
mod body;
mod forward;

/// Bytes of a refused body that are read and dropped so that the connection can go on.
const SKIPPED_BYTES_MAX: usize = 64 * 1024;

/// How long bytes behind a last answer are read and dropped, so that the client gets to see it:
/// closing with unread bytes makes the kernel send a reset, which overtakes the answer.
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes are dropped so: a client that sends more than that has to live with the reset.
const LINGER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long the next of such bytes is waited for.
const LINGER_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What one connection may do in a row while others wait, in answers or reads.
const TURN_STEPS_MAX: u32 = 64;

/// A pause that the other tasks, and the tick, get their turn in.
const TURN_PAUSE: Duration = Duration::from_millis(1);

/// Why a request gets no answer of its kind.
enum Interrupt {
    /// It is refused.
    Refused(Refusal),
    /// The client has gone: nobody is there to be answered.
    Gone,
}

impl<R: Into<Refusal>> From<R> for Interrupt {
    fn from(refusal: R) -> Self {
        Self::Refused(refusal.into())
    }
}

/// What becomes of the connection after a request.
enum Next {
    Request,
    /// The client has what it gets, but may still be sending.
    Linger,
    Close,
}

/// How much of the current request's body is still to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unread {
    Bytes(u64),
    /// A chunked body, from its first byte.
    Chunked,
    /// Bytes whose end is not known any more.
    Unknown,
}

pub(crate) struct Connection {
    // Before `stream`: it must not outlive the socket that it shuts down.
    deadline: Deadline,
    stream: TcpStream,
    peer: IpAddr,
    /// Where the last credential was found.
    cache_hint: Cell<Hint>,
    context: Rc<Context>,
    parser: HeadParser,
    /// What was received; `None` only while the kernel has it.
    input: Option<ReadBuffer>,
    /// Where in `input` the bytes begin that are not done with: a head while it is read, then the
    /// body, then the next head.
    start: usize,
    unread: Unread,
    /// An answer on its way; kept for the next one.
    output: Vec<u8>,
    /// Answers and reads since others last had their turn for sure.
    steps: u32,
}

impl Connection {
    /// `deadline` watches `stream`, which comes from `peer`.
    pub(crate) fn new(
        stream: TcpStream,
        peer: IpAddr,
        deadline: Deadline,
        context: Rc<Context>,
    ) -> Self {
        let input = Some(context.pool.take(context.config.limits.head_bytes_max));
        let parser = HeadParser::new(context.head_limits);
        Self {
            deadline,
            stream,
            peer,
            cache_hint: Cell::default(),
            context,
            parser,
            input,
            start: 0,
            unread: Unread::Bytes(0),
            output: Vec::new(),
            steps: 0,
        }
    }

    /// Serves requests until the client or a rule ends the connection.
    pub(crate) async fn serve(mut self) {
        loop {
            match self.exchange().await {
                Next::Request => self.give_way().await,
                Next::Linger => return self.linger().await,
                Next::Close => return,
            }
        }
    }

    /// Lets others have their turn now and then. On epoll reading and writing do not wait while
    /// the client is quick enough, and a task that never waits would be the only one.
    async fn give_way(&mut self) {
        self.steps += 1;
        if self.steps == TURN_STEPS_MAX {
            self.steps = 0;
            sleep(TURN_PAUSE).await;
        }
    }

    /// One request and its answer.
    async fn exchange(&mut self) -> Next {
        let head = match self.read_head().await {
            Ok(head) => head,
            Err(Interrupt::Gone) => return Next::Close,
            Err(Interrupt::Refused(refusal)) => {
                self.unread = Unread::Unknown;
                let outcome = Outcome::Refused(refusal);
                self.context
                    .observe(&self.context.active_snapshot(), None, &outcome);
                return self.answer(None, &outcome).await;
            }
        };
        // The request keeps to it, whatever is published meanwhile.
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

    /// The path of a request, behind its head. `indexed` is set as soon as the route is known.
    async fn handle(
        &mut self,
        active: &ActiveSnapshot,
        head: &RequestHead,
        indexed: &mut Option<usize>,
    ) -> Result<Outcome, Interrupt> {
        let context = Rc::clone(&self.context);
        let path = head.path.of(self.head(head));
        if path == b"/health" {
            return Ok(health(head.method, context.is_draining())?);
        }
        if head.method == Method::Options {
            // The same for every path: nobody has said yet who asks.
            return Err(Refusal::Method(Allow::Post).into());
        }
        let principal = self.authenticate(active, head).await?;
        let route = active.snapshot.routes.find(path);
        let route = route.ok_or(Refusal::UnknownRoute)?;
        *indexed = Some(route.index);
        let route = principal.authorize(route).ok_or(Refusal::RouteNotAllowed)?;
        let format = body_format(head)?;
        if context.is_draining() {
            return Err(Refusal::Draining.into());
        }

        let headers = self.kafka_headers(head, &principal, route.route());
        let body = self.read_body(head, route.route().headroom()).await?;
        let metrics = active.metrics_of(route.route().index);
        let to = (route, metrics);
        let Judged { delivery, rejected } = self.judge(&context, to, format, body, &headers)?;
        let letters = match &rejected {
            // Rare, so that its state is not a part of every connection's.
            Some(rejected) => Box::pin(deliver_letters(&context, to, rejected)).await,
            None => Ok(()),
        };
        let delivered = match delivery {
            Some(delivery) => Some(delivery.end(&context, metrics).await),
            None => None,
        };
        if matches!(delivered, Some(Ok(_))) {
            // Good reports are brought by another task, which had its turn.
            self.steps = 0;
        }
        Ok(conclude(delivered, rejected, letters)?)
    }

    /// What has arrived and is not done with.
    fn rest(&self) -> &[u8] {
        self.input().bytes(self.start..self.input().filled())
    }

    /// The bytes of the head that was just read.
    fn head(&self, head: &RequestHead) -> &[u8] {
        self.input().bytes(self.start - head.len..self.start)
    }

    fn input(&self) -> &ReadBuffer {
        self.input
            .as_ref()
            .expect("lent to the kernel during a read only")
    }

    fn input_mut(&mut self) -> &mut ReadBuffer {
        self.input
            .as_mut()
            .expect("lent to the kernel during a read only")
    }

    /// Waits for the next request's head.
    async fn read_head(&mut self) -> Result<RequestHead, Interrupt> {
        self.parser.reset();
        if self.start == self.input().filled() {
            self.release_input();
        }
        let now = self.context.clock.now();
        let (idle_until, mut waits_since_idle) = (now + self.context.config.timeouts.idle, true);
        self.deadline.set(Wait::Idle, idle_until);
        loop {
            let input = self
                .input
                .as_ref()
                .expect("lent to the kernel during a read only");
            let rest = input.bytes(self.start..input.filled());
            if !rest.is_empty() {
                if let Some(head) = self.parser.parse(rest)? {
                    self.deadline.clear();
                    self.start += head.len;
                    self.unread = match head.framing {
                        Framing::None => Unread::Bytes(0),
                        Framing::Length(len) => Unread::Bytes(len),
                        Framing::Chunked => Unread::Chunked,
                    };
                    return Ok(head);
                }
                if std::mem::take(&mut waits_since_idle) {
                    let until = self.context.clock.now() + self.context.config.timeouts.head;
                    self.deadline.set(Wait::Read, until);
                }
            }
            if self.input().room() == 0 {
                self.release_input();
            }
            if self.receive(usize::MAX).await? == 0 {
                return Err(self.end_of_head(waits_since_idle));
            }
        }
    }

    /// Why no more bytes of a head come.
    fn end_of_head(&self, idle: bool) -> Interrupt {
        match (self.deadline.has_expired(), idle) {
            (true, true) if self.context.is_draining() => Interrupt::Gone,
            (true, false) if self.context.is_draining() => Refusal::Draining.into(),
            (true, true) => Refusal::Timeout(outcome::Deadline::Idle).into(),
            (true, false) => Refusal::Timeout(outcome::Deadline::Head).into(),
            (false, _) => Interrupt::Gone,
        }
    }

    /// Makes room in the input: what is before `start` is done with.
    fn release_input(&mut self) {
        let start = std::mem::take(&mut self.start);
        self.input_mut().consume(start);
    }

    /// Reads once into the input: how many bytes, 0 at the end of the stream, which a passed
    /// deadline brings about too.
    async fn receive(&mut self, limit: usize) -> Result<usize, Interrupt> {
        let input = self.input.take().expect("no other read is under way");
        let (received, input) = read(&mut self.stream, input, limit).await;
        self.input = Some(input);
        received.map_err(|_| Interrupt::Gone)
    }

    /// Writes what is in `output`.
    async fn send(&mut self) -> Result<(), Interrupt> {
        let until = self.context.clock.now() + self.context.config.timeouts.idle;
        self.deadline.set(Wait::Write, until);
        let output = std::mem::take(&mut self.output);
        let (sent, mut output) = self.stream.write_all(output).await;
        self.deadline.clear();
        output.clear();
        self.output = output;
        sent.map(|_| ()).map_err(|_| Interrupt::Gone)
    }

    /// Tells the client how its request ended.
    async fn answer(&mut self, head: Option<&RequestHead>, outcome: &Outcome) -> Next {
        let context = Rc::clone(&self.context);
        let keep = outcome.keeps_connection()
            && head.is_some_and(|head| head.keep_alive && self.can_skip(head))
            // The last byte may have come with the deadline, which ended reading.
            && !self.deadline.has_expired()
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
        context.responses.write(outcome, form, &mut self.output);
        if self.send().await.is_err() {
            return Next::Close;
        }
        if !keep {
            return Next::Linger;
        }
        match self.skip_body().await {
            Ok(()) => Next::Request,
            Err(_) => Next::Linger,
        }
    }

    /// Whether what is left of the body is little enough to be read and dropped. After
    /// `Expect: 100-continue` a client that gets its answer may send the body or not.
    fn can_skip(&self, head: &RequestHead) -> bool {
        match self.unread {
            Unread::Bytes(0) => true,
            Unread::Bytes(left) => !head.expect_continue && left <= SKIPPED_BYTES_MAX as u64,
            Unread::Chunked => !head.expect_continue,
            Unread::Unknown => false,
        }
    }

    /// Ends our side, and drops what the client may still be sending until it has ended its own.
    async fn linger(mut self) {
        deadline::shutdown(self.stream.as_raw_fd(), Shutdown::Write);
        let end = self.context.clock.now() + LINGER_TIMEOUT;
        if self.deadline.has_expired() {
            // Nothing can be read any more: all that can be done is to wait.
            self.deadline.set(Wait::Linger, end);
            sleep(LINGER_PAUSE_MAX).await;
            return;
        }
        let mut left = LINGER_BYTES_MAX;
        // Whoever still sends when the time is over gets the reset, at once: with unread bytes left
        // behind. Were they read, the kernel would neither take more nor say that none are wanted.
        while left > 0 && !self.deadline.has_expired() {
            let pause_end = self.context.clock.now() + LINGER_PAUSE_MAX;
            self.deadline.set(Wait::Linger, pause_end.min(end));
            self.start = self.input().filled();
            self.release_input();
            match self.receive(left).await {
                Ok(received @ 1..) => left -= received,
                Ok(0) | Err(_) => return,
            }
            self.give_way().await;
        }
    }
}

/// Reads once into the room of `buffer`, `limit` bytes at most.
async fn read(
    stream: &mut TcpStream,
    buffer: ReadBuffer,
    limit: usize,
) -> (io::Result<usize>, ReadBuffer) {
    let (received, slot) = stream.read(buffer.into_slot(limit)).await;
    let buffer = slot.into_buffer(received.as_ref().map_or(0, |received| *received));
    (received, buffer)
}

/// For load balancers that know one port only.
fn health(method: Method, draining: bool) -> Result<Outcome, Refusal> {
    match method {
        Method::Get | Method::Head if draining => Err(Refusal::Draining),
        Method::Get | Method::Head => Ok(Outcome::Healthy),
        Method::Post | Method::Options | Method::Other => Err(Refusal::Method(Allow::GetHead)),
    }
}

/// What the head of a request to a route must say.
fn body_format(head: &RequestHead) -> Result<Format, Refusal> {
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
