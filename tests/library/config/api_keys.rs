//! `[[auth.keys]]`.

use ringest::{
    auth::{ApiKey, AuthMode, Globs, KeyHash},
    config::Config,
};

use super::{LEAST, Place, errors, good};

/// Digits that are no token's hash.
const HASH: &str = "0123456789abcdef0123456789abcdef01234567";
const SHA256: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A configuration where `more` is in `[auth]`.
fn with(more: &str) -> String {
    LEAST.replace("mode = \"none\"\n", more)
}

fn named<'c>(config: &'c Config, name: &str) -> &'c ApiKey {
    let key = config.auth.api_keys.iter().find(|key| &*key.name == name);
    key.expect(name)
}

fn environment(variables: &[(&str, &str)], configuration: &str) -> Vec<String> {
    Place::new(configuration).errors(variables)
}

#[test]
fn keys_as_they_are_written() {
    let config = good(
        &with(&format!(
            "cache_entries = 7\n[[auth.keys]]\nname = \"old\"\nhash = \"{}\"\n\
             [[auth.keys]]\nname = \"new\"\nhash = \"{SHA256}\"\n\
             routes = [\"Event/*\", \"event/1.?\"]\nexpires = \"2199-01-01T00:00:00Z\"\n\
             [[auth.keys]]\nname = \"dated\"\nhash = \"{}\"\nexpires = 2199-01-01T01:00:00+01:00\n",
            HASH.to_uppercase(),
            SHA256.replace('0', "f")
        )),
        &[],
    );
    assert_eq!(config.auth.mode, AuthMode::Required);
    assert_eq!(config.auth.cache_entries, 7);
    assert_eq!(config.auth.key_files, [""; 0].map(std::path::PathBuf::from));
    assert_eq!(config.auth.api_keys.len(), 3);
    assert_eq!(config.warnings, [""; 0]);
    let old = named(&config, "old");
    assert_eq!(old.hash, KeyHash::parse(HASH).expect("a hash"));
    assert_eq!((&old.routes, old.expires_ms), (&Globs::new(["*"]), None));
    let new = named(&config, "new");
    assert_eq!(new.hash, KeyHash::parse(SHA256).expect("a hash"));
    assert_eq!(new.routes, Globs::new(["Event/*", "event/1.?"]));
    assert_eq!(new.expires_ms, Some(7_226_582_400_000));
    assert_eq!(named(&config, "dated").expires_ms, new.expires_ms);
    assert!(!format!("{config:?}").contains(&HASH[..8]));
}

#[test]
fn an_array_and_the_only_table_are_as_good() {
    for written in [
        format!("keys = [{{ name = \"a\", hash = \"{HASH}\" }}]\n"),
        format!("[auth.keys]\nname = \"a\"\nhash = \"{HASH}\"\n"),
        format!("[[auth.keys]]\nname = \"a\"\nhash = \"{HASH}\"\n"),
        format!("keys.name = \"a\"\nkeys.hash = \"{HASH}\"\n"),
    ] {
        let config = good(&with(&written), &[]);
        assert_eq!(config.auth.api_keys.len(), 1, "{written}");
        assert_eq!(&*config.auth.api_keys[0].name, "a", "{written}");
    }
}

#[test]
fn the_environment_has_keys_of_its_own() {
    let file = with(&format!(
        "[[auth.keys]]\nname = \"a\"\nhash = \"{HASH}\"\n[[auth.keys]]\nname = \"b\"\nhash = \"{SHA256}\"\n"
    ));
    let names = |variables: &[(&str, &str)]| {
        let config = good(&file, variables);
        let names = config.auth.api_keys.iter().map(|key| key.name.to_string());
        names.collect::<Vec<_>>()
    };
    let moose = HASH.replace('0', "8");
    assert_eq!(
        names(&[("MOOSE_INGEST_API_KEY", &moose)]),
        ["a", "b", "moose"]
    );
    let mobile = format!("[{{ name = \"mobile\", hash = \"{HASH}\", routes = [\"Event/*\"] }}]");
    assert_eq!(names(&[("RINGEST_AUTH__KEYS", &mobile)]), ["mobile"]);
    let both = [
        ("RINGEST_AUTH__KEYS", mobile.as_str()),
        ("MOOSE_INGEST_API_KEY", &moose),
    ];
    assert_eq!(names(&both), ["mobile", "moose"]);

    let only = with(&format!("[auth.keys]\nname = \"a\"\nhash = \"{HASH}\"\n"));
    let config = good(
        &only,
        &[
            ("RINGEST_AUTH__KEYS__NAME", "b"),
            ("RINGEST_AUTH__KEYS__ROUTES", "Event/*,Event/1.0"),
        ],
    );
    assert_eq!(
        named(&config, "b").routes,
        Globs::new(["Event/*", "Event/1.0"])
    );
    assert_eq!(config.auth.api_keys.len(), 1);
}

