//! The log: on stderr, through `tracing`. No body and no credential is ever logged.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
};

use tracing_subscriber::{EnvFilter, fmt};

/// Target of [`announce`]'s lines. Never filtered out, because scripts wait for them.
const ANNOUNCEMENT: &str = "ringest::announcement";

/// What the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `filter` is in `EnvFilter`'s syntax (`RUST_LOG` is not read); invalid directives
/// are ignored, but a [`crate::config::Config`] has none. Has no effect if logging was started before.
pub fn start(format: LogFormat, filter: &str) {
    let builder = fmt()
        .with_env_filter(with_announcements(filter))
        .with_writer(io::stderr);
    let started = match format {
        LogFormat::Text => builder
            .with_target(false)
            .with_ansi(has_colours())
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was already started");
    }
}

/// Writes a line that scripts wait for to stderr: an ordinary record in a JSON log, else the line
/// alone, without time and level.
pub fn announce(format: LogFormat, line: &str) {
    match format {
        // A closed stderr is ignored.
        LogFormat::Text => {
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
        LogFormat::Json => tracing::info!(target: ANNOUNCEMENT, "{line}"),
    }
}

fn with_announcements(filter: &str) -> EnvFilter {
    let filter = EnvFilter::builder().parse_lossy(filter);
    match format!("{ANNOUNCEMENT}=info").parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter, // never: a test reads announcements
    }
}

/// Only on a terminal, and not if `NO_COLOR` is set (no-color.org).
fn has_colours() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}
