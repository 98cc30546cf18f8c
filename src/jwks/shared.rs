//! What the thread that fetches one issuer's keys shares with its handle.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::Algorithm;

use crate::{
    auth::{FetchedKeys, Issuer, JwksUrl, KeySource},
    metrics::KeyFetches,
};

/// What the fetched keys depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) issuer: Box<str>,
    pub(super) url: String,
    pub(super) algorithms: Vec<Algorithm>,
}

/// How often a set is fetched, and how long it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// Maximum time between two fetches.
    pub(super) refresh: Duration,
    /// How long a set that can't be fetched again stays in use; `None`: as long as the process runs.
    pub(super) stale_max: Option<Duration>,
}

impl Source {
    /// The source and its schedule; `None` for an issuer whose keys are not at a URL.
    pub(super) fn of(issuer: &Issuer) -> Option<(Self, Schedule)> {
        let KeySource::Url(JwksUrl {
            url,
            refresh,
            stale_max,
        }) = &issuer.keys
        else {
            return None;
        };
        let source = Self {
            issuer: issuer.issuer.clone(),
            url: url.clone(),
            algorithms: issuer.algorithms.clone(),
        };
        let schedule = Schedule {
            refresh: *refresh,
            stale_max: *stale_max,
        };
        Some((source, schedule))
    }
}

/// State shared by the thread and its owner.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) keys: Arc<FetchedKeys>,
    pub(super) fetches: Arc<KeyFetches>,
}

/// A message to the thread.
#[derive(Debug)]
pub(super) enum Request {
    /// Fetch at once; with a schedule, replace the previous one.
    Fetch(Option<Schedule>),
    /// A token may cause a fetch: [`FetchedKeys::wanted`].
    Wanted,
    /// The owner is gone.
    Stop,
}
