//! What the connections of one worker share: its memory, its producer, its answers, and the active
//! snapshot. Nothing here is shared with another worker on the path of a request.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use crate::{
    admission::{Admission, SharedBudget},
    auth::{self, Cache, Principal, Rejections},
    buffer::Pool,
    clock::Clock,
    config::Config,
    connections::Connections,
    deadline::Deadlines,
    http::{HeadLimits, IdleDecoders},
    load::Load,
    long_work::LongWork,
    metrics::{Class, RouteMetrics, WorkerMetrics},
    networks::ClientAddress,
    outcome::{Code, Outcome, Refusal},
    produce::{Failure, Producer},
    request_id::{RequestId, RequestIds},
    response::Responses,
    snapshot::{Published, Snapshot},
    traces::{Sampler, SpanContext},
    validate::{ValidateLimits, Validator},
    verification::VerificationQueue,
};

use key_waits::KeyWaits;
pub(crate) use request_log::{Facts, Rejected, Stage, cut};

mod key_waits;
mod request_log;

/// The snapshot that requests are served with until the next one is published, and what this worker
/// derived from it. A request keeps the one that it began with.
pub(crate) struct ActiveSnapshot {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Tokens that this snapshot's keys reject.
    pub(crate) rejections: RefCell<Rejections>,
    /// The principal of every request where authentication is off.
    pub(crate) anonymous: Principal,
    /// The worker's index.
    worker: usize,
}

impl ActiveSnapshot {
    fn new(snapshot: Arc<Snapshot>, worker: usize) -> Self {
        Self {
            rejections: RefCell::default(),
            anonymous: auth::anonymous(),
            snapshot,
            worker,
        }
    }

    /// What this worker counts of a route, by the route's index.
    pub(crate) fn metrics_of(&self, route: usize) -> &RouteMetrics {
        &self.snapshot.metrics[self.worker][route]
    }

    /// Counts what a request came to for its principal, where requests are authenticated.
    fn count_principal(&self, facts: &Facts, outcome: &Outcome, now: Instant) {
        if let (Some(principal), Some(_)) = (&facts.principal, &self.snapshot.keys) {
            let is_over_quota = matches!(outcome, Outcome::Refused(Refusal::Quota(_)));
            let bytes = facts.body_bytes as u64;
            let amounts = [
                1,
                outcome.delivered() as u64,
                bytes,
                u64::from(is_over_quota),
            ];
            let principals = &self.snapshot.principals;
            principals.count(self.worker, principal.name(), amounts, now);
        }
    }
}

/// One of so many answers of a full worker ends its connection.
const FULL_ANSWERS_PER_MOVE: usize = 8;

/// How far the end of the process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// None has begun.
    No,
    /// Everything is served, but `/health`: load balancers may stop sending.
    Announced,
    /// Every answer ends its connection.
    Draining,
    /// Requests are refused, too.
    Refusing,
}

/// What the connections of one worker share.
pub(crate) struct Context {
    pub(crate) config: Arc<Config>,
    published: Arc<Published>,
    active: RefCell<Rc<ActiveSnapshot>>,
    /// Verified credentials, of the active snapshot and of those before it.
    pub(crate) credentials: RefCell<Cache>,
    pub(crate) head_limits: HeadLimits,
    pub(crate) pool: Rc<Pool>,
    pub(crate) decoders: IdleDecoders,
    pub(crate) admission: Rc<Admission>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) clock: Clock,
    pub(crate) verifications: Rc<VerificationQueue>,
    /// Requests that wait for an issuer's keys.
    pub(crate) key_waits: KeyWaits,
    pub(crate) validator: RefCell<Validator>,
    /// The memory of the lists of long validations in progress.
    pub(crate) validation_lists: Rc<Admission>,
    pub(crate) long_work: Rc<LongWork>,
    /// Steps of TLS handshakes.
    pub(crate) handshakes: Rc<LongWork>,
    pub(crate) load: Rc<Load>,
    pub(crate) producer: Rc<Producer>,
    pub(crate) responses: Responses,
    pub(crate) metrics: Arc<WorkerMetrics>,
    request_ids: RequestIds,
    /// Where there are traces.
    pub(crate) sampler: Option<Sampler>,
    ending: Cell<Ending>,
    /// Answers so far that this worker is full.
    full_answers: Cell<usize>,
    /// Records not delivered since the drain began.
    records_undelivered: Cell<usize>,
}

