//! `moose.config.toml` as `ringest.toml`.

use serde_json::json;

use super::{Place, column, map_of, set, stderr, stdout};

/// What Moose writes into a new project, and what else concerns ingest.
const PROJECT: &str = r#"
language = "Typescript"

[redpanda_config]
broker = "kafka-1:9093,kafka-2:9093"
schema_registry_url = "https://registry.example.com"
message_timeout_ms = 2500
retention_ms = 30000
replication_factor = 3
sasl_username = "moose"
sasl_password = "s3cret"
sasl_mechanism = "SCRAM-SHA-256"
security_protocol = "SASL_SSL"
namespace = "team"

[clickhouse_config]
db_name = "local"
password = "pandapass"

[http_server_config]
host = "0.0.0.0"
port = 4100
management_port = 5101
path_prefix = "api/v1/"
max_request_body_size = 20971520

[jwt]
enforce_on_all_consumptions_apis = true
enforce_on_all_ingest_apis = true
secret = "-----BEGIN PUBLIC KEY-----"
issuer = "https://id.example.com"
audience = "ingest"
"#;

fn place() -> Place {
    Place::new(&map_of(&json!([column("id", &json!("UUID"))])))
}

/// `ringest.toml` and the report for a project.
fn imported(project: &str) -> (String, String) {
    let place = place();
    place.write("moose.config.toml", project);
    let report = place.imported(&["--project", "moose.config.toml"]);
    (place.read("conf/ringest.toml"), report)
}

#[test]
fn everything_that_concerns_ingest() {
    let (file, report) = imported(PROJECT);
    assert_eq!(
        file,
        r#"# Made by ringest import-moose from map.json and moose.config.toml.
# config/ringest.toml of ringest's repository has every key.
models = "models"

[listen]
address = "0.0.0.0:4100"
# With auth.mode = "none": true to accept unauthenticated requests from that network.
# unauthenticated_network = true
# Moose also accepts paths without the prefix; ringest does not.
path_prefix = "/api/v1"

[management]
address = "0.0.0.0:5101"

[limits]
body_bytes_max = 20_971_520

[timeouts]
# Moose's message_timeout_ms; ringest's own default is 10_000.
ack_timeout_ms = 2_500

[auth]
# Beside tokens, ringest takes the key of MOOSE_INGEST_API_KEY if that is in its environment: Moose,
# which asks for tokens here, does not.
[auth.jwt]
issuer = "https://id.example.com"
audience = "ingest"
algorithms = ["RS256"]
public_key_file = "jwt.pem"
# As in Moose; ringest's own default is 0.
leeway_ms = 60_000

[kafka]
"bootstrap.servers" = "kafka-1:9093,kafka-2:9093"
"sasl.username" = "moose"
"sasl.mechanism" = "SCRAM-SHA-256"
"security.protocol" = "SASL_SSL"
# "sasl.password" is read from RINGEST_KAFKA__SASL_PASSWORD.
"#
    );
    for part in [
        "- authentication: clients with tokens, as in Moose; write their issuer's public key \
         (PEM) to \
         conf/jwt.pem: jwt.secret is not a usable public key: ",
        "- set RINGEST_KAFKA__SASL_PASSWORD in the environment: the password was not copied\n",
        "- MOOSE_… variables and .env files win over moose.config.toml in Moose",
    ] {
        assert!(report.contains(part), "{report}");
    }
    for secret in ["s3cret", "pandapass", "BEGIN PUBLIC"] {
        assert!(
            !file.contains(secret) && !report.contains(secret),
            "{secret}"
        );
    }
}

/// The key of an issuer.
const PUBLIC_KEY: &str = include_str!("../crypto/keys/rsa-2048.spki.pem");

#[test]
fn whoever_has_mooses_tokens_may_send() {
    let place = place();
    let inline = "secret = \"-----BEGIN PUBLIC KEY-----\"";
    assert!(PROJECT.contains(inline));
    let key = format!("secret = \"\"\"\n{PUBLIC_KEY}\"\"\"");
    place.write("moose.config.toml", &PROJECT.replace(inline, &key));
    let report = place.imported(&["--project", "moose.config.toml"]);
    assert!(
        report.starts_with("1 model(s) in conf/models, "),
        "{report}"
    );
    assert!(
        report.contains("- authentication: clients with tokens, as in Moose\n"),
        "{report}"
    );
    assert_eq!(place.read("conf/jwt.pem"), PUBLIC_KEY);
    let routes = place.routes();
    assert_eq!(routes[0]["path"], "/api/v1/ingest/Thing/1");
    assert_eq!(routes[0]["topic"], "team.Thing_1");
    let check = ["--config", "conf/ringest.toml", "--check"];
    let variables = [
        ("RINGEST_KAFKA__SASL_PASSWORD", "s3cret"),
        ("RINGEST_WORKERS", "1"),
    ];
    let output = place.ringest(&check, &variables);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("configuration is valid\nroutes 1, "));
}

