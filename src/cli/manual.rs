//! `ringest man` and `ringest completions`: files of packages, made from the command line's own definition.

use std::{io, process::ExitCode};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{print_exactly, refuse};

#[derive(Debug, Args)]
#[command(about = "Print a manual page, in the format of man(1)")]
pub(super) struct ManArguments {
    /// The command whose page to print, such as token [default: ringest's own page]
    command: Option<String>,
}

#[derive(Debug, Args)]
#[command(about = "Print the completion script of a shell")]
pub(super) struct CompletionsArguments {
    /// The shell that reads the script
    shell: Shell,
}

/// Prints the manual page of `ringest`, or of one of its commands.
pub(super) fn man(mut ringest: Command, arguments: &ManArguments) -> ExitCode {
    ringest.build();
    let page = match &arguments.command {
        None => Some(&ringest),
        Some(name) => ringest.find_subcommand(name),
    };
    let Some(page) = page.cloned() else {
        return refuse("no such command; ringest --help lists them");
    };
    written(|text| Man::new(page).render(text))
}

/// Prints the completion script of a shell.
pub(super) fn completions(mut ringest: Command, arguments: &CompletionsArguments) -> ExitCode {
    written(|text| {
        clap_complete::generate(arguments.shell, &mut ringest, "ringest", text);
        Ok(())
    })
}

/// Prints what `write` writes.
fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> ExitCode {
    let mut text = Vec::new();
    write(&mut text).expect("a Vec takes everything");
    print_exactly(&String::from_utf8_lossy(&text))
}
