//! How ringest authenticates to the brokers: what can't work in this build, what does not go together, and
//! values in files.

use std::{fs, path::PathBuf};

use ringest::{
    document::ConfigErrors,
    oauth::{TokenEndpoint, TokenSettings, TokenSource},
    produce::properties::{KnownProperties, check_properties, features},
};

use super::{LEAST, Place, good, least_and};

const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls");

const SASL: &str = "security.protocol = \"sasl_ssl\"\n";
const SCRAM: &str = "security.protocol = \"sasl_ssl\"\nsasl.mechanisms = \"SCRAM-SHA-512\"\n";
const OAUTH: &str = "security.protocol = \"sasl_ssl\"\nsasl.mechanisms = \"OAUTHBEARER\"\n";

/// The errors of `[kafka]` with these lines, without their place.
fn errors(lines: &str) -> Vec<String> {
    let errors = Place::new(&least_and(lines)).load(&[]).err();
    let errors = errors.iter().flat_map(ConfigErrors::iter);
    errors
        .map(|error| format!("{}: {}", error.key, error.message))
        .collect()
}

#[test]
fn mechanisms_that_this_build_does_not_have() {
    const ALLOWED: &str = "one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER";
    for (mechanism, instead) in [
        (
            "GSSAPI",
            "GSSAPI (Kerberos) is not in this build: use SCRAM-SHA-512, OAUTHBEARER or a client \
             certificate (security.protocol = \"SSL\")",
        ),
        (
            "AWS_MSK_IAM",
            "librdkafka has no AWS_MSK_IAM: use SCRAM-SHA-512 or a client certificate, or OAUTHBEARER \
             with a token that a sidecar signs and writes to kafka.oauth.token_file (one of PLAIN, \
             SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER)",
        ),
        ("SCRAM-SHA-1", ALLOWED),
        ("plain", ALLOWED),
    ] {
        // As alias, too, and whatever the protocol is.
        for name in ["sasl.mechanism", "sasl.mechanisms"] {
            for protocol in [SASL, ""] {
                let lines = format!("{protocol}{name} = \"{mechanism}\"\n");
                let expected = format!("kafka.{name}: \"{mechanism}\" is not allowed: {instead}");
                assert_eq!(errors(&lines), [expected], "{lines}");
            }
        }
    }
    let missing = format!(
        "kafka.sasl.mechanisms: missing: {ALLOWED} (librdkafka's default, GSSAPI, is not in this build)"
    );
    assert_eq!(errors(SASL), [missing]);
}

#[test]
fn properties_that_this_build_does_not_have() {
    for (line, instead) in [
        (
            "sasl.oauthbearer.method = \"oidc\"",
            "kafka.oauth.token_url",
        ),
        (
            "sasl.oauthbearer.client.id = \"x\"",
            "kafka.oauth.client_id",
        ),
        (
            "sasl.oauthbearer.client.credentials.client.id = \"x\"",
            "kafka.oauth.client_id",
        ),
        (
            "sasl.oauthbearer.client.credentials.client.secret = \"x\"",
            "kafka.oauth.client_secret",
        ),
        ("sasl.oauthbearer.scope = \"x\"", "kafka.oauth.scope"),
        (
            "sasl.oauthbearer.extensions = \"a=b\"",
            "kafka.oauth.extensions",
        ),
        (
            "sasl.oauthbearer.token.endpoint.url = \"https://x\"",
            "kafka.oauth.token_url",
        ),
        (
            "sasl.oauthbearer.grant.type = \"client_credentials\"",
            "client_credentials",
        ),
        (
            "sasl.oauthbearer.assertion.file = \"x\"",
            "kafka.oauth.token_file",
        ),
        (
            "sasl.oauthbearer.metadata.authentication.type = \"azure_imds\"",
            "kafka.oauth.token_file",
        ),
        ("https.ca.location = \"x\"", "SSL_CERT_FILE"),
        ("sasl.kerberos.keytab = \"x\"", "SCRAM-SHA-512"),
        (
            "sasl.jaas.config = \"x\"",
            "Java JAAS configuration is not supported",
        ),
        (
            "ssl.truststore.location = \"x\"",
            "Java TrustStores are not supported",
        ),
    ] {
        let errors = errors(line);
        assert_eq!(errors.len(), 1, "{line}: {errors:?}");
        assert!(errors[0].contains(instead), "{line}: {errors:?}");
        assert!(!errors[0].contains("oidc\" is"), "{errors:?}");
    }
}

