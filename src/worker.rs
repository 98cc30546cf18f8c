//! A worker's life, one thread on one core: it builds what its connections share, accepts, ticks and
//! drains.

use std::{
    io,
    net::TcpListener,
    os::unix::net::UnixStream,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use nix::{
    sched::CpuSet,
    unistd::{Pid, gettid},
};

use crate::{
    admission::SharedBudget,
    config::{Config, DriverChoice},
    connections::Connections,
    context::{Context, Ending},
    isolation::{PanicError, isolated},
    load::Load,
    long_work::LongWork,
    metrics::{Driver, WorkerMetrics},
    produce::{BrokerWatch, OpenError, Producer, ProducerSettings},
    readiness::{Readiness, WorkerState},
    snapshot::Published,
    traces::{Sampler, Tracer},
};

use alarm::Alarm;
use drain::Drain;
use tasks::{TICK, Tasks};

mod alarm;
mod drain;
mod handover;
mod handshakes;
mod listener;
mod runtime;
mod tasks;

pub(crate) use drain::Drained;
pub(crate) use handover::{Accepted, Handover};
pub(crate) use runtime::{NoIoUring, check_io_uring};

/// How much earlier than `drain_timeout_ms` a worker's drain ends, so that the process ends in time.
const EXIT_GRACE: Duration = Duration::from_millis(500);

/// What a worker is built from.
#[derive(Clone)]
pub(crate) struct WorkerSettings {
    pub(crate) index: usize,
    /// The core to pin the thread to, if it is to be pinned.
    pub(crate) core: Option<usize>,
    /// `Auto`: a ring, or else epoll.
    pub(crate) driver: DriverChoice,
    pub(crate) config: Arc<Config>,
    pub(crate) published: Arc<Published>,
    pub(crate) producer: ProducerSettings,
    pub(crate) watch: Arc<BrokerWatch>,
    pub(crate) metrics: Arc<WorkerMetrics>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) handover: Arc<Handover>,
    pub(crate) shared_budget: Arc<SharedBudget>,
    /// Where there are traces.
    pub(crate) tracer: Option<Arc<Tracer>>,
}

