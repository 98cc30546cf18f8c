//! The documentation's console blocks: commands are run, and what they print is compared. How a
//! block is marked: `tests/documentation/mod.rs`. Configurations and models are loaded in
//! `tests/library/documentation.rs`.

mod pattern;
mod shell;

use std::{collections::BTreeSet, fs, path::Path};

use tempfile::TempDir;

use self::{
    pattern::is_printed,
    shell::{MANAGEMENT, Server, place, run},
};
use super::ROOT;
use crate::examples::{Check, Example, Page, examples, pages};

/// What is wrong with a page's blocks.
fn check(page: &Page, server: &Server) -> Vec<String> {
    let mut errors = Vec::new();
    let mut used: Option<(usize, TempDir)> = None;
    for example in &page.examples {
        match &example.check {
            Check::Console { exit } => {
                if used
                    .as_ref()
                    .is_none_or(|(section, _)| *section != example.section)
                {
                    used = Some((example.section, place(page, example.section)));
                }
                let (_, directory) = used.as_ref().expect("just made");
                let text = example.text.replace("\\\n    ", "");
                let text = text.strip_prefix("$ ");
                let text = text.expect("a command comes first");
                for block in text.split("\n$ ") {
                    let (line, expected) = block.split_once('\n').unwrap_or((block, ""));
                    let (printed, code) = run(line, directory, server);
                    if code != *exit || !is_printed(expected.trim_end(), printed.trim_end()) {
                        errors.push(format!(
                            "{}: {line}: exits with {code} and prints\n{printed}",
                            example.place
                        ));
                    }
                }
            }
            Check::Log => {
                if !server.log.ends_with(&example.text) {
                    errors.push(format!("{}: the log is\n{}", example.place, server.log));
                }
            }
            Check::DevOutput => {
                let mut printed = String::new();
                for expected in example.text.lines() {
                    while !printed.ends_with(&format!("{expected}\n")) {
                        printed = printed + &server.dev.stdout_line() + "\n";
                    }
                }
            }
            Check::Configuration
            | Check::Fragment
            | Check::Model
            | Check::File(_)
            | Check::None(_) => {}
        }
    }
    errors
}

#[test]
fn consoles_print_what_the_documentation_has() {
    let mut errors = Vec::new();
    for page in pages() {
        let needs_server = |it: &Example| {
            matches!(
                it.check,
                Check::Console { .. } | Check::Log | Check::DevOutput
            )
        };
        if !page.examples.iter().any(needs_server) {
            continue;
        }
        let server = Server::start();
        errors.extend(check(&page, &server));
        let (status, ..) = server.dev.terminate();
        assert_eq!(status.code(), Some(0));
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn another_output_is_an_error() {
    let server = Server::start();
    let rejected = |marker: &str, text: &str| {
        let text = format!("<!-- example: {marker} -->\n```console\n{text}```\n");
        let name = "page.md".to_owned();
        let examples = examples(&name, &text).unwrap_or_else(|errors| panic!("{errors:?}"));
        let page = Page {
            name,
            text,
            examples,
        };
        !check(&page, &server).is_empty()
    };
    let health = "$ curl http://127.0.0.1:4000/health\n";
    assert!(!rejected(
        "console",
        &format!("{health}{{\"status\":\"ok\"}}\n")
    ));
    assert!(!rejected(
        "console",
        &format!("{health}{{ \"status\": \"…\" }}\n")
    ));
    assert!(rejected(
        "console",
        &format!("{health}{{\"status\":\"fine\"}}\n")
    ));
    assert!(rejected("console", &format!("{health}{{}}\n")));
    let version = concat!(
        "$ ringest --version\nringest ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    );
    assert!(!rejected("console", version));
    assert!(rejected("console, exit 1", version));
    assert!(rejected(
        "console",
        &version.replace("ringest 0", "ringest 9")
    ));
}

/// Some have no series without a cause; `admin::observed` has all of them.
#[test]
fn the_table_of_metrics_has_those_of_the_server() {
    let server = Server::start();
    let url = format!("http://{MANAGEMENT}/metrics");
    let text = server.curl(&["curl".to_owned(), url], Path::new(ROOT));
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let exposed: BTreeSet<&str> = types.filter_map(|it| it.split(' ').next()).collect();
    let pages = pages();
    let page = pages.iter().find(|page| page.name == "docs/operation.md");
    let rows = page.expect("the page").text.lines();
    let cells = rows.filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let names = cells.flat_map(|cell| cell.split(['`', ',', ' ']));
    let is_metric = |name: &&str| name.starts_with("ringest_") || name.starts_with("process_");
    let documented: BTreeSet<&str> = names.filter(is_metric).collect();
    let missing: Vec<_> = exposed.difference(&documented).collect();
    assert_eq!(missing, [&""; 0]);
    assert!(exposed.contains("ringest_requests"), "{text}");
}

#[test]
fn every_result_of_authentication_is_documented() {
    let server = Server::start();
    let url = format!("http://{MANAGEMENT}/metrics");
    let text = server.curl(&["curl".to_owned(), url], Path::new(ROOT));
    let samples = text.lines();
    let results: Vec<&str> = samples
        .filter_map(|line| {
            line.strip_prefix("ringest_credentials_total{result=\"")?
                .split('"')
                .next()
        })
        .collect();
    assert!(results.len() > 10, "{results:?}");
    let page =
        fs::read_to_string(Path::new(ROOT).join("docs/authentication.md")).expect("the page");
    for result in results {
        assert!(
            page.contains(&format!("`{result}`")),
            "{result} is not documented"
        );
    }
}
