//! What the log says of a start: what a report of a problem needs.

use super::{Supervisor, pinning};
use crate::{config::Config, metrics::Driver};

/// Logs what starts: the version, where its configuration comes from, and its brokers. Of the environment the
/// names, as values may be secret.
pub(super) fn log_start(config: &Config) {
    let environment = config.source.environment.join(" ");
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        configuration = config.source.file,
        environment = Some(environment).filter(|names| !names.is_empty()),
        brokers = config.kafka_property("bootstrap.servers"),
        "starting"
    );
}

impl Supervisor {
    /// Logs what the process runs on, and its limits.
    pub(super) fn log_started(&self, driver_reason: &str) {
        let config = &*self.config;
        let driver = self.workers[0].settings.metrics.driver();
        let cores = self.workers.iter().filter_map(|it| it.settings.core);
        let cores = pinning::description(config.pin, &cores.collect::<Vec<_>>());
        tracing::info!(
            driver = driver.map_or("-", Driver::as_str),
            driver_reason,
            workers = self.workers.len(),
            cores,
            routes = config.models.len(),
            memory_max_bytes = config.memory_max().total(),
            in_flight_bytes_max = config.limits.in_flight_bytes_max,
            connections_max = self.workers[0].settings.connections.max(),
            body_bytes_max = config.limits.body_bytes_max,
            record_bytes_max = config.limits.record_bytes_max,
            "started"
        );
    }
}
