//! The list of keys, and `config/ringest.toml`.

use std::{collections::BTreeMap, fs, mem::discriminant};

use toml::de::DeValue;

use super::*;
use crate::config::Config;

const REFERENCE: &str = include_str!("../../../config/ringest.toml");

/// Every key of the reference, in comments or not, and the default that it states.
fn stated_defaults() -> BTreeMap<String, Value> {
    let mut section = String::new();
    let mut stated = BTreeMap::new();
    for line in REFERENCE.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_matches(['[', ']']);
            name.clone_into(&mut section);
        } else if let Some((name, value)) = line.split_once(" = ") {
            let name = name.trim_matches('"');
            if name.contains([' ', '`']) {
                continue; // prose
            }
            let default = value.split_once("# default: ").map(|(_, default)| default);
            let default = default.unwrap_or(value.split(" #").next().unwrap_or(value));
            let value = DeValue::parse(default.trim()).expect(line);
            let mut value = Value::new(value.get_ref());
            let key = [section.as_str(), name].join(".");
            let key = key.trim_start_matches('.').to_owned();
            if let Some(known) = find(&key)
                && line.ends_with("# required")
            {
                // An empty value of the type of the example.
                let nothing = known.default_value();
                assert_ne!(value, nothing, "{line}");
                assert_eq!(discriminant(&value), discriminant(&nothing), "{line}");
                value = nothing;
            }
            assert_eq!(stated.insert(key, value), None, "{line}");
        }
    }
    stated
}

#[test]
fn the_reference_has_every_key_with_its_default() {
    assert_eq!(bad_defaults(), [""; 0]);
    let mut stated = stated_defaults();
    for key in KEYS {
        let default = key.default_value();
        assert!(DeValue::parse(key.default).is_ok(), "{}", key.name);
        assert_eq!(stated.remove(key.name), Some(default), "{}", key.name);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/ringest.toml");
    let two_workers = ("RINGEST_WORKERS".to_owned(), "2".to_owned());
    let config = Config::load(path.as_ref(), [two_workers].into_iter()).expect("it is good");
    for (name, default) in config.kafka {
        let stated = stated.remove(&format!("kafka.{name}")).expect(&name);
        assert_eq!(stated.scalar().as_deref(), Some(default.as_str()), "{name}");
    }
    assert_eq!(stated, BTreeMap::new(), "keys that there are not");
}

/// The result of removing the comment signs.
#[test]
fn the_reference_of_auth_is_good_without_its_comments() {
    let (_, auth) = REFERENCE.split_once("[auth]\n").expect("a section");
    // Certificates need files: those of docs/tls.md are loaded.
    let (auth, _) = auth
        .split_once("# Certificates of clients")
        .expect("the next");
    let lines = auth.lines().filter_map(|line| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let name = line.split(" = ").next().unwrap_or_default();
        (line.starts_with('[') || !name.contains([' ', '`']) && line.contains(" = "))
            .then_some(line)
    });
    let lines: Vec<_> = lines.collect();
    let text = format!(
        "models = \"models\"\n[auth]\n{}\n[kafka]\n\"bootstrap.servers\" = \"x:1\"\n",
        lines
            .join("\n")
            .replace("mode = \"none\"", "mode = \"required\"")
    );
    let place = tempfile::tempdir().expect("a directory");
    let models = place.path().join("models");
    fs::create_dir(&models).expect("a directory");
    fs::write(models.join("a.toml"), "name = \"A\"\nversion = \"1\"\n").expect("written");
    let file = place.path().join("ringest.toml");
    fs::write(&file, text).expect("written");
    let config = Config::load(&file, std::iter::empty()).expect("it is good");
    assert_eq!(config.auth.issuers.len(), 1);
    assert_eq!(config.auth.api_keys.len(), 1);
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn numbers_are_allowed_up_to_their_bounds_and_no_further() {
    for key in KEYS {
        let Some((min, max)) = key.bounds else {
            continue;
        };
        let variable = format!("RINGEST_{}", key.name.replace('.', "__").to_uppercase());
        let is_refused = |number: i128| {
            let environment = [(variable.clone(), number.to_string())];
            let loaded = Config::development("localhost:1", None, environment.into_iter());
            let Err(errors) = loaded else {
                return false;
            };
            let refusal = format!("\"{number}\" is not allowed: a whole number from ");
            errors
                .iter()
                .any(|error| error.key == key.name && error.message.starts_with(&refusal))
        };
        let refused = [min - 1, min, max, max + 1].map(is_refused);
        assert_eq!(refused, [true, false, false, true], "{}", key.name);
    }
}

#[test]
fn what_was_meant() {
    for (unknown, name) in [
        ("limits.head_byte_max", Some("head_bytes_max")),
        ("limit.head_bytes_max", Some("limits.head_bytes_max")),
        ("head_bytes_max", Some("limits.head_bytes_max")),
        ("worker", Some("workers")),
        ("auth.keys[12].hsh", Some("hash")),
        ("auth.keys[1].quota.burst", Some("burst_ms")),
        ("auth.jwt.leeway", Some("leeway_ms")),
        ("auth.key.hash", Some("auth.keys.hash")),
        ("listen_address", Some("listen.address")),
        ("limits.head.bytes.max", Some("limits.head_bytes_max")),
        ("port", Some("listen.address")),
        ("host", Some("listen.address")),
        ("listen.port", Some("listen.address")),
        ("listen_port", Some("listen.address")),
        ("management.port", Some("management.address")),
        ("limits.quite_something_else", None),
        ("service.host", None),
    ] {
        assert_eq!(meant(unknown), name, "{unknown}");
    }
}
