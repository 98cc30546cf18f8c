//! Every key that there is: its name, its default, what it may hold. One table for the file, the
//! environment, the errors, and the test that holds `config/ringest.toml` to it.

use std::borrow::Cow;

use toml::de::DeValue;

use super::Limits;
use crate::document::{Value, nearest};

/// A key, outside `[kafka]` (librdkafka knows those).
#[derive(Debug)]
pub(super) struct Key {
    /// Sections and name, separated by dots.
    pub(super) name: &'static str,
    /// As TOML has it.
    pub(super) default: &'static str,
    /// What it may hold.
    pub(super) kind: Kind,
}

/// What a key may hold.
#[derive(Debug)]
pub(super) enum Kind {
    /// A whole number, both ends allowed.
    Integer(i128, i128),
    /// A string; what it means is checked where it is resolved.
    Text,
    /// `true` or `false`.
    Boolean,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// An array of strings.
    List,
    /// A table of values that are no compounds.
    Table,
    /// Keys of its own, below its name: a table, or an array of them.
    Tables,
}

/// A day, in milliseconds: no deadline is longer.
const TIMEOUT_MS_MAX: i128 = 86_400_000;

/// One gibibyte: simd-json indexes with 32 bits, and nobody posts more.
const BODY_BYTES_MAX: i128 = 1 << 30;

impl Key {
    /// The default, as if it had been written.
    pub(super) fn default_value(&self) -> Value {
        // Each of them is TOML: a test reads every default.
        let value = DeValue::parse(self.default);
        value.map_or(Value::Table(Vec::new()), |value| {
            Value::new(value.get_ref())
        })
    }
}

const fn key(name: &'static str, default: &'static str, kind: Kind) -> Key {
    Key {
        name,
        default,
        kind,
    }
}

