//! The configuration that can change at run time: an immutable snapshot, published by the control
//! thread and picked up by each worker between requests.

use std::{collections::HashMap, sync::Arc};

use crate::{
    auth::{AuthMode, FetchedKeys, KeySet},
    config::Config,
    cors::Cors,
    log::RequestLines,
    metrics::{Principals, RouteMetrics},
    model::{Model, Schema},
    outcome::TABLE,
    published,
    route::RouteTable,
    tls::Tls,
};

/// Routes with their models, and the keys that authenticate requests.
#[derive(Debug)]
pub struct Snapshot {
    /// Number of the snapshot in this process; data derived from another generation is invalid.
    pub generation: u64,
    /// All routes.
    pub routes: Arc<RouteTable>,
    /// Keys for authentication; `None`: requests need no credential.
    pub keys: Option<Arc<KeySet>>,
    /// TLS of connections that begin; `None`: they are plain.
    pub tls: Option<Arc<Tls>>,
    /// Verified credentials in the cache of each worker, at most.
    pub cache_entries: usize,
    /// Which pages may send; `None`: browsers let none of another origin do so.
    pub cors: Option<Arc<Cors>>,
    /// Which requests have a line in the log.
    pub log: RequestLines,
    /// Metrics of each route, by the worker's index, then by the route's.
    pub metrics: Vec<RouteRows>,
    /// Metrics of each principal.
    pub principals: Arc<Principals>,
}

/// One worker's metrics of each route, by the route's index.
pub type RouteRows = Vec<Arc<RouteMetrics>>;

impl Snapshot {
    /// The first snapshot of a process. `fetched` has an entry for each issuer of the configuration.
    ///
    /// # Panics
    /// As [`Snapshot::succeeded_by`].
    pub fn first(config: &Config, fetched: &[Arc<FetchedKeys>]) -> Self {
        let nothing = Self {
            generation: 0,
            routes: Arc::new(RouteTable::new(&[])),
            keys: None,
            tls: None,
            cache_entries: 0,
            cors: None,
            log: config.log.requests,
            metrics: vec![Vec::new(); config.workers.get()],
            principals: Arc::new(Principals::new(config.workers.get())),
        };
        Self {
            generation: 0,
            ..nothing.succeeded_by(config, fetched)
        }
    }

    /// The snapshot that replaces this one: topics keep their indices, and routes whose path stays the
    /// same keep their metrics.
    ///
    /// # Panics
    /// If a schema ID has not been looked up: records would lack their prefix.
    #[must_use]
    pub fn succeeded_by(&self, config: &Config, fetched: &[Arc<FetchedKeys>]) -> Self {
        let unresolved = |model: &Arc<Model>| matches!(model.schema, Some(Schema::Subject { .. }));
        assert!(
            !config.models.iter().any(unresolved),
            "every schema ID is looked up before a snapshot is made"
        );
        let routes = (self.routes).succeeded_by(&config.listen.path_prefix, &config.models);
        let routes = Arc::new(routes);
        Self {
            generation: self.generation + 1,
            keys: match config.auth.mode {
                AuthMode::None => None,
                AuthMode::Required => Some(KeySet::new(&config.auth, fetched, &routes)),
            },
            tls: config.listen.tls.clone(),
            cache_entries: config.auth.cache_entries,
            cors: config.listen.cors.clone(),
            log: config.log.requests,
            metrics: self.metrics_of(&routes),
            principals: Arc::clone(&self.principals),
            routes,
        }
    }

    fn metrics_of(&self, routes: &RouteTable) -> Vec<RouteRows> {
        let before = self.routes.routes().iter();
        let before: HashMap<_, _> = before.map(|it| (it.path.as_str(), it.index)).collect();
        let rows_of = |worker: &RouteRows| {
            let rows = routes.routes().iter().map(|route| {
                let row = before.get(route.path.as_str()).map(|index| &worker[*index]);
                row.map_or_else(|| Arc::new(RouteMetrics::new(TABLE.len())), Arc::clone)
            });
            rows.collect()
        };
        self.metrics.iter().map(rows_of).collect()
    }
}

/// The latest snapshot. Its generation is the one that it is published as: each is made from the one before
/// it ([`Snapshot::succeeded_by`]) and published.
pub type Published = published::Published<Snapshot>;

#[cfg(test)]
mod tests;
