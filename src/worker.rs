//! One core: what a worker owns, and its life from start to the end of the drain. Nothing here is
//! shared with another worker on the path of a request.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, TcpListener},
    os::unix::net::UnixStream,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use monoio::{
    IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder,
    time::{TimeDriver, sleep},
};
use nix::{sched::CpuSet, unistd::Pid};
use tracing::Level;

use crate::{
    admission::{Admission, Connections},
    auth::{self, Cache, Denial, Principal},
    buffer::Pool,
    clock::Clock,
    config::Config,
    deadline::Deadlines,
    drain::{Drain, Drained},
    http::HeadLimits,
    isolation::{Panicked, isolated},
    metrics::{Driver, RouteMetrics, WorkerMetrics},
    outcome::{Outcome, TABLE},
    produce::{BrokerWatch, Failure, OpenError, Producer, ProducerSettings},
    readiness::{Readiness, WorkerState},
    response::Responses,
    snapshot::{Published, Snapshot},
    validate::{ValidateLimits, Validator},
    verification::Verifications,
};

mod tasks;

pub(crate) use tasks::Tasks;

/// Between two looks at deadlines, at the producer and at the order to drain. A deadline is met
/// this much late at the worst, and by the time that the worker was held up.
const TICK: Duration = Duration::from_millis(20);

/// What a worker is made from.
#[derive(Clone)]
pub(crate) struct WorkerSettings {
    pub(crate) index: usize,
    /// The core to be pinned to, if there is one for each worker.
    pub(crate) core: Option<usize>,
    pub(crate) driver: Driver,
    pub(crate) config: Arc<Config>,
    pub(crate) published: Arc<Published>,
    pub(crate) producer: ProducerSettings,
    pub(crate) watch: Arc<BrokerWatch>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) connections: Arc<Connections>,
}

/// What requests are served by until another snapshot is published. A request keeps to its own.
pub(crate) struct Serving {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Of this snapshot alone: what another one allowed is void.
    pub(crate) cache: RefCell<Cache>,
    /// Those who were known by the snapshot before: they have to be verified again, but not behind
    /// strangers.
    pub(crate) former: RefCell<Cache>,
    /// Who everyone is where nobody is asked.
    pub(crate) anyone: Principal,
    /// The worker's index.
    worker: usize,
}

impl Serving {
    fn new(snapshot: Arc<Snapshot>, worker: usize, former: Cache) -> Self {
        Self {
            cache: RefCell::new(Cache::new(snapshot.cache_entries)),
            former: RefCell::new(former),
            anyone: auth::anyone(),
            snapshot,
            worker,
        }
    }

    /// What this worker counts of a route, by its index.
    pub(crate) fn metrics_of(&self, route: usize) -> &RouteMetrics {
        &self.snapshot.metrics[self.worker][route]
    }
}

/// What one core owns.
pub(crate) struct Worker {
    pub(crate) config: Arc<Config>,
    published: Arc<Published>,
    serving: RefCell<Rc<Serving>>,
    pub(crate) head_limits: HeadLimits,
    pub(crate) pool: Rc<Pool>,
    pub(crate) admission: Rc<Admission>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) clock: Clock,
    pub(crate) verifications: Rc<Verifications>,
    pub(crate) validator: RefCell<Validator>,
    pub(crate) producer: Rc<Producer>,
    pub(crate) responses: Responses,
    pub(crate) metrics: Arc<WorkerMetrics>,
    draining: Cell<bool>,
    /// Records that were not delivered since the drain began.
    records_undelivered: Cell<usize>,
    /// The second in which each code was last logged: once a second is enough.
    logged: [Cell<u64>; TABLE.len()],
    /// The same of each reason why a credential was not taken.
    denials_logged: [Cell<u64>; Denial::ALL.len()],
}

impl Worker {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    pub(crate) fn begin_drain(&self) {
        self.draining.set(true);
    }

    /// Takes down that a request of so many records was not delivered in full: what a drain loses
    /// is told at its end.
    pub(crate) fn undelivered(&self, records: usize, failure: &Failure) {
        if self.is_draining() {
            let sum = self.records_undelivered.get() + failure.undelivered(records);
            self.records_undelivered.set(sum);
        }
    }

    pub(crate) fn records_undelivered(&self) -> usize {
        self.records_undelivered.get()
    }

