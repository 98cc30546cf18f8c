//! The handle of the thread that fetches one issuer's keys.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::{
    refresher::Refresher,
    shared::{FetchRequest, Shared, Source},
};
use crate::{auth::FetchedKeys, metrics::KeyFetches};

/// A handle; the thread ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) source: Arc<Source>,
    shared: Arc<Shared>,
    requests: mpsc::Sender<FetchRequest>,
}

impl Task {
    /// Starts the thread. `changed` is called whenever the keys have changed.
    pub(super) fn start(
        source: Source,
        refresh: Duration,
        changed: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<Self> {
        let (requests, received) = mpsc::channel();
        let source = Arc::new(source);
        let shared = Arc::new(Shared::new(&source.issuer));
        let refresher = Refresher::new(&source, &shared, received, refresh, changed);
        thread::Builder::new()
            .name("ringest-jwks".to_owned())
            .spawn(move || refresher.run())?;
        Ok(Self {
            source,
            shared,
            requests,
        })
    }

    /// Fetches at once.
    pub(super) fn fetch(&self, request: FetchRequest) {
        // The thread lives as long as this does.
        let _ = self.requests.send(request);
    }

    /// The current keys.
    pub(super) fn fetched(&self) -> FetchedKeys {
        FetchedKeys {
            keys: self.shared.keys().clone(),
            unknown_key_seen: Arc::clone(&self.shared.unknown_key_seen),
        }
    }

    /// Its metrics.
    pub(super) fn counted(&self) -> Arc<KeyFetches> {
        Arc::clone(&self.shared.fetches)
    }
}
