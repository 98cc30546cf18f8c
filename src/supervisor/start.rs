//! Starts the listeners, the management thread and the workers of a configuration.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::Pid,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    Addresses, Load, Message, RunWorker, Supervisor,
    acceptor::{Acceptor, SharedSockets},
    pinning,
    reload::Reload,
    service_manager::ServiceManager,
    unix_socket,
    workers::Worker,
};
use crate::{
    admin::{self, AdminState, CodeLabel, Exposition, PageFacts, Sources},
    admission::SharedBudget,
    auth::{AuthError, AuthMode},
    config::{Config, DriverChoice, ListenAddress},
    connections::{BEYOND_MAX, Connections},
    isolation::PanicError,
    jwks::Fetcher,
    metrics::{ProcessMetrics, WorkerMetrics},
    networks::bind_failure,
    oauth::TokenRefresher,
    outcome::{Row, TABLE},
    produce::{BrokerAccess, BrokerWatch, ProducerSettings},
    readiness::{Readiness, WorkerState},
    snapshot::{Published, Snapshot},
    traces::{LastExport, Tracer},
    worker::{Handover, NoIoUring, WorkerSettings, check_io_uring},
};

/// Connections that the kernel queues for a listener; absorbs spikes between two accepts.
const BACKLOG: i32 = 4_096;

/// How long to wait for the first responses of brokers and issuers before printing the `listening`
/// line, so that a script that waits for it can send at once.
const FIRST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Time between two checks whether the start is over.
pub(super) const START_INTERVAL: Duration = Duration::from_millis(5);

/// How much longer than `ack_timeout_ms` the worker waits for a delivery report: librdkafka's own
/// timeout should come first, as its error says more.
const REPORT_GRACE: Duration = Duration::from_millis(1_500);

/// Why serving could not start. The fault of the operator or the system.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartupError {
    #[error("listen.address = \"{0}\": {1}")]
    Listen(ListenAddress, String),
    #[error("LISTEN_FDS: {0}")]
    Passed(io::Error),
    #[error("management.address = \"{0}\": {1}")]
    Management(SocketAddr, String),
    #[error("listen.driver = \"io_uring\": not available ({0}); set \"auto\" or \"epoll\"")]
    NoIoUring(NoIoUring),
    #[error("[kafka]: {0}")]
    Kafka(String),
    #[error("operating system error: {0}")]
    System(#[from] io::Error),
}

impl StartupError {
    fn management(address: SocketAddr, error: &io::Error) -> Self {
        Self::Management(address, bind_failure(error, address.port()))
    }
}

/// What the `listening` line waits for beside the workers.
pub(super) struct Start {
    /// The first responses of brokers and issuers, until then.
    responses_until: Instant,
    /// Why the workers were to use the driver that was chosen, for the log.
    driver_reason: String,
}

impl Start {
    fn new(driver_reason: String) -> Self {
        Self {
            responses_until: Instant::now() + FIRST_RESPONSE_TIMEOUT,
            driver_reason,
        }
    }
}

