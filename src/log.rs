//! The log: on stderr, through `tracing`. No body and no credential is ever logged.
//!
//! Nothing here blocks or fails as stderr may: lines go into a bounded queue (`queue`) that a thread of its
//! own writes. What is not written is counted. What clients or brokers can cause again and again is logged
//! once a second (`kind`).

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env,
    io::{self, IsTerminal as _},
    panic,
    sync::OnceLock,
    thread,
    time::Duration,
};

use jiff::Timestamp;
use tracing::Level;
use tracing_subscriber::{
    Layer as _, filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

pub(crate) use kind::{Kind, Kinds, Line};
pub(crate) use queue::{LineQueue, MEMORY_MAX};

mod kind;
mod queue;

/// Target of lines that pass every filter: scripts wait for them.
const ANNOUNCEMENT: &str = "ringest::announcement";

/// Target of the messages of panics, which pass every filter too: each is a bug.
const PANIC: &str = "ringest::panic";

/// How long the last lines may take to be written before the process exits.
pub(crate) const FINISH_WITHIN: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<LineQueue> = OnceLock::new();

/// What the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// For a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which requests a line is logged of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RequestLog {
    /// Of none; but of faults of the server and the brokers, one a second and code.
    None,
    /// Of refused ones, some a second and code.
    Refused,
    /// Of all kinds, some a second and code.
    Sampled,
    /// Of each.
    All,
}

/// Writes the last lines when it is dropped, also by a panic of the thread that holds it.
#[must_use]
pub struct LogGuard(());

impl Drop for LogGuard {
    fn drop(&mut self) {
        finish();
    }
}

/// Starts logging, messages of panics included. `RUST_LOG` is not read. Of several calls the first
/// one's format and filter stay.
///
/// # Errors
/// Of the system: stderr cannot be duplicated, or the thread that writes cannot be created.
#[expect(
    clippy::disallowed_methods,
    reason = "its descriptor is duplicated here; only the queue's thread writes to it"
)]
pub fn start(format: LogFormat, filter: &Targets) -> io::Result<LogGuard> {
    let notice = match format {
        LogFormat::Text => text_notice,
        LogFormat::Json => json_notice,
    };
    let queue = LineQueue::start("ringest-log", io::stderr(), notice, kind::report_repeated)?;
    let queue = QUEUE.get_or_init(|| queue);
    let layer = match format {
        LogFormat::Text => fmt::layer()
            .with_writer(move || queue)
            .with_target(false)
            .with_ansi(has_colours())
            .boxed(),
        LogFormat::Json => fmt::layer()
            .with_writer(move || queue)
            .json()
            .flatten_event(true)
            .boxed(),
    };
    let filter = filter
        .clone()
        .with_target(ANNOUNCEMENT, Level::INFO)
        .with_target(PANIC, Level::ERROR);
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    if subscriber.try_init().is_err() {
        tracing::debug!("logging was already started");
    }
    panic::set_hook(Box::new(log_panic));
    Ok(LogGuard(()))
}

/// Waits for the lines so far to be written, a second at the most. Later lines are dropped: call it
/// last, and before [`std::process::exit`].
pub fn finish() {
    if let Some(queue) = QUEUE.get() {
        queue.finish(FINISH_WITHIN);
    }
}

/// Lines that were not written so far: the queue was full, or stderr failed.
pub fn lines_dropped() -> u64 {
    QUEUE.get().map_or(0, LineQueue::dropped)
}

/// Writes a line that scripts wait for: an ordinary record in a JSON log, else the line alone, without
/// time and level. Nothing before [`start`].
pub fn announce(format: LogFormat, line: &str) {
    match format {
        LogFormat::Text => {
            if let Some(queue) = QUEUE.get() {
                queue.push(format!("{line}\n").as_bytes());
            }
        }
        LogFormat::Json => tracing::info!(target: ANNOUNCEMENT, "{line}"),
    }
}

/// Replaces the standard library's hook, which writes to stderr on the thread that panics.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    static PANICS: Kind = Kind::new("panicked", Level::ERROR);
    let Some(Line { count }) = PANICS.admit() else {
        return;
    };
    let message = info.payload_as_str().unwrap_or("no message");
    let location = info.location().map(tracing::field::display);
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    // As the standard library's: only if RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let is_captured = backtrace.status() == BacktraceStatus::Captured;
    let backtrace = is_captured.then(|| tracing::field::display(backtrace));
    tracing::error!(target: PANIC, count, thread, location, backtrace, "panicked: {message}");
}

fn text_notice(dropped: u64) -> String {
    let now = Timestamp::now();
    format!(
        "{now:.6}  WARN log lines were dropped because stderr did not accept them count={dropped}\n"
    )
}

fn json_notice(dropped: u64) -> String {
    let now = Timestamp::now();
    format!(
        r#"{{"timestamp":"{now:.6}","level":"WARN","message":"log lines were dropped because stderr did not accept them","count":{dropped},"target":"ringest::log"}}"#
    ) + "\n"
}

/// Only on a terminal, and not if `NO_COLOR` is set (no-color.org).
#[expect(clippy::disallowed_methods, reason = "nothing is written")]
fn has_colours() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

#[cfg(test)]
mod tests;
