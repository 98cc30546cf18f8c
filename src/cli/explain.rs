//! `ringest explain`: the server's verdict on a file, without a server.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, ValueEnum};

use super::{EXIT_USAGE, environment, print, report, unusable};
use crate::{
    config::Config,
    explain::{faults, summary},
    model::{Model, Version},
    validate::{Fault, Format, Rejection, ValidateLimits, Validator},
};

/// A record that the server would refuse.
const EXIT_FAULTY: u8 = 1;

/// Names that are told when there is none such.
const NAMES_TOLD_MAX: usize = 5;

const ABOUT: &str = "Say what is wrong with the records of a file, as the server would";

const EXAMPLES: &str = "\
No server is needed, nor a broker: the models and limits are those of the configuration.

Examples:
  ringest explain --model Order order.json
  ringest explain --model Order/1.0 --format json orders.ndjson
  generate | ringest explain --model Order --ndjson -

Exit codes: 0 every record is good, 1 one is not (the report is on stdout) or the configuration
can't be used, 2 usage: no such model, no such file.";

#[derive(Debug, Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The model that the records are of; without a version its highest
    #[arg(long, value_name = "NAME[/VERSION]")]
    model: String,

    /// text, or json: the `errors` of the answer
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t = Output::Text,
        hide_possible_values = true
    )]
    format: Output,

    /// A record a line, as anyway where FILE ends in .ndjson or .jsonl
    #[arg(long)]
    ndjson: bool,

    /// What would be posted; - is stdin
    file: PathBuf,
}

/// How faults are told.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Judges the file with the models of a configuration.
pub(super) fn run(config: &Path, arguments: &Arguments) -> ExitCode {
    let config = match Config::load_to_inspect(config, environment()) {
        Ok(config) => config,
        Err(errors) => return unusable(config, &errors),
    };
    let judged = find(&config.models, &arguments.model)
        .and_then(|model| Ok((model, read(arguments, &config)?)));
    match judged {
        Ok((model, body)) => judge(model, &body, &config, arguments),
        Err(message) => {
            report(&message);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn judge(model: &Model, body: &[u8], config: &Config, arguments: &Arguments) -> ExitCode {
    let max = config.limits.body_bytes_max;
    if body.len() > max {
        report(&format!(
            "more than limits.body_bytes_max = {max} bytes: the answer would be 413 body_too_large"
        ));
        return ExitCode::from(EXIT_FAULTY);
    }
    let mut validator = Validator::new(ValidateLimits::from(&config.limits));
    let verdict = validator.validate(body, body_format(arguments), &model.rules);
    let (good, rejection) = match &verdict {
        Ok(valid) => (valid.len(), valid.rejection()),
        Err(rejection) => (0, Some(rejection)),
    };
    let printed = match (arguments.format, rejection) {
        (Output::Json, rejection) => print_errors(rejection),
        (Output::Text, None) => print(&match good {
            1 => "the record is good\n".to_owned(),
            _ => format!("all {good} records are good\n"),
        }),
        (Output::Text, Some(rejection)) => {
            let name = arguments.file.display().to_string();
            let mut text = faults(&name, body, rejection);
            text.push_str(&summary(rejection, good));
            text.push('\n');
            print(&text)
        }
    };
    match rejection {
        Some(_) if printed == ExitCode::SUCCESS => ExitCode::from(EXIT_FAULTY),
        _ => printed,
    }
}

fn print_errors(rejection: Option<&Rejection>) -> ExitCode {
    let faults = rejection.map_or(&[][..], |rejection| &rejection.faults);
    let errors: serde_json::Value = faults.iter().map(Fault::to_json).collect();
    print(&format!("{errors:#}\n"))
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

/// The file, or as much of it as shows that it is too long.
fn read(arguments: &Arguments, config: &Config) -> Result<Vec<u8>, String> {
    let enough = config.limits.body_bytes_max as u64 + 1;
    let mut body = Vec::new();
    let file = &arguments.file;
    let read = if file.as_os_str() == "-" {
        io::stdin().take(enough).read_to_end(&mut body)
    } else {
        File::open(file).and_then(|file| file.take(enough).read_to_end(&mut body))
    };
    match read {
        Ok(_) => Ok(body),
        Err(error) => Err(format!("{}: can't be read: {error}", file.display())),
    }
}

/// The model of that name, in that version or in its highest; case makes no difference, as in a
/// route.
///
/// # Errors
/// What there is instead, the likeliest first.
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
        let likeness = |model: &Model| {
            let known = model.name.to_ascii_lowercase();
            strsim::normalized_damerau_levenshtein(&name.to_ascii_lowercase(), &known)
        };
        others.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
        let names: Vec<_> = others
            .iter()
            .take(NAMES_TOLD_MAX)
            .map(|model| format!("{}/{}", model.name, model.version))
            .collect();
        format!(
            "--model {wanted}: there is none such; the nearest: {}",
            names.join(", ")
        )
    })
}
