//! Moving over from Moose: its infrastructure map becomes model files, the ingest part of its
//! `moose.config.toml` a configuration.
//!
//! The map is Moose's `InfrastructureMap` as JSON: what `/infra-map` of its management port serves,
//! what `moose build` leaves in `.moose/infrastructure_map.json`, or `/admin/inframap`'s answer
//! with the map under `infra_map`. Read in Moose's source at 0.6.449
//! (`apps/framework-cli/src/framework/core/infrastructure_map.rs` and `infrastructure/`), tried on a
//! map of 0.6.533. Of older maps, an endpoint without columns (its topic has them then) and the
//! older names of types are understood; keys that ringest doesn't know never matter. What
//! `moose ls --json` prints has no types and is refused, as is the map in protobuf.

mod column;
mod configuration;
mod map;
mod model;
mod node;
mod project;
mod topic;
mod types;

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use self::{map::Map, node::Node, project::Project};
use crate::document::{ConfigError, Origin};

/// The file of the key that tokens are verified with, beside the configuration.
const PUBLIC_KEY: &str = "jwt.pem";

/// The result of an import.
#[derive(Debug)]
pub struct Import {
    /// What was written, what has no counterpart, what to do next: for a person.
    pub report: String,
    /// Each ingest API that could not be imported, and why; the others are written.
    pub skipped: Vec<ConfigError>,
}

/// Writes `ringest.toml`, `models/*.toml` and, where Moose asks for tokens, `jwt.pem` into `out` from
/// a map, and from a `moose.config.toml` if there is one, else with Moose's defaults. A file that is
/// there already is left alone unless its text is the same, or `force` replaces it.
///
/// # Errors
/// What keeps anything from being written, all at once: unreadable files, no map in `map`, no
/// ingest API that could be imported, bad values in `project`, files in the way.
pub fn import(
    map: &Path,
    project: Option<&Path>,
    out: &Path,
    force: bool,
) -> Result<Import, Vec<ConfigError>> {
    let map_name = map.display().to_string();
    let short_name = map.file_name().unwrap_or_default().display().to_string();
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| vec![unwritable(path, "can't be read", &error)])
    };
    let project = match project {
        Some(path) => read(path).and_then(|text| Project::parse(path, &text)),
        None => Ok(Project::default()),
    };
    let json = read(map).and_then(|text| parse(&map_name, &text));
    let map = json
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|json| Map::new(Node::root(&map_name, json)).map_err(|it| vec![it]));
    let (map, project) = match (map, project) {
        (Ok(map), Ok(project)) => (map, project),
        (map, project) => {
            let errors = [map.err(), project.err()].into_iter().flatten().flatten();
            return Err(errors.collect());
        }
    };
    let models = map.models(project.namespace.as_deref());
    if models.files.is_empty() {
        return Err(models.skipped);
    }
    let mut files = vec![File {
        path: out.join("ringest.toml"),
        text: project.configuration(&short_name, models.ask_registry),
    }];
    let public_key = out.join(PUBLIC_KEY);
    files.extend(project.public_key().map(|pem| File {
        path: public_key.clone(),
        text: pem.to_owned(),
    }));
    let model_count = models.files.len();
    files.extend(models.files.into_iter().map(|(name, text)| File {
        path: out.join("models").join(name),
        text,
    }));
    write(&files, force)?;
    let mut report = summary(model_count, out, &files[0].path, models.skipped.len());
    section(&mut report, "left out", &models.unreached);
    section(&mut report, "not supported by ringest", &map.left_behind());
    let mut next = project.next(&public_key);
    next.push(format!(
        "ringest --config {} --check --connect",
        files[0].path.display()
    ));
    section(&mut report, "next", &next);
    Ok(Import {
        report,
        skipped: models.skipped,
    })
}

/// How many models were written and where, and how many APIs were not imported.
fn summary(models: usize, out: &Path, configuration: &Path, skipped: usize) -> String {
    let mut report = format!(
        "{models} model(s) in {}, the configuration is {}\n",
        out.join("models").display(),
        configuration.display()
    );
    if skipped > 0 {
        // Writing to a String never fails.
        let _ = writeln!(report, "NOT imported: {skipped}");
    }
    report
}

/// Lines under a heading, if there are any.
fn section(report: &mut String, heading: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(report, "{heading}:");
        for line in lines {
            let _ = writeln!(report, "- {line}");
        }
    }
}

/// A map's text.
fn parse(name: &str, text: &str) -> Result<Value, Vec<ConfigError>> {
    serde_json::from_str(text).map_err(|error| {
        vec![ConfigError {
            origin: Origin::File {
                path: name.to_owned(),
                line: Some(error.line()),
            },
            key: String::new(),
            message: format!("not JSON: {error}"),
        }]
    })
}

/// A file to be written.
struct File {
    path: PathBuf,
    text: String,
}

/// All files, or none where one is in the way.
fn write(files: &[File], force: bool) -> Result<(), Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut missing = Vec::new();
    for file in files {
        match fs::read(&file.path) {
            Ok(there) if there == file.text.as_bytes() => {}
            Ok(_) if force => missing.push(file),
            Ok(_) => errors.push(unwritable(
                &file.path,
                "already exists with other contents",
                &io::Error::other("--force replaces it"),
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(file),
            Err(error) => errors.push(unwritable(&file.path, "can't be read", &error)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    for file in missing {
        let directory = file.path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&file.path, &file.text))
            .map_err(|error| vec![unwritable(&file.path, "can't be written", &error)])?;
    }
    Ok(())
}

fn unwritable(path: &Path, what: &str, error: &io::Error) -> ConfigError {
    ConfigError {
        origin: Origin::File {
            path: path.display().to_string(),
            line: None,
        },
        key: String::new(),
        message: format!("{what}: {error}"),
    }
}
