//! `[schema_registry]`.

use std::time::Duration;

use ringest::registry::Credentials;

use super::{Place, errors, good, least_and};

const URL: (&str, &str) = ("RINGEST_SCHEMA_REGISTRY__URL", "https://registry:8081/api/");

#[test]
fn there_is_none_unless_it_is_named() {
    for section in ["", "[schema_registry]\nurl = \"\"\ntimeout_ms = 1\n"] {
        assert_eq!(good(&least_and(section), &[]).schema_registry, None);
    }
}

#[test]
fn its_keys_are_read() {
    let section = "[schema_registry]\nurl = \"http://10.0.0.1:8081\"\nusername = \"ann\"\n\
                   password = \"s3:cret\"\ntimeout_ms = 250\n";
    let config = good(&least_and(section), &[]);
    let registry = config.schema_registry.expect("it is named");
    assert_eq!(registry.url, "http://10.0.0.1:8081");
    let ann = Credentials {
        username: "ann".to_owned(),
        password: "s3:cret".to_owned(),
    };
    assert_eq!(registry.credentials, Some(ann));
    assert_eq!(registry.timeout, Duration::from_millis(250));
    assert_eq!(
        config.warnings,
        ["schema_registry.url is http: schema_registry.password is sent unencrypted"]
    );

    let registry = good(&least_and(""), &[URL]).schema_registry;
    let registry = registry.expect("it is named");
    assert_eq!(registry.url, "https://registry:8081/api");
    assert_eq!(registry.credentials, None);
    assert_eq!(registry.timeout, Duration::from_secs(5));
}

#[test]
fn a_password_is_never_shown() {
    let variables = [
        URL,
        ("RINGEST_SCHEMA_REGISTRY__USERNAME", "ann"),
        ("RINGEST_SCHEMA_REGISTRY__PASSWORD", "s3cret"),
    ];
    let config = good(&least_and(""), &variables);
    assert_eq!(config.warnings, [""; 0]);
    let shown = format!("{:?}", config.schema_registry);
    assert!(
        !shown.contains("s3cret") && !shown.contains("ann"),
        "{shown}"
    );

    for (section, message) in [
        (
            "url = \"https://ann:s3cret@registry\"",
            "schema_registry.url: a URL with credentials is not allowed: set \
             schema_registry.username and schema_registry.password",
        ),
        (
            "url = \"https://registry\"\nusername = \"an:n\"\npassword = \"s3cret\"",
            "schema_registry.username: the value given is not allowed: a string without a colon",
        ),
        (
            "url = \"https://registry\"\nusername = \"ann\"\npassword = [\"s3cret\"]",
            "schema_registry.password: the value given is not allowed: a string",
        ),
    ] {
        let errors = errors(&least_and(&format!("[schema_registry]\n{section}\n")));
        let [error] = &*errors else {
            panic!("{errors:?}");
        };
        assert!(error.ends_with(message), "{error}");
    }
}

#[test]
fn name_and_password_go_together() {
    for (given, other) in [("username", "password"), ("password", "username")] {
        let section = format!("[schema_registry]\nurl = \"https://registry\"\n{given} = \"x\"\n");
        assert_eq!(
            errors(&least_and(&section)),
            [format!(
                "ringest.toml:9: schema_registry.{given}: has no effect without \
                 schema_registry.{other}"
            )]
        );
    }
}

#[test]
fn only_what_paths_can_be_appended_to_is_a_url() {
    let load =
        |url: &str| Place::new(&least_and("")).load(&[("RINGEST_SCHEMA_REGISTRY__URL", url)]);
    for url in [
        "http://r",
        "https://r:1/a/b",
        "http://[::1]:8081/",
        "http://127.0.0.1",
    ] {
        assert!(load(url).is_ok(), "{url}");
    }
    for url in [
        "registry",
        "registry:8081",
        "/registry",
        "//registry",
        "ftp://registry",
        "https://",
        "https://registry?x=1",
        "https://registry/#x",
        "https://regis try",
    ] {
        let errors = load(url).expect_err(url).to_string();
        let expected = format!(
            "environment variable RINGEST_SCHEMA_REGISTRY__URL: schema_registry.url: {url:?} is not \
             allowed: an http or https URL without a query, such as \
             \"https://registry.example.com:8081\", or \"\" for none"
        );
        assert_eq!(errors, expected);
    }
}
