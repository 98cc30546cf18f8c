//! The examples of `README.md`, `examples/README.md` and the pages in `docs/`: every fenced block, with the comment on
//! the line before it that says how it is checked.
//!
//! | comment | the block |
//! |---|---|
//! | `<!-- example: configuration -->` | a whole configuration; it is loaded |
//! | `<!-- example: configuration fragment -->` | the same, completed with brokers and, where it has none, `[auth]` |
//! | `<!-- example: model -->` | a whole model file; it is loaded |
//! | `<!-- example: file NAME -->` | a file for the console blocks of the same section |
//! | `<!-- example: console -->` | commands after `$ `, each followed by what it prints; they are run |
//! | `<!-- example: console, exit N -->` | the same; each command exits with N |
//! | `<!-- example: log -->` | lines that `ringest --dev` logs |
//! | `<!-- example: dev output -->` | lines that `ringest --dev` prints once the page's records are sent |
//! | `<!-- not checked: REASON -->` | not checked |
//!
//! In console output `…` stands for any text, and a line of its own for any lines. JSON is compared
//! as JSON. `ringest` runs in a directory with the repository's `config/`, and `curl` sends to
//! `ringest --dev`.

use std::{fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A page of the documentation.
pub(crate) struct Page {
    /// Relative to the repository.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) examples: Vec<Example>,
}

/// A fenced block.
pub(crate) struct Example {
    /// `page:line` of its first line.
    pub(crate) place: String,
    /// Headings before it, so that blocks of one section are known.
    pub(crate) section: usize,
    pub(crate) check: Check,
    pub(crate) text: String,
}

/// How a block is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Configuration,
    Fragment,
    Model,
    File(String),
    Console {
        exit: i32,
    },
    Log,
    DevOutput,
    /// With the reason.
    None(String),
}

/// `README.md`, all of `docs/`, and `examples/README.md`.
///
/// # Panics
/// With every block that is not marked as it should be.
pub(crate) fn pages() -> Vec<Page> {
    let docs = fs::read_dir(Path::new(ROOT).join("docs")).expect("the manual");
    let docs = docs.map(|entry| entry.expect("a name").file_name().display().to_string());
    let pages = docs.filter(|name| Path::new(name).extension().is_some_and(|it| it == "md"));
    let mut names: Vec<String> = pages.map(|name| format!("docs/{name}")).collect();
    names.extend(["README.md", "examples/README.md"].map(str::to_owned));
    names.sort();
    let mut errors = Vec::new();
    let pages = names.into_iter().map(|name| {
        let text = fs::read_to_string(Path::new(ROOT).join(&name)).expect("a page");
        let examples = examples(&name, &text).unwrap_or_else(|found| {
            errors.extend(found);
            Vec::new()
        });
        Page {
            name,
            text,
            examples,
        }
    });
    let pages = pages.collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    pages
}

/// The blocks of a page.
///
/// # Errors
/// Each block that has no marker, and each marker that has no block or is not known.
pub(crate) fn examples(page: &str, text: &str) -> Result<Vec<Example>, Vec<String>> {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    let mut section = 0;
    let mut marker: Option<Check> = None;
    let mut open: Option<Example> = None;
    for (index, line) in text.lines().enumerate() {
        let place = format!("{page}:{}", index + 1);
        let fence = ["```", "~~~"]
            .iter()
            .any(|it| line.trim_start().starts_with(it));
        match (&mut open, fence) {
            (Some(_), true) => found.extend(open.take()),
            (Some(example), false) => {
                example.text.push_str(line);
                example.text.push('\n');
            }
            (None, true) => {
                let language = line.trim_start_matches('`');
                let check = match marker.take() {
                    Some(check) if check.is_of(language) => check,
                    Some(check) => {
                        errors.push(format!("{place}: ```{language} can't be {check:?}"));
                        check
                    }
                    None => {
                        errors.push(format!(
                            "{place}: a block without a comment on the line before"
                        ));
                        Check::None(String::new())
                    }
                };
                open = Some(Example {
                    place,
                    section,
                    check,
                    text: String::new(),
                });
            }
            (None, false) => {
                if marker.take().is_some() {
                    errors.push(format!("{place}: a block is expected after the comment"));
                }
                section += usize::from(line.starts_with('#'));
                let comment = line.trim().strip_prefix("<!--");
                // Those of a table that a script of loadtest writes mark no block.
                let published = [" compare: ", " promises: "];
                let marks = |it: &&str| !published.iter().any(|by| it.starts_with(by));
                if let Some(comment) = comment.filter(marks) {
                    marker = comment.strip_suffix("-->").and_then(Check::parse);
                    if marker.is_none() {
                        errors.push(format!("{place}: no such comment: {line}"));
                    }
                }
            }
        }
    }
    if open.is_some() || marker.is_some() {
        errors.push(format!("{page}: ends within an example"));
    }
    if errors.is_empty() {
        Ok(found)
    } else {
        Err(errors)
    }
}

impl Check {
    fn parse(comment: &str) -> Option<Self> {
        let (kind, rest) = comment.trim().split_once(": ")?;
        if kind == "not checked" {
            return Some(Self::None(rest.to_owned()));
        }
        if kind != "example" {
            return None;
        }
        match rest {
            "configuration" => Some(Self::Configuration),
            "configuration fragment" => Some(Self::Fragment),
            "model" => Some(Self::Model),
            "console" => Some(Self::Console { exit: 0 }),
            "log" => Some(Self::Log),
            "dev output" => Some(Self::DevOutput),
            _ => match rest.strip_prefix("console, exit ") {
                Some(exit) => Some(Self::Console {
                    exit: exit.parse().ok()?,
                }),
                None => Some(Self::File(rest.strip_prefix("file ")?.to_owned())),
            },
        }
    }

    /// Whether a block in that language can be checked so.
    fn is_of(&self, language: &str) -> bool {
        match self {
            Self::Configuration | Self::Fragment | Self::Model => language == "toml",
            Self::Console { .. } => language == "console",
            Self::Log | Self::DevOutput => language == "text",
            Self::File(_) => ["toml", "json", "text"].contains(&language),
            // What could be loaded, or run and compared, is.
            Self::None(_) => {
                ["sh", "text", "ini", "js", "yaml", "nginx", "haproxy"].contains(&language)
            }
        }
    }
}