/// Whatever librdkafka lists is accepted, or refused before it is used; a feature that is missing is in an
/// error that says so.
#[test]
fn features_of_this_build() {
    let features = features();
    for feature in [
        "gzip",
        "snappy",
        "lz4",
        "zstd",
        "ssl",
        "sasl_scram",
        "sasl_oauthbearer",
    ] {
        assert!(
            features.iter().any(|it| it == feature),
            "{feature}: {features:?}"
        );
    }
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        assert_eq!(
            errors(&format!("compression.codec = \"{codec}\"\n")),
            [""; 0]
        );
    }
    let known = KnownProperties::new();
    let of_oidc = known
        .names()
        .filter(|name| name.starts_with("sasl.oauthbearer."));
    for name in of_oidc.filter(|name| *name != "sasl.oauthbearer.config") {
        let refused = check_properties(&[(name.to_owned(), "1".to_owned())]);
        assert_eq!(refused.len(), 1, "{name}");
        assert!(
            refused[0].message.contains("not in this build"),
            "{refused:?}"
        );
    }
}

#[test]
fn what_belongs_together() {
    let needs = |property: &str| {
        let file = property.replace('.', "_");
        format!("kafka.{property}: missing: SCRAM-SHA-512 needs it, or kafka.{file}_file")
    };
    let url = "oauth.token_url = \"https://id.example.com/token\"\n";
    let client = "oauth.client_id = \"me\"\noauth.client_secret = \"s3cret\"\n";
    for (lines, expected) in [
        (SCRAM.to_owned(), vec![needs("sasl.username"), needs("sasl.password")]),
        (
            format!("{SCRAM}sasl.username = \"me\"\nsasl.password = \"x\"\n{url}{client}"),
            vec![
                "kafka.oauth.token_url: has no effect without kafka.security.protocol = \"SASL_SSL\" (or \
                 \"SASL_PLAINTEXT\") and kafka.sasl.mechanisms = \"OAUTHBEARER\""
                    .to_owned(),
            ],
        ),
        (
            OAUTH.to_owned(),
            vec![
                "kafka.oauth.token_url: missing: OAUTHBEARER needs kafka.oauth.token_url or \
                 kafka.oauth.token_file"
                    .to_owned(),
            ],
        ),
        (
            format!("{OAUTH}{url}"),
            vec![
                "kafka.oauth.client_id: missing: kafka.oauth.token_url needs it".to_owned(),
                "kafka.oauth.client_secret: missing: set it or kafka.oauth.client_secret_file".to_owned(),
            ],
        ),
        (
            format!("{OAUTH}{url}{client}oauth.token_file = \"token\"\n"),
            vec![
                "kafka.oauth.token_file: not allowed together with kafka.oauth.token_url".to_owned(),
            ],
        ),
        (
            format!("{OAUTH}oauth.token_file = \"token\"\noauth.scope = \"kafka\"\n"),
            vec!["kafka.oauth.scope: has no effect without kafka.oauth.token_url".to_owned()],
        ),
        (
            format!("{OAUTH}{client}oauth.token_url = \"http://id.example.com/token\"\n"),
            vec![
                "kafka.oauth.token_url: \"http://id.example.com/token\" is not allowed: an https URL such \
                 as \"https://id.example.com/oauth2/token\"; http to a loopback address only"
                    .to_owned(),
            ],
        ),
        (
            format!("{OAUTH}{client}oauth.token_url = \"https://me:s3cret@id.example.com\"\n"),
            vec!["kafka.oauth.token_url: a URL with credentials is not allowed".to_owned()],
        ),
        (
            format!("{OAUTH}{url}{client}enable.sasl.oauthbearer.unsecure.jwt = true\n"),
            vec![
                "kafka.enable.sasl.oauthbearer.unsecure.jwt: not allowed together with \
                 kafka.oauth.token_url"
                    .to_owned(),
            ],
        ),
        (
            format!("{OAUTH}{url}{client}oauth.extensions = {{ auth = \"x\" }}\n"),
            vec![
                "kafka.oauth.extensions: { auth = \"x\" } is not allowed: a table of strings, such as \
                 { logicalCluster = \"lkc-1\" }, with alphabetic names other than \"auth\", and values of \
                 printable ASCII"
                    .to_owned(),
            ],
        ),
    ] {
        let found = errors(&lines);
        assert_eq!(found, expected, "{lines}");
        assert!(!found.concat().contains("s3cret"), "{found:?}");
    }
    let unsecured = format!("{OAUTH}enable.sasl.oauthbearer.unsecure.jwt = true\n");
    assert_eq!(errors(&unsecured), [""; 0]);
}