/// Sorted as `config/ringest.toml` has them.
pub(super) const KEYS: &[Key] = &[
    key("models", r#""models""#, Kind::Text),
    key("workers", "0", Kind::Integer(0, 1_024)),
    key("listen.address", r#""0.0.0.0:4000""#, Kind::Text),
    key(
        "listen.driver",
        r#""auto""#,
        Kind::Choice(&["auto", "io_uring", "epoll"]),
    ),
    key("listen.path_prefix", r#""""#, Kind::Text),
    key("listen.unauthenticated_network", "false", Kind::Boolean),
    key("management.address", r#""127.0.0.1:4001""#, Kind::Text),
    key(
        "limits.head_bytes_max",
        "16_384",
        Kind::Integer(1_024, 1_048_576),
    ),
    key("limits.headers_max", "100", Kind::Integer(1, 1_024)),
    key(
        "limits.body_bytes_max",
        "10_485_760",
        Kind::Integer(1, BODY_BYTES_MAX),
    ),
    key(
        "limits.record_bytes_max",
        "1_000_000",
        Kind::Integer(1, Limits::RECORD_BYTES_MAX as i128),
    ),
    key(
        "limits.records_max",
        "100_000",
        Kind::Integer(1, Limits::RECORDS_MAX as i128),
    ),
    key("limits.json_depth_max", "128", Kind::Integer(1, 1_000)),
    key(
        "limits.connections_max",
        "10_000",
        Kind::Integer(1, 1_000_000),
    ),
    key(
        "limits.in_flight_bytes_max",
        "268_435_456",
        Kind::Integer(1, 1 << 40),
    ),
    key(
        "timeouts.head_timeout_ms",
        "5_000",
        Kind::Integer(1, TIMEOUT_MS_MAX),
    ),
    key(
        "timeouts.body_timeout_ms",
        "30_000",
        Kind::Integer(1, TIMEOUT_MS_MAX),
    ),
    key(
        "timeouts.idle_timeout_ms",
        "60_000",
        Kind::Integer(1, TIMEOUT_MS_MAX),
    ),
    key(
        "timeouts.ack_timeout_ms",
        "10_000",
        Kind::Integer(1, TIMEOUT_MS_MAX),
    ),
    key(
        "timeouts.drain_timeout_ms",
        "30_000",
        Kind::Integer(1, TIMEOUT_MS_MAX),
    ),
    key(
        "auth.mode",
        r#""required""#,
        Kind::Choice(&["required", "none"]),
    ),
    key("auth.cache_entries", "8_192", Kind::Integer(1, 1_000_000)),
    key("auth.jwt", "[]", Kind::Tables),
    key("auth.jwt.issuer", r#""""#, Kind::Text),
    key("auth.jwt.audience", r#""""#, Kind::Text),
    key("auth.jwt.algorithms", "[]", Kind::List),
    key("auth.jwt.public_key_file", r#""""#, Kind::Text),
    key("auth.jwt.jwks_file", r#""""#, Kind::Text),
    key("auth.jwt.jwks_url", r#""""#, Kind::Text),
    key("auth.jwt.secret_file", r#""""#, Kind::Text),
    key(
        "auth.jwt.jwks_refresh_ms",
        "300_000",
        Kind::Integer(1_000, 86_400_000),
    ),
    key("auth.jwt.leeway_ms", "0", Kind::Integer(0, 60_000)),
    key("auth.jwt.routes_claim", r#""""#, Kind::Text),
    key("auth.jwt.required_claims", "{}", Kind::Table),
    key("auth.jwt.subject_header", r#""""#, Kind::Text),
    key("auth.keys", "[]", Kind::Tables),
    key("auth.keys.name", r#""""#, Kind::Text),
    key("auth.keys.hash", r#""""#, Kind::Text),
    key("auth.keys.routes", r#"["*"]"#, Kind::List),
    key("auth.keys.expires", r#""""#, Kind::Text),
    key("schema_registry.url", r#""""#, Kind::Text),
    key("schema_registry.username", r#""""#, Kind::Text),
    key("schema_registry.password", r#""""#, Kind::Text),
    key(
        "schema_registry.timeout_ms",
        "5_000",
        Kind::Integer(1, TIMEOUT_MS_MAX),
    ),
    key("log.format", r#""text""#, Kind::Choice(&["text", "json"])),
    key("log.filter", r#""info""#, Kind::Text),
];

/// The key of that name, as [`Raw::entries`](super::raw::Raw::entries) or a person has it: with or
/// without the place of its table among several.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    let name = without_places(name);
    KEYS.iter().find(|key| key.name == name)
}

/// The name that keys of several tables are below, if this is it or below it, and what follows it.
pub(super) fn tables_around(name: &str) -> Option<(&'static str, &str)> {
    let tables = KEYS.iter().filter(|key| matches!(key.kind, Kind::Tables));
    tables.map(|key| key.name).find_map(|tables| {
        let rest = name.strip_prefix(tables)?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then_some((tables, rest))
    })
}

/// Whether it is that name.
pub(super) fn is_tables(name: &str) -> bool {
    tables_around(name).is_some_and(|(_, rest)| rest.is_empty())
}

/// `auth.keys[2].hash` -> `auth.keys.hash`.
fn without_places(name: &str) -> Cow<'_, str> {
    match (name.find('['), name.find(']')) {
        (Some(start), Some(end)) if start < end => {
            format!("{}{}", &name[..start], &name[end + 1..]).into()
        }
        _ => name.into(),
    }
}

/// Whether keys can be below that name.
pub(super) fn is_section(name: &str) -> bool {
    name == "kafka"
        || KEYS.iter().any(|key| {
            key.name
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
        })
}

/// What an unknown key most likely means: a name of its own section, else a whole key.
pub(super) fn meant(unknown: &str) -> Option<&'static str> {
    let unknown = &*without_places(unknown);
    let section = |name: &'static str| name.rsplit_once('.').unwrap_or(("", name));
    let (given_section, given) = unknown.rsplit_once('.').unwrap_or(("", unknown));
    let names = || KEYS.iter().map(|key| section(key.name));
    let siblings = names().filter(|(of, _)| *of == given_section);
    if let Some(name) = nearest(given, siblings.map(|(_, name)| name)) {
        return Some(name);
    }
    let name = nearest(given, names().map(|(_, name)| name))?;
    KEYS.iter()
        .map(|key| key.name)
        .find(|key| section(key).1 == name)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, mem::discriminant};

    use super::*;
    use crate::config::Config;

    const REFERENCE: &str = include_str!("../../config/ringest.toml");

    /// Every key of the reference, in comments or not, and the default that it states.
    fn stated_defaults() -> BTreeMap<String, Value> {
        let mut section = String::new();
        let mut stated = BTreeMap::new();
        for line in REFERENCE.lines() {
            let line = line.strip_prefix("# ").unwrap_or(line);
            if let Some(name) = line.strip_prefix('[') {
                let name = name.trim_matches(['[', ']']);
                if is_tables(name) {
                    stated.insert(name.to_owned(), Value::Array(Vec::new()));
                }
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
                    // Nothing, of the type that the example has.
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

    /// What a person gets who takes the comment signs away.
    #[test]
    fn the_reference_of_auth_is_good_without_its_comments() {
        let (_, auth) = REFERENCE.split_once("[auth]\n").expect("a section");
        let (auth, _) = auth.split_once("[schema_registry]").expect("the next");
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
            let Kind::Integer(min, max) = key.kind else {
                continue;
            };
            let variable = format!("RINGEST_{}", key.name.replace('.', "__").to_uppercase());
            let is_refused = |number: i128| {
                let environment = [(variable.clone(), number.to_string())];
                let loaded = Config::development("localhost:1", environment.into_iter());
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
            ("auth.jwt.leeway", Some("leeway_ms")),
            ("auth.key.hash", Some("auth.keys.hash")),
            ("limits.quite_something_else", None),
        ] {
            assert_eq!(meant(unknown), name, "{unknown}");
        }
    }
}