    /// What a request that begins now is served by: the latest that is published.
    pub(crate) fn serving(&self) -> Rc<Serving> {
        let current = Rc::clone(&self.serving.borrow());
        match self.published.newer_than(current.snapshot.generation) {
            None => current,
            Some(snapshot) => self.take_up(snapshot, current.worker),
        }
    }

    /// Rare. The requests that have begun keep what they have.
    fn take_up(&self, snapshot: Arc<Snapshot>, worker: usize) -> Rc<Serving> {
        if let Err(error) = self.producer.add_topics(snapshot.routes.topics()) {
            tracing::error!("the producer is replaced: {error}");
        }
        let former = self.serving.borrow().cache.replace(Cache::new(0));
        let serving = Rc::new(Serving::new(snapshot, worker, former));
        self.serving.replace(Rc::clone(&serving));
        serving
    }

    /// Counts an answer, and logs it if somebody should know.
    pub(crate) fn observe(&self, serving: &Serving, route: Option<usize>, outcome: &Outcome) {
        let code = outcome.code();
        let metrics = route.map(|route| serving.metrics_of(route));
        self.metrics.request(metrics, code as usize);
        let row = code.row();
        if row.level > Level::WARN || self.is_draining() {
            return;
        }
        let second = self.clock.second();
        if self.logged[code as usize].replace(second) != second {
            let route = route.map_or("-", |route| {
                serving.snapshot.routes.routes()[route].path.as_str()
            });
            if row.level == Level::WARN {
                tracing::warn!(
                    route,
                    code = row.name,
                    "answered {}: {}",
                    row.status,
                    row.detail
                );
            } else {
                tracing::error!(
                    route,
                    code = row.name,
                    "answered {}: {}",
                    row.status,
                    row.detail
                );
            }
        }
    }

    /// Counts a credential that was not taken, and logs why: at `debug` each time, at `info` the first
    /// one in a second of its kind. The token itself never gets there.
    pub(crate) fn denied(&self, denial: Denial, token: &[u8], peer: IpAddr) {
        self.metrics.denied(denial as usize);
        let second = self.clock.second();
        let first = self.denials_logged[denial as usize].replace(second) != second;
        let (reason, fingerprint) = (denial.as_str(), || auth::fingerprint(token));
        if first {
            tracing::info!(reason, %peer, token = fingerprint(), "a credential was not taken");
        } else if tracing::enabled!(Level::DEBUG) {
            tracing::debug!(reason, %peer, token = fingerprint(), "a credential was not taken");
        }
    }

    fn publish(&self, settings: &WorkerSettings) {
        self.metrics
            .in_flight_bytes
            .set(self.admission.in_flight_bytes() as u64);
        self.metrics
            .in_flight_records
            .set(self.producer.queued_records() as u64);
        self.metrics
            .producer_queue_records
            .set(self.producer.queue_depth() as u64);
        let state = if !self.producer.is_serving() {
            WorkerState::ProducerFatal
        } else if settings.watch.seen() {
            WorkerState::Ready
        } else {
            WorkerState::NoBroker
        };
        settings.readiness.set_worker(settings.index, state);
    }
}

