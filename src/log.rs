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
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;
use tracing::Level;
use tracing_subscriber::{
    Registry,
    field::MakeExt as _,
    filter::Targets,
    fmt::{self, format::debug_fn},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use self::format::EitherFormat;
pub(crate) use kind::{ClientLine, KAFKA, Kind, Kinds, Labels, Line};
pub(crate) use queue::{LineQueue, MEMORY_MAX};
pub(crate) use reminder::Reminder;

mod clients;
mod format;
mod kind;
mod queue;
mod reminder;

/// Target of lines that pass every filter: scripts wait for them.
const ANNOUNCEMENT: &str = "ringest::announcement";

/// Target of the messages of panics, which pass every filter too: each is a bug.
const PANIC: &str = "ringest::panic";

/// The message of a notice.
const DROPPED: &str = "log lines were dropped because stderr did not accept them";

/// How long the last lines may take to be written before the process exits.
pub(crate) const FINISH_WITHIN: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<LineQueue> = OnceLock::new();

/// Replaces the filter.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Whether lines are JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// What the log looks like.
    pub format: LogFormat,
    /// Which lines are logged.
    pub filter: Targets,
    /// Which requests have a line.
    pub requests: RequestLines,
}

/// Which requests a line is logged of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLines {
    /// Which.
    pub of: RequestLog,
    /// Lines a second of each code, where not all requests have one. (Of faults of the server it is one.)
    pub rate_max: u64,
}

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RequestLog {
    /// Of none; but of faults of the server and the brokers, one a second and code.
    #[default]
    None,
    /// Of refused ones, [`RequestLines::rate_max`] a second and code.
    Refused,
    /// Of all kinds, as many a second and code.
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
/// one's settings stay, until [`set`].
///
/// # Errors
/// Of the system: stderr cannot be duplicated, or the thread that writes cannot be created.
#[expect(
    clippy::disallowed_methods,
    reason = "its descriptor is duplicated here; only the queue's thread writes to it"
)]
pub fn start(settings: &LogSettings) -> io::Result<LogGuard> {
    let queue = LineQueue::start("ringest-log", io::stderr(), notice, kind::report_repeated)?;
    let queue = QUEUE.get_or_init(|| queue);
    let layer = fmt::layer()
        .with_writer(move || queue)
        .with_ansi(has_colours())
        .fmt_fields(debug_fn(format::field).delimited(" "))
        .event_format(EitherFormat::new());
    let (filter, handle) = reload::Layer::new(with_what_always_passes(&settings.filter));
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    if subscriber.try_init().is_ok() && FILTER.set(handle).is_ok() {
        IS_JSON.store(settings.format == LogFormat::Json, Relaxed);
    } else {
        tracing::debug!("logging was already started");
    }
    panic::set_hook(Box::new(log_panic));
    Ok(LogGuard(()))
}

/// Replaces the format and the filter of a log that was started.
pub fn set(settings: &LogSettings) {
    IS_JSON.store(settings.format == LogFormat::Json, Relaxed);
    if let Some(filter) = FILTER.get() {
        // It fails only where the log is gone.
        let _ = filter.reload(with_what_always_passes(&settings.filter));
    }
}

fn with_what_always_passes(filter: &Targets) -> Targets {
    filter
        .clone()
        .with_target(ANNOUNCEMENT, Level::INFO)
        .with_target(PANIC, Level::ERROR)
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
pub fn announce(line: &str) {
    if IS_JSON.load(Relaxed) {
        tracing::info!(target: ANNOUNCEMENT, "{line}");
    } else if let Some(queue) = QUEUE.get() {
        queue.push(format!("{line}\n").as_bytes());
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

/// The line that stands for so many dropped ones.
fn notice(dropped: u64) -> String {
    if IS_JSON.load(Relaxed) {
        json_notice(dropped)
    } else {
        text_notice(dropped)
    }
}

fn text_notice(dropped: u64) -> String {
    let now = Timestamp::now();
    format!("{now:.6}  WARN {DROPPED} count={dropped}\n")
}

fn json_notice(dropped: u64) -> String {
    let now = Timestamp::now();
    format!(
        r#"{{"timestamp":"{now:.6}","level":"WARN","message":"{DROPPED}","count":{dropped},"target":"ringest::log"}}"#
    ) + "\n"
}

/// Only on a terminal, and not if `NO_COLOR` is set (no-color.org).
#[expect(clippy::disallowed_methods, reason = "nothing is written")]
fn has_colours() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

#[cfg(test)]
mod tests;
