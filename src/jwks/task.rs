//! The handle of the thread that fetches one issuer's keys.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};

use super::{
    refresher::Refresher,
    shared::{Request, Schedule, Shared, Source},
};
use crate::{auth::FetchedKeys, metrics::KeyFetches};

/// A handle; the thread ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) source: Arc<Source>,
    shared: Shared,
    requests: Arc<Requests>,
}

/// The owner's end of the channel to the thread. The workers have others, to ask for a fetch.
#[derive(Debug)]
struct Requests(mpsc::Sender<Request>);

impl Drop for Requests {
    fn drop(&mut self) {
        // An error means that the thread has ended.
        let _ = self.0.send(Request::Stop);
    }
}

impl Task {
    /// Starts the thread. `changed` is called whenever the keys have changed.
    pub(super) fn start(
        source: Source,
        schedule: Schedule,
        changed: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<Self> {
        let (requests, received) = mpsc::channel();
        let wake = requests.clone();
        let keys = FetchedKeys::new(move || {
            // An error means that the thread has ended.
            let _ = wake.send(Request::Wanted);
        });
        let source = Arc::new(source);
        let shared = Shared {
            keys: Arc::new(keys),
            fetches: Arc::new(KeyFetches::new(&source.issuer)),
        };
        let refresher = Refresher::new(&source, shared.clone(), received, schedule, changed);
        thread::Builder::new()
            .name("ringest-jwks".to_owned())
            .spawn(move || refresher.run())?;
        Ok(Self {
            source,
            shared,
            requests: Arc::new(Requests(requests)),
        })
    }

    /// Fetches at once; with a schedule, replaces the previous one.
    pub(super) fn fetch(&self, schedule: Option<Schedule>) {
        // The thread lives as long as this does.
        let _ = self.requests.0.send(Request::Fetch(schedule));
    }

    /// The current keys.
    pub(super) fn fetched(&self) -> Arc<FetchedKeys> {
        Arc::clone(&self.shared.keys)
    }

    /// Its metrics.
    pub(super) fn counted(&self) -> Arc<KeyFetches> {
        Arc::clone(&self.shared.fetches)
    }
}