#[test]
fn no_key_but_the_public_one_is_copied() {
    for secret in [
        include_str!("../crypto/keys/rsa-2048.key"),
        include_str!("../crypto/keys/p256.spki.pem"),
        "s3cret-s3cret-s3cret-s3cret-s3cret",
        "",
    ] {
        let place = place();
        let project = format!(
            "[jwt]\nenforce_on_all_ingest_apis = true\nissuer = \"i\"\naudience = \"a\"\nsecret = \
             \"\"\"\n{secret}\"\"\"\n"
        );
        place.write("moose.config.toml", &project);
        let report = place.imported(&["--project", "moose.config.toml"]);
        assert!(
            report.contains("write their issuer's public key"),
            "{report}"
        );
        assert!(!place.path("conf/jwt.pem").exists());
        for line in secret.lines().filter(|line| !line.starts_with('-')) {
            assert!(!report.contains(line), "{report}");
            assert!(!place.read("conf/ringest.toml").contains(line));
        }
        let check = ["--config", "conf/ringest.toml", "--check"];
        let output = place.ringest(&check, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            stderr(&output),
            "conf/ringest.toml:21: auth.jwt.public_key_file: conf/jwt.pem can't be read: No such file \
             or directory (os error 2)\n"
        );
    }
}

#[test]
fn without_tokens_someone_decides_who_may_send() {
    for project in [
        "",
        "[jwt]\nenforce_on_all_ingest_apis = false\nissuer = \"i\"\n",
    ] {
        let place = place();
        place.write(
            "moose.config.toml",
            &format!("{project}[http_server_config]\nhost = \"0.0.0.0\"\n"),
        );
        let report = place.imported(&["--project", "moose.config.toml"]);
        let said = "- authentication: set MOOSE_INGEST_API_KEY as for Moose, create keys with \
            `ringest \
                    token`, or set auth.mode = \"none\" to accept unauthenticated requests\n";
        assert!(report.contains(said), "{report}");

        let check = ["--config", "conf/ringest.toml", "--check"];
        let workers = ("RINGEST_WORKERS", "1");
        let output = place.ringest(&check, &[workers]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).starts_with("conf/ringest.toml: auth.mode: \"required\""));
        assert_eq!(stderr(&output).lines().count(), 1);

        let hash = "0123456789abcdef0123456789abcdef01234567";
        let output = place.ringest(&check, &[workers, ("MOOSE_INGEST_API_KEY", hash)]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

        let file = place.read("conf/ringest.toml").replace("# mode", "mode");
        place.write("conf/ringest.toml", &file);
        let output = place.ringest(&check, &[workers]);
        assert!(stderr(&output).contains("listen.unauthenticated_network = true"));
        place.write(
            "conf/ringest.toml",
            &file.replace("# unauthenticated_network", "unauthenticated_network"),
        );
        let output = place.ringest(&check, &[workers]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).starts_with("configuration is valid\nroutes 1, "));
    }
}

#[test]
fn without_a_project_mooses_defaults_are_taken() {
    let place = place();
    let report = place.imported(&[]);
    assert!(report.contains("- no --project: addresses and brokers are Moose's defaults"));
    let defaults = place.read("conf/ringest.toml");
    let (empty, report) = imported("language = \"Python\"\n");
    assert!(!report.contains("no --project"));
    assert_eq!(
        empty.replace("moose.config.toml", "Moose's defaults"),
        defaults
    );
    for line in [
        "address = \"127.0.0.1:4000\"\n",
        "address = \"127.0.0.1:5001\"\n",
        "body_bytes_max = 10_485_760\n",
        "\"bootstrap.servers\" = \"localhost:19092\"\n",
    ] {
        assert!(defaults.contains(line), "{defaults}");
    }
    for absent in [
        "path_prefix",
        "timeouts",
        "sasl",
        "unauthenticated",
        "registry",
    ] {
        assert!(!defaults.contains(absent), "{absent}");
    }
}

