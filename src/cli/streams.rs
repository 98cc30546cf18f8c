//! What commands read from stdin, and write to stdout and stderr.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use super::{EXIT_CONFIGURATION, EXIT_USAGE};
use crate::excerpt::{LineFeeds, printable};

/// Reads a file, or stdin for `-`, up to so many bytes.
pub(super) fn read_input(file: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().take(bytes_max).read_to_end(&mut input)?;
    } else {
        File::open(file)?.take(bytes_max).read_to_end(&mut input)?;
    }
    Ok(input)
}

/// Writes text for people to stdout, what a terminal would act on escaped. A closed pipe is not an error.
pub(super) fn print(text: &str) -> ExitCode {
    print_exactly(&printable(text, LineFeeds::All))
}

/// Writes what programs read, such as a file, to stdout as it is. A closed pipe is not an error.
#[expect(
    clippy::disallowed_methods,
    reason = "of a command, which does not serve"
)]
pub(super) fn print_exactly(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            failed(&format!("can't write to stdout: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Writes a line or more to stderr, what a terminal would act on escaped; failures are ignored.
#[expect(
    clippy::disallowed_methods,
    reason = "of a command, or before the log is started"
)]
pub(super) fn report(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(text, LineFeeds::All));
}

/// Reports what did not work.
pub(super) fn failed(reason: &str) -> ExitCode {
    report(reason);
    ExitCode::from(EXIT_CONFIGURATION)
}

/// Reports what was wrong with the command.
pub(super) fn refuse(reason: &str) -> ExitCode {
    report(reason);
    ExitCode::from(EXIT_USAGE)
}