/// Why a worker ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// It could not start. The operator's.
    #[error(transparent)]
    Producer(#[from] OpenError),
    /// It could not start. The system's.
    #[error("no runtime: {0}")]
    Io(#[from] io::Error),
    /// Outside of a connection. Ours.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// Runs a worker on this thread until it is drained.
pub(crate) fn run(
    settings: &WorkerSettings,
    listener: TcpListener,
) -> Result<Drained, WorkerError> {
    // Legacy's sockets must not block; io_uring's must, or a wait would end at once with EAGAIN.
    listener.set_nonblocking(settings.driver == Driver::Epoll)?;
    let (wake, wake_reader) = UnixStream::pair()?;
    wake_reader.set_nonblocking(settings.driver == Driver::Epoll)?;
    let producer = Producer::open(
        settings.producer.clone(),
        wake,
        Arc::clone(&settings.metrics),
        Arc::clone(&settings.watch),
    )?;
    let snapshot = settings.published.latest();
    producer.add_topics(snapshot.routes.topics())?;
    // After librdkafka's threads have been created: they would inherit it.
    if let Some(core) = settings.core {
        pin(core);
    }
    settings.metrics.reset_gauges();
    settings.metrics.set_driver(settings.driver);
    let main = async {
        let worker = Rc::new(new_worker(settings, producer, snapshot));
        serve(settings, &worker, listener, wake_reader).await
    };
    Ok(match settings.driver {
        Driver::IoUring => io_uring_runtime()?.block_on(main)?,
        Driver::Epoll => RuntimeBuilder::<TimeDriver<LegacyDriver>>::new()
            .build()?
            .block_on(main)?,
    })
}

/// A runtime on a ring that only this thread uses and that delivers completions only when it is
/// asked for them: without the second, the kernel interrupts the thread for each one (14 % of the
/// worker's time, measured at 57 k requests/s). Kernels before 6.1 do not know the flags.
fn io_uring_runtime() -> io::Result<Runtime<TimeDriver<IoUringDriver>>> {
    let mut deferred = io_uring::IoUring::builder();
    deferred.setup_single_issuer().setup_defer_taskrun();
    let builder = RuntimeBuilder::<TimeDriver<IoUringDriver>>::new();
    match builder.uring_builder(deferred).build() {
        Ok(runtime) => Ok(runtime),
        Err(_) => RuntimeBuilder::<TimeDriver<IoUringDriver>>::new().build(),
    }
}

/// The producer has the topics of the snapshot.
fn new_worker(
    settings: &WorkerSettings,
    producer: Rc<Producer>,
    snapshot: Arc<Snapshot>,
) -> Worker {
    let config = &settings.config;
    let limits = &config.limits;
    Worker {
        config: Arc::clone(config),
        published: Arc::clone(&settings.published),
        serving: RefCell::new(Rc::new(Serving::new(
            snapshot,
            settings.index,
            Cache::new(0),
        ))),
        head_limits: HeadLimits {
            head_bytes_max: limits.head_bytes_max,
            headers_max: limits.headers_max,
        },
        pool: Rc::default(),
        admission: Rc::new(Admission::new(
            limits.in_flight_bytes_max / config.workers.get(),
        )),
        connections: Arc::clone(&settings.connections),
        deadlines: Rc::default(),
        clock: Clock::new(),
        verifications: Rc::new(Verifications::new()),
        validator: RefCell::new(Validator::new(ValidateLimits::from(limits))),
        producer,
        responses: Responses::new(),
        metrics: Arc::clone(&settings.metrics),
        draining: Cell::new(false),
        records_undelivered: Cell::new(0),
        logged: std::array::from_fn(|_| Cell::new(0)),
        denials_logged: std::array::from_fn(|_| Cell::new(0)),
    }
}

async fn serve(
    settings: &WorkerSettings,
    worker: &Rc<Worker>,
    listener: TcpListener,
    wake_reader: UnixStream,
) -> Result<Drained, WorkerError> {
    let tasks = Tasks::spawn(worker, listener, wake_reader)?;
    let drained = isolated(until_drained(settings, worker, &tasks)).await;
    if drained.is_err() {
        tasks.abandon(worker).await;
    }
    tasks.stop_reporting().await;
    Ok(drained?)
}

/// What is due on every tick, until the end of the drain.
async fn until_drained(settings: &WorkerSettings, worker: &Worker, tasks: &Tasks) -> Drained {
    let mut drain = Drain::new(worker.config.timeouts.drain);
    loop {
        sleep(TICK).await;
        let now = Instant::now();
        let late = (now - worker.clock.now()).saturating_sub(TICK);
        if late > TICK {
            worker.deadlines.postpone(late);
        }
        worker.clock.tick(now, SystemTime::now());
        worker.deadlines.expire(now);
        worker.producer.tick(now);
        // Without requests too: the one before is let go of, and new topics are opened ahead.
        worker.serving();
        worker.publish(settings);
        assert!(tasks.report(), "no more delivery reports are taken in");
        assert!(
            tasks.accept() || worker.is_draining(),
            "no more connections are accepted"
        );
        if settings.readiness.is_draining()
            && let Some(drained) = drain.step(worker, tasks, now)
        {
            return drained;
        }
    }
}

fn pin(core: usize) {
    let mut cores = CpuSet::new();
    let pinned = cores
        .set(core)
        .and_then(|()| nix::sched::sched_setaffinity(Pid::from_raw(0), &cores));
    if let Err(error) = pinned {
        tracing::warn!("the worker runs on any core: pinning it to core {core} failed: {error}");
    }
}
