//! The command line: what was asked for goes to stdout, logs and errors to stderr.

mod explain;
mod import_moose;
mod token;

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use crate::{
    admin::routes_json,
    auth::{KeySource, Loaded},
    config::Config,
    dev::Dev,
    document::ConfigErrors,
    jwks,
    log::{self, LogFormat},
    model::{Model, Schema},
    openapi,
    produce::{self, probe},
    registry,
    route::Route,
    supervisor::{self, Addresses},
};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum, error::ErrorKind};

/// The configuration can't work, or `--check` found something.
const EXIT_CONFIGURATION: u8 = 1;

/// What was asked for can't be: clap's own code.
const EXIT_USAGE: u8 = 2;

/// The default of `--config`.
const CONFIG_FILE: &str = "config/ringest.toml";

/// What helps whoever types `ringest` for the first time.
const NO_CONFIG_FILE: &str = "\
Name a file with --config FILE; config/ringest.toml of ringest's repository has every key.
To try ringest without any file: ringest --dev";

const ABOUT: &str = "\
Ingest gateway: JSON over HTTP, checked, to Kafka or Redpanda, byte for byte.
Without a command it serves POST /ingest/<model>/<version> until it is told to stop.";

const EXAMPLES: &str = "\
Examples:
  ringest --dev                          try it: nothing to install, nothing to configure
  ringest --check --connect              is the configuration good, do the topics exist?
  ringest --list-routes --format json    what can be posted, for a script
  ringest explain --model Order a.json   what is wrong with this record?
  ringest token --name mobile            a token for a sender, and its hash for the file
  ringest --config /etc/ringest.toml     serve
  ringest import-moose infrastructure_map.json --project moose.config.toml --out conf

Every key of the file can be set in the environment as RINGEST_<SECTION>__<KEY>, which wins:
  RINGEST_LISTEN__ADDRESS=127.0.0.1:0 RINGEST_KAFKA__LINGER_MS=5 ringest

SIGTERM and SIGINT drain, a second one exits at once. SIGHUP reads the configuration and the models
again; what is faulty is logged and not served by.
Exit codes: 0 clean, 1 configuration, 2 usage, 3 could not drain in time.";

/// What can be asked for.
#[derive(Debug, Parser)]
#[command(
    version,
    about = ABOUT,
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    subcommand_help_heading = "Tools"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag is a bool; clap keeps them apart"
)]
struct Arguments {
    /// The configuration
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG_FILE)]
    config: PathBuf,

    #[command(subcommand)]
    command: Option<Command>,

    /// Serve the sample models on loopback, with a broker in this process
    #[arg(
        long,
        conflicts_with_all = ["config", "list_routes", "check"],
        help_heading = "Commands"
    )]
    dev: bool,

    /// Print every route; needs no broker
    #[arg(long, conflicts_with = "check", help_heading = "Commands")]
    list_routes: bool,

    /// With --list-routes: table for a person, json, openapi
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t = Format::Table,
        hide_possible_values = true,
        requires = "list_routes",
        conflicts_with_all = ["check", "dev"],
        help_heading = "Commands"
    )]
    format: Format,

    /// Print all that is wrong with the configuration, else the worst-case memory
    #[arg(long, help_heading = "Commands")]
    check: bool,

    /// With --check: also ask for topics, numbers of schemas, issuers' keys
    #[arg(
        long,
        requires = "check",
        conflicts_with_all = ["list_routes", "dev"],
        help_heading = "Commands"
    )]
    connect: bool,
}

/// What takes arguments of its own.
#[derive(Debug, Subcommand)]
enum Command {
    Explain(explain::Arguments),
    ImportMoose(import_moose::Arguments),
    Token(token::Arguments),
}

/// How routes are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
    Openapi,
}

impl Arguments {
    /// What clap can't be told: a flag that is a command does not go with a command.
    fn consistent(self) -> Result<Self, clap::Error> {
        if self.command.is_some() && (self.dev || self.list_routes || self.check) {
            let message = "--dev, --list-routes and --check are commands: one at a time";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, message));
        }
        Ok(self)
    }
}

/// Does what the command line of the process asks for; the exit code is the process's.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse().and_then(Arguments::consistent) {
        Ok(arguments) => arguments,
        Err(answer) => {
            // Help and version are answers too: clap knows where each goes and its code. Nobody
            // is left to tell when they can't be printed.
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2));
        }
    };
    match &arguments.command {
        Some(Command::Explain(of)) => return explain::run(&arguments.config, of),
        Some(Command::ImportMoose(of)) => return import_moose::run(of),
        Some(Command::Token(of)) => return token::run(&arguments.config, of),
        None => {}
    }
    if arguments.dev {
        return serve_dev();
    }
    let done = if arguments.list_routes {
        Config::load_to_inspect(&arguments.config, environment()).map(|config| {
            let table = config.routes();
            print(&match arguments.format {
                Format::Table => route_table(table.routes()),
                Format::Json => routes_json(table.routes()),
                Format::Openapi => openapi::text(table.routes()),
            })
        })
    } else {
        Config::load(&arguments.config, environment()).map(|config| {
            if arguments.check {
                check(&arguments.config, &config, arguments.connect)
            } else {
                serve(config, arguments.config.clone())
            }
        })
    };
    done.unwrap_or_else(|errors| unusable(&arguments.config, &errors))
}

