//! Errors of a configuration: all at once, each with its position.

use std::fmt;

use crate::excerpt::{LineFeeds, printable};

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A file, and the line (from 1) where there is one.
    File {
        /// As the caller named it.
        path: String,
        /// `None` for what is missing from the file, and for defaults.
        line: Option<usize>,
    },
    /// An environment variable, by name.
    Environment(String),
    /// The command line, by flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", printable(path, LineFeeds::None)),
            Self::File { path, line: None } => f.write_str(&printable(path, LineFeeds::None)),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One error in a configuration, for its author to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where to correct it.
    pub origin: Origin,
    /// The key as in the file, sections separated by dots; empty when a whole file is meant.
    pub key: String,
    /// The value given and what is allowed, or what else is wrong. Never holds a credential.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        // A flag names what its key does.
        if !self.key.is_empty() && !matches!(self.origin, Origin::Flag(_)) {
            write!(f, "{}: ", printable(&self.key, LineFeeds::None))?;
        }
        f.write_str(&printable(&self.message, LineFeeds::Indented))
    }
}

/// All errors of a configuration, in the order of its files and lines; never empty.
/// Displayed one a line, as a compiler does; lines below one that start with blanks show the text
/// that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// `errors` must not be empty.
    pub(crate) fn new(errors: Vec<ConfigError>) -> Self {
        debug_assert!(!errors.is_empty());
        Self(errors)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The known name that `given` most likely means, if one is near enough to be worth a guess.
pub(crate) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Half of the characters may differ; beyond that a guess misleads more than it helps.
    const LIKENESS_MIN: f64 = 0.5;
    known
        .map(|name| (strsim::normalized_damerau_levenshtein(given, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// `unknown key`, with a guess at what was meant.
pub(crate) fn unknown_key(meant: Option<&str>) -> String {
    match meant {
        Some(name) => format!("unknown key; did you mean \"{name}\"?"),
        None => "unknown key".to_owned(),
    }
}
