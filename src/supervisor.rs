//! The control thread: starts, pins, watches and restarts the workers, handles signals, publishes the
//! active snapshot, and directs the drain. It never sees a request, and waits for nothing but its own
//! messages.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    admin::AdminHandle,
    config::{Config, ListenAddress},
    document::ConfigErrors,
    jwks::Fetcher,
    metrics::ProcessMetrics,
    oauth::TokenRefresher,
    produce::BrokerWatch,
    readiness::Readiness,
    registry::{self, RegistryError},
    snapshot::Published,
    traces::{LastExport, Tracer},
    worker::{self, Drained, WorkerError, WorkerSettings},
};

use acceptor::Acceptor;
use drain::{Delay, ExitDeadline};
use reload::{Loaded, Reload, ReloadError};
use service_manager::{Event, ServiceManager};
use start::{START_INTERVAL, Start, StartupError};
use start_log::log_start;
use workers::{WATCH_INTERVAL, Worker};

mod acceptor;
mod drain;
mod key_files;
mod pinning;
mod reload;
mod service_manager;
mod start;
mod start_log;
mod unix_socket;
mod workers;

/// Serving could not start with this configuration.
const EXIT_CONFIGURATION: u8 = 1;
/// Connections were cut, a worker did not end in time, or a second signal arrived.
const EXIT_NOT_DRAINED: u8 = 3;
/// A worker was stuck for `worker_stuck_ms`, or failed again and again.
const EXIT_WORKER_LOST: u8 = 4;

/// Loads the configuration from the file that was read at the start.
pub type Load = Box<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// An event for the control thread.
enum Message {
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGHUP, or a key file has changed.
    Reload,
    /// The configuration was loaded for a reload.
    Loaded(Result<Loaded, ReloadError>),
    /// The fetched keys of an issuer have changed.
    KeysFetched,
    /// A worker's drain is over; its thread may still run.
    Drained(usize, Drained),
    /// A worker's thread has ended.
    WorkerEnded(usize, Result<(), WorkerError>),
}

/// Why serving ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// A signal asked for it.
    Signal,
    /// A worker could not start for the first time.
    StartFailed,
    /// A worker was stuck for too long, or failed too often.
    WorkerLost,
}

/// The addresses of a process's listeners.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The public listener: ingest requests.
    pub public: ListenAddress,
    /// The management listener, if enabled.
    pub management: Option<SocketAddr>,
}

/// Serves until SIGTERM or SIGINT and for `drain_delay_ms` from then on, which a second signal ends, and then
/// drains. SIGHUP and changed files reload the configuration and fetch the issuers' keys; without `load`, and
/// with `--dev`, SIGHUP keeps its default action and ends the process. `listening` is called once every worker
/// accepts requests.
///
/// Models that name a subject of the schema registry get its schema ID first.
///
/// The exit code is 0 after a complete drain, 1 if serving could not start, 3 if the drain was
/// incomplete, 4 if a worker was stuck or failed for too long.
pub fn run(config: Config, load: Option<Load>, listening: impl FnOnce(Addresses)) -> ExitCode {
    log_start(&config);
    // Before the signal handlers are installed: Ctrl-C must end the wait for a registry.
    let config = match resolve_schema_ids(config) {
        Ok(config) => config,
        Err(unresolved) => {
            for failure in unresolved.iter() {
                tracing::error!("{failure}");
            }
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    let (sender, messages) = mpsc::channel();
    let started = forward_signals(sender.clone(), load.is_some() && !config.is_dev)
        .map_err(StartupError::from)
        .and_then(|()| Supervisor::start(config, load, (sender, messages), worker::run));
    let (mut supervisor, addresses) = match started {
        Ok(started) => started,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    let code = supervisor.supervise(|| listening(addresses));
    if let Some(deadline) = supervisor.exit_deadline.take() {
        deadline.keep();
    }
    code
}

/// Looks up the schema IDs of the models in the schema registry.
fn resolve_schema_ids(mut config: Config) -> Result<Config, RegistryError> {
    config.models = registry::resolve(config.schema_registry.as_ref(), &config.models)?;
    Ok(config)
}

/// Runs a worker on its thread; the function is called at the end of its drain.
type RunWorker =
    fn(&WorkerSettings, Option<TcpListener>, &dyn Fn(Drained)) -> Result<(), WorkerError>;

struct Supervisor {
    /// The active configuration; keys that need a restart have their values from the start.
    config: Arc<Config>,
    /// Fetches the keys of the configuration's issuers.
    fetcher: Fetcher,
    /// Gets tokens for the brokers.
    tokens: TokenRefresher,
    published: Arc<Published>,
    /// `None`: reloading is disabled.
    reload: Option<Reload>,
    workers: Vec<Worker>,
    /// Where the workers share sockets: accepts for them.
    acceptor: Option<Acceptor>,
    /// When the workers' heartbeats were last looked at.
    watched_at: Instant,
    /// That each worker has a listener of its own on; `None`: the acceptor accepts for them.
    address: Option<SocketAddr>,
    process: Arc<ProcessMetrics>,
    readiness: Arc<Readiness>,
    watch: Arc<BrokerWatch>,
    traces: Option<(Arc<Tracer>, LastExport)>,
    admin: Option<AdminHandle>,
    messages: mpsc::Receiver<Message>,
    sender: mpsc::Sender<Message>,
    run: RunWorker,
    /// Until every worker serves for the first time.
    start: Option<Start>,
    /// Once a signal has asked to end, if the drain begins later.
    delay: Option<Delay>,
    service_manager: ServiceManager,
    /// Once a drain has begun.
    exit_deadline: Option<ExitDeadline>,
}

impl Supervisor {
    /// Handles events until serving ends, then drains. `listening` is called once every worker serves.
    fn supervise(&mut self, listening: impl FnOnce()) -> ExitCode {
        let mut listening = Some(listening);
        loop {
            let is_starting = self.start.is_some();
            let pause = if is_starting {
                START_INTERVAL
            } else {
                WATCH_INTERVAL
            };
            // The control thread owns both ends of the channel: it is open.
            let message = self.messages.recv_timeout(pause).ok();
            let ending = message.and_then(|message| self.handle(message));
            let ending = ending.or_else(|| self.end_of_delay());
            match ending.or_else(|| self.watch_workers()) {
                None => {}
                Some(Ending::StartFailed) => return ExitCode::from(EXIT_CONFIGURATION),
                Some(ending) => return self.drain(ending),
            }
            if self.has_started()
                && let Some(listening) = listening.take()
            {
                self.service_manager.notify(Event::Ready);
                listening();
            }
        }
    }

    fn handle(&mut self, message: Message) -> Option<Ending> {
        match message {
            Message::Terminate => return self.terminate(),
            Message::Reload => self.reload(),
            Message::Loaded(loaded) => self.loaded(loaded),
            Message::KeysFetched => {
                self.publish();
            }
            // The worker's thread is about to end.
            Message::Drained(..) => {}
            Message::WorkerEnded(index, ended) => return self.worker_ended(index, ended),
        }
        None
    }
}

/// Turns SIGTERM and SIGINT into messages, and SIGHUP if reloading is enabled.
fn forward_signals(sender: mpsc::Sender<Message>, reloads: bool) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    if reloads {
        signals.add_signal(SIGHUP)?;
    }
    thread::Builder::new()
        .name("ringest-signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
                let message = if signal == SIGHUP {
                    tracing::info!("received {name}: reloading");
                    Message::Reload
                } else {
                    tracing::info!("received {name}: shutting down");
                    Message::Terminate
                };
                if sender.send(message).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}

#[cfg(test)]
mod tests;
