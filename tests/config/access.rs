//! Who can reach it, and what is never shown.

use super::{LEAST, Place, errors, good, least_and};

#[test]
fn only_a_port_that_nobody_else_reaches_is_open_to_everyone() {
    let on = |address: &str| LEAST.replace("127.0.0.1:0", address);
    assert_eq!(
        errors(&on("0.0.0.0:0")),
        [
            "ringest.toml:2: listen.address: \"0.0.0.0:0\" can be reached from the network and \
             auth.mode = \"none\" lets everyone send: set listen.unauthenticated_network = true \
             if that is meant, or a loopback address"
        ]
    );
    for network in ["192.0.2.1:0", "[::]:0", "[::ffff:127.0.0.1]:0"] {
        assert_eq!(errors(&on(network)).len(), 1, "{network}");
    }
    for loopback in ["127.0.0.1:0", "127.8.8.8:0", "[::1]:0"] {
        good(&on(loopback), &[]);
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

#[test]
fn credentials_are_refused_and_never_shown() {
    let configuration = least_and(
        "[auth.jwt]\nissuer = \"s3cret\"\n[[auth.keys]]\nname = \"a\"\nhash = \"s3cret\"\n",
    );
    let configuration = configuration.replace("[auth]\n", "[auth]\ncache_entries = 1\n");
    let place = Place::new(&configuration);
    let errors = place.errors(&[
        ("MOOSE_INGEST_API_KEY", "s3cret"),
        ("RINGEST_AUTH__JWT__SECRET", "s3cret"),
    ]);
    let starts = [
        "ringest.toml:4: auth.cache_entries: not supported by this version: ",
        "ringest.toml:8: auth.jwt: not supported by this version: ",
        "environment variable MOOSE_INGEST_API_KEY: auth.keys: not supported by this version: ",
        "environment variable RINGEST_AUTH__JWT__SECRET: auth.jwt.secret: not supported by this ",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
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
