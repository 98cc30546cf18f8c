//! Who can reach it, and what is never shown.

use ringest::{auth::AuthMode, config::Config};

use super::{LEAST, Place, errors, good, least_and};

#[test]
fn only_a_port_that_nobody_else_reaches_is_open_to_everyone() {
    let on = |address: &str| LEAST.replace("127.0.0.1:0", address);
    assert_eq!(
        errors(&on("0.0.0.0:0")),
        [
            "ringest.toml:2: listen.address: \"0.0.0.0:0\" is reachable from the network and \
             auth.mode = \"none\" disables authentication: set listen.unauthenticated_network = \
             true to allow this, or use a loopback address"
        ]
    );
    for network in ["192.0.2.1:0", "[::]:0", "[::ffff:127.0.0.1]:0"] {
        assert_eq!(errors(&on(network)).len(), 1, "{network}");
    }
    for local in ["127.0.0.1:0", "127.8.8.8:0", "[::1]:0", "unix:/socket"] {
        good(&on(local), &[]);
    }
    let allowed = ("RINGEST_LISTEN__UNAUTHENTICATED_NETWORK", "true");
    good(&on("0.0.0.0:0"), &[allowed]);
    let errors = Place::new(LEAST).errors(&[(allowed.0, "yes")]);
    assert_eq!(
        errors,
        [
            "environment variable RINGEST_LISTEN__UNAUTHENTICATED_NETWORK: \
             listen.unauthenticated_network: \"yes\" is not allowed: true or false"
        ]
    );
}

/// One that nobody has the token of.
const HASH: &str = "0000000000000000000000000000000000000001";

#[test]
fn whoever_must_be_asked_can_be_known() {
    let required = LEAST.replace("mode = \"none\"", "mode = \"required\"");
    let nobody = "auth.mode: \"required\" (the default) needs credentials to check against: set \
        auth.keys (`ringest token` creates one), auth.jwt or the environment variable \
    MOOSE_INGEST_API_KEY; or \
                  auth.mode = \"none\" to accept unauthenticated requests";
    assert_eq!(errors(&required), [format!("ringest.toml:4: {nobody}")]);
    let default = LEAST.replace("mode = \"none\"\n", "");
    assert_eq!(errors(&default), [format!("ringest.toml: {nobody}")]);
    for empty in ["keys = []\n", "keys = []\njwt = []\n"] {
        let empty = required.replace("[auth]\n", &format!("[auth]\n{empty}"));
        assert_eq!(errors(&empty).len(), 1, "{empty}");
    }

    // The network may reach those who are asked.
    let network = required.replace("127.0.0.1:0", "0.0.0.0:0");
    let config = good(&network, &[("MOOSE_INGEST_API_KEY", HASH)]);
    assert_eq!(config.auth.mode, AuthMode::Required);
    assert_eq!(config.auth.api_keys.len(), 1);
    assert_eq!(config.warnings, [""; 0]);

    // An empty variable is no key and does not pass for one.
    let environment = [("MOOSE_INGEST_API_KEY", "")];
    for configuration in [&required, LEAST] {
        assert_eq!(
            Place::new(configuration).errors(&environment),
            [
                "environment variable MOOSE_INGEST_API_KEY: auth.keys: the value given is not \
                 allowed: 40 hex digits, as Moose writes them, or \"sha256:\" and 64 hex digits; \
                 too few digits, it ends at offset 0"
            ]
        );
    }
}

#[test]
fn who_is_not_asked_is_told_to_the_operator() {
    let issuer =
        "issuer = \"i\"\naudience = \"a\"\nalgorithms = [\"RS256\"]\njwks_url = \"https://i/k\"\n";
    let key = format!("name = \"a\"\nhash = \"{HASH}\"\n");
    for (more, unused) in [
        (format!("[[auth.keys]]\n{key}"), "auth.keys has"),
        (format!("[auth.jwt]\n{issuer}"), "auth.jwt has"),
        (
            format!("[[auth.keys]]\n{key}[auth.jwt]\n{issuer}"),
            "auth.jwt and auth.keys have",
        ),
    ] {
        let place = Place::new(&least_and(&more));
        let warnings = place.load(&[]).expect("it is good").warnings;
        let line = format!("{}:4", place.file().display());
        assert_eq!(
            warnings,
            [format!(
                "{line}: auth.mode: \"none\" disables authentication: {unused} no effect"
            )]
        );
    }
}

#[test]
fn what_is_looked_at_needs_no_keys() {
    let keys = format!(
        "[[auth.keys]]\nname = \"a\"\nhash = \"{HASH}\"\n[auth.jwt]\nissuer = \"i\"\n\
         audience = \"a\"\nalgorithms = [\"HS256\"]\nsecret_file = \"nowhere\"\n"
    );
    for mode in ["", "mode = \"required\"\n"] {
        let text = least_and(&keys).replace("mode = \"none\"\n", mode);
        let place = Place::new(&text.replace("127.0.0.1:0", "0.0.0.0:0"));
        assert_eq!(place.errors(&[]).len(), 1, "the file is missing");
        let config = Config::load_to_inspect(&place.file(), std::iter::empty());
        let config = config.expect("it can be looked at");
        assert_eq!(config.auth.issuers.len(), 0);
        assert_eq!(config.warnings, [""; 0]);
    }
}