#[test]
fn what_is_wrong_in_the_environment() {
    let hash = "40 hex digits, as Moose writes them, or \"sha256:\" and 64 hex digits";
    let tables = "a table, or an array of tables: [{ … }, { … }]";
    let nobody = "ringest.toml: auth.mode: \"required\"";
    for (value, expected) in [
        ("s3cret".to_owned(), "not valid TOML: "),
        (String::new(), "not valid TOML: "),
        (
            "[\"s3cret\"]".to_owned(),
            "the value given is not allowed: ",
        ),
        ("5".to_owned(), "the value given is not allowed: "),
    ] {
        let errors = environment(&[("RINGEST_AUTH__KEYS", &value)], &with(""));
        assert_eq!(errors.len(), 2, "{errors:#?}");
        assert!(errors[0].starts_with(nobody), "{errors:#?}");
        assert!(errors[1].starts_with("environment variable RINGEST_AUTH__KEYS: auth.keys"));
        assert!(errors[1].contains(expected), "{errors:#?}");
        assert!(errors[1].ends_with(tables), "{errors:#?}");
        assert!(!errors[1].contains("s3cret"), "{errors:#?}");
    }
    let errors = environment(
        &[
            ("MOOSE_INGEST_API_KEY", "0123s3cret"),
            ("RINGEST_AUTH__KEYS", "[{ name = \"a\", hsh = \"s3cret\" }]"),
        ],
        &with(""),
    );
    let variable = "environment variable RINGEST_AUTH__KEYS: auth.keys[0]";
    assert_eq!(
        errors,
        [
            format!(
                "environment variable MOOSE_INGEST_API_KEY: auth.keys: the value given is not \
                 allowed: {hash}; the character at offset 4 is not a hex digit"
            ),
            format!("{variable}.hsh: unknown key; did you mean \"hash\"?"),
            format!("{variable}.hash: missing: {hash}"),
        ]
    );
    let hash = ("RINGEST_AUTH__KEYS[0]__HASH", HASH);
    let file = with(&format!("\"keys[0].hash\" = \"{HASH}\"\n"));
    let errors = environment(&[hash], &file);
    assert_eq!(
        errors[1..],
        [
            "ringest.toml:4: auth.keys[0].hash: unknown key; did you mean \"hash\"?",
            "environment variable RINGEST_AUTH__KEYS[0]__HASH: auth.keys[0].hash: unknown key; did you \
             mean \"hash\"?"
        ]
    );
    let two = with(&format!(
        "[[auth.keys]]\nname = \"a\"\nhash = \"{HASH}\"\n[[auth.keys]]\nname = \"moose\"\nhash = \"{SHA256}\"\n"
    ));
    let errors = environment(
        &[
            ("MOOSE_INGEST_API_KEY", HASH),
            ("RINGEST_AUTH__KEYS__NAME", "b"),
        ],
        &two,
    );
    assert_eq!(
        errors,
        [
            "environment variable MOOSE_INGEST_API_KEY: auth.keys: the same as auth.keys[1].name at \
             ringest.toml:8",
            "environment variable MOOSE_INGEST_API_KEY: auth.keys: the same as auth.keys[0].hash at \
             ringest.toml:6",
            "environment variable RINGEST_AUTH__KEYS__NAME: auth.keys.name: ambiguous, as there are \
             several [[auth.keys]]: set it in the file",
        ]
    );
}

