//! The command line. Requested output goes to stdout, logs and errors go to stderr.

mod explain;
mod health;
mod import_moose;
mod infer;
mod manual;
mod streams;
mod token;
mod top;
mod topics;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use crate::{
    admin::routes_json,
    auth::{KeySource, LoadedKeys},
    config::Config,
    dev::Dev,
    document::ConfigErrors,
    jwks,
    log::{self, LogGuard},
    model::{Model, Schema},
    openapi,
    produce::{BrokerAccess, probe},
    registry,
    route::Route,
    supervisor::{self, Addresses},
};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum, error::ErrorKind};

use streams::{failed, print, print_exactly, read_input, refuse, report};

/// The configuration is invalid, or `--check` found a problem.
const EXIT_CONFIGURATION: u8 = 1;

/// Invalid arguments; clap uses the same code.
const EXIT_USAGE: u8 = 2;

/// The default of `--config`.
const CONFIG_FILE: &str = "config/ringest.toml";

/// Follows the error when the configuration file does not exist.
const NO_CONFIG_FILE: &str = "\
Pass a configuration file with --config FILE; config/ringest.toml in the ringest repository has every
key. To try ringest without a configuration file: ringest --dev";

/// What `ringest` alone prints where there is no configuration file.
const WITHOUT_FILE: &str = "\
ringest has nothing to serve: there is no config/ringest.toml here, and no --config FILE was given.

  ringest --dev             try it: sample models, a broker inside the process, no file needed
  ringest --config FILE     serve; docs/configuration.md explains the file, config/ringest.toml of the
                            repository has every key (the package: /usr/share/doc/ringest/ringest.toml)
  ringest new-model NAME    write the commented file of a new model
  ringest infer FILE        propose a model for sample records
  ringest --help            everything else";

const ABOUT: &str = "\
Ingest gateway: accepts JSON over HTTP, validates it, and forwards it, byte for byte, to Kafka or
Redpanda. Without a command, ringest serves POST /ingest/<model>/<version>.";

const EXAMPLES: &str = "\
Examples:
  ringest --dev                          try ringest without a broker or a configuration file
  ringest --config /etc/ringest.toml     serve
  ringest --check --connect              validate the configuration, check that topics exist
  ringest --list-routes --format json    list the routes as JSON
  ringest explain --model Order a.json   validate the records of a file
  ringest token --name mobile            create an API key
  ringest topics --create                create the topics that are missing
  ringest health --ready                 ask a running server whether it can accept records
  ringest top                            watch a running server in the terminal
  ringest import-moose infrastructure_map.json --project moose.config.toml --out conf

Each configuration key can also be set as the environment variable RINGEST_<SECTION>__<KEY>, which
overrides the file:
  RINGEST_LISTEN__ADDRESS=127.0.0.1:0 RINGEST_KAFKA__LINGER_MS=5 ringest

Signals: SIGTERM and SIGINT stop accepting requests, finish those in progress, and exit; a second
one, after a second or more, exits immediately. SIGHUP reloads the configuration and the models;
if they are invalid, the errors are logged and the previous configuration stays active.

Exit codes: 0 success, 1 configuration error, 2 usage error, 3 incomplete shutdown
(connections were cut off, or a second signal came), 4 a worker was stuck or failed repeatedly.";

/// The arguments of `ringest`.
#[derive(Debug, Parser)]
#[command(
    version,
    about = ABOUT,
    after_help = EXAMPLES,
    disable_help_subcommand = true,
    subcommand_help_heading = "Commands"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag is a bool; clap keeps them apart"
)]
struct Arguments {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = CONFIG_FILE)]
    config: PathBuf,

    #[command(subcommand)]
    command: Option<Command>,

    /// Serve the sample models on loopback with an in-process Kafka broker
    #[arg(
        long,
        conflicts_with_all = ["config", "list_routes", "check"],
        help_heading = "Modes (default: serve)"
    )]
    dev: bool,

    /// With --dev: directory of models to serve, reloaded if it changes
    #[arg(
        long,
        value_name = "DIR",
        requires = "dev",
        help_heading = "Modes (default: serve)"
    )]
    models: Option<PathBuf>,

    /// With --dev: port of loopback at which consumers find the broker
    #[arg(
        long,
        value_name = "PORT",
        requires = "dev",
        help_heading = "Modes (default: serve)"
    )]
    dev_broker: Option<u16>,

    /// List the routes and exit
    #[arg(
        long,
        conflicts_with = "check",
        help_heading = "Modes (default: serve)"
    )]
    list_routes: bool,

    /// Output of --list-routes: table, json or openapi
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t = Format::Table,
        hide_possible_values = true,
        requires = "list_routes",
        conflicts_with_all = ["check", "dev"],
        help_heading = "Modes (default: serve)"
    )]
    format: Format,

    /// Validate the configuration, print the worst-case memory use, and exit
    #[arg(long, help_heading = "Modes (default: serve)")]
    check: bool,

    /// With --check: also look up topics, schema IDs and the keys of JWT issuers
    #[arg(
        long,
        requires = "check",
        conflicts_with_all = ["list_routes", "dev"],
        help_heading = "Modes (default: serve)"
    )]
    connect: bool,
}

