//! The control thread: starts, pins and restarts the workers, listens for signals, publishes what
//! requests are served by, orders the drain. It never sees a request.

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
    registry::{self, Unresolved},
    snapshot::Published,
    worker::{self, Drained, WorkerError, WorkerSettings},
};

use reload::{Loaded, Refused, Reload};
use start::{StartupError, bind};

mod key_files;
mod reload;
mod start;

/// The configuration cannot work, as it turned out when it was tried.
const EXIT_CONFIGURATION: u8 = 1;
/// Connections had to be cut, or the second signal came.
const EXIT_NOT_DRAINED: u8 = 3;

/// How long a worker that has ended may take to end for good, after the drain's time.
const LAST_EXIT: Duration = Duration::from_millis(500);

/// Before a worker is started again, so that one that always fails does not keep a core busy.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// Reads the configuration again, from where it was read at the start.
pub type Load = Box<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// What the control thread is told.
enum Message {
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGHUP, or a file of keys is another one.
    Reload,
    /// What came of reading the configuration again.
    Loaded(Result<Loaded, Refused>),
    /// There are other keys of an issuer's than before.
    KeysFetched,
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

/// Serves until SIGTERM or SIGINT, and drains. On SIGHUP, and when a file of keys changes, the
/// configuration is loaded again and issuers' keys are fetched; without `load` SIGHUP does what it does by itself, and ends the
/// process. When requests can be sent, `listening` is told where.
///
/// First of all the schema registry is asked, where models name subjects of it.
///
/// The exit code is 0 after a whole drain, 1 where serving could not start, 3 where it had to be cut
/// short.
pub fn run(config: Config, load: Option<Load>, listening: impl FnOnce(Addresses)) -> ExitCode {
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

/// Its models as workers need them: each schema by its number.
fn with_schema_ids(mut config: Config) -> Result<Config, Unresolved> {
    config.models = registry::resolve(config.schema_registry.as_ref(), &config.models)?;
    Ok(config)
}

/// A worker's life on its thread, from its start to the end of the drain.
type RunWorker = fn(&WorkerSettings, TcpListener) -> Result<Drained, WorkerError>;

struct Supervisor {
    /// What is served by: of a reload what can be changed, else as at the start.
    config: Arc<Config>,
    /// Fetches the keys of its issuers.
    fetcher: Fetcher,
    published: Arc<Published>,
    /// `None`: there is nothing to load again.
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
    /// Waits for signals, for what is loaded again, and for workers that end before their time; then
    /// for the drain.
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
        let until = Instant::now() + self.config.timeouts.drain + LAST_EXIT;
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
                Ok(Message::Reload | Message::Loaded(_) | Message::KeysFetched) => {}
                Ok(Message::Terminate) => {
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

/// SIGTERM and SIGINT become messages, and SIGHUP where there is something to load again.
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
