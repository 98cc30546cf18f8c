//! How each sender is started.

use std::{
    env,
    fs::{self, File},
    io::{self, Write as _},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::TOKEN;
use crate::support::{
    process::{Process, without_forks},
    wait::PATIENCE,
};

/// A shell starts many processes for each request, and waits between some of them: ten seconds on an idle machine.
const PATIENCE_WITH_A_SHELL: Duration = PATIENCE.saturating_mul(5);

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// A sender that can be run, or what is missing, and whether CI installs that.
pub(super) type Finding = Result<Sender, Missing>;

/// Why a sender is not run.
pub(super) struct Missing {
    what: &'static str,
    is_installed_by_ci: bool,
}

/// A program, and what it needs to be kept.
pub(super) struct Sender {
    command: Vec<String>,
    pub(super) keeps_connections: bool,
    _built: Option<TempDir>,
}

/// What it sends, and where to.
pub(super) struct Run<'a> {
    pub(super) url: &'a str,
    /// Where a variable is set again, the last value is taken.
    pub(super) settings: &'a [(&'a str, &'a str)],
    pub(super) records: &'a [u8],
    /// As a shell writes them, where stdout and stderr are no files.
    pub(super) redirections: &'a str,
}

/// One that runs, and the files that it reads and writes.
pub(super) struct Running {
    process: Process,
    directory: TempDir,
}

/// What a sender has printed.
#[derive(Debug)]
pub(super) struct Printed {
    /// Bytes beyond printable ASCII are escaped.
    pub(super) stdout: String,
    pub(super) log: String,
    pub(super) code: Option<i32>,
}

impl Sender {
    pub(super) fn curl() -> Finding {
        if succeeds("curl", &["--version"]) && succeeds("jq", &["--version"]) {
            let mut sender = Self::of(&[&format!("{EXAMPLES}/curl/send")]);
            sender.keeps_connections = false;
            return Ok(sender);
        }
        Err(missing("curl and jq", true))
    }

    pub(super) fn python() -> Finding {
        let mut interpreters = ["python3", "/usr/bin/python3"].into_iter();
        let found = interpreters.find(|python| succeeds(python, &["-c", "import httpx"]));
        let sender = |python: &str| Self::of(&[python, &format!("{EXAMPLES}/python/send.py")]);
        found.map(sender).ok_or(missing("Python with httpx", true))
    }

    pub(super) fn node() -> Finding {
        if succeeds("node", &["--eval", "fetch"]) {
            return Ok(Self::of(&["node", &format!("{EXAMPLES}/node/send.mjs")]));
        }
        Err(missing("Node 18", false))
    }

    /// From 1.21: it has `min`.
    pub(super) fn go() -> Finding {
        if version("go", &["version"], "go1.") < Some(21) {
            return Err(missing("Go 1.21", false));
        }
        Ok(Self::built(
            "go",
            &["build", "-o", "DIRECTORY/send", "go/send.go"],
            &["DIRECTORY/send"],
        ))
    }

    pub(super) fn java() -> Finding {
        if version("javac", &["--version"], "javac ") < Some(17) {
            return Err(missing("a JDK 17", true));
        }
        Ok(Self::built(
            "javac",
            &["-d", "DIRECTORY", "java/Send.java"],
            &["java", "-cp", "DIRECTORY", "Send"],
        ))
    }

    fn of(command: &[&str]) -> Self {
        Self {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            keeps_connections: true,
            _built: None,
        }
    }

    fn built(compiler: &str, arguments: &[&str], command: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_str().expect("a plain name");
        let replaced = |words: &[&str]| -> Vec<String> {
            let words = words.iter();
            words.map(|it| it.replace("DIRECTORY", path)).collect()
        };
        let arguments = replaced(arguments);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let command = replaced(command);
        assert!(
            succeeds(compiler, &arguments),
            "{compiler} does not compile it"
        );
        Self {
            command,
            keeps_connections: true,
            _built: Some(directory),
        }
    }

    /// Runs it to its end.
    pub(super) fn run(&self, run: &Run<'_>) -> Printed {
        self.start(run).end()
    }

    pub(super) fn start(&self, run: &Run<'_>) -> Running {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str| directory.path().join(name);
        fs::write(file("in"), run.records).expect("written");
        let create = |name| File::create(file(name)).expect("created");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("exec \"$@\" {}", run.redirections), "sh"])
            .args(&self.command)
            .env("INGEST_URL", run.url)
            .env("INGEST_TOKEN", format!(" {TOKEN}\n"))
            .envs(run.settings.iter().copied())
            .stdin(File::open(file("in")).expect("just written"))
            .stdout(create("out"))
            .stderr(create("log"));
        let process = Process::spawn(&mut command).expect("it starts");
        Running { process, directory }
    }
}

impl Running {
    pub(super) fn terminate(&self) {
        self.process.signal(libc::SIGTERM);
    }

    /// Waits for its end.
    pub(super) fn end(mut self) -> Printed {
        let status = self.process.wait(PATIENCE_WITH_A_SHELL);
        let bytes = |name: &str| fs::read(self.directory.path().join(name)).expect("it is there");
        Printed {
            stdout: bytes("out").escape_ascii().to_string(),
            log: String::from_utf8_lossy(&bytes("log")).into_owned(),
            code: status.and_then(|it| it.code()),
        }
    }
}

const fn missing(what: &'static str, is_installed_by_ci: bool) -> Missing {
    Missing {
        what,
        is_installed_by_ci,
    }
}

/// The sender; else says, also where a test's output is captured, that it is not tested.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may block: what is skipped shall be seen in CI"
)]
pub(super) fn unless_missing(found: Finding) -> Option<Sender> {
    let Missing {
        what,
        is_installed_by_ci,
    } = match found {
        Ok(sender) => return Some(sender),
        Err(missing) => missing,
    };
    let is_ci = env::var("CI").is_ok_and(|it| it == "true");
    assert!(
        !(is_ci && is_installed_by_ci),
        "{what}: .ci/run installs it"
    );
    writeln!(io::stderr(), "SKIPPED: the sender that needs {what}").expect("stderr is open");
    None
}

/// The number after a prefix in what a program prints; `None` where there is no such program.
fn version(program: &str, arguments: &[&str], prefix: &str) -> Option<u32> {
    let mut command = Command::new(program);
    let output = without_forks(|| command.args(arguments).stdin(Stdio::null()).output()).ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    let number = printed.split_once(prefix)?.1;
    let end = number.find(|it: char| !it.is_ascii_digit())?;
    number[..end].parse().ok()
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(EXAMPLES)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = without_forks(|| command.spawn());
    child.is_ok_and(|mut child| child.wait().is_ok_and(|status| status.success()))
}
