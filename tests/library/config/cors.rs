//! `[listen.cors]`, and the origins of API keys.

use super::{LEAST, errors, good};

const SHA256: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn with_cors(lines: &str) -> String {
    LEAST.replace("[auth]\n", &format!("[listen.cors]\n{lines}[auth]\n"))
}

fn with_key(lines: &str) -> String {
    let key = format!("[[auth.keys]]\nname = \"web\"\n{lines}[kafka]\n");
    let required = LEAST.replace("mode = \"none\"\n", "");
    required.replace("[kafka]\n", &key)
}

#[test]
fn origins_are_what_browsers_send() {
    assert!(good(LEAST, &[]).listen.cors.is_none());
    assert!(
        good(&with_cors("origins = []\n"), &[])
            .listen
            .cors
            .is_none()
    );
    let origins = "origins = [\"https://app.example.com\", \"https://*.example.org\"]\n";
    for (file, environment) in [
        (with_cors(origins), None),
        (
            LEAST.to_owned(),
            Some("https://app.example.com, https://*.example.org"),
        ),
    ] {
        let environment = environment.map(|it| ("RINGEST_LISTEN__CORS__ORIGINS", it));
        let config = good(&file, environment.as_slice());
        assert_eq!(config.warnings, [""; 0]);
        let cors = config.listen.cors.expect("it is configured");
        assert!(cors.origins().allow(b"https://a.example.org"));
        assert!(!cors.origins().allow(b"https://example.org"));
    }
    let wrong =
        with_cors("origins = [\n\"https://app.example.com/\",\n\"null\",\n\"https://a\"]\n");
    assert_eq!(
        errors(&wrong),
        [
            "ringest.toml:5: listen.cors.origins[0]: \"https://app.example.com/\" is not allowed: an \
             origin has no path and no slash at its end: \"https://app.example.com\"",
            "ringest.toml:6: listen.cors.origins[1]: \"null\" is not allowed: \"null\" is the origin of \
             all sandboxed pages and local files, and can't be allowed alone",
        ]
    );
    assert_eq!(
        errors(&with_cors("origins = \"https://app.example.com\"\n")),
        [
            "ringest.toml:4: listen.cors.origins: \"https://app.example.com\" is not allowed: an array \
             of origins, such as [\"https://app.example.com\", \"https://*.example.com\"], or [\"*\"] \
             for all"
        ]
    );
    assert_eq!(
        errors(&with_cors("headers = [\"X-Tenant\", \"a:b\"]\n")),
        [
            "ringest.toml:4: listen.cors.headers: [\"X-Tenant\", \"a:b\"] is not allowed: an array of \
             names of header fields, such as [\"Authorization\"]"
        ]
    );
}

#[test]
fn every_origin_is_allowed_aloud_and_alone() {
    let config = good(&with_cors("origins = [\"*\"]\n"), &[]);
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    let warning =
        "listen.cors.origins: \"*\": pages of every origin may send, and read the answers";
    assert!(
        config.warnings[0].contains(warning),
        "{:?}",
        config.warnings
    );
    assert_eq!(
        errors(&with_cors(
            "origins = [\"*\", \"https://app.example.com\"]\n"
        )),
        ["ringest.toml:4: listen.cors.origins: \"*\" includes every other origin: write [\"*\"]"]
    );
}

#[test]
fn a_key_for_pages_has_a_quick_hash_and_certain_origins() {
    let origins = "origins = [\"https://app.example.com\"]\n";
    let key = with_key(&format!("hash = \"{SHA256}\"\n{origins}"));
    let config = good(
        &key,
        &[("RINGEST_LISTEN__CORS__ORIGINS", "https://*.example.com")],
    );
    assert_eq!(config.warnings, [""; 0]);
    let key_origins = config.auth.api_keys[0].origins.as_ref();
    assert!(key_origins.is_some_and(|it| it.allow(b"https://app.example.com")));

    let config = good(
        &key,
        &[("RINGEST_LISTEN__CORS__ORIGINS", "https://*.example.org")],
    );
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    let warning = "auth.keys[0].origins: \"https://app.example.com\" is not among \
        listen.cors.origins: pages there can send beacons, and can't read answers";
    assert!(
        config.warnings[0].ends_with(warning),
        "{:?}",
        config.warnings
    );

    let slow = with_key(&format!("hash = \"{}\"\n{origins}", "0".repeat(40)));
    assert_eq!(
        errors(&slow),
        [
            "ringest.toml:6: auth.keys[0].hash: a key with origins is public, as pages show it: make \
             one with `ringest token`, whose hash starts with sha256:"
        ]
    );
    let any = with_key(&format!("hash = \"{SHA256}\"\norigins = [\"*\"]\n"));
    assert_eq!(
        errors(&any),
        [
            "ringest.toml:7: auth.keys[0].origins[0]: \"*\" is not allowed: a key for pages is for \
             those of certain origins"
        ]
    );
}
