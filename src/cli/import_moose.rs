//! `ringest import-moose`: models and a configuration from a Moose project.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{EXIT_CONFIGURATION, print, report};
use crate::import_moose::import;

const ABOUT: &str = "Write models and a configuration from a Moose project";

const EXAMPLES: &str = "\
Each ingest API becomes a file in DIR/models; what it had in Moose and has not here is a comment in
that file, what has no counterpart at all is on stdout.

Examples:
  curl -s http://localhost:5001/infra-map > infrastructure_map.json
  ringest import-moose .moose/infrastructure_map.json --out conf      after `moose build`
  ringest import-moose infrastructure_map.json --project moose.config.toml --out conf
  ringest --config conf/ringest.toml --list-routes

Exit codes: 0 all of it was written, 1 an ingest API was not (each is on stderr), or nothing was.";

/// What to bring over, and where to.
#[derive(Debug, Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The infrastructure map: what /infra-map of Moose's management port serves
    map: PathBuf,

    /// The project's moose.config.toml; without it: Moose's defaults
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,

    /// Where ringest.toml and models/ go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Replace files that are there and differ
    #[arg(long)]
    force: bool,
}

/// Writes them; what is skipped is an error beside the rest.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments {
        map,
        project,
        out,
        force,
    } = arguments;
    let (printed, errors) = match import(map, project.as_deref(), out, *force) {
        Ok(import) => (print(&import.report), import.skipped),
        Err(errors) => (ExitCode::SUCCESS, errors),
    };
    for error in &errors {
        report(&error.to_string());
    }
    if errors.is_empty() {
        printed
    } else {
        ExitCode::from(EXIT_CONFIGURATION)
    }
}
