//! `ringest infer` and `ringest new-model`: the first version of a model's file.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{print, print_exactly, read_input, refuse};
use crate::{
    infer::infer,
    model::{Model, declared_name, read_directory},
};

const INFER_EXAMPLES: &str = "\
Reads a JSON object, an array of them, or NDJSON, and prints the file of a model whose types fit
all records. Comments say what was guessed: read them before you use it.

Examples:
  ringest infer orders.ndjson > models/orders.toml
  head -1000 orders.ndjson | ringest infer --name Order -

Exit codes: 0 success, 2 usage error, such as a file that can't be read or holds no records.";

const NEW_MODEL_EXAMPLES: &str = "\
Examples:
  ringest new-model Order                    writes models/Order.toml
  ringest new-model Order --dir conf/models

Exit codes: 0 success, 2 usage error, such as a file that exists already.";

#[derive(Debug, Args)]
#[command(about = "Propose a model for sample records", after_help = INFER_EXAMPLES)]
pub(super) struct InferArguments {
    /// Name of the model; by default that of the file
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// File with sample records; - reads stdin
    file: PathBuf,
}

#[derive(Debug, Args)]
#[command(about = "Write the commented file of a new model", after_help = NEW_MODEL_EXAMPLES)]
pub(super) struct NewModelArguments {
    /// Name of the model: a letter, then letters, digits, _ and -
    name: String,

    /// Directory of the models
    #[arg(long, value_name = "DIR", default_value = "models")]
    dir: PathBuf,
}

/// Prints a proposal.
pub(super) fn run(arguments: &InferArguments) -> ExitCode {
    let name = arguments.name.clone().or_else(|| name_of(&arguments.file));
    let name = name.unwrap_or_else(|| "Model".to_owned());
    if !Model::is_name(&name) {
        return refuse(&not_a_name(&name));
    }
    let file = arguments.file.display();
    match read_input(&arguments.file, u64::MAX).map(|body| infer(&name, &body)) {
        Ok(Ok(text)) => print_exactly(&text),
        Ok(Err(error)) => refuse(&format!("{file}: {error}")),
        Err(error) => refuse(&format!("can't read {file}: {error}")),
    }
}

/// Writes a file, unless there is one.
pub(super) fn new_model(arguments: &NewModelArguments) -> ExitCode {
    let NewModelArguments { name, dir } = arguments;
    if !Model::is_name(name) {
        return refuse(&not_a_name(name));
    }
    match existing(dir, name) {
        Ok(None) => {}
        Ok(Some(file)) => {
            return refuse(&format!(
                "{file} has this model already (upper and lower case are one name); nothing was written. Another \
                 version is a copy of the file with another `version`"
            ));
        }
        Err(error) => return refuse(&format!("can't read {error}")),
    }
    let path = dir.join(format!("{name}.toml"));
    let text = TEMPLATE.replace("NAME", name);
    let written = fs::create_dir_all(dir)
        .and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path))
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => print(&format!("{}\n", path.display())),
        Err(error) => refuse(&format!("can't write {}: {error}", path.display())),
    }
}

/// The file among the models of a directory that has this name or declares a model with it, in any case.
fn existing(dir: &Path, name: &str) -> io::Result<Option<String>> {
    if !dir.try_exists()? {
        return Ok(None);
    }
    let models = read_directory(dir)?.models;
    let mut paths = models.into_iter().filter(|file| {
        let stem = Path::new(&file.path).file_stem();
        let has_name = stem.is_some_and(|it| it.eq_ignore_ascii_case(name));
        has_name || declared_name(file).is_some_and(|it| it.eq_ignore_ascii_case(name))
    });
    Ok(paths.next().map(|it| it.path))
}

/// The model that `ringest new-model` writes.
const TEMPLATE: &str = include_str!("model.toml");

/// The part of a file's name before the first dot, without what a model's name can't have.
fn name_of(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?.split('.').next()?;
    let allowed = |it: &char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-');
    let name: String = name.chars().filter(allowed).collect();
    Model::is_name(&name).then_some(name)
}

fn not_a_name(name: &str) -> String {
    format!("\"{name}\" is not a model's name: a letter, then letters, digits, _ and -")
}