impl Supervisor {
    /// Binds the listeners and starts the workers.
    pub(super) fn start(
        config: Config,
        load: Option<Load>,
        (sender, messages): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
        run: RunWorker,
    ) -> Result<(Self, Addresses), StartupError> {
        let config = Arc::new(config);
        let (driver, driver_reason) = choose_driver(config.listen.driver)?;
        let connections = Arc::new(Connections::new(
            connections_max(&config),
            config.limits.connections_per_address_max,
        ));
        let listeners = listeners(&config)?;
        let process = Arc::new(ProcessMetrics::default());
        let (watch, tokens) = broker_watch(&config, &process)?;
        let fetcher = fetcher(&config, &process, &sender)?;
        let keys = fetcher.fetched(&config.auth.issuers);
        let published = Arc::new(Published::new(Snapshot::first(&config, &keys)));
        let mut workers = worker_settings(&config, &published, driver, &watch, &connections)?;
        let traces = start_traces(&config, &process, &mut workers)?;
        let workers: Vec<Worker> = workers.into_iter().map(Worker::new).collect();
        let readiness = Arc::clone(&workers[0].settings.readiness);
        let admin = |address| {
            let state = AdminState {
                exposition: exposition(&config, &published, &workers, (&process, &watch)),
                published: Arc::clone(&published),
                readiness: Arc::clone(&readiness),
                connections,
                page: page_facts(&config, &listeners.public),
                samples: config.samples.clone(),
            };
            admin::spawn(address, state).map_err(|error| StartupError::management(address, &error))
        };
        let admin = config.management.map(admin).transpose()?;
        let reload = load.map(|load| Reload::new(load, &config, &sender));
        let mut supervisor = Self {
            config,
            fetcher,
            tokens,
            published,
            reload: reload.transpose()?,
            workers,
            acceptor: None,
            watched_at: Instant::now(),
            address: listeners.of_workers_address(),
            process,
            readiness,
            watch,
            traces,
            admin,
            messages,
            sender,
            run,
            start: Some(Start::new(driver_reason)),
            delay: None,
            service_manager: ServiceManager::from_environment(),
            exit_deadline: None,
        };
        for (index, listener) in listeners.of_workers.into_iter().enumerate() {
            supervisor.spawn_worker(index, listener)?;
        }
        let addresses = Addresses {
            public: listeners.public,
            management: supervisor.admin.as_ref().map(|it| it.local_address),
        };
        if let Some(shared) = listeners.shared {
            supervisor.acceptor = Some(Acceptor::start(shared, supervisor.handovers())?);
        }
        Ok((supervisor, addresses))
    }

    fn handovers(&self) -> Vec<Arc<Handover>> {
        let workers = self.workers.iter();
        workers
            .map(|it| Arc::clone(&it.settings.handover))
            .collect()
    }

    /// Whether every worker serves, and the brokers and the issuers' JWKS URLs have responded or failed
    /// once, so that the first requests are not answered 503 without need.
    pub(super) fn has_started(&mut self) -> bool {
        let Some(start) = &self.start else {
            return true;
        };
        let serves = |worker| self.readiness.heartbeat(worker).state() != WorkerState::Starting;
        let has_responses = || {
            self.watch.has_asked()
                && self.watch.has_asked_for_settings()
                && self.fetcher.has_fetched_all()
        };
        let all_serve = (0..self.workers.len()).all(serves);
        if !all_serve || !has_responses() && Instant::now() < start.responses_until {
            return false;
        }
        let reason = start.driver_reason.clone();
        self.start = None;
        let fetched = self.fetcher.fetched(&self.config.auth.issuers);
        if fetched.iter().any(|it| it.keys().is_some()) {
            self.publish();
        }
        self.log_started(&reason);
        true
    }

    /// Starts a worker's thread, which accepts from `listener`, or what it is given.
    pub(super) fn spawn_worker(
        &mut self,
        index: usize,
        listener: Option<TcpListener>,
    ) -> io::Result<()> {
        let worker = &mut self.workers[index];
        let settings = worker.settings.clone();
        let ours = listener.as_ref().map(TcpListener::try_clone).transpose()?;
        let (run, sender) = (self.run, self.sender.clone());
        // Sending fails where the control thread is gone: the process is about to end.
        let send = move |message| drop(sender.send(message));
        thread::Builder::new()
            .name(format!("ringest-{index}"))
            .spawn(move || {
                let drained = |drained| send(Message::Drained(index, drained));
                let run = || run(&settings, listener, &drained);
                let ended = catch_unwind(AssertUnwindSafe(run));
                let ended = ended.unwrap_or_else(|payload| Err(PanicError::from(payload).into()));
                send(Message::WorkerEnded(index, ended));
            })?;
        worker.started(ours);
        Ok(())
    }
}

/// Starts to watch the brokers, and to get the tokens for them.
fn broker_watch(
    config: &Config,
    process: &Arc<ProcessMetrics>,
) -> Result<(Arc<BrokerWatch>, TokenRefresher), StartupError> {
    let access = BrokerAccess::new(config.kafka.clone());
    access.set_needs_token(config.tokens.is_some());
    let watch = BrokerWatch::start(&access);
    let watch = watch.map_err(|error| StartupError::Kafka(config.explain_kafka(&error)))?;
    watch.expect(config.expected_topics());
    let mut tokens = TokenRefresher::new(&access, process);
    tokens.follow(config.tokens.as_ref(), watch.on_token())?;
    Ok((watch, tokens))
}