#[test]
fn everything_wrong_with_keys_is_said_at_once_and_never_their_hashes() {
    let hash =
        "is not allowed: 40 hex digits, as Moose writes them, or \"sha256:\" and 64 hex digits";
    let routes = "is not allowed: an array of globs over <name>/<version>, such as [\"Order/*\"]; all \
                  routes are [\"*\"]";
    let expires = "is not allowed: a time with a UTC offset, such as \
                   \"2027-01-01T00:00:00Z\" (RFC 3339), or \"\" for never";
    let name = "a string of 1 to 128 bytes, without control characters";
    let text = with(&format!(
        "\
cache_entries = 0
[[auth.keys]]
[[auth.keys]]
name = \"\"
hash = \"{short}\"
routes = []
expires = \"tomorrow\"
[[auth.keys]]
name = 5
hash = \"{prefixed}\"
routes = \"Event/*\"
expires = 2027-01-01T00:00:00
[[auth.keys]]
name = \"a\\nb\"
hash = 12345678
routes = [5]
token = \"s3cret\"
[[auth.keys]]
name = \"twice\"
hash = \"{HASH}\"
[[auth.keys]]
name = \"twice\"
hash = \"{upper}\"
",
        short = &HASH[..39],
        prefixed = SHA256.replace('e', "z"),
        upper = HASH.to_uppercase(),
    ));
    let errors = errors(&text);
    let expected = [
        "4: auth.cache_entries: 0 is not allowed: a whole number from 1 to 1_000_000".to_owned(),
        format!("5: auth.keys[0].name: missing: {name}"),
        "5: auth.keys[0].hash: missing: 40 hex digits, as Moose writes them, or \"sha256:\" and 64 hex \
         digits"
            .to_owned(),
        format!("7: auth.keys[1].name: \"\" is not allowed: {name}"),
        format!("8: auth.keys[1].hash: the value given {hash}; too few digits, it ends at offset 39"),
        format!("9: auth.keys[1].routes: [] {routes}"),
        format!("10: auth.keys[1].expires: \"tomorrow\" {expires}"),
        format!("12: auth.keys[2].name: 5 is not allowed: {name}"),
        format!(
            "13: auth.keys[2].hash: the value given {hash}; the character at offset 21 is not a hex digit"
        ),
        format!("14: auth.keys[2].routes: \"Event/*\" {routes}"),
        format!("15: auth.keys[2].expires: 2027-01-01T00:00:00 {expires}"),
        format!("17: auth.keys[3].name: \"a\\nb\" is not allowed: {name}"),
        format!("18: auth.keys[3].hash: the value given {hash}"),
        format!("19: auth.keys[3].routes: [5] {routes}"),
        "20: auth.keys[3].token: unknown key".to_owned(),
        "25: auth.keys[5].name: the same as auth.keys[4].name at ringest.toml:22".to_owned(),
        "26: auth.keys[5].hash: the same as auth.keys[4].hash at ringest.toml:23".to_owned(),
    ];
    for (error, expected) in errors.iter().zip(&expected) {
        assert_eq!(*error, format!("ringest.toml:{expected}"));
    }
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
}

#[test]
fn keys_of_no_use_are_told() {
    let text = with(&format!(
        "[[auth.keys]]\nname = \"a\"\nhash = \"{HASH}\"\nroutes = [\"Event/*\", \"Evnt/*\", \"\"]\n\
         expires = 2001-01-01T00:00:00Z\n"
    ));
    let place = Place::new(&text);
    let warnings = place.load(&[]).expect("it is good").warnings;
    let file = place.file().display().to_string();
    assert_eq!(
        warnings,
        [
            format!("{file}:8: auth.keys[0].expires: is in the past: the key is rejected"),
            format!("{file}:7: auth.keys[0].routes: \"Evnt/*\" matches no route"),
            format!("{file}:7: auth.keys[0].routes: \"\" matches no route"),
        ]
    );
}