#[test]
fn properties_without_effect_are_warned_of() {
    for (lines, idle) in [
        ("sasl.username = \"me\"\n", vec!["kafka.sasl.username"]),
        (
            "ssl.ca.pem = \"x\"\nsasl.password = \"x\"\n",
            vec!["kafka.sasl.password", "kafka.ssl.ca.pem"],
        ),
        (
            "security.protocol = \"SSL\"\nsasl.password = \"x\"\nssl.key.password = \"x\"\n",
            vec!["kafka.sasl.password"],
        ),
        ("security.protocol = \"SSL\"\n", vec![]),
    ] {
        let warnings = good(&least_and(lines), &[]).warnings;
        let mut named: Vec<_> = warnings
            .iter()
            .filter_map(|it| it.split(": ").find(|part| part.starts_with("kafka.")))
            .collect();
        named.sort_unstable();
        assert_eq!(named, idle, "{warnings:?}");
        assert!(
            warnings
                .iter()
                .all(|it| it.contains("has no effect with kafka.security.protocol"))
        );
    }
}

#[test]
fn a_certificate_and_its_key_belong_together() {
    let certificate = format!("ssl.certificate.location = \"{TLS}/device.pem\"\n");
    let key = format!("ssl.key.location = \"{TLS}/device.key\"\n");
    for (lines, expected) in [
        (format!("{certificate}{key}"), None),
        (certificate, Some(["certificate", "key"])),
        (key, Some(["key", "certificate"])),
    ] {
        let found = errors(&format!("security.protocol = \"SSL\"\n{lines}"));
        let expected = expected.map(|[it, other]| {
            format!(
                "kafka.ssl.{it}.location: has no effect without kafka.ssl.{other}.location or \
                 kafka.ssl.{other}.pem"
            )
        });
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{lines}");
    }
}

#[test]
fn credentials_without_encryption_are_warned_of() {
    let plain = "sasl.mechanism = \"PLAIN\"\nsasl.username = \"me\"\nsasl.password = \"x\"\n";
    let scram = plain.replace("PLAIN", "SCRAM-SHA-512");
    for (brokers, protocol, lines, host) in [
        (
            "localhost:1,127.0.0.1:1,[::1]:1,PLAINTEXT://127.0.0.2:1",
            "SASL_PLAINTEXT",
            plain,
            None,
        ),
        (
            "localhost:1,kafka-1:9092",
            "SASL_PLAINTEXT",
            plain,
            Some("kafka-1"),
        ),
        (
            "SASL_PLAINTEXT://[2001:db8::1]:1",
            "sasl_plaintext",
            plain,
            Some("2001:db8::1"),
        ),
        ("kafka-1:9092", "SASL_SSL", plain, None),
        // It sends no password.
        ("kafka-1:9092", "SASL_PLAINTEXT", &*scram, None),
    ] {
        let text = least_and(&format!("security.protocol = \"{protocol}\"\n{lines}"));
        let variable = ("RINGEST_KAFKA__BOOTSTRAP_SERVERS", brokers);
        let warnings = good(&text, &[variable]).warnings;
        let found = warnings.iter().find(|it| it.contains("encryption"));
        let found = found.map(|it| it.split_once(": ").expect("a place").1);
        let expected = host.map(|host| {
            format!(
                "kafka.security.protocol: passwords and tokens are sent to {host} without encryption: use \
                 \"SASL_SSL\""
            )
        });
        assert_eq!(found, expected.as_deref(), "{brokers}");
    }
}

