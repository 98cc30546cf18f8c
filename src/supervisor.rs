//! The control thread: starts, pins and restarts the workers, handles signals, publishes the active
//! snapshot, and directs the drain. It never sees a request.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    admin::AdminHandle,
    config::Config,
    document::ConfigErrors,
    jwks::Fetcher,
    metrics::ProcessMetrics,
    produce::BrokerWatch,
    readiness::{Readiness, WorkerState},
    registry::{self, RegistryError},
    snapshot::Published,
    worker::{self, Drained, WorkerError, WorkerSettings},
};

use reload::{Loaded, Reload, ReloadError};
use start::{StartupError, bind};

mod key_files;
mod reload;
mod start;

/// Serving could not start with this configuration.
const EXIT_CONFIGURATION: u8 = 1;
/// Connections were cut, or a second signal arrived.
const EXIT_NOT_DRAINED: u8 = 3;

/// Time beyond `drain_timeout_ms` for worker threads to exit.
const EXIT_GRACE: Duration = Duration::from_millis(500);

/// Delay before a worker is restarted, so that one that always fails does not keep a core busy.
const RESTART_DELAY: Duration = Duration::from_millis(100);

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
    /// A worker's thread has ended.
    WorkerEnded(usize, Result<Drained, WorkerError>),
}

/// The addresses of a process's listeners.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The public listener: ingest requests.
    pub public: SocketAddr,
    /// The management listener, if enabled.
    pub management: Option<SocketAddr>,
}

/// Serves until SIGTERM or SIGINT, then drains. SIGHUP and changed key files reload the configuration
/// and fetch the issuers' keys; without `load` SIGHUP keeps its default action and ends the process.
/// `listening` is called once requests are accepted.
///
/// Models that name a subject of the schema registry get its schema ID first.
///
/// The exit code is 0 after a complete drain, 1 if serving could not start, 3 if the drain was
/// incomplete.
pub fn run(config: Config, load: Option<Load>, listening: impl FnOnce(Addresses)) -> ExitCode {
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
    let started = forward_signals(sender.clone(), load.is_some())
        .map_err(StartupError::from)
        .and_then(|()| Supervisor::start(config, load, (sender, messages), worker::run));
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

/// Looks up the schema IDs of the models in the schema registry.
fn resolve_schema_ids(mut config: Config) -> Result<Config, RegistryError> {
    config.models = registry::resolve(config.schema_registry.as_ref(), &config.models)?;
    Ok(config)
}

/// Runs a worker on its thread, from its start to the end of the drain.
type RunWorker = fn(&WorkerSettings, TcpListener) -> Result<Drained, WorkerError>;

struct Supervisor {
    /// The active configuration; keys that need a restart have their values from the start.
    config: Arc<Config>,
    /// Fetches the keys of the configuration's issuers.
    fetcher: Fetcher,
    published: Arc<Published>,
    /// `None`: reloading is disabled.
    reload: Option<Reload>,
    workers: Vec<WorkerSettings>,
    address: SocketAddr,
    process: Arc<ProcessMetrics>,
    readiness: Arc<Readiness>,
    watch: Arc<BrokerWatch>,
    admin: Option<AdminHandle>,
    messages: mpsc::Receiver<Message>,
    sender: mpsc::Sender<Message>,
    run: RunWorker,
}

impl Supervisor {
    /// Handles events until a signal asks to stop, then drains.
    fn supervise(&mut self) -> ExitCode {
        loop {
            match self.messages.recv() {
                Err(_) | Ok(Message::Terminate) => return self.drain(),
                Ok(Message::Reload) => self.reload(),
                Ok(Message::Loaded(loaded)) => self.loaded(loaded),
                Ok(Message::KeysFetched) => {
                    self.publish();
                }
                Ok(Message::WorkerEnded(
                    _,
                    Err(error @ (WorkerError::Producer(_) | WorkerError::Io(_))),
                )) if self.process.worker_restarts() == 0 => {
                    tracing::error!("worker failed to start: {error}");
                    return ExitCode::from(EXIT_CONFIGURATION);
                }
                Ok(Message::WorkerEnded(index, Err(error))) => {
                    tracing::error!("worker {index} failed and is being restarted: {error}");
                    self.restart(index);
                }
                // Only a drain ends a worker without an error, and none has begun.
                Ok(Message::WorkerEnded(index, Ok(_))) => self.restart(index),
            }
        }
    }

    /// Restarts a worker that ended with an error: its connections are lost, the port stays bound.
    fn restart(&self, index: usize) {
        self.process.worker_restarted();
        self.readiness.set_worker(index, WorkerState::Starting);
        thread::sleep(RESTART_DELAY);
        let started = bind(self.address, true).and_then(|it| self.spawn_worker(index, it));
        if let Err(error) = started {
            // Causes the next attempt. This thread owns both ends of the channel: it is open.
            let _ = self
                .sender
                .send(Message::WorkerEnded(index, Err(error.into())));
        }
    }

    fn drain(&mut self) -> ExitCode {
        tracing::info!("draining");
        self.readiness.start_draining();
        self.watch.stop();
        let deadline = Instant::now() + self.config.timeouts.drain + EXIT_GRACE;
        let mut total = Drained::default();
        let mut complete = true;
        let mut running = self.workers.len();
        while running > 0 {
            let wait = deadline.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(wait) {
                Ok(Message::WorkerEnded(_, ended)) => {
                    running -= 1;
                    match ended {
                        Ok(drained) => {
                            total.records_undelivered += drained.records_undelivered;
                            total.connections_cut += drained.connections_cut;
                        }
                        Err(error) => {
                            tracing::error!("worker failed during the drain: {error}");
                            complete = false;
                        }
                    }
                }
                Ok(Message::Reload | Message::Loaded(_) | Message::KeysFetched) => {}
                Ok(Message::Terminate) => {
                    tracing::error!("received a second signal; exiting without draining");
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
        if complete && running == 0 && total.connections_cut == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(EXIT_NOT_DRAINED)
        }
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
                let message = match signal {
                    SIGHUP => Message::Reload,
                    _ => Message::Terminate,
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