/// Says what is wrong with a configuration.
fn unusable(file: &Path, errors: &ConfigErrors) -> ExitCode {
    report(&errors.to_string());
    if !file.exists() {
        report(NO_CONFIG_FILE);
    }
    ExitCode::from(EXIT_CONFIGURATION)
}

/// Serves until the process is told to stop; `file` is where the configuration is read again.
fn serve(config: Config, file: PathBuf) -> ExitCode {
    start_log(&config);
    let format = config.log_format;
    let load = Box::new(move || Config::load(&file, environment()));
    supervisor::run(config, Some(load), |addresses| tell(format, addresses))
}

/// Serves the sample models with an in-process broker.
fn serve_dev() -> ExitCode {
    let served = Dev::start(environment()).and_then(|dev| {
        start_log(&dev.config);
        let format = dev.config.log_format;
        dev.serve(|addresses| tell(format, addresses))
    });
    served.unwrap_or_else(|error| {
        report(&error.to_string());
        ExitCode::from(EXIT_CONFIGURATION)
    })
}

/// The lines that tell a script that it may send, and where.
fn tell(format: LogFormat, addresses: Addresses) {
    let public = format!("listening on {}", addresses.public);
    let management = addresses
        .management
        .map(|it| format!("listening on {it} (management)"));
    for line in [Some(public), management].into_iter().flatten() {
        log::announce(format, &line);
    }
}

/// The log as configured, and in it what the operator should know.
fn start_log(config: &Config) {
    log::start(config.log_format, &config.log_filter);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
}

/// A configuration whose keys are good one by one: the warnings, whether librdkafka takes its
/// properties together, the memory, and with `connect` the topics, the schemas and issuers' keys.
fn check(file: &Path, config: &Config, connect: bool) -> ExitCode {
    for warning in &config.warnings {
        report(&format!("warning: {warning}"));
    }
    if let Err(error) = produce::check_whole(&config.kafka) {
        report(&format!("{}: [kafka]: {error}", file.display()));
        return ExitCode::from(EXIT_CONFIGURATION);
    }
    let printed = print(&format!(
        "the configuration is good\nroutes {}, workers {}, worst-case memory:\n{}\n",
        config.models.len(),
        config.workers,
        config.memory_max()
    ));
    if !connect {
        return printed;
    }
    let topics_are_there = match probe::missing_topics(&config.kafka, &config.models) {
        Ok(missing) => {
            for topic in &missing {
                report(&format!("topic {topic}: missing on the brokers"));
            }
            missing.is_empty()
        }
        Err(error) => {
            report(&error);
            false
        }
    };
    let schemas = registry::resolve(config.schema_registry.as_ref(), &config.models);
    if let Err(unresolved) = &schemas {
        report(&unresolved.to_string());
    }
    let keys_are_there = fetch_keys(config);
    if !topics_are_there || schemas.is_err() || !keys_are_there {
        return ExitCode::from(EXIT_CONFIGURATION);
    }
    let names_a_subject = |model: &Arc<Model>| matches!(model.schema, Some(Schema::Subject { .. }));
    print(if config.models.iter().any(names_a_subject) {
        "the brokers have every topic, the schema registry every schema\n"
    } else {
        "the brokers have every topic\n"
    })
}

/// Asks for the keys of each issuer that has them at a URL, and says what there is; whether all have.
fn fetch_keys(config: &Config) -> bool {
    let mut all = true;
    for issuer in &config.auth.issuers {
        let KeySource::Url(at) = &issuer.keys else {
            continue;
        };
        let (name, url) = (&issuer.issuer, &at.url);
        match jwks::fetch(url, &issuer.algorithms) {
            Ok(Loaded { keys, left_out }) => {
                // Nobody reads any more: the exit code tells.
                let _ = print(&format!(
                    "issuer {name:?}: usable keys at {url}: {}\n",
                    keys.len()
                ));
                for line in left_out {
                    report(&format!("issuer {name:?}: left out of its set: {line}"));
                }
            }
            Err(error) => {
                report(&format!("issuer {name:?}: no keys at {url}: {error}"));
                all = false;
            }
        }
    }
    all
}

/// All routes as aligned columns, the last one without blanks at the end.
fn route_table(routes: &[Route]) -> String {
    let heading = ["METHOD", "PATH", "MODEL", "VERSION", "TOPIC", "LATEST"];
    let rows = routes.iter().map(|route| {
        let Model {
            name,
            version,
            topic,
            ..
        } = &*route.model;
        let latest = if route.latest { "yes" } else { "no" };
        ["POST", &route.path, name, version.as_str(), topic, latest]
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max();
    let widths: Vec<_> = (0..heading.len() - 1).filter_map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String never fails.
            let _ = write!(text, "{cell:width$}  ");
        }
        text.push_str(row[heading.len() - 1]);
        text.push('\n');
    }
    text
}

/// The variables of the process. What is not Unicode is shown with replacement characters, so that
/// a variable of ours is refused and not passed over.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        let text = |it: std::ffi::OsString| it.to_string_lossy().into_owned();
        (text(name), text(value))
    })
}

/// To stdout: what was asked for. A reader that has gone away wants no more of it.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            report(&format!("can't write to stdout: {error}"));
            ExitCode::from(EXIT_CONFIGURATION)
        }
        _ => ExitCode::SUCCESS,
    }
}

/// To stderr, from which nobody may be reading.
fn report(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
