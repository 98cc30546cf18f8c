//! From a configuration to workers that serve by it.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::CpuSet,
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::Pid,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Addresses, Load, Message, RunWorker, Supervisor, reload::Reload};
use crate::{
    admin::{self, AdminState, CodeLabel, Exposition, Sources},
    admission::Connections,
    auth::Denial,
    config::{Config, DriverChoice},
    isolation::Panicked,
    jwks::Fetcher,
    metrics::{Driver, ProcessMetrics, WorkerMetrics},
    outcome::{Row, TABLE},
    produce::{BrokerWatch, OpenError, ProducerSettings},
    readiness::Readiness,
    snapshot::{Published, Snapshot},
    worker::WorkerSettings,
};

/// Connections that the kernel queues for a listener: what a spike may bring between two accepts.
const BACKLOG: i32 = 4_096;

/// How long the first answers of brokers and issuers are waited for before the listening line is
/// printed, so that a script that goes by it does not come too early.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

/// A producer's own deadline comes first, as it knows more: this is how much later the worker
/// stops waiting for it.
const REPORT_GRACE: Duration = Duration::from_millis(1_500);

/// Why serving could not start. The operator's or the system's.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartupError {
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

impl Supervisor {
    /// Binds, and starts the workers.
    pub(super) fn start(
        config: Config,
        load: Option<Load>,
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
        let process = Arc::new(ProcessMetrics::default());
        let fetcher = fetcher(&config, &process, &sender)?;
        let first = Snapshot::first(&config, &fetcher.fetched(&config.auth.issuers));
        let published = Arc::new(Published::new(first));
        let workers = worker_settings(&config, &published, driver, &watch)?;
        let readiness = Arc::clone(&workers[0].readiness);
        let admin = match config.management {
            None => None,
            Some(address) => {
                let state = AdminState {
                    exposition: exposition(&config, &published, &workers, &process),
                    published: Arc::clone(&published),
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
        let reload = load.map(|load| Reload::new(load, &config, &sender));
        let supervisor = Self {
            config,
            fetcher,
            published,
            reload: reload.transpose()?,
            workers,
            address: public,
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
        supervisor.await_first_answers();
        tracing::info!(
            driver = driver.as_str(),
            workers = supervisor.workers.len(),
            "serving {} routes",
            supervisor.config.models.len()
        );
        Ok((supervisor, addresses))
    }

    /// The first answer of the brokers and of who has issuers' keys, or that there is none: after it a
    /// request gets its true answer at once.
    fn await_first_answers(&self) {
        let until = Instant::now() + FIRST_ANSWER;
        let all = || self.watch.has_asked() && self.fetcher.has_asked();
        while !all() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let fetched = self.fetcher.fetched(&self.config.auth.issuers);
        if fetched.iter().any(|it| it.keys.is_some()) {
            self.publish();
        }
    }

    pub(super) fn spawn_worker(&self, index: usize, listener: TcpListener) -> io::Result<()> {
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
}

/// Fetches the keys of the issuers from now on.
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

pub(super) fn worker_settings(
    config: &Arc<Config>,
    published: &Arc<Published>,
    driver: Driver,
    watch: &Arc<BrokerWatch>,
) -> Result<Vec<WorkerSettings>, StartupError> {
    let cores = nix::sched::sched_getaffinity(Pid::from_raw(0)).map_err(io::Error::from)?;
    let numbers: Vec<usize> = (0..CpuSet::count())
        .filter(|core| cores.is_set(*core).unwrap_or(false))
        .collect();
    let workers = config.workers.get();
    let producer = ProducerSettings {
        properties: config.kafka.clone().into(),
        queue_records_max: config.queue_records_max(),
        report_timeout: config.timeouts.ack + REPORT_GRACE,
        cores,
    };
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
        published: Arc::clone(published),
        producer: producer.clone(),
        watch: Arc::clone(watch),
        metrics: Arc::new(WorkerMetrics::new(TABLE.len(), Denial::ALL.len())),
        readiness: Arc::clone(&readiness),
        connections: Arc::clone(&connections),
    };
    Ok((0..workers).map(settings).collect())
}

fn exposition(
    config: &Config,
    published: &Arc<Published>,
    workers: &[WorkerSettings],
    process: &Arc<ProcessMetrics>,
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
