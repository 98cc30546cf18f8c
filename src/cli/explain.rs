//! `ringest explain`: validates a file as the server would.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, ValueEnum};

use super::{environment, print, print_exactly, read_input, refuse, report, unusable};
use crate::{
    config::Config,
    explain::{errors, summary},
    model::{Model, Version},
    validate::{Format, Rejection, ValidateLimits, ValidationError, Validator},
};

/// At least one record is invalid.
const EXIT_INVALID: u8 = 1;

/// Model names listed when `--model` names an unknown one.
const SUGGESTIONS_MAX: usize = 5;

const ABOUT: &str = "Validate the records of a file and explain every error";

const EXAMPLES: &str = "\
Uses the models and limits of the configuration; needs neither a running server nor a broker.

Examples:
  ringest explain --model Order order.json
  ringest explain --model Order/1.0 --format json orders.ndjson
  generate | ringest explain --model Order --ndjson -

Exit codes: 0 all records are valid, 1 a record (report on stdout) or the configuration (errors on
stderr) is invalid, 2 usage error, such as an unknown model or a file that can't be read.";

#[derive(Debug, Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Model to validate against; without VERSION, its highest version
    #[arg(long, value_name = "NAME[/VERSION]")]
    model: String,

    /// Output format: text, json (the response's `errors`)
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t = Output::Text,
        hide_possible_values = true
    )]
    format: Output,

    /// Read NDJSON, one record per line (implied for .ndjson, .jsonl)
    #[arg(long)]
    ndjson: bool,

    /// File with the request body; - reads stdin
    file: PathBuf,
}

/// Output format of the validation errors.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Validates the file against a model of the configuration.
pub(super) fn run(config: &Path, arguments: &Arguments) -> ExitCode {
    let config = match Config::load_to_inspect(config, environment()) {
        Ok(config) => config,
        Err(errors) => return unusable(config, &errors),
    };
    let input = find(&config.models, &arguments.model)
        .and_then(|model| Ok((model, read(arguments, &config)?)));
    match input {
        Ok((model, body)) => validate(model, &body, &config, arguments),
        Err(message) => refuse(&message),
    }
}

fn validate(model: &Model, body: &[u8], config: &Config, arguments: &Arguments) -> ExitCode {
    let max = config.limits.body_bytes_max;
    if body.len() > max {
        report(&format!(
            "the body exceeds limits.body_bytes_max = {max}; the server would respond 413 \
             body_too_large"
        ));
        return ExitCode::from(EXIT_INVALID);
    }
    let mut validator = Validator::new(ValidateLimits::from(&config.limits));
    let result = validator.validate(body, body_format(arguments), &model.rules);
    let (valid, rejection) = match &result {
        Ok(valid_body) => (valid_body.len(), valid_body.rejection()),
        Err(rejection) => (0, Some(rejection)),
    };
    let printed = match (arguments.format, rejection) {
        (Output::Json, rejection) => print_errors(rejection),
        (Output::Text, None) => print(&match valid {
            1 => "the record is valid\n".to_owned(),
            _ => format!("all {valid} records are valid\n"),
        }),
        (Output::Text, Some(rejection)) => {
            let name = arguments.file.display().to_string();
            let mut text = errors(&name, body, rejection);
            text.push_str(&summary(rejection, valid));
            text.push('\n');
            print(&text)
        }
    };
    match rejection {
        Some(_) if printed == ExitCode::SUCCESS => ExitCode::from(EXIT_INVALID),
        _ => printed,
    }
}

fn print_errors(rejection: Option<&Rejection>) -> ExitCode {
    let reported = rejection.map_or(&[][..], |rejection| &rejection.errors);
    let errors: serde_json::Value = reported.iter().map(ValidationError::to_json).collect();
    print_exactly(&format!("{errors:#}\n"))
}

fn body_format(arguments: &Arguments) -> Format {
    let extension = arguments.file.extension().and_then(|it| it.to_str());
    let is_lines = extension.is_some_and(|it| {
        ["ndjson", "jsonl"]
            .iter()
            .any(|name| it.eq_ignore_ascii_case(name))
    });
    if arguments.ndjson || is_lines {
        Format::Ndjson
    } else {
        Format::Json
    }
}

/// Reads the file, at most one byte beyond the body limit.
fn read(arguments: &Arguments, config: &Config) -> Result<Vec<u8>, String> {
    let enough = config.limits.body_bytes_max as u64 + 1;
    let file = &arguments.file;
    let unreadable = |error| format!("{}: can't be read: {error}", file.display());
    read_input(file, enough).map_err(unreadable)
}

/// The model of this name, in this version or else its highest. Ignores case, as routes do.
///
/// # Errors
/// A message that lists similar names, the most similar first.
fn find<'a>(models: &'a [Arc<Model>], wanted: &str) -> Result<&'a Model, String> {
    let (name, version) = match wanted.split_once('/') {
        Some((name, version)) => (name, Some(version)),
        None => (wanted, None),
    };
    let same_name = || {
        let models = models.iter().map(|model| &**model);
        models.filter(|model| model.name.eq_ignore_ascii_case(name))
    };
    let found = match version.map(str::parse::<Version>) {
        None => same_name().max_by(|a, b| a.version.cmp(&b.version)),
        Some(Ok(version)) => same_name().find(|model| model.version == version),
        Some(Err(_)) => None,
    };
    found.ok_or_else(|| {
        let mut others: Vec<&Model> = same_name().collect();
        if others.is_empty() {
            others = models.iter().map(|model| &**model).collect();
        }
        let similarity = |model: &Model| {
            let known = model.name.to_ascii_lowercase();
            strsim::normalized_damerau_levenshtein(&name.to_ascii_lowercase(), &known)
        };
        others.sort_by(|a, b| similarity(b).total_cmp(&similarity(a)));
        let names: Vec<_> = others
            .iter()
            .take(SUGGESTIONS_MAX)
            .map(|model| format!("{}/{}", model.name, model.version))
            .collect();
        format!(
            "--model {wanted}: unknown model; similar models: {}",
            names.join(", ")
        )
    })
}