impl Context {
    /// That of the worker with this index. The producer has the topics of the snapshot.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of what it has, and it is made in one place"
    )]
    pub(crate) fn new(
        worker: usize,
        config: &Arc<Config>,
        published: &Arc<Published>,
        snapshot: Arc<Snapshot>,
        connections: &Arc<Connections>,
        shared_budget: &Arc<SharedBudget>,
        metrics: &Arc<WorkerMetrics>,
        producer: Rc<Producer>,
        [long_work, handshakes]: [LongWork; 2],
        load: Load,
        sampler: Option<Sampler>,
    ) -> Self {
        let limits = &config.limits;
        let of_bodies = ValidateLimits::from(limits);
        let lists = Validator::lists_bytes_max(of_bodies, limits.body_bytes_max);
        Self {
            config: Arc::clone(config),
            published: Arc::clone(published),
            credentials: RefCell::new(Cache::new(snapshot.cache_entries)),
            active: RefCell::new(Rc::new(ActiveSnapshot::new(snapshot, worker))),
            head_limits: HeadLimits {
                head_bytes_max: limits.head_bytes_max,
                headers_max: limits.headers_max,
            },
            pool: Rc::default(),
            decoders: IdleDecoders::default(),
            admission: Rc::new(Admission::of_worker(
                worker,
                config.in_flight_shares().of_worker,
                shared_budget,
            )),
            connections: Arc::clone(connections),
            deadlines: Rc::default(),
            clock: Clock::new(),
            verifications: Rc::new(VerificationQueue::new()),
            key_waits: KeyWaits::default(),
            validator: RefCell::new(Validator::new(of_bodies)),
            validation_lists: Rc::new(Admission::new(lists)),
            long_work: Rc::new(long_work),
            handshakes: Rc::new(handshakes),
            load: Rc::new(load),
            producer,
            responses: Responses::new(),
            metrics: Arc::clone(metrics),
            request_ids: RequestIds::default(),
            sampler,
            ending: Cell::new(Ending::No),
            full_answers: Cell::new(0),
            records_undelivered: Cell::new(0),
        }
    }

    pub(crate) fn ending(&self) -> Ending {
        self.ending.get()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.ending() >= Ending::Draining
    }

    /// The end has come this far, or farther.
    pub(crate) fn advance_to(&self, stage: Ending) {
        let stage = stage.max(self.ending());
        if self.ending.replace(stage) != stage && self.is_draining() {
            self.key_waits.end_all();
        }
    }

    /// Whether this answer ends its connection, as the next one may reach a worker that has room.
    pub(crate) fn is_to_move(&self, outcome: &Outcome) -> bool {
        let code = outcome.code();
        if self.config.workers.get() == 1 || !matches!(code, Code::InFlightFull | Code::QueueFull) {
            return false;
        }
        let before = self.full_answers.get();
        self.full_answers.set(before.wrapping_add(1));
        before % FULL_ANSWERS_PER_MOVE == FULL_ANSWERS_PER_MOVE - 1
    }

    /// Records that a request of so many records was not delivered in full: the end of a drain
    /// reports the sum.
    pub(crate) fn undelivered(&self, records: usize, failure: &Failure) {
        if self.is_draining() {
            let sum = self.records_undelivered.get() + failure.undelivered(records);
            self.records_undelivered.set(sum);
        }
    }

    pub(crate) fn records_undelivered(&self) -> usize {
        self.records_undelivered.get()
    }

    /// The snapshot for a request that begins now: the latest that is published.
    pub(crate) fn active_snapshot(&self) -> Rc<ActiveSnapshot> {
        let current = Rc::clone(&self.active.borrow());
        match self.published.newer_than(current.snapshot.generation) {
            None => current,
            Some((_, snapshot)) => self.activate(snapshot, current.worker),
        }
    }

    /// Rare. Requests that have begun keep the snapshot that they have.
    fn activate(&self, snapshot: Arc<Snapshot>, worker: usize) -> Rc<ActiveSnapshot> {
        self.producer.set_routes(&snapshot.routes);
        self.credentials.borrow_mut().resize(snapshot.cache_entries);
        let active = Rc::new(ActiveSnapshot::new(snapshot, worker));
        self.active.replace(Rc::clone(&active));
        active
    }

    /// What is known of a request that begins: from its client's address, and the identifier that it has
    /// or gets. `began`: when its first byte was there, if any was.
    pub(crate) fn facts(
        &self,
        active: &ActiveSnapshot,
        id: Option<RequestId>,
        client: ClientAddress,
        began: Option<Instant>,
        span: Option<Box<SpanContext>>,
    ) -> Box<Facts> {
        let id = id.unwrap_or_else(|| self.request_ids.next());
        let began = began.unwrap_or_else(|| self.clock.now());
        let has_stages = active.snapshot.log.have_stages() || span.is_some();
        Box::new(Facts::new(id, client, began, has_stages, span))
    }

    /// Counts an answer, which was there at `ended`, and logs and traces it as configured.
    pub(crate) fn observe(
        &self,
        active: &ActiveSnapshot,
        facts: &mut Facts,
        outcome: &Outcome,
        ended: Instant,
    ) {
        let code = outcome.code();
        let metrics = facts.route.map(|route| active.metrics_of(route));
        self.metrics.request(metrics, code as usize);
        let class = Class::of_status(code.row().status).filter(|_| code != Code::Unhealthy);
        // Without a route only /health and preflights are accepted.
        if let Some(class) = class.filter(|class| metrics.is_some() || *class != Class::Accepted) {
            let duration = ended.saturating_duration_since(facts.began);
            self.metrics.answered(metrics, class, duration);
        }
        active.count_principal(facts, outcome, ended);
        let line = request_log::admit(active, code, facts.client, self.is_draining());
        if let Some(line) = line {
            request_log::answer(&line, outcome, active, facts, ended);
        }
        if let (Some(sampler), Some(span)) = (&self.sampler, facts.span.take()) {
            sampler.end(request_log::traced(*span, outcome, active, facts, ended));
        }
    }

    /// Counts a rejected credential, and logs why.
    pub(crate) fn denied(&self, rejected: &Rejected<'_>, facts: &Facts) {
        self.metrics.denied(rejected.reason as usize);
        request_log::rejection(rejected, facts);
    }
}