/// Starts the export of the requests that these workers sample for traces, if any are.
fn start_traces(
    config: &Config,
    process: &Arc<ProcessMetrics>,
    workers: &mut [WorkerSettings],
) -> io::Result<Option<(Arc<Tracer>, LastExport)>> {
    let Some(settings) = &config.traces else {
        return Ok(None);
    };
    let (tracer, last_export) = Tracer::start(settings, process)?;
    for worker in workers {
        worker.tracer = Some(Arc::clone(&tracer));
    }
    Ok(Some((tracer, last_export)))
}

/// Starts fetching the keys of the issuers.
fn fetcher(
    config: &Config,
    process: &Arc<ProcessMetrics>,
    sender: &mpsc::Sender<Message>,
) -> io::Result<Fetcher> {
    let sender = sender.clone();
    let mut fetcher = Fetcher::new(Arc::clone(process), move || {
        // The control thread is gone only when the process is about to end.
        let _ = sender.send(Message::KeysFetched);
    });
    fetcher.follow(&config.auth.issuers)?;
    Ok(fetcher)
}

/// File descriptors for everything except client connections: librdkafka, `io_uring`, listeners.
const OTHER_FILES: u64 = 256;

/// The connections that the process may have: as configured, or fewer if the limit of open files is too
/// low. The soft limit, which is often only 1,024, is raised as far as needed and allowed.
fn connections_max(config: &Config) -> usize {
    let configured = config.limits.connections_max;
    let beside = OTHER_FILES + (config.workers.get() * BEYOND_MAX) as u64;
    let needed = configured as u64 + beside;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return configured;
    };
    let mut limit = needed.clamp(soft, hard.max(soft));
    if limit > soft && setrlimit(Resource::RLIMIT_NOFILE, limit, hard).is_err() {
        limit = soft;
    }
    if limit >= needed {
        return configured;
    }
    // Connections beyond the limit would take the files that brokers and the management listener need.
    let possible = limit.saturating_sub(beside).max(limit / 2).max(1);
    tracing::warn!(
        "limits.connections_max = {configured} needs {needed} open files, but the limit of open files \
         (ulimit -n) is {limit}: no more than {possible} connections are served at a time"
    );
    usize::try_from(possible)
        .unwrap_or(configured)
        .min(configured)
}

/// What the workers begin with, and why: epoll, or a ring, which `Auto` lets them replace.
fn choose_driver(choice: DriverChoice) -> Result<(DriverChoice, String), StartupError> {
    let configured = || format!("listen.driver = {}", <&str>::from(choice));
    if choice == DriverChoice::Epoll {
        return Ok((choice, configured()));
    }
    match check_io_uring() {
        Ok(()) if choice == DriverChoice::IoUring => Ok((choice, configured())),
        Ok(()) => Ok((choice, "the kernel permits io_uring".to_owned())),
        Err(reason) if choice == DriverChoice::IoUring => Err(StartupError::NoIoUring(reason)),
        Err(reason) => {
            tracing::warn!(
                "io_uring is not available ({reason}); using epoll, which needs more CPU time a request"
            );
            let reason = format!("io_uring is not available ({reason})");
            Ok((DriverChoice::Epoll, reason))
        }
    }
}

pub(super) fn worker_settings(
    config: &Arc<Config>,
    published: &Arc<Published>,
    driver: DriverChoice,
    watch: &Arc<BrokerWatch>,
    connections: &Arc<Connections>,
) -> Result<Vec<WorkerSettings>, StartupError> {
    let cores = nix::sched::sched_getaffinity(Pid::from_raw(0)).map_err(io::Error::from)?;
    let workers = config.workers.get();
    let pinned = pinning::cores(config.pin, workers, &cores);
    let producer = ProducerSettings {
        access: Arc::clone(watch.access()),
        producers: config.producers,
        queue_records_max: config.queue_records_max(),
        report_timeout: config.timeouts.ack + REPORT_GRACE,
        cores,
    };
    let readiness = Arc::new(Readiness::new(workers));
    let shared = config.in_flight_shares().shared;
    let shared_budget = Arc::new(SharedBudget::new(config.workers.get(), shared));
    let settings = |index| WorkerSettings {
        index,
        core: pinned.get(index).copied(),
        driver,
        config: Arc::clone(config),
        published: Arc::clone(published),
        producer: producer.clone(),
        watch: Arc::clone(watch),
        metrics: Arc::new(WorkerMetrics::new(TABLE.len(), AuthError::ALL.len())),
        readiness: Arc::clone(&readiness),
        connections: Arc::clone(connections),
        handover: Arc::default(),
        shared_budget: Arc::clone(&shared_budget),
        tracer: None,
    };
    Ok((0..workers).map(settings).collect())
}

