//! What design and style ask of the tree, held by a test. Files are read as text, laid out by rustfmt;
//! every finding is reported at once, with its file, line and rule.
//!
//! - [`imports`]: top-level modules import downwards only; a library or `unsafe` is used only in its place.
//! - [`sizes`]: lengths of files and functions, widths of comments and of documentation.
//! - [`words`]: the project's glossary.

mod imports;
mod planted;
mod sizes;
mod source;
mod words;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use source::Source;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Directories and files that are checked, relative to [`ROOT`]; what is missing has nothing to check.
const CHECKED: [&str; 6] = ["src", "tests", "benches", "docs", "examples", "README.md"];

/// A line that breaks a rule. The first line is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.path, self.line, self.rule, self.detail
        )
    }
}

/// All findings in one file, in the order of the rules.
fn findings(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for check in [imports::check, sizes::check, words::check] {
        check(source, &mut |line, rule, detail| {
            findings.push(Finding {
                path: source.path.clone(),
                line,
                rule,
                detail,
            });
        });
    }
    findings
}

#[test]
fn the_tree_is_tidy() {
    let mut paths = Vec::new();
    for checked in CHECKED {
        collect(&Path::new(ROOT).join(checked), &mut paths);
    }
    paths.sort();
    assert!(paths.len() > 100, "the sources are not where they were");
    let mut lines = Vec::new();
    for path in &paths {
        let name = path.strip_prefix(ROOT).expect("below the root");
        let text = fs::read_to_string(path).expect("a text");
        let source = Source::new(name.to_str().expect("a name in UTF-8"), text);
        lines.extend(findings(&source).iter().map(Finding::to_string));
    }
    assert!(
        lines.is_empty(),
        "{} findings:\n{}\n",
        lines.len(),
        lines.join("\n")
    );
}

/// Rust and Markdown files at or below a path.
fn collect(path: &Path, paths: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            collect(&entry.expect("an entry").path(), paths);
        }
    } else if path
        .extension()
        .is_some_and(|extension| extension == "rs" || extension == "md")
        && path.exists()
    {
        paths.push(path.to_owned());
    }
}
