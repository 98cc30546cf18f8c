//! Reloading: a configuration is loaded and validated on a thread of its own, then published; if it is
//! invalid, all its errors are logged and the previous one stays active.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::Sender},
    thread,
};

use super::{Event, Load, Message, Supervisor, key_files::KeyFiles, resolve_schema_ids};
use crate::{
    config::{Config, RestartRequiredError},
    document::ConfigErrors,
    isolation::PanicError,
    log,
    registry::RegistryError,
    snapshot::Published,
};

/// Bound on topics of earlier configurations: requests may still use them, so that each keeps its index.
const STALE_TOPICS_MAX: usize = 1_000;

/// A valid configuration, ready to be published.
pub(super) struct Loaded {
    config: Arc<Config>,
    /// Changed keys that need a restart to take effect.
    needs_restart: Vec<String>,
}

/// Why a reload failed. The fault of the operator, except for the last two.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The running producers keep their properties, but the next start would fail.
    #[error("[kafka]: {0}")]
    Kafka(String),
    #[error("these changes need a restart")]
    NeedsRestart(Vec<RestartRequiredError>),
    #[error(
        "the workers still hold {0} topics of earlier configurations, more than {max}; restart \
         ringest to release them", max = STALE_TOPICS_MAX
    )]
    StaleTopics(usize),
    /// A bug in ringest.
    #[error(transparent)]
    Panicked(#[from] PanicError),
    /// The fault of the system.
    #[error("can't start a thread to load the configuration: {0}")]
    Thread(#[from] io::Error),
}

/// Loads configurations, one at a time.
pub(super) struct Reload {
    load: Arc<Load>,
    key_files: KeyFiles,
    /// Whether a load is running.
    loading: bool,
    /// Whether another reload was requested since it began.
    requested: bool,
}

impl Reload {
    /// Also watches the key files; a change requests a reload.
    pub(super) fn new(load: Load, config: &Config, sender: &Sender<Message>) -> io::Result<Self> {
        let sender = sender.clone();
        let key_files = KeyFiles::watch(move |files| {
            tracing::info!(?files, "a watched file has changed; reloading");
            // The control thread is gone only when the process is about to end.
            let _ = sender.send(Message::Reload);
        })?;
        key_files.set(config.watched());
        Ok(Self {
            load: Arc::new(load),
            key_files,
            loading: false,
            requested: false,
        })
    }

    /// Starts a thread that loads the configuration: a disk or a registry may be slow, and a drain must
    /// not wait for either. Any number of requests meanwhile cause one more load.
    fn begin(&mut self, running: &Arc<Config>, published: &Arc<Published>, to: &Sender<Message>) {
        if self.loading {
            self.requested = true;
            return;
        }
        let load = Arc::clone(&self.load);
        let (running, published) = (Arc::clone(running), Arc::clone(published));
        let sender = to.clone();
        let spawned = thread::Builder::new()
            .name("ringest-reload".to_owned())
            .spawn(move || {
                let load = || read(&load, &running, &published);
                let loaded = catch_unwind(AssertUnwindSafe(load));
                let loaded = loaded.unwrap_or_else(|panic| Err(PanicError::from(panic).into()));
                // The control thread is gone only when the process is about to end.
                let _ = sender.send(Message::Loaded(loaded));
            });
        self.loading = true;
        if let Err(error) = spawned {
            // The control thread owns both ends of the channel: it is open.
            let _ = to.send(Message::Loaded(Err(error.into())));
        }
    }

    /// Notes that a load has ended; `true` if another reload was requested meanwhile.
    fn ended(&mut self) -> bool {
        self.loading = false;
        std::mem::take(&mut self.requested)
    }
}

impl Supervisor {
    /// Begins a reload, if reloading is enabled.
    pub(super) fn reload(&mut self) {
        if let Some(reload) = &mut self.reload {
            reload.begin(&self.config, &self.published, &self.sender);
            self.service_manager.notify(Event::Reloading);
        }
    }

    /// Activates the loaded configuration; on an error the previous one stays active.
    pub(super) fn loaded(&mut self, loaded: Result<Loaded, ReloadError>) {
        match loaded {
            Ok(loaded) => self.activate(loaded),
            Err(error) => {
                error.log();
                tracing::error!("reload failed; keeping the previous configuration");
                self.process.reloaded(false);
                self.fetcher.refresh_all();
            }
        }
        if self.reload.as_mut().is_some_and(Reload::ended) {
            self.reload();
        } else if self.start.is_none() {
            self.service_manager.notify(Event::Ready);
        }
    }

    fn activate(&mut self, loaded: Loaded) {
        let Loaded {
            config,
            needs_restart,
        } = loaded;
        if let Err(error) = self.fetcher.follow(&config.auth.issuers) {
            tracing::error!(
                "can't start a thread to fetch keys; keeping the previous issuers: {error}"
            );
        }
        if let Some(reload) = &self.reload {
            reload.key_files.set(config.watched());
        }
        log::set(&config.log);
        // The others were logged before, and hold as they did.
        let before = &self.config.warnings;
        for warning in config.warnings.iter().filter(|it| !before.contains(it)) {
            tracing::warn!("{warning}");
        }
        if !needs_restart.is_empty() {
            let keys = needs_restart.join(", ");
            tracing::warn!("these keys need a restart to take effect: {keys}");
        }
        self.watch.expect(config.expected_topics());
        self.access_brokers(&config);
        self.config = config;
        let generation = self.publish();
        self.process.reloaded(true);
        tracing::info!(
            generation,
            routes = self.config.models.len(),
            "configuration reloaded"
        );
    }

    /// Hands changed credentials and certificates to the producers, which are replaced then.
    fn access_brokers(&mut self, config: &Config) {
        if !config.has_same_kafka(&self.config) {
            tracing::info!(
                "the credentials for the Kafka brokers have changed; replacing the producers"
            );
            self.watch.access().replace_properties(config.kafka.clone());
            self.watch.refresh();
        }
        if let Err(error) = self
            .tokens
            .follow(config.tokens.as_ref(), self.watch.on_token())
        {
            tracing::error!("can't start a thread to get tokens: {error}");
        }
    }

    /// Publishes a snapshot of the active configuration and the latest fetched keys, for requests that
    /// begin from now on. Returns its generation.
    pub(super) fn publish(&self) -> u64 {
        let before = self.published.latest();
        let fetched = self.fetcher.fetched(&self.config.auth.issuers);
        let snapshot = before.succeeded_by(&self.config, &fetched);
        self.published.publish(snapshot)
    }
}

impl ReloadError {
    /// Logs every error, one line each.
    fn log(&self) {
        match self {
            Self::Config(errors) => errors.iter().for_each(|it| tracing::error!("{it}")),
            Self::Registry(failures) => failures.iter().for_each(|it| tracing::error!("{it}")),
            Self::NeedsRestart(reasons) => reasons.iter().for_each(|it| tracing::error!("{it}")),
            Self::Kafka(_) | Self::StaleTopics(_) | Self::Panicked(_) | Self::Thread(_) => {
                tracing::error!("{self}");
            }
        }
    }
}

/// Loads a configuration and checks that it can replace the running one.
fn read(load: &Load, running: &Config, published: &Published) -> Result<Loaded, ReloadError> {
    let new = resolve_schema_ids(load()?)?;
    if !new.has_same_kafka(running) {
        new.check_kafka().map_err(ReloadError::Kafka)?;
    }
    let (config, needs_restart) = (running.reloaded(new)).map_err(ReloadError::NeedsRestart)?;
    let routes = published.latest();
    let routes = (routes.routes).succeeded_by(&config.listen.path_prefix, &config.models);
    match routes.topics_left() {
        stale if stale > STALE_TOPICS_MAX => Err(ReloadError::StaleTopics(stale)),
        _ => Ok(Loaded {
            config: Arc::new(config),
            needs_restart,
        }),
    }
}

#[cfg(test)]
mod tests;
