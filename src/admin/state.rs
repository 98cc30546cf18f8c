//! The data that the management listener serves.

use std::sync::Arc;

use super::{exposition::Exposition, page::PageFacts};
use crate::{
    connections::Connections, readiness::Readiness, samples::Samples, snapshot::Published,
};

/// The data that the management listener serves.
#[derive(Debug)]
pub struct AdminState {
    /// Its latest snapshot has the routes for `/routes` and `/openapi.json`; both return the same JSON
    /// as `--list-routes --format json` and `--format openapi`.
    pub published: Arc<Published>,
    /// Encodes `/metrics`.
    pub exposition: Exposition,
    /// The state behind `/health` and `/ready`.
    pub readiness: Arc<Readiness>,
    /// Whether they are full, for `/ready`.
    pub connections: Arc<Connections>,
    /// For the page.
    pub page: PageFacts,
    /// Those of `/samples`; `None`: 404.
    pub samples: Option<Arc<Samples>>,
}