/// Subcommands, each with its own arguments.
#[derive(Debug, Subcommand)]
enum Command {
    Completions(manual::CompletionsArguments),
    Explain(explain::Arguments),
    Health(health::Arguments),
    ImportMoose(import_moose::Arguments),
    Infer(infer::InferArguments),
    Man(manual::ManArguments),
    NewModel(infer::NewModelArguments),
    Token(token::Arguments),
    Top(top::Arguments),
    Topics(topics::Arguments),
}

/// Output format of `--list-routes`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
    Openapi,
}

impl Arguments {
    /// Rejects combinations that clap's attributes can't express: a command flag with a subcommand.
    fn consistent(self) -> Result<Self, clap::Error> {
        if self.command.is_some() && (self.dev || self.list_routes || self.check) {
            let message = "--dev, --list-routes and --check can't be combined with a subcommand";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, message));
        }
        Ok(self)
    }

    /// Whether it should serve by the default configuration file, which does not exist.
    fn lacks_file(&self) -> bool {
        let serves = !self.list_routes && !self.check;
        let is_default = self.config == Path::new(CONFIG_FILE);
        serves && is_default && matches!(self.config.try_exists(), Ok(false))
    }
}

/// Runs the command given on the command line and returns the exit code of the process.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse().and_then(Arguments::consistent) {
        Ok(arguments) => arguments,
        Err(answer) => {
            // clap reports help and version as errors too, with the right stream and exit code.
            // If printing fails there is no other place to report it.
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2));
        }
    };
    match &arguments.command {
        Some(Command::Completions(of)) => return manual::completions(Arguments::command(), of),
        Some(Command::Explain(of)) => return explain::run(&arguments.config, of),
        Some(Command::Health(of)) => return health::run(&arguments.config, of),
        Some(Command::ImportMoose(of)) => return import_moose::run(of),
        Some(Command::Infer(of)) => return infer::run(of),
        Some(Command::NewModel(of)) => return infer::new_model(of),
        Some(Command::Man(of)) => return manual::man(Arguments::command(), of),
        Some(Command::Token(of)) => return token::run(&arguments.config, of),
        Some(Command::Top(of)) => return top::run(of),
        Some(Command::Topics(of)) => return topics::run(&arguments.config, of),
        None => {}
    }
    if arguments.dev {
        return serve_dev(arguments.models, arguments.dev_broker);
    }
    if arguments.lacks_file() {
        return refuse(WITHOUT_FILE);
    }
    let done = if arguments.list_routes {
        Config::load_to_inspect(&arguments.config, environment()).map(|config| {
            let table = config.routes();
            match arguments.format {
                Format::Table => print(&route_table(table.routes())),
                Format::Json => print_exactly(&routes_json(table.routes())),
                Format::Openapi => print_exactly(&openapi::text(table.routes())),
            }
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

/// Reports the errors of a configuration.
fn unusable(file: &Path, errors: &ConfigErrors) -> ExitCode {
    report(&errors.to_string());
    if !file.exists() {
        report(NO_CONFIG_FILE);
    }
    ExitCode::from(EXIT_CONFIGURATION)
}

/// Serves until a signal stops the process; a reload reads the configuration from `file`.
fn serve(config: Config, file: PathBuf) -> ExitCode {
    let _log = match start_log(&config) {
        Ok(log) => log,
        Err(code) => return code,
    };
    let load = Box::new(move || Config::load(&file, environment()));
    supervisor::run(config, Some(load), |addresses| announce(&addresses))
}

/// Serves the sample models, or those of a directory, with an in-process broker.
fn serve_dev(models: Option<PathBuf>, broker_port: Option<u16>) -> ExitCode {
    let dev = match Dev::start(models, broker_port, environment) {
        Ok(dev) => dev,
        Err(error) => return failed(&error.to_string()),
    };
    let _log = match start_log(&dev.config) {
        Ok(log) => log,
        Err(code) => return code,
    };
    dev.serve(|addresses| announce(&addresses))
}

/// Prints one `listening on ADDRESS` line a listener; scripts wait for them.
fn announce(addresses: &Addresses) {
    let public = format!("listening on {}", addresses.public);
    let management = addresses
        .management
        .map(|it| format!("listening on {it} (management)"));
    for line in [Some(public), management].into_iter().flatten() {
        log::announce(&line);
    }
}

/// Starts the log as configured and logs the warnings of the configuration. From here on nothing is
/// written to stderr but by the log.
fn start_log(config: &Config) -> Result<LogGuard, ExitCode> {
    let log = log::start(&config.log)
        .map_err(|error| failed(&format!("can't start the log: {error}")))?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(log)
}

/// Checks a configuration whose keys are valid one by one: prints the warnings, lets librdkafka check
/// its properties as a whole, and prints the worst-case memory. With `connect`, also looks up the
/// topics, the schemas and the keys of JWT issuers.
fn check(file: &Path, config: &Config, connect: bool) -> ExitCode {
    for warning in &config.warnings {
        report(&format!("warning: {warning}"));
    }
    if let Err(error) = config.check_kafka() {
        return failed(&format!("{}: [kafka]: {error}", file.display()));
    }
    let printed = print(&format!(
        "configuration is valid\nroutes {}, workers {}, worst-case memory:\n{}\n",
        config.models.len(),
        config.workers,
        config.memory_max()
    ));
    if !connect {
        return printed;
    }
    let survey = access(config).and_then(|it| probe::survey(&it, &config.expected_topics()));
    let topics_exist = match survey {
        Ok(survey) => {
            for warning in &survey.warnings {
                report(&format!("warning: {warning}"));
            }
            let missing = survey.topics.iter().filter(|it| !it.exists());
            for topic in missing.clone() {
                report(&format!(
                    "topic {}: does not exist on the brokers",
                    topic.name
                ));
            }
            missing.count() == 0
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
    let keys_fetched = fetch_keys(config);
    if !topics_exist || schemas.is_err() || !keys_fetched {
        return ExitCode::from(EXIT_CONFIGURATION);
    }
    let names_a_subject = |model: &Arc<Model>| matches!(model.schema, Some(Schema::Subject { .. }));
    print(if config.models.iter().any(names_a_subject) {
        "all topics exist on the brokers, all schemas in the schema registry\n"
    } else {
        "all topics exist on the brokers\n"
    })
}

/// What a command connects to the brokers with.
///
/// # Errors
/// Why there is no token, where the brokers want one.
fn access(config: &Config) -> Result<Arc<BrokerAccess>, String> {
    let access = BrokerAccess::new(config.kafka.clone());
    if let Some(tokens) = &config.tokens {
        let token = tokens.fetch();
        access.set_token(
            token.map_err(|error| format!("no token from {}: {error}", tokens.shown()))?,
        );
    }
    Ok(access)
}

/// Fetches the keys of each issuer with a JWKS URL and reports the results; `true` if every fetch
/// succeeded.
fn fetch_keys(config: &Config) -> bool {
    let mut succeeded = true;
    for issuer in &config.auth.issuers {
        let KeySource::Url(at) = &issuer.keys else {
            continue;
        };
        let (name, url) = (&issuer.issuer, &at.url);
        match jwks::fetch(url, &issuer.algorithms) {
            Ok(LoadedKeys { keys, skipped }) => {
                // A closed stdout is no failure of the check.
                let _ = print(&format!(
                    "issuer {name:?}: usable keys at {url}: {}\n",
                    keys.len()
                ));
                for line in skipped {
                    report(&format!("issuer {name:?}: key ignored: {line}"));
                }
            }
            Err(error) => {
                report(&format!("issuer {name:?}: no keys at {url}: {error}"));
                succeeded = false;
            }
        }
    }
    succeeded
}

/// All routes as aligned columns, without trailing spaces.
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
    aligned(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

/// Rows as aligned columns, without trailing spaces.
fn aligned<const N: usize>(rows: &[[&str; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max();
    let widths: Vec<_> = (0..N - 1).filter_map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String never fails.
            let _ = write!(text, "{cell:width$}  ");
        }
        text.push_str(row[N - 1]);
        text.push('\n');
    }
    text
}

/// The environment variables of the process. Invalid Unicode becomes replacement characters, so that
/// such a value of a ringest variable is reported as an error instead of being ignored.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| {
        let text = |it: std::ffi::OsString| it.to_string_lossy().into_owned();
        (text(name), text(value))
    })
}