fn exposition(
    config: &Config,
    published: &Arc<Published>,
    workers: &[Worker],
    (process, watch): (&Arc<ProcessMetrics>, &Arc<BrokerWatch>),
) -> Exposition {
    let label = |row: &Row| CodeLabel {
        name: row.name,
        status: row.status,
    };
    Exposition::new(Sources {
        published: Arc::clone(published),
        codes: TABLE.iter().map(label).collect(),
        workers: workers
            .iter()
            .map(|worker| Arc::clone(&worker.settings.metrics))
            .collect(),
        process: Arc::clone(process),
        readiness: Arc::clone(&workers[0].settings.readiness),
        in_flight_bytes_max: config.limits.in_flight_bytes_max as u64,
        connections_max: workers[0].settings.connections.max() as u64,
        watch: Some(Arc::clone(watch)),
    })
}

/// What the page of the management listener knows.
fn page_facts(config: &Config, public: &ListenAddress) -> PageFacts {
    PageFacts {
        public: public.clone(),
        has_tls: config.listen.tls.is_some(),
        is_authenticated: config.auth.mode == AuthMode::Required,
        is_dev: config.is_dev,
    }
}

/// What connections are accepted from.
struct Listeners {
    public: ListenAddress,
    /// One for each worker, where they have their own.
    of_workers: Vec<Option<TcpListener>>,
    shared: Option<SharedSockets>,
}

impl Listeners {
    /// The address of the workers' own.
    fn of_workers_address(&self) -> Option<SocketAddr> {
        match (&self.shared, &self.public) {
            (None, ListenAddress::Tcp(address)) => Some(*address),
            _ => None,
        }
    }
}

/// The sockets that were passed or, where there are none, those of `listen.address`.
fn listeners(config: &Config) -> Result<Listeners, StartupError> {
    let (address, workers) = (&config.listen.address, config.workers.get());
    let failed = |error: io::Error| {
        let reason = match address {
            ListenAddress::Tcp(address) => bind_failure(&error, address.port()),
            ListenAddress::Unix(_) => error.to_string(),
        };
        StartupError::Listen(address.clone(), reason)
    };
    let passed = SharedSockets::passed().map_err(StartupError::Passed)?;
    let shared = match (passed, address) {
        (Some(passed), _) => {
            let addresses = passed.addresses()?;
            let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let listed = listed.join(", ");
            tracing::info!(
                "listening on the sockets of LISTEN_FDS, not on listen.address: {listed}"
            );
            passed
        }
        (None, ListenAddress::Unix(path)) => {
            let bound = unix_socket::listen(path, config.listen.socket_mode, BACKLOG);
            SharedSockets::unix(bound.map_err(failed)?)
        }
        (None, ListenAddress::Tcp(address)) => {
            let bound = bind_all(*address, workers).map_err(failed)?;
            return Ok(Listeners {
                public: ListenAddress::Tcp(bound[0].local_addr()?),
                of_workers: bound.into_iter().map(Some).collect(),
                shared: None,
            });
        }
    };
    Ok(Listeners {
        public: shared.addresses()?.remove(0),
        of_workers: (0..workers).map(|_| None).collect(),
        shared: Some(shared),
    })
}

/// Binds one listener for each worker to the same address.
///
/// With `SO_REUSEPORT` alone a second ringest could bind the same address and get half of the
/// connections, so a socket without it is bound first.
fn bind_all(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    let alone = bind(address, false)?;
    let address = alone.local_addr()?;
    drop(alone);
    (0..workers).map(|_| bind(address, true)).collect()
}

pub(super) fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    if shared {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}
