//! `config/deploy/` fits ringest: names of metrics, keys, versions, configurations that load. What needs Docker,
//! Helm or Prometheus is checked by `config/deploy/check`.

mod alerts;
mod systemd;

use std::{fs, path::Path};

use regex::Regex;
use ringest::config::Config;

use super::documentation::tables::reference;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A key whose hash is of nothing in particular.
const KEY: &str = "[{ name = \"mobile\", \
    hash = \"sha256:918b97757ec8076fe48e30fa828941c4043bb0e7b0941293a0728cc195643773\" }]";

/// A file below `config/deploy/`.
fn file(name: &str) -> String {
    let path = Path::new(ROOT).join("config/deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What the first group of the pattern matches, each time.
fn found<'a>(text: &'a str, pattern: &str) -> Vec<&'a str> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let found = pattern.captures_iter(text);
    found
        .map(|it| it.get(1).expect("a group").as_str())
        .collect()
}

/// Loads a configuration beside the sample models.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ringest.toml");
    fs::write(&file, text).expect("written");
    let models = Path::new(ROOT).join("config/models").display().to_string();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment = environment.chain([("RINGEST_MODELS".to_owned(), models)]);
    Config::load(&file, environment).map_err(|it| it.to_string())
}

#[test]
fn configurations_load() {
    let compose = load(&file("docker/ringest.toml"), &[]).expect("it is complete");
    assert!(
        compose.management.is_some_and(|it| !it.ip().is_loopback()),
        "Prometheus scrapes it"
    );

    let values = file("helm/values.yaml");
    let lines = values
        .split("\nconfig: |\n")
        .nth(1)
        .expect("the configuration")
        .lines();
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("  "));
    let chart: Vec<&str> = lines.map(str::trim_start).collect();
    load(&chart.join("\n"), &[("RINGEST_AUTH__KEYS", KEY)]).expect("it lacks keys alone");

    // The package's names what is needed and does not guess it.
    let package = file("debian/ringest.toml");
    let errors = load(&package, &[]).expect_err("it is not complete");
    assert!(
        errors.contains("auth") && errors.contains("bootstrap.servers"),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 2, "{errors}");
    let needed = [
        ("RINGEST_AUTH__KEYS", KEY),
        ("RINGEST_KAFKA__BOOTSTRAP_SERVERS", "kafka-1:9092"),
    ];
    load(&package, &needed).expect("it is complete");
}

#[test]
fn variables_are_keys() {
    let keys = reference();
    let mut variables = 0;
    for name in [
        "docker/Dockerfile",
        "docker/compose.yaml",
        "helm/templates/deployment.yaml",
        "helm/values.yaml",
        "systemd/ringest.service",
        "debian/ringest.toml",
    ] {
        for variable in found(&file(name), "RINGEST_([A-Z_]+)") {
            variables += 1;
            let key = variable.to_lowercase().replace("__", ".");
            let is_known = key.starts_with("kafka.") || keys.iter().any(|(known, _)| *known == key);
            assert!(is_known, "{name}: RINGEST_{variable}");
        }
    }
    assert!(variables > 8, "are they found?");
}

#[test]
fn versions_are_those_of_the_crate() {
    let chart = file("helm/Chart.yaml");
    assert_eq!(
        found(&chart, "(?m)^appVersion: (.*)$"),
        [env!("CARGO_PKG_VERSION")]
    );
    let dockerfile = file("docker/Dockerfile");
    assert_eq!(
        found(&dockerfile, "rust:([0-9.]+)-"),
        [env!("CARGO_PKG_RUST_VERSION")]
    );
}

#[test]
fn the_seccomp_profile_allows_io_uring_and_denies_the_rest() {
    let profile: serde_json::Value =
        serde_json::from_str(&file("docker/seccomp.json")).expect("JSON");
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let allows = |name: &str| {
        let rules = profile["syscalls"].as_array().expect("rules").iter();
        let mut rules = rules.filter(|rule| rule["action"] == "SCMP_ACT_ALLOW");
        rules.any(|rule| {
            rule["names"]
                .as_array()
                .is_some_and(|it| it.contains(&name.into()))
        })
    };
    for name in [
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "sched_setaffinity",
        "sched_setscheduler",
        "prlimit64",
    ] {
        assert!(allows(name), "{name}");
    }
    for name in [
        "mount",
        "bpf",
        "ptrace",
        "unshare",
        "kexec_load",
        "add_key",
        "perf_event_open",
    ] {
        assert!(!allows(name), "{name}");
    }
}
