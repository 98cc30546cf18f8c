//! The control thread: starts, pins and restarts the workers, listens for signals, orders the
//! drain. It never sees a request.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::CpuSet,
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::Pid,
};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    admin::{self, AdminHandle, AdminState},
    admission::Connections,
    auth::KeySet,
    config::{AuthMode, Config, DriverChoice},
    drain::Drained,
    isolation::Panicked,
    metrics::{CodeLabel, Driver, Exposition, ProcessMetrics, Sources, WorkerMetrics},
    model::{Model, Schema},
    openapi,
    outcome::{Row, TABLE},
    produce::{BrokerWatch, OpenError, ProducerSettings},
    readiness::{Readiness, WorkerState},
    registry::{self, Unresolved},
    snapshot::{Published, Snapshot},
    worker::{self, WorkerError, WorkerSettings},
};

/// The configuration cannot work, as it turned out when it was tried.
const EXIT_CONFIGURATION: u8 = 1;
/// Connections had to be cut, or the second signal came.
const EXIT_NOT_DRAINED: u8 = 3;

/// Connections that the kernel queues for a listener: what a spike may bring between two accepts.
const BACKLOG: i32 = 4_096;

/// How long the brokers' first answer is waited for before the listening line is printed, so that
/// a script that goes by it does not come too early.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

/// How long a worker that has ended may take to end for good, after the drain's time.
const LAST_EXIT: Duration = Duration::from_millis(500);

/// Before a worker is started again, so that one that always fails does not keep a core busy.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// A producer's own deadline comes first, as it knows more: this is how much later the worker
/// stops waiting for it.
const REPORT_GRACE: Duration = Duration::from_millis(1_500);

/// Why serving could not start. The operator's or the system's.
#[derive(Debug, thiserror::Error)]
enum StartupError {
    #[error("listen.address = \"{0}\": {1}")]
    Listen(SocketAddr, io::Error),
    #[error("management.address = \"{0}\": {1}")]
    Management(SocketAddr, io::Error),
    #[error(
        "listen.driver = \"io_uring\": this kernel, or its sandbox, does not allow io_uring; set \"auto\" or \"epoll\""
    )]
    NoIoUring,
    #[error("[kafka]: {0}")]
    Producer(#[from] OpenError),
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
}

/// What the control thread is told.
enum Message {
    Signal,
    WorkerEnded(usize, Result<Drained, WorkerError>),
}

/// Where a process serves.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Requests.
    pub public: SocketAddr,
    /// `/metrics` and the like.
    pub management: Option<SocketAddr>,
}