#[test]
fn no_secret_of_kafka_is_shown() {
    let errors = Place::new(&least_and("sasl.password = []\n")).errors(&[
        ("RINGEST_KAFKA__SASL_PASSWORD_X", "s3cret"),
        ("RINGEST_KAFKA__SSL_KEY", "s3cret"),
    ]);
    assert_eq!(errors.len(), 3, "{errors:#?}");
    assert!(!errors.concat().contains("s3cret"), "{errors:#?}");
}

#[test]
fn two_listeners_do_not_meet() {
    let on = |public: &str, management: &str| {
        let text = LEAST.replace("127.0.0.1:0", public);
        let place = Place::new(&format!("[management]\naddress = \"{management}\"\n{text}"));
        place.load(&[]).is_ok()
    };
    assert!(on("127.0.0.1:0", "127.0.0.1:0"));
    assert!(on("127.0.0.1:4000", "127.0.0.2:4000"));
    assert!(!on("127.0.0.1:4000", "127.0.0.1:4000"));
    assert!(!on("127.0.0.1:4000", "0.0.0.0:4000"));
}

#[test]
fn the_file_of_a_unix_socket_has_a_mode() {
    let with = |listen: &str| {
        let unix = LEAST.replace("127.0.0.1:0", "unix:/run/ringest/ingest.sock");
        unix.replace("[auth]", &format!("{listen}\n[auth]"))
    };
    let config = good(&with(""), &[]);
    assert_eq!(
        config.listen.address.to_string(),
        "unix:/run/ringest/ingest.sock"
    );
    assert_eq!(config.listen.socket_mode, 0o660);
    assert_eq!(config.warnings, [""; 0]);
    let config = good(&with("socket_mode = \"0666\""), &[]);
    assert_eq!(config.listen.socket_mode, 0o666);
    for wrong in ["\"666\"", "\"0400\"", "\"1777\"", "\"0668\"", "0o660"] {
        let errors = errors(&with(&format!("socket_mode = {wrong}")));
        assert_eq!(errors.len(), 1, "{wrong} {errors:?}");
        let allowed = "is not allowed: an octal number from \"0600\" to \"0777\"";
        assert!(errors[0].ends_with(allowed), "{errors:?}");
    }
    let tcp = LEAST.replace("[auth]", "socket_mode = \"0666\"\n[auth]");
    let warning = &good(&tcp, &[]).warnings[0];
    assert!(
        warning.contains("listen.socket_mode") && warning.ends_with("is not a unix socket"),
        "{warning}"
    );
}

#[test]
fn trusted_proxies_are_networks() {
    const VARIABLE: &str = "RINGEST_LISTEN__TRUSTED_PROXIES";
    let with = |listen: &str| LEAST.replace("[auth]", &format!("{listen}\n[auth]"));
    let config = good(
        &with("trusted_proxies = [\"10.0.0.0/8\", \"fd00::/8\", \"192.0.2.7\"]"),
        &[],
    );
    let shown = |config: &Config| {
        let networks = config.listen.trusted_proxies.iter();
        networks.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(shown(&config), ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"]);
    assert_eq!(config.warnings, [""; 0]);
    let config = good(LEAST, &[(VARIABLE, "::1, 127.0.0.0/8, unix")]);
    assert_eq!(shown(&config), ["::1/128", "127.0.0.0/8", "unix"]);
    assert_eq!(shown(&good(LEAST, &[])), [""; 0]);

    let wrong = with(
        "trusted_proxies = [\n  \"10.0.0.0/8\",\n  \"10.0.0.0/33\",\n  \"10.1.0.0/8\",\n  \"lb\",\n]",
    );
    assert_eq!(
        errors(&wrong),
        [
            "ringest.toml:5: listen.trusted_proxies[1]: \"10.0.0.0/33\" is not allowed: a prefix of \
             10.0.0.0 has at most 32 bits",
            "ringest.toml:6: listen.trusted_proxies[2]: \"10.1.0.0/8\" is not allowed: the address \
             has bits beyond its prefix; the network is 10.0.0.0/8",
            "ringest.toml:7: listen.trusted_proxies[3]: \"lb\" is not allowed: not an IP \
             address, one with the length of its prefix, or \"unix\"",
        ]
    );
    assert_eq!(
        errors(&with("trusted_proxies = \"10.0.0.0/8\"")),
        [
            "ringest.toml:3: listen.trusted_proxies: \"10.0.0.0/8\" is not allowed: an array of \
             networks and addresses, such as [\"10.0.0.0/8\", \"fd00::1\"]"
        ]
    );
    assert_eq!(
        Place::new(LEAST).errors(&[(VARIABLE, "10.0.0.1/8")]),
        [
            "environment variable RINGEST_LISTEN__TRUSTED_PROXIES: listen.trusted_proxies: \
             \"10.0.0.1/8\" is not allowed: the address has bits beyond its prefix; the network is \
             10.0.0.0/8"
        ]
    );
    let everyone = good(&with("trusted_proxies = [\"0.0.0.0/0\"]"), &[]);
    assert_eq!(
        everyone.warnings[0].rsplit(": ").next(),
        Some("with 0.0.0.0/0 every client can claim any address")
    );
}
