//! A terminal in which `ringest top` runs: script(1) makes it, vt100 shows what is on it.

use std::{
    fs,
    io::{Read as _, Write as _},
    num::NonZeroU16,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use tempfile::TempDir;
use vt100::Parser;

use crate::support::{
    process::Process,
    wait::{PATIENCE, await_that, eventually},
};

/// Sets the size, leaves the identity of the process in a file, and compares the terminal's settings.
const SCRIPT: &str = r#"
stty rows "$ROWS" cols "$COLUMNS"
before=$(stty -g)
sh -c 'echo "$$" >"$PID_FILE"; exec "$RINGEST" top --interval-ms 200 "$ADDRESS"'
status=$?
[ "$(stty -g)" = "$before" ] && echo "settings as before"
exit "$status"
"#;

pub(super) struct Terminal {
    process: Process,
    keys: ChildStdin,
    screen: Arc<Mutex<Parser>>,
    reader: Option<JoinHandle<()>>,
    directory: TempDir,
}

impl Terminal {
    pub(super) fn start(address: &str, columns: u16, rows: u16) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("script");
        command
            .args([
                "--quiet",
                "--return",
                "--flush",
                "--command",
                SCRIPT,
                "/dev/null",
            ])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm-256color")
            .env("RINGEST", env!("CARGO_BIN_EXE_ringest"))
            .env("PID_FILE", directory.path().join("pid"))
            .env("ADDRESS", address)
            .env("ROWS", rows.to_string())
            .env("COLUMNS", columns.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command).expect("script(1) of util-linux");
        let keys = process.child().stdin.take().expect("piped");
        let mut output = process.child().stdout.take().expect("piped");
        let size = |it| NonZeroU16::new(it).expect("a size");
        let screen = Arc::new(Mutex::new(Parser::new(size(rows), size(columns), 0)));
        let written = Arc::clone(&screen);
        let reader = thread::spawn(move || {
            let mut part = [0; 4_096];
            while let Ok(length @ 1..) = output.read(&mut part) {
                let mut screen = written.lock().expect("no reader panicked");
                screen.process(&part[..length]);
            }
        });
        Self {
            process,
            keys,
            screen,
            reader: Some(reader),
            directory,
        }
    }

    /// Presses keys.
    pub(super) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads");
        self.keys.flush().expect("it reads");
    }

    /// Sends a signal to ringest itself.
    pub(super) fn signal(&self, signal: libc::c_int) {
        let pid = read_number(&self.directory.path().join("pid"));
        let signal = nix::sys::signal::Signal::try_from(signal).expect("a signal");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("it runs");
    }

    /// What is on it.
    pub(super) fn with_screen<T>(&self, of: impl FnOnce(&vt100::Screen) -> T) -> T {
        of(self.screen.lock().expect("no reader panicked").screen())
    }

    /// Waits until there is such a line.
    #[track_caller]
    pub(super) fn await_line(&mut self, what: &str, is_it: impl Fn(&str) -> bool) {
        let contents = || self.with_screen(vt100::Screen::contents);
        let found = eventually(PATIENCE, || {
            let contents = contents();
            contents
                .lines()
                .any(|it| is_it(it.trim_end()))
                .then_some(())
        });
        assert!(found.is_some(), "{what}:\n{}", contents());
    }

    /// Waits for the end, which is a good one, and leaves the terminal as it was.
    #[track_caller]
    pub(super) fn assert_restored(mut self) {
        let status = self.process.wait(PATIENCE).expect("it ends");
        let reader = self.reader.take().expect("one reader");
        await_that("its output ends", || reader.is_finished());
        let contents = self.with_screen(vt100::Screen::contents);
        assert_eq!(status.code(), Some(0), "{contents}");
        assert_eq!(contents.trim(), "settings as before");
        let (other, hidden) = self.with_screen(|it| (it.alternate_screen(), it.hide_cursor()));
        assert!(
            !other && !hidden,
            "the other screen {other}, no cursor {hidden}"
        );
    }
}

fn read_number(file: &Path) -> i32 {
    let text = fs::read_to_string(file).expect("written at the start");
    text.trim().parse().expect("a number")
}