#[test]
fn a_token_file_may_come_later() {
    let place = Place::new(&least_and(&format!(
        "{OAUTH}[kafka.oauth]\ntoken_file = \"token\"\n"
    )));
    let warning = || {
        let warnings = place.load(&[]).expect("it may come later").warnings;
        warnings
            .into_iter()
            .find(|it| it.contains("kafka.oauth.token_file"))
    };
    let missing = warning().expect("it is not there");
    assert!(missing.contains("token: can't be read: "), "{missing}");
    assert!(
        missing.ends_with("no broker can be used until it has a token"),
        "{missing}"
    );
    fs::write(place.directory.path().join("token"), "opaque\n").expect("written");
    assert_eq!(warning(), None);
}

#[test]
fn tokens_from_an_endpoint_and_from_a_file() {
    let lines = format!(
        "{OAUTH}[kafka.oauth]\ntoken_url = \"https://id.example.com/token\"\nclient_id = \"me\"\n\
         client_secret_file = \"secret\"\nscope = \"a b\"\nparameters = {{ audience = \"kafka\" }}\n\
         extensions = {{ logicalCluster = \"lkc-1\" }}\n"
    );
    let place = Place::new(&least_and(&lines));
    assert_eq!(place.errors(&[]).len(), 1, "the secret's file is not there");
    let secret = place.directory.path().join("secret");
    fs::write(&secret, "s3cret\n").expect("written");
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let config = place.load(&[]).expect("good");
    let expected = TokenSettings {
        source: TokenSource::Endpoint(TokenEndpoint {
            url: "https://id.example.com/token".to_owned(),
            client_id: "me".to_owned(),
            client_secret: "s3cret".to_owned(),
            scope: Some("a b".to_owned()),
            parameters: pair("audience", "kafka"),
        }),
        extensions: pair("logicalCluster", "lkc-1"),
    };
    assert_eq!(config.tokens, Some(expected));
    assert_eq!(config.watched(), [secret]);
    assert!(!format!("{:?}", config.tokens).contains("s3cret"));

    let place = Place::new(&least_and(OAUTH));
    let from_file = [("RINGEST_KAFKA__OAUTH__TOKEN_FILE", "token")];
    let config = place.load(&from_file).expect("it may appear later");
    let source = TokenSource::File(place.directory.path().join("token"));
    assert_eq!(config.tokens.map(|it| it.source), Some(source));
    // The thread that gets tokens looks after it.
    let config = place.load(&from_file).expect("good");
    assert_eq!(config.watched(), [""; 0].map(PathBuf::from));
}