#[test]
fn hosts() {
    for (host, address) in [
        ("localhost", "127.0.0.1:4000"),
        ("127.0.0.2", "127.0.0.2:4000"),
        ("::1", "[::1]:4000"),
    ] {
        let (file, _) = imported(&format!(
            "[http_server_config]\nhost = {host:?}\nport = 4000\n"
        ));
        assert!(
            file.contains(&format!("[listen]\naddress = {address:?}\n")),
            "{file}"
        );
    }
    let (file, report) =
        imported("[http_server_config]\nhost = \"gateway.internal\"\nport = 4000\n");
    let said = "[listen]\n# Moose's host = \"gateway.internal\": ringest requires an IP address.\n\
                address = \"127.0.0.1:4000\"\n";
    assert!(file.contains(said), "{file}");
    let asked = "- listen.address: Moose listens on \"gateway.internal\", and ";
    assert!(report.contains(asked), "{report}");
}

#[test]
fn prefixes_as_moose_reads_them() {
    for (prefix, written) in [
        ("api", Some("/api")),
        ("/api/", Some("/api")),
        ("//a/b//", Some("/a/b")),
        ("/", None),
        ("", None),
    ] {
        let (file, _) = imported(&format!("[http_server_config]\npath_prefix = {prefix:?}\n"));
        let found = file
            .lines()
            .find_map(|it| it.strip_prefix("path_prefix = "));
        assert_eq!(found, written.map(|it| format!("{it:?}")).as_deref());
    }
}

#[test]
fn a_registry_is_there_where_models_ask_it() {
    for (reference, project, url) in [
        (json!({"id": 1}), PROJECT, None),
        (
            json!({"subject_latest": "s"}),
            PROJECT,
            Some("https://registry.example.com"),
        ),
        (
            json!({"subject": "s", "version": 1}),
            "[redpanda_config]\nschema_registry_url = \"http://me:s3cret@[::1]:8081/x\"\n",
            Some("http://[::1]:8081/x"),
        ),
        (
            json!({"subject_latest": "s"}),
            "",
            Some("http://localhost:8081"),
        ),
    ] {
        let mut map = map_of(&json!([]));
        let config = json!({"kind": "JSON", "reference": reference});
        set(&mut map, "/topics/Thing_1", "schema_config", config);
        let place = Place::new(&map);
        place.write("moose.config.toml", project);
        place.imported(&["--project", "moose.config.toml"]);
        let file = place.read("conf/ringest.toml");
        let section = file.split_once("\n[schema_registry]\n");
        let found = section.and_then(|(_, it)| it.lines().next());
        assert_eq!(found, url.map(|url| format!("url = {url:?}")).as_deref());
        assert!(!file.contains("s3cret"), "{file}");
        assert_eq!(
            file.contains("RINGEST_SCHEMA_REGISTRY__PASSWORD"),
            project.contains("me:s3cret@")
        );
    }
}

#[test]
fn everything_wrong_with_a_project_is_said_at_once_and_never_its_values() {
    let place = place();
    place.write(
        "moose.config.toml",
        "\
[http_server_config]
port = 65_536
management_port = \"5001\"
path_prefix = \"a b\"
max_request_body_size = 1_073_741_825
[redpanda_config]
broker = 9092
message_timeout_ms = 1
sasl_password = 123456789
[jwt]
enforce_on_all_ingest_apis = \"yes\"
",
    );
    let output = place.import(&["--project", "moose.config.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!place.path("conf").exists());
    assert_eq!(
        stderr(&output),
        "\
moose.config.toml:2: http_server_config.port: not allowed: a whole number from 0 to 65_535
moose.config.toml:3: http_server_config.management_port: not allowed: a whole number from 0 to 65_535
moose.config.toml:4: http_server_config.path_prefix: not allowed: a path of at most 128 bytes
moose.config.toml:5: http_server_config.max_request_body_size: not allowed: a whole number from 1 to 1_073_741_824
moose.config.toml:7: redpanda_config.broker: not allowed: a string
moose.config.toml:8: redpanda_config.message_timeout_ms: not allowed: a whole number from 2 to 86_400_000
moose.config.toml:9: redpanda_config.sasl_password: not allowed: a string
moose.config.toml:11: jwt.enforce_on_all_ingest_apis: not allowed: true or false
"
    );
    place.write("moose.config.toml", "[http_server_config\n");
    let output = place.import(&["--project", "moose.config.toml"]);
    assert!(stderr(&output).starts_with("moose.config.toml:1: not valid TOML: "));
}
