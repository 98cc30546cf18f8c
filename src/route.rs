//! From a request's path to a route: one hash look-up, no allocation.

use std::sync::Arc;

use crate::model::Model;

/// One entry of the route table.
#[derive(Debug)]
pub struct Route {
    /// Where its metrics and its topic handle are: 0..routes, in the order of the models.
    pub index: usize,
    /// What is expected and where it goes.
    pub model: Arc<Model>,
    /// `/ingest/<name>/<version>` as declared.
    pub path: String,
    /// Whether `/ingest/<name>` leads here as well.
    pub latest: bool,
}