/// Serves until SIGTERM or SIGINT, and drains; `routes_json` is what `/routes` answers. When
/// requests can be sent, `listening` is told where.
///
/// First of all the schema registry is asked, where models name subjects of it.
///
/// The exit code is 0 after a whole drain, 1 where serving could not start, 3 where it had to be cut
/// short.
pub fn run(config: Config, routes_json: String, listening: impl FnOnce(Addresses)) -> ExitCode {
    // Before signals are taken over: whoever gives up waiting for a registry can end it.
    let config = match with_schema_ids(config) {
        Ok(config) => config,
        Err(unresolved) => {
            for failure in unresolved.iter() {
                tracing::error!("{failure}");
            }
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    let (sender, messages) = mpsc::channel();
    let started = forward_signals(sender.clone())
        .map_err(StartupError::from)
        .and_then(|()| Supervisor::start(config, routes_json, (sender, messages), worker::run));
    let (mut supervisor, addresses) = match started {
        Ok(started) => started,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    listening(addresses);
    supervisor.supervise()
}

/// Its models as workers need them: each schema by its number.
fn with_schema_ids(config: Config) -> Result<Config, Unresolved> {
    let models = registry::resolve(config.schema_registry.as_ref(), &config.models)?;
    Ok(Config { models, ..config })
}

/// A worker's life on its thread, from its start to the end of the drain.
type RunWorker = fn(&WorkerSettings, TcpListener) -> Result<Drained, WorkerError>;

struct Supervisor {
    workers: Vec<WorkerSettings>,
    address: SocketAddr,
    drain_timeout: Duration,
    process: Arc<ProcessMetrics>,
    readiness: Arc<Readiness>,
    watch: Arc<BrokerWatch>,
    admin: Option<AdminHandle>,
    messages: mpsc::Receiver<Message>,
    sender: mpsc::Sender<Message>,
    run: RunWorker,
}

impl Supervisor {
    fn start(
        config: Config,
        routes_json: String,
        (sender, messages): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
        run: RunWorker,
    ) -> Result<(Self, Addresses), StartupError> {
        let config = Arc::new(config);
        let driver = choose_driver(config.listen.driver)?;
        raise_file_limit(config.limits.connections_max);
        let listeners = bind_all(config.listen.address, config.workers.get())
            .map_err(|error| StartupError::Listen(config.listen.address, error))?;
        let public = listeners[0].local_addr()?;
        let watch = BrokerWatch::start(&config.kafka)?;
        let workers = worker_settings(&config, driver, &watch)?;
        let process = Arc::new(ProcessMetrics::default());
        let readiness = Arc::clone(&workers[0].readiness);
        let admin = match config.management {
            None => None,
            Some(address) => {
                let exposition = exposition(&config, &workers, &process);
                let routes_json = routes_json.into_bytes();
                let openapi_json =
                    openapi::text(workers[0].published.latest().routes.routes()).into_bytes();
                let state = AdminState {
                    routes_json,
                    openapi_json,
                    exposition,
                    readiness: Arc::clone(&readiness),
                };
                let admin = admin::spawn(address, state)
                    .map_err(|error| StartupError::Management(address, error))?;
                Some(admin)
            }
        };
        let addresses = Addresses {
            public,
            management: admin.as_ref().map(|admin| admin.local_address),
        };
        let supervisor = Self {
            workers,
            address: public,
            drain_timeout: config.timeouts.drain,
            process,
            readiness,
            watch,
            admin,
            messages,
            sender,
            run,
        };
        for (index, listener) in listeners.into_iter().enumerate() {
            supervisor.spawn_worker(index, listener)?;
        }
        supervisor.await_first_answer();
        tracing::info!(
            driver = driver.as_str(),
            workers = supervisor.workers.len(),
            "serving {} routes",
            config.models.len()
        );
        Ok((supervisor, addresses))
    }

    /// The brokers' first answer, or that there is none: after it a request gets its true answer
    /// at once.
    fn await_first_answer(&self) {
        let until = Instant::now() + FIRST_ANSWER;
        while !self.watch.has_asked() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn spawn_worker(&self, index: usize, listener: TcpListener) -> io::Result<()> {
        let settings = self.workers[index].clone();
        let (run, sender) = (self.run, self.sender.clone());
        thread::Builder::new()
            .name(format!("ringest-{index}"))
            .spawn(move || {
                let ended = catch_unwind(AssertUnwindSafe(|| run(&settings, listener)));
                let ended = ended.unwrap_or_else(|payload| Err(Panicked::from(payload).into()));
                // The control thread is gone only when the process is about to end.
                let _ = sender.send(Message::WorkerEnded(index, ended));
            })?;
        Ok(())
    }

    /// Waits for signals and for workers that end before their time; then for the drain.
    fn supervise(&mut self) -> ExitCode {
        loop {
            match self.messages.recv() {
                Err(_) | Ok(Message::Signal) => return self.drain(),
                Ok(Message::WorkerEnded(
                    _,
                    Err(error @ (WorkerError::Producer(_) | WorkerError::Io(_))),
                )) if self.process.worker_restarts() == 0 => {
                    tracing::error!("a worker could not start: {error}");
                    return ExitCode::from(EXIT_CONFIGURATION);
                }
                Ok(Message::WorkerEnded(index, Err(error))) => {
                    tracing::error!("worker {index} ended and is started again: {error}");
                    self.restart(index);
                }
                // Nobody has told it to.
                Ok(Message::WorkerEnded(index, Ok(_))) => self.restart(index),
            }
        }
    }

    /// A worker ended outside of a connection: its connections are lost, the port is not.
    fn restart(&self, index: usize) {
        self.process.worker_restarted();
        self.readiness.set_worker(index, WorkerState::Starting);
        thread::sleep(RESTART_PAUSE);
        let started = bind(self.address, true).and_then(|it| self.spawn_worker(index, it));
        if let Err(error) = started {
            // The next attempt; the channel is open as long as both its ends are ours.
            let _ = self
                .sender
                .send(Message::WorkerEnded(index, Err(error.into())));
        }
    }

    fn drain(&mut self) -> ExitCode {
        tracing::info!("draining");
        self.readiness.start_draining();
        self.watch.stop();
        let until = Instant::now() + self.drain_timeout + LAST_EXIT;
        let mut total = Drained::default();
        let mut whole = true;
        let mut left = self.workers.len();
        while left > 0 {
            let wait = until.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(wait) {
                Ok(Message::WorkerEnded(_, ended)) => {
                    left -= 1;
                    match ended {
                        Ok(drained) => {
                            total.records_undelivered += drained.records_undelivered;
                            total.connections_cut += drained.connections_cut;
                        }
                        Err(error) => {
                            tracing::error!("a worker ended before it was drained: {error}");
                            whole = false;
                        }
                    }
                }
                Ok(Message::Signal) => {
                    tracing::error!("the second signal: not drained");
                    return ExitCode::from(EXIT_NOT_DRAINED);
                }
                Err(_) => break,
            }
        }
        if let Some(admin) = self.admin.take() {
            admin.stop();
        }
        tracing::info!(
            records_undelivered = total.records_undelivered,
            connections_cut = total.connections_cut,
            "drained"
        );
        if whole && left == 0 && total.connections_cut == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(EXIT_NOT_DRAINED)
        }
    }
}

/// Descriptors that a process needs beside those of its connections: librdkafka's, the rings'.
const FILES_BESIDE_CONNECTIONS: u64 = 256;

/// A service is often started with room for 1,024 descriptors and the right to more: takes it.
fn raise_file_limit(connections_max: usize) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    let wanted = connections_max as u64 + FILES_BESIDE_CONNECTIONS;
    let limit = wanted.clamp(soft, hard.max(soft));
    if limit > soft && setrlimit(Resource::RLIMIT_NOFILE, limit, hard).is_err() {
        tracing::warn!("the limit of {soft} open files could not be raised");
    } else if limit < wanted {
        tracing::warn!(
            "limits.connections_max = {connections_max} cannot be reached: the system allows \
             {limit} open files"
        );
    }
}

fn choose_driver(choice: DriverChoice) -> Result<Driver, StartupError> {
    let granted = monoio::utils::detect_uring();
    match choice {
        DriverChoice::Epoll => Ok(Driver::Epoll),
        DriverChoice::IoUring | DriverChoice::Auto if granted => Ok(Driver::IoUring),
        DriverChoice::IoUring => Err(StartupError::NoIoUring),
        DriverChoice::Auto => {
            tracing::warn!("no io_uring here: running on epoll, at a higher cost a request");
            Ok(Driver::Epoll)
        }
    }
}

fn worker_settings(
    config: &Arc<Config>,
    driver: Driver,
    watch: &Arc<BrokerWatch>,
) -> Result<Vec<WorkerSettings>, StartupError> {
    let cores = nix::sched::sched_getaffinity(Pid::from_raw(0)).map_err(io::Error::from)?;
    let numbers: Vec<usize> = (0..CpuSet::count())
        .filter(|core| cores.is_set(*core).unwrap_or(false))
        .collect();
    let workers = config.workers.get();
    let routes = Arc::new(config.routes());
    let topics = routes.topics().map(str::to_owned).collect();
    let unresolved = |model: &Arc<Model>| matches!(model.schema, Some(Schema::Subject { .. }));
    assert!(
        !config.models.iter().any(unresolved),
        "the registry was asked for every schema before serving begins"
    );
    let producer = ProducerSettings {
        properties: config.kafka.clone().into(),
        topics,
        queue_records_max: config.queue_records_max(),
        report_timeout: config.timeouts.ack + REPORT_GRACE,
        cores,
    };
    let published = Arc::new(Published::new(Snapshot {
        generation: 0,
        keys: match config.auth.mode {
            AuthMode::None => None,
            AuthMode::Required => Some(KeySet::new(&config.auth, &[], &routes)),
        },
        cache_entries: config.auth.cache_entries,
        routes,
    }));
    let readiness = Arc::new(Readiness::new(workers));
    let connections = Arc::new(Connections::new(config.limits.connections_max));
    let settings = |index| WorkerSettings {
        index,
        core: numbers
            .get(index)
            .copied()
            .filter(|_| workers <= numbers.len()),
        driver,
        config: Arc::clone(config),
        published: Arc::clone(&published),
        producer: producer.clone(),
        watch: Arc::clone(watch),
        metrics: Arc::new(WorkerMetrics::new(config.models.len(), TABLE.len())),
        readiness: Arc::clone(&readiness),
        connections: Arc::clone(&connections),
    };
    Ok((0..workers).map(settings).collect())
}

fn exposition(
    config: &Config,
    workers: &[WorkerSettings],
    process: &Arc<ProcessMetrics>,
) -> Exposition {
    let label = |row: &Row| CodeLabel {
        name: row.name,
        status: row.status,
    };
    Exposition::new(Sources {
        routes: workers[0]
            .published
            .latest()
            .routes
            .routes()
            .iter()
            .map(|route| route.path.clone())
            .collect(),
        codes: TABLE.iter().map(label).collect(),
        workers: workers
            .iter()
            .map(|worker| Arc::clone(&worker.metrics))
            .collect(),
        process: Arc::clone(process),
        readiness: Arc::clone(&workers[0].readiness),
        in_flight_bytes_max: config.limits.in_flight_bytes_max as u64,
        connections_max: config.limits.connections_max as u64,
    })
}

/// A listener for each worker on one address.
///
/// `SO_REUSEPORT` would let a second ringest take half of the first one's connections, so a socket
/// without it has to get the address first.
fn bind_all(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    let alone = bind(address, false)?;
    let address = alone.local_addr()?;
    drop(alone);
    (0..workers).map(|_| bind(address, true)).collect()
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
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

/// SIGTERM and SIGINT become messages.
fn forward_signals(sender: mpsc::Sender<Message>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new()
        .name("ringest-signals".to_owned())
        .spawn(move || {
            for _ in signals.forever() {
                if sender.send(Message::Signal).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}

#[cfg(test)]
mod tests;
