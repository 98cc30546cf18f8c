//! Reloading: a configuration is read again beside the control thread, judged as a whole, and
//! published, or refused with everything that is wrong with it.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::Sender},
    thread,
};

use super::{Load, Message, Supervisor, key_files::KeyFiles, with_schema_ids};
use crate::{
    config::{Config, NeedsRestart},
    document::ConfigErrors,
    isolation::Panicked,
    produce::{OpenError, check_whole},
    registry::Unresolved,
    snapshot::Published,
};

/// Topics of earlier configurations that producers still know, at most: librdkafka forgets one only
/// with all the others.
const TOPICS_LEFT_MAX: usize = 1_000;

/// A configuration that can be served by.
pub(super) struct Loaded {
    config: Arc<Config>,
    /// Keys that differ from those that are served by, and need a restart.
    restart: Vec<String>,
}

/// Why what was read is not served by. The operator's, but for the last.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    #[error("[kafka], after a restart: {0}")]
    Kafka(#[from] OpenError),
    #[error("it needs a restart")]
    NeedsRestart(Vec<NeedsRestart>),
    #[error(
        "{0} topics of earlier configurations are known to the producers, more than {max}: a restart \
         forgets them", max = TOPICS_LEFT_MAX
    )]
    Topics(usize),
    /// Ours.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// The system's.
    #[error("nothing could be read: {0}")]
    Thread(#[from] io::Error),
}

/// When a configuration is read again, and by whom.
pub(super) struct Reload {
    load: Arc<Load>,
    key_files: KeyFiles,
    /// Whether a thread is reading.
    loading: bool,
    /// Whether it was asked for again since that began.
    again: bool,
}

impl Reload {
    /// Asks for a reload itself when a file of keys changes.
    pub(super) fn new(load: Load, config: &Config, sender: &Sender<Message>) -> io::Result<Self> {
        let sender = sender.clone();
        let key_files = KeyFiles::watch(move || {
            tracing::info!("a file of keys has changed");
            // The control thread is gone only when the process is about to end.
            let _ = sender.send(Message::Reload);
        })?;
        key_files.set(&config.auth.key_files);
        Ok(Self {
            load: Arc::new(load),
            key_files,
            loading: false,
            again: false,
        })
    }

    /// Reads on a thread of its own: a disk or a registry may be slow, and a drain must not wait for
    /// either. However often it is asked for meanwhile, it is done once more.
    fn begin(&mut self, running: &Arc<Config>, published: &Arc<Published>, to: &Sender<Message>) {
        if self.loading {
            self.again = true;
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
                let loaded = loaded.unwrap_or_else(|panic| Err(Panicked::from(panic).into()));
                // The control thread is gone only when the process is about to end.
                let _ = sender.send(Message::Loaded(loaded));
            });
        self.loading = true;
        if let Err(error) = spawned {
            // The channel is open as long as both its ends are ours.
            let _ = to.send(Message::Loaded(Err(error.into())));
        }
    }

    /// The thread has ended; whether it is to be done once more.
    fn ended(&mut self) -> bool {
        self.loading = false;
        std::mem::take(&mut self.again)
    }
}

impl Supervisor {
    /// Begins a reload, if there is something to load.
    pub(super) fn reload(&mut self) {
        if let Some(reload) = &mut self.reload {
            reload.begin(&self.config, &self.published, &self.sender);
        }
    }

    /// Serves by what was loaded, if it is good.
    pub(super) fn loaded(&mut self, loaded: Result<Loaded, Refused>) {
        match loaded {
            Ok(loaded) => self.serve_by(loaded),
            Err(refused) => {
                refused.log();
                tracing::error!("not reloaded: what was served before is served on");
                self.process.reloaded(false);
                self.fetcher.refresh_all();
            }
        }
        if self.reload.as_mut().is_some_and(Reload::ended) {
            self.reload();
        }
    }

    fn serve_by(&mut self, Loaded { config, restart }: Loaded) {
        if let Err(error) = self.fetcher.follow(&config.auth.issuers) {
            tracing::error!("no thread for issuers' keys, which are fetched as before: {error}");
        }
        if let Some(reload) = &self.reload {
            reload.key_files.set(&config.auth.key_files);
        }
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if !restart.is_empty() {
            let keys = restart.join(", ");
            tracing::warn!("restart to have these changed, which are as before until then: {keys}");
        }
        self.config = config;
        let generation = self.publish();
        self.process.reloaded(true);
        tracing::info!(
            generation,
            "reloaded: serving {} routes",
            self.config.models.len()
        );
    }

    /// Has requests that begin from now on served by the configuration as it is, and by the keys
    /// that were fetched last; which generation that is.
    pub(super) fn publish(&self) -> u64 {
        let before = self.published.latest();
        let fetched = self.fetcher.fetched(&self.config.auth.issuers);
        let snapshot = before.succeeded_by(&self.config, &fetched);
        let generation = snapshot.generation;
        self.published.publish(snapshot);
        generation
    }
}

impl Refused {
    /// Everything, one line each.
    fn log(&self) {
        match self {
            Self::Config(errors) => errors.iter().for_each(|it| tracing::error!("{it}")),
            Self::Unresolved(failures) => failures.iter().for_each(|it| tracing::error!("{it}")),
            Self::NeedsRestart(reasons) => reasons.iter().for_each(|it| tracing::error!("{it}")),
            Self::Kafka(_) | Self::Topics(_) | Self::Panicked(_) | Self::Thread(_) => {
                tracing::error!("{self}");
            }
        }
    }
}

/// Reads a configuration and judges it beside the one that is running.
fn read(load: &Load, running: &Config, published: &Published) -> Result<Loaded, Refused> {
    let new = with_schema_ids(load()?)?;
    if new.kafka != running.kafka {
        check_whole(&new.kafka)?;
    }
    let (config, restart) = running.reloaded(new).map_err(Refused::NeedsRestart)?;
    let routes = published.latest();
    let routes = (routes.routes).succeeded_by(&config.listen.path_prefix, &config.models);
    match routes.topics_left() {
        left if left > TOPICS_LEFT_MAX => Err(Refused::Topics(left)),
        _ => Ok(Loaded {
            config: Arc::new(config),
            restart,
        }),
    }
}

#[cfg(test)]
mod tests;
