//! `log.filter`: which lines are logged. Whatever would silence the log unnoticed is an error.

use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::document::nearest;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The crates that log, as targets name them, and librdkafka.
const CRATES: [&str; 8] = [
    "ringest",
    "kafka",
    "rdkafka",
    "librdkafka",
    "mio",
    "monoio_http",
    "rustls",
    "ureq",
];

/// What is allowed, for errors.
pub(super) const ALLOWED: &str =
    "a level or directives, such as \"info\" or \"warn,ringest=debug\"";

/// Reads a level, or directives separated by commas: a level for all, or `target=level`.
///
/// # Errors
/// What is wrong with the first directive that is not one.
pub(super) fn parse(text: &str) -> Result<Targets, String> {
    let mut targets = Targets::new();
    for directive in text.split(',').map(str::trim) {
        targets = match directive.split_once('=') {
            None => targets.with_default(level(directive)?),
            Some((of, name)) => targets.with_target(target(of.trim())?, level(name.trim())?),
        };
    }
    Ok(targets)
}

fn level(name: &str) -> Result<LevelFilter, String> {
    if name.is_empty() {
        return Err("a level is missing".to_owned());
    }
    name.parse().map_err(|_| {
        let name = name.to_lowercase();
        match nearest(&name, LEVELS.into_iter()) {
            Some(meant) => format!("there is no level `{name}`; did you mean \"{meant}\"?"),
            None => format!("there is no level `{name}`, only {}", LEVELS.join(", ")),
        }
    })
}

fn target(path: &str) -> Result<&str, String> {
    let of = path.split("::").next().unwrap_or(path);
    if CRATES.contains(&of) {
        return Ok(path);
    }
    Err(match nearest(of, CRATES.into_iter()) {
        Some(meant) => format!("no line has the target `{path}`; did you mean \"{meant}\"?"),
        None => format!(
            "no line has the target `{path}`, which starts with one of {}",
            CRATES.join(", ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_and_targets_are_read() {
        for (text, ours, others) in [
            ("info", Level::INFO, Some(Level::INFO)),
            ("WARN", Level::WARN, Some(Level::WARN)),
            ("warn,ringest=debug", Level::DEBUG, Some(Level::WARN)),
            (" warn , ringest = debug ", Level::DEBUG, Some(Level::WARN)),
            ("ringest::worker=trace,ringest=info", Level::INFO, None),
        ] {
            let targets = parse(text).expect(text);
            let most = |target| {
                let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN];
                levels
                    .into_iter()
                    .find(|level| targets.would_enable(target, level))
            };
            assert_eq!(most("ringest::context"), Some(ours), "{text}");
            assert_eq!(most("ureq"), others, "{text}");
        }
        let without_kafka = parse("info,kafka=off").expect("librdkafka's lines have a target");
        assert!(!without_kafka.would_enable(crate::log::KAFKA, &Level::ERROR));
        let off = parse("off").expect("a level");
        assert!(!off.would_enable("ringest", &Level::ERROR));
    }

    #[test]
    fn what_would_silence_the_log_is_an_error() {
        for (text, error) in [
            ("wran", "there is no level `wran`; did you mean \"warn\"?"),
            ("Wran", "there is no level `wran`; did you mean \"warn\"?"),
            (
                "warning",
                "there is no level `warning`; did you mean \"warn\"?",
            ),
            (
                "ringest",
                "there is no level `ringest`, only off, error, warn, info, debug, trace",
            ),
            (
                "info,ringest=debgu",
                "there is no level `debgu`; did you mean \"debug\"?",
            ),
            (
                "info;ringest=debug",
                "no line has the target `info;ringest`; did you mean \"ringest\"?",
            ),
            (
                "ringset=debug",
                "no line has the target `ringset`; did you mean \"ringest\"?",
            ),
            (
                "hyper=debug",
                "no line has the target `hyper`, which starts with one of ringest, kafka, rdkafka, librdkafka, \
                 mio, monoio_http, rustls, ureq",
            ),
            ("ringest=", "a level is missing"),
            ("info,", "a level is missing"),
            ("", "a level is missing"),
            (
                "ringest[span]=debug",
                "no line has the target `ringest[span]`; did you mean \"ringest\"?",
            ),
        ] {
            assert_eq!(parse(text), Err(error.to_owned()), "{text}");
        }
    }
}