#[test]
fn passwords_in_files() {
    let place = Place::new(&least_and(&format!(
        "{SCRAM}sasl_username_file = \"user\"\nsasl_password_file = \"password\"\n"
    )));
    let path = |name: &str| place.directory.path().join(name);
    let at = |line: u32, key: &str| format!("ringest.toml:{line}: kafka.sasl_{key}_file: ");
    assert_eq!(
        place.errors(&[]),
        [
            format!(
                "{}user can't be read: No such file or directory (os error 2)",
                at(9, "username")
            ),
            format!(
                "{}password can't be read: No such file or directory (os error 2)",
                at(10, "password")
            ),
        ]
    );
    fs::write(path("user"), "me").expect("written");
    fs::write(path("password"), "\n").expect("written");
    assert_eq!(
        place.errors(&[]),
        [format!("{}password is empty", at(10, "password"))]
    );
    fs::write(path("password"), " s3cret\r\n").expect("written");
    let config = place.load(&[]).expect("good");
    assert_eq!(config.kafka_property("sasl.username"), Some("me"));
    assert_eq!(config.kafka_property("sasl.password"), Some(" s3cret"));
    assert_eq!(config.watched(), ["user", "password"].map(path));
    let twice = place.errors(&[("RINGEST_KAFKA__SASL_PASSWORD", "x")]);
    assert_eq!(
        twice,
        [format!(
            "{}not allowed together with kafka.sasl.password",
            at(10, "password")
        )]
    );
}

#[test]
fn certificates_are_read_and_checked() {
    let lines = |certificate: &str, key: &str, ca: &str| {
        format!(
            "security.protocol = \"SSL\"\nssl.certificate.location = \"{certificate}\"\n\
             ssl.key.location = \"{key}\"\nssl.ca.location = \"{ca}\"\n"
        )
    };
    let file = |name: &str| format!("{TLS}/{name}");
    let [device, key, ca] = ["device.pem", "device.key", "ca.pem"].map(file);
    let config = good(&least_and(&lines(&device, &key, &ca)), &[]);
    for (property, path) in [
        ("ssl.certificate.pem", &device),
        ("ssl.key.pem", &key),
        ("ssl.ca.pem", &ca),
    ] {
        let content = fs::read_to_string(path).expect("a fixture");
        assert_eq!(config.kafka_property(property), Some(content.as_str()));
    }
    assert_eq!(config.kafka_property("ssl.key.location"), None);
    assert_eq!(config.watched(), [&device, &key, &ca].map(PathBuf::from));
    assert_eq!(config.check_kafka(), Ok(()));

    let wrong = good(&least_and(&lines(&device, &file("server.key"), &ca)), &[]);
    let error = wrong.check_kafka().expect_err("they do not match");
    assert!(error.contains("key values mismatch"), "{error}");
    let files = format!("kafka.ssl.key.location = {}", file("server.key"));
    assert!(error.contains(&files), "{error}");

    assert_eq!(
        errors(&lines(&key, &device, "nowhere.pem")),
        [
            format!("kafka.ssl.certificate.location: {key} has no PEM block CERTIFICATE"),
            format!("kafka.ssl.key.location: {device} has no PEM block PRIVATE KEY"),
            "kafka.ssl.ca.location: nowhere.pem can't be read: No such file or directory (os error 2)"
                .to_owned(),
        ]
    );
    // What librdkafka looks up by itself is left to it.
    for ca in ["probe", TLS] {
        let config = good(&least_and(&lines(&device, &key, ca)), &[]);
        assert_eq!(config.kafka_property("ssl.ca.location"), Some(ca));
    }
}

/// Of files whose content no property takes, a change makes another configuration, too.
#[test]
fn files_that_librdkafka_reads_itself() {
    let place = Place::new(LEAST);
    let path = place.directory.path().join("crl.pem");
    let crl = path.to_str().expect("a plain name");
    let variables = [
        ("RINGEST_KAFKA__SECURITY_PROTOCOL", "SSL"),
        ("RINGEST_KAFKA__SSL_CRL_LOCATION", crl),
    ];
    assert!(place.load(&variables).is_err(), "it is not there");
    fs::write(&path, "one").expect("written");
    let one = place.load(&variables).expect("good");
    assert!(one.has_same_kafka(&place.load(&variables).expect("good")));
    fs::write(&path, "two").expect("written");
    let two = place.load(&variables).expect("good");
    assert!(!one.has_same_kafka(&two));
    assert_eq!(one.kafka, two.kafka);
    assert_eq!(two.watched(), [path]);
}