/// Why a worker failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    /// It could not start: a configuration error.
    #[error(transparent)]
    Producer(#[from] OpenError),
    /// It could not start: an error of the system.
    #[error("cannot start the runtime: {0}")]
    Io(#[from] io::Error),
    /// A panic outside of a connection: a bug.
    #[error(transparent)]
    Panicked(#[from] PanicError),
}

/// Runs a worker on this thread, which accepts from `listener`, or takes what another thread has accepted. It
/// returns once the worker is drained and its producer is closed, which can take longer than the drain:
/// `drained` is called at the end of the drain.
pub(crate) fn run(
    settings: &WorkerSettings,
    listener: Option<TcpListener>,
    drained: &dyn Fn(Drained),
) -> Result<(), WorkerError> {
    let (mut runtime, driver) = runtime::build(settings.index, settings.driver)?;
    // Legacy's sockets must not block; io_uring's must, or a wait would end at once with EAGAIN.
    if let Some(listener) = &listener {
        listener.set_nonblocking(driver == Driver::Epoll)?;
    }
    let (wake, wake_reader) = UnixStream::pair()?;
    wake_reader.set_nonblocking(driver == Driver::Epoll)?;
    let producer = Producer::open(
        &settings.producer,
        &wake,
        Arc::clone(&settings.metrics),
        Arc::clone(&settings.watch),
    )?;
    let snapshot = settings.published.latest();
    producer.set_routes(&snapshot.routes);
    // After the creation of librdkafka's threads, which would inherit the affinity.
    if let Some(core) = settings.core {
        pin(core);
    }
    settings.metrics.reset_gauges();
    settings.metrics.set_driver(driver);
    settings.metrics.set_thread(gettid().as_raw());
    runtime.block_on(async {
        let slices = || LongWork::new(driver == Driver::Epoll);
        let context = Rc::new(Context::new(
            settings.index,
            &settings.config,
            &settings.published,
            snapshot,
            &settings.connections,
            &settings.shared_budget,
            &settings.metrics,
            producer,
            [slices()?, slices()?],
            Load::new(wake.try_clone()?)?,
            settings.tracer.as_ref().map(Sampler::new),
        ));
        settings.handover.begin(wake);
        serve(settings, &context, (listener, wake_reader), drained).await
    })
}

async fn serve(
    settings: &WorkerSettings,
    context: &Rc<Context>,
    (listener, wake_reader): (Option<TcpListener>, UnixStream),
    drained: &dyn Fn(Drained),
) -> Result<(), WorkerError> {
    let ticks = Alarm::every(TICK)?;
    let tasks = Tasks::spawn(context, &settings.handover, listener, wake_reader)?;
    let ended = isolated(until_drained(settings, context, (&tasks, ticks))).await;
    match &ended {
        Ok(end) => drained(*end),
        Err(_) => tasks.abandon(context).await,
    }
    tasks.stop_producing().await;
    ended?;
    Ok(())
}

/// The work of every tick, until the end of the drain.
async fn until_drained(
    settings: &WorkerSettings,
    context: &Rc<Context>,
    (tasks, ticks): (&Tasks, Alarm),
) -> Drained {
    let timeout = context.config.timeouts.drain;
    let mut drain = Drain::new(timeout.saturating_sub(EXIT_GRACE.min(timeout / 4)));
    loop {
        ticks.rings().await;
        let now = Instant::now();
        let late = (now - context.clock.now()).saturating_sub(TICK);
        context.metrics.loop_lag.observe(late);
        if late > TICK {
            context.deadlines.postpone(late);
            drain.postpone(late);
        }
        context.clock.tick(now, SystemTime::now());
        context.load.tick();
        context.deadlines.expire(now);
        context.producer.tick(now);
        context.pool.release_unused(now);
        // Without requests too: the previous one is released, and new topics are opened in advance.
        let generation = context.active_snapshot().snapshot.generation;
        context.key_waits.tick(now, generation);
        publish_state(settings, context);
        listener::adopt_all(settings.handover.take_connections(), context);
        assert!(
            tasks.produce(),
            "a task that sends batches or reads delivery reports ended"
        );
        assert!(
            tasks.accept() || context.is_draining(),
            "the task that accepts connections ended"
        );
        if settings.readiness.is_draining() {
            context.advance_to(Ending::Announced);
        }
        if settings.readiness.has_begun_to_drain()
            && let Some(drained) = drain.step(context, tasks, now)
        {
            return drained;
        }
    }
}

/// Publishes the gauges and the readiness of this worker.
fn publish_state(settings: &WorkerSettings, context: &Context) {
    let (metrics, producer) = (&context.metrics, &context.producer);
    metrics
        .in_flight_bytes
        .set(context.admission.in_flight_bytes() as u64);
    metrics
        .in_flight_requests
        .set(producer.waiting_requests() as u64);
    metrics
        .in_flight_records
        .set(producer.queued_records() as u64);
    metrics
        .producer_queue_records
        .set(producer.queue_depth() as u64);
    let state = if !producer.is_serving() {
        WorkerState::ProducerFatal
    } else if producer.has_broker(context.clock.now()) {
        WorkerState::Ready
    } else if producer.is_refused() {
        WorkerState::Refused
    } else {
        WorkerState::NoBroker
    };
    let has_none = matches!(state, WorkerState::Refused | WorkerState::NoBroker);
    metrics.brokers.set_reachable(!has_none);
    settings.readiness.set_worker(settings.index, state);
}

fn pin(core: usize) {
    let mut cores = CpuSet::new();
    let pinned = cores
        .set(core)
        .and_then(|()| nix::sched::sched_setaffinity(Pid::from_raw(0), &cores));
    if let Err(error) = pinned {
        tracing::warn!("cannot pin the worker to core {core}, so it runs on any core: {error}");
    }
}
