//! `ringest import-moose`: converts a Moose project to models and a configuration.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{EXIT_CONFIGURATION, print, report};
use crate::import_moose::import;

const ABOUT: &str = "Convert a Moose project to ringest models and a configuration";

const EXAMPLES: &str = "\
Writes DIR/ringest.toml and one file in DIR/models for each ingest API. Settings that ringest does
not support become comments in these files; parts of the project without a counterpart are listed
on stdout.

Examples:
  curl -s http://localhost:5001/infra-map > infrastructure_map.json
  ringest import-moose .moose/infrastructure_map.json --out conf      after `moose build`
  ringest import-moose infrastructure_map.json --project moose.config.toml --out conf
  ringest --config conf/ringest.toml --list-routes

Exit codes: 0 all ingest APIs were converted, 1 some or all were not (each is listed on stderr),
2 usage error.";

/// The arguments of `ringest import-moose`.
#[derive(Debug, Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Infrastructure map, as served at /infra-map on Moose's management port
    map: PathBuf,

    /// moose.config.toml of the project; without it, Moose's defaults apply
    #[arg(long, value_name = "FILE")]
    project: Option<PathBuf>,

    /// Output directory for ringest.toml and models/
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Overwrite existing files that differ
    #[arg(long)]
    force: bool,
}

/// Converts the project; each ingest API that can't be converted is reported as an error.
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
