//! The log: on stderr, through `tracing`. No body and no credential is ever logged.

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogFormat;

/// Starts logging. `filter` is in `EnvFilter`'s syntax (`RUST_LOG` plays no part); directives that
/// don't parse are left out, but a [`crate::config::Config`] has none. Does nothing when the
/// process logs already.
pub fn start(format: LogFormat, filter: &str) {
    let builder = fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(filter))
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("the process logs already");
    }
}
