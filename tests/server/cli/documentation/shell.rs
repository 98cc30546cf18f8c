//! Commands as the documentation has them: `ringest` in a directory of its own, `curl` to a
//! `ringest --dev`.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::Stdio,
};

use tempfile::TempDir;

use super::super::{
    ROOT, command, output,
    start::{Dev, announced},
    stderr, stdout,
};
use crate::{
    examples::{Check, Page},
    support::{
        http::{Http, request},
        wait::await_that,
    },
};

/// The address of each listener in the documentation.
const PUBLIC: &str = "127.0.0.1:4000";
pub(super) const MANAGEMENT: &str = "127.0.0.1:4001";

/// A `ringest --dev` that a page's requests go to, and what it has logged so far.
pub(super) struct Server {
    pub(super) dev: Dev,
    public: SocketAddr,
    management: SocketAddr,
    pub(super) log: String,
}

impl Server {
    pub(super) fn start() -> Self {
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
    pub(super) fn curl(&self, words: &[String], directory: &Path) -> String {
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
pub(super) fn place(page: &Page, section: usize) -> TempDir {
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
pub(super) fn run(line: &str, directory: &TempDir, server: &Server) -> (String, i32) {
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
