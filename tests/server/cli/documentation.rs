//! The documentation's console blocks: commands are run, and what they print is compared. How a
//! block is marked: `tests/documentation/mod.rs`. Configurations and models are loaded in
//! `tests/library/documentation.rs`.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::Stdio,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    ROOT, command, output,
    start::{Dev, announced},
    stderr, stdout,
};
use crate::{
    examples::{Check, Example, Page, examples, pages},
    support::{
        http::{Http, request},
        wait::await_that,
    },
};

/// The address of each listener in the documentation.
const PUBLIC: &str = "127.0.0.1:4000";
const MANAGEMENT: &str = "127.0.0.1:4001";

/// Text that is left out of an example.
const ANY: &str = "…";

/// A `ringest --dev` that a page's requests go to, and what it has logged so far.
struct Server {
    dev: Dev,
    public: SocketAddr,
    management: SocketAddr,
    log: String,
}

impl Server {
    fn start() -> Self {
        let dev = Dev::start(&[]);
        let (mut public, mut log) = (None, String::new());
        loop {
            let line = dev.stderr_line();
            public = public.or_else(|| announced(&line, false));
            let management = announced(&line, true);
            log.push_str(&line);
            log.push('\n');
            if let (Some(public), Some(management)) = (public, management) {
                let log = log.replace(&public.to_string(), PUBLIC);
                let log = log.replace(&management.to_string(), MANAGEMENT);
                let server = Self {
                    dev,
                    public,
                    management,
                    log,
                };
                let ready = ["curl", "http://127.0.0.1:4001/ready"].map(str::to_owned);
                await_that("it is not ready", || {
                    server.curl(&ready, Path::new(ROOT)).contains("true")
                });
                return server;
            }
        }
    }

    /// Sends what curl would: a GET, or with data, or the name of a file with it, a POST.
    fn curl(&self, words: &[String], directory: &Path) -> String {
        let url = words[1].strip_prefix("http://").expect("a URL");
        let (host, path) = url.split_at(url.find('/').expect("a path"));
        let address = match host {
            PUBLIC => self.public,
            MANAGEMENT => self.management,
            other => panic!("nothing listens at {other}"),
        };
        let request = match words.get(2..) {
            Some([flag, data]) if flag == "-d" || flag == "--data-binary" => {
                let body = match data.strip_prefix('@') {
                    Some(file) => fs::read(directory.join(file)).expect("the section has it"),
                    None => data.clone().into_bytes(),
                };
                request(path, "application/x-www-form-urlencoded", &body)
            }
            Some([]) => format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
            other => panic!("unknown arguments of curl: {other:?}"),
        };
        let mut http = Http::connect(address).expect("it accepts");
        http.send(&request).expect("it reads");
        let answer = http.answer().expect("it answers");
        String::from_utf8(answer.body).expect("text")
    }
}

/// The files that a page's section has: the repository's `config/`, and those of its examples.
fn place(page: &Page, section: usize) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let models = directory.path().join("config/models");
    fs::create_dir_all(&models).expect("a directory");
    let copy = |from: &str, to: &Path| {
        fs::copy(Path::new(ROOT).join(from), to).expect("copied");
    };
    copy(
        "config/ringest.toml",
        &directory.path().join("config/ringest.toml"),
    );
    for file in fs::read_dir(Path::new(ROOT).join("config/models")).expect("samples") {
        let name = file.expect("a name").file_name().display().to_string();
        copy(&format!("config/models/{name}"), &models.join(&name));
    }
    let map = "infrastructure_map.json";
    copy(
        &format!("tests/library/import_moose/{map}"),
        &directory.path().join(map),
    );
    for example in page.examples.iter().filter(|it| it.section == section) {
        if let Check::File(name) = &example.check {
            fs::write(directory.path().join(name), &example.text).expect("written");
        }
    }
    directory
}

/// The words of a command, quotes resolved as a shell does.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for char in command.chars() {
        match char {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            _ => words.last_mut().expect("one at least").push(char),
        }
    }
    words
}

/// Runs a command; what it prints, and its exit code.
fn run(line: &str, directory: &TempDir, server: &Server) -> (String, i32) {
    let mut words = words(line);
    if words[0] == "curl" {
        return (server.curl(&words, directory.path()), 0);
    }
    let mut variables = Vec::new();
    while let Some((name, value)) = words[0].split_once('=') {
        variables.push((name.to_owned(), value.to_owned()));
        words.remove(0);
    }
    assert_eq!(words.remove(0), "ringest", "{line}: no such command");
    let mut stdin = Stdio::null();
    if let Some(at) = words.iter().position(|word| word == "<") {
        let file = directory.path().join(&words[at + 1]);
        stdin = File::open(file).expect("the section has the file").into();
        words.truncate(at);
    }
    let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = command(&arguments);
    command.envs(variables).current_dir(directory).stdin(stdin);
    let output = output(&mut command);
    let printed = format!("{}{}", stdout(&output), stderr(&output));
    (printed, output.status.code().unwrap_or(-1))
}

/// Whether `text` is `pattern`, with anything in place of each [`ANY`].
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split(ANY);
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whether a value is the expected one, with any text in place of each [`ANY`].
fn fits_json(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::String(pattern), Value::String(text)) => fits(pattern, text),
        (Value::Array(patterns), Value::Array(values)) => {
            patterns.len() == values.len()
                && (patterns.iter().zip(values)).all(|(pattern, value)| fits_json(pattern, value))
        }
        (Value::Object(patterns), Value::Object(values)) => {
            let fits = |(name, pattern)| values.get(name).is_some_and(|it| fits_json(pattern, it));
            patterns.len() == values.len() && patterns.iter().all(fits)
        }
        _ => pattern == value,
    }
}

fn is_printed(expected: &str, printed: &str) -> bool {
    match (
        serde_json::from_str(expected),
        serde_json::from_str(printed),
    ) {
        (Ok(expected), Ok(printed)) => fits_json(&expected, &printed),
        _ => fits(expected, printed),
    }
}

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

#[test]
fn the_table_of_metrics_is_that_of_the_server() {
    let server = Server::start();
    let url = format!("http://{MANAGEMENT}/metrics");
    let text = server.curl(&["curl".to_owned(), url], Path::new(ROOT));
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let exposed: BTreeSet<&str> = types.filter_map(|it| it.split(' ').next()).collect();
    let pages = pages();
    let page = pages.iter().find(|page| page.name == "docs/operation.md");
    let rows = page.expect("the page").text.lines();
    let names = rows.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<&str> = names.filter(|it| it.starts_with("ringest_")).collect();
    assert_eq!(documented, exposed);
}
