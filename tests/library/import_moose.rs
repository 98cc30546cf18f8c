//! `ringest import-moose`: from a Moose project to routes that serve it.
//!
//! `infrastructure_map.json` is the map that Moose 0.6.533 serves at `/infra-map` for 89 data models, one
//! line an endpoint or topic; left out of it are the JSON Schemas of all endpoints but two, and the
//! columns that topics repeat from their endpoints.

mod configuration;
mod models;
mod refusals;
mod types;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ringest::config::Config;
use serde_json::{Value, json};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const MAP: &str = include_str!("import_moose/infrastructure_map.json");

fn map() -> Value {
    serde_json::from_str(MAP).expect("JSON")
}

/// A directory with a map, and what was made of it.
struct Place(TempDir);

impl Place {
    fn new(map: &Value) -> Self {
        Self::with_text(&map.to_string())
    }

    fn with_text(map: &str) -> Self {
        let place = Self(tempfile::tempdir().expect("a directory"));
        place.write("map.json", map);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("created");
        fs::write(path, text).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect(name)
    }

    /// Runs ringest here, as a person would: no variable but these reaches it.
    fn ringest(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringest"));
        command.args(arguments).current_dir(self.0.path());
        command.env_clear().envs(variables.iter().copied());
        command.output().expect("ringest runs")
    }

    /// `ringest import-moose map.json --out conf` and more.
    fn import(&self, more: &[&str]) -> Output {
        let arguments = ["import-moose", "map.json", "--out", "conf"];
        self.ringest(&[&arguments, more].concat(), &[])
    }

    /// As [`Place::import`]; the report.
    fn imported(&self, more: &[&str]) -> String {
        let output = self.import(more);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stderr(&output), "");
        stdout(&output).to_owned()
    }

    /// The routes of what was imported, as `--list-routes` prints them for scripts.
    fn routes(&self) -> Vec<Value> {
        let arguments = ["--config", "conf/ringest.toml", "--list-routes"];
        let output = self.ringest(&[&arguments[..], &["--format", "json"]].concat(), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

/// A map with one ingest API `Thing` of version 1 with these columns, and its topic.
fn map_of(columns: &Value) -> Value {
    json!({
        "api_endpoints": {"INGRESS_Thing_1": {
            "name": "Thing",
            "version": "1",
            "path": "ingest/Thing/1",
            "method": "POST",
            "api_type": {"INGRESS": {
                "target_topic_id": "Thing_1",
                "dead_letter_queue": null,
                "data_model": {"columns": columns, "name": "Thing", "version": "0.0"},
            }},
        }},
        "topics": {"Thing_1": {"name": "Thing", "version": "1", "columns": []}},
    })
}

/// A required column of that type.
fn column(name: &str, data_type: &Value) -> Value {
    json!({"name": name, "data_type": data_type, "required": true, "default": null})
}

const INGRESS: &str = "/api_endpoints/INGRESS_Thing_1/api_type/INGRESS";

/// Sets a member of a map, or of a part of it.
fn set(map: &mut Value, pointer: &str, key: &str, value: Value) {
    map.pointer_mut(pointer).expect(pointer)[key] = value;
}

#[test]
fn a_project_is_moved_in_three_commands() {
    let place = Place::with_text(MAP);
    let report = place.imported(&[]);
    assert!(
        report.starts_with("89 model(s) in conf/models, the configuration is conf/ringest.toml\n")
    );
    assert!(
        report.contains("- creating the map's 91 topics"),
        "{report}"
    );
    assert!(report.contains("- authentication: "), "{report}");

    let config = ["--config", "conf/ringest.toml"];
    let check = [&config[..], &["--check"]].concat();
    let output = place.ringest(&check, &[]);
    assert_eq!(output.status.code(), Some(1));
    let errors = stderr(&output);
    assert!(
        errors.starts_with("conf/ringest.toml: auth.mode: "),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
    let decided = place.read("conf/ringest.toml").replace("# mode", "mode");
    place.write("conf/ringest.toml", &decided);
    let output = place.ringest(&check, &[("RINGEST_WORKERS", "1")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("routes 89, "));
    assert_eq!(place.routes().len(), 89);
}

/// What `moose ls` has of ingest APIs is their names and topics (`cli/routines/ls.rs`); their
/// methods and paths are those of the map, which `moose dev` prints.
#[test]
fn the_routes_are_those_of_moose() {
    let place = Place::with_text(MAP);
    place.imported(&[]);
    let routes = place.routes();
    let listed = |keys: [&str; 4]| -> BTreeSet<Vec<String>> {
        let row = |route: &Value| {
            let cell = |key: &&str| route[*key].as_str().expect(key).to_owned();
            keys.iter().map(cell).collect()
        };
        routes.iter().map(row).collect()
    };
    let map = map();
    let endpoints = map["api_endpoints"].as_object().expect("an object");
    let moose = endpoints.values().map(|endpoint| {
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        vec![
            text(&endpoint["method"]),
            format!("/{}", text(&endpoint["path"])),
            text(&endpoint["name"]),
            text(&endpoint["api_type"]["INGRESS"]["target_topic_id"]),
        ]
    });
    let moose: BTreeSet<_> = moose.collect();
    assert_eq!(moose.len(), 89);
    assert_eq!(listed(["method", "path", "model", "topic"]), moose);
}

/// The files of `tests/moose/models` say by hand what the map means.
#[test]
fn the_models_are_the_ones_that_the_map_means() {
    let place = Place::with_text(MAP);
    place.imported(&[]);
    let expected = Path::new(ROOT).join("tests/moose/models");
    let names = |directory: &Path| -> BTreeSet<_> {
        let files = fs::read_dir(directory).expect("a directory");
        files
            .map(|file| file.expect("a file").file_name())
            .collect()
    };
    assert_eq!(names(&place.path("conf/models")), names(&expected));
    for name in names(&expected) {
        let name = name.to_str().expect("text");
        let made = place.read(&format!("conf/models/{name}"));
        // Remarks come first; the rest is the same to the byte.
        let made = &made[made.find("name = ").expect(name)..];
        let expected = fs::read_to_string(expected.join(name)).expect(name);
        assert_eq!(made, expected, "{name}");
    }
}

#[test]
fn the_models_load_and_mean_the_same() {
    let place = Place::with_text(MAP);
    place.imported(&[]);
    let load = |models: &Path| {
        let variables = [
            ("RINGEST_AUTH__MODE", "none"),
            ("RINGEST_MODELS", models.to_str().expect("text")),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(&place.path("conf/ringest.toml"), variables.into_iter());
        config.unwrap_or_else(|errors| panic!("{errors}")).models
    };
    let made = load(&place.path("conf/models"));
    let expected = load(&Path::new(ROOT).join("tests/moose/models"));
    assert_eq!(made.len(), expected.len());
    for (made, expected) in made.iter().zip(&expected) {
        assert_eq!(made.name, expected.name);
        assert_eq!(made.version, expected.version);
        assert_eq!(made.topic, expected.topic);
        assert_eq!(made.dead_letter_topic, expected.dead_letter_topic);
        assert_eq!(made.path, None);
        assert_eq!(made.fields, expected.fields, "{}", made.name);
        assert!(made.fields.is_some());
    }
}
