//! A broker that authenticates its clients, by password, token or certificate, and says who may write where.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{
    check::{a_refusal_is_named, a_wrong_password_is_named},
    support::{
        jars::Jars,
        kafka::Kafka,
        ringest::{Builder, Ringest},
        server::{CERTIFICATE, Server},
        tls::file,
        wait::await_that,
    },
};

const BROKER: &[(&str, &str)] = &[
    (
        "listener.security.protocol.map",
        "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL",
    ),
    ("sasl.enabled.mechanisms", "PLAIN,OAUTHBEARER"),
    ("sasl.mechanism.inter.broker.protocol", "PLAIN"),
    (
        "listener.name.client.plain.sasl.jaas.config",
        "org.apache.kafka.common.security.plain.PlainLoginModule required \
         username=\"admin\" password=\"admin-secret\" \
         user_admin=\"admin-secret\" user_ringest=\"ringest-secret\";",
    ),
    (
        "listener.name.client.oauthbearer.sasl.jaas.config",
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
         unsecuredLoginStringClaim_sub=\"admin\";",
    ),
    // Connections end without a new token.
    (
        "listener.name.client.oauthbearer.connections.max.reauth.ms",
        "4000",
    ),
    ("listener.name.tls.ssl.client.auth", "required"),
    ("listener.name.tls.ssl.keystore.type", "PEM"),
    ("listener.name.tls.ssl.keystore.location", "KEYSTORE"),
    ("listener.name.tls.ssl.truststore.type", "PEM"),
    ("listener.name.tls.ssl.truststore.location", "TRUSTSTORE"),
    (
        "authorizer.class.name",
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    ),
    // The controller's own listener has no passwords, so clients there are anonymous.
    (
        "super.users",
        "User:admin;User:ANONYMOUS;User:O=Acme,CN=device-1",
    ),
];

const ADMIN: &[(&str, &str)] = &[
    ("security.protocol", "SASL_PLAINTEXT"),
    ("sasl.mechanism", "PLAIN"),
    ("sasl.username", "admin"),
    ("sasl.password", "admin-secret"),
];

const RECORD: &[u8] = br#"{"n":1}"#;

pub(crate) fn sasl_and_access_control(jars: &Jars) {
    let stores = tempfile::tempdir().expect("a directory");
    let (keystore, truststore) = (stores.path().join("keystore.pem"), file("ca.pem"));
    let pair = ["server.key", "server.pem"].map(|name| fs::read(file(name)).expect("a fixture"));
    fs::write(&keystore, pair.concat()).expect("ours");
    let keystore = keystore.to_str().expect("a plain name");
    let broker = BROKER.iter().map(|&(name, value)| match value {
        "KEYSTORE" => (name, keystore),
        "TRUSTSTORE" => (name, truststore.as_str()),
        value => (name, value),
    });
    let kafka = Kafka::start_with(jars, &broker.collect::<Vec<_>>(), ADMIN);
    let wrong = [&ADMIN[..3], &[("sasl.password", "wrong")]].concat();
    a_wrong_password_is_named(kafka.cluster(), &wrong);

    let allowed = kafka.cluster().create_topic("allowed", 1, &[]);
    let refused = kafka.cluster().create_topic("refused", 1, &[]);
    allow_writing(&kafka, "ringest", &allowed);
    by_password(&kafka, [&allowed, &refused]);
    thread::scope(|scope| {
        scope.spawn(|| by_token(&kafka, &allowed));
        scope.spawn(|| by_certificate(&kafka, [&allowed, &refused]));
    });
}

fn models(builder: Builder, [allowed, refused]: [&str; 2]) -> Builder {
    builder
        .model("Allowed", "1", allowed)
        .model("Refused", "1", refused)
}

fn by_password(kafka: &Kafka, topics: [&str; 2]) {
    let builder = Ringest::builder(kafka.cluster().brokers())
        .kafka("security.protocol", "SASL_PLAINTEXT")
        .kafka("sasl.mechanism", "PLAIN")
        .kafka("sasl.username", "ringest")
        .set("kafka.sasl_password_file", "password")
        .file("password", b"ringest-secret\n");
    let ringest = models(builder, topics).start();
    let mut http = ringest.connect();
    let answer = http.post("/ingest/Allowed/1", RECORD).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = http.post("/ingest/Refused/1", RECORD).expect("an answer");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(answer.text("code"), "not_authorized_by_broker");
    assert_eq!(answer.text("persisted"), "no");

    // The refusal of one topic ends nothing for the other.
    let answer = ringest.connect().post("/ingest/Allowed/1", RECORD);
    assert_eq!(answer.expect("an answer").status, 200);
    assert_eq!(kafka.cluster().read(topics[0]), [RECORD, RECORD]);
    assert!(kafka.cluster().read(topics[1]).is_empty());

    // Another user, and its password, by changed files.
    ringest.write("password", b"wrong-secret");
    await_that("it is not noticed", || {
        ringest.log().contains("replacing the producers")
    });
    await_that("it is not refused", || {
        ringest.not_ready() == "broker_credentials"
    });
    ringest.write("password", b"ringest-secret");
    await_that("it does not recover", || ringest.ready() == 200);
    // The worker's handle may be the refused one for a moment longer than the watch's.
    await_that("it takes no records", || {
        let answer = ringest.connect().post("/ingest/Allowed/1", RECORD);
        answer.expect("an answer").status == 200
    });
    assert!(!ringest.log().contains("-secret"), "a password in the log");
}

/// A token endpoint whose tokens live for so long.
fn tokens(lifetime: Duration, subject: &'static str) -> (Server, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let server = Server::tls(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let part = |json: String| BASE64_URL_SAFE_NO_PAD.encode(json);
        let token = format!(
            "{}.{}.",
            part(r#"{"alg":"none"}"#.to_owned()),
            part(format!(
                r#"{{"sub":"{subject}","iat":{},"exp":{}}}"#,
                now.as_secs_f64(),
                (now + lifetime).as_secs_f64()
            ))
        );
        let body = format!(
            r#"{{"access_token":"{token}","expires_in":{}}}"#,
            lifetime.as_secs()
        );
        (200, body)
    });
    (server, count)
}

fn by_token(kafka: &Kafka, topic: &str) {
    let (endpoint, count) = tokens(Duration::from_secs(4), "ringest");
    let ringest = Ringest::builder(kafka.cluster().brokers())
        .kafka("security.protocol", "SASL_PLAINTEXT")
        .kafka("sasl.mechanism", "OAUTHBEARER")
        .set("kafka.oauth.token_url", &format!("{}/token", endpoint.url))
        .set("kafka.oauth.client_id", "ringest")
        .set("kafka.oauth.client_secret", "s3cret")
        .variable("SSL_CERT_FILE", CERTIFICATE)
        .model("Allowed", "1", topic)
        .start();
    // Every worker's handle, over the end of two tokens and of the connections' sessions.
    let mut http = ringest.connect();
    let mut accepted = 0;
    while count.load(Ordering::Relaxed) < 4 {
        let answer = http.post("/ingest/Allowed/1", RECORD).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}\n{}", ringest.log());
        accepted += 1;
        thread::sleep(Duration::from_millis(20));
    }
    assert!(accepted > 10, "{accepted}");
    assert_eq!(
        ringest.count_of("ringest_kafka_token_fetches_total", "result=\"ok\""),
        4
    );
    assert!(ringest.metric("ringest_kafka_token_age_seconds") < 4.0);
    assert!(!ringest.log().contains("s3cret"));
    assert!(!ringest.log().contains("eyJ"), "a token in the log");

    // One that has ended, and one that the brokers do not accept.
    let ended = r#"{"access_token":"opaque","expires_in":0}"#;
    let old = Server::start(move |_| (200, ended.to_owned()));
    let oauth = |url| {
        [
            ("token_url", url),
            ("client_id", "x"),
            ("client_secret", "x"),
        ]
    };
    let properties = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "OAUTHBEARER"),
    ];
    let reason = "the token has already expired";
    a_refusal_is_named(kafka.cluster(), &properties, &oauth(&old.url), reason);
    let opaque = Server::start(|_| (200, r#"{"access_token":"opaque"}"#.to_owned()));
    let reason = "SASL authentication error: {\"status\":\"invalid_token\"}";
    a_refusal_is_named(kafka.cluster(), &properties, &oauth(&opaque.url), reason);
}

fn by_certificate(kafka: &Kafka, topics: [&str; 2]) {
    // device-1 may write everywhere, device-2 only to one of the topics.
    allow_writing(kafka, "CN=device-2", topics[0]);
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| {
        directory
            .path()
            .join(name)
            .to_str()
            .expect("a plain name")
            .to_owned()
    };
    let install = |name: &str| {
        for (end, to) in [("pem", "client.pem"), ("key", "client.key")] {
            let content = fs::read(file(&format!("{name}.{end}"))).expect("a fixture");
            fs::write(path("new"), content).expect("ours");
            fs::rename(path("new"), path(to)).expect("ours");
        }
    };
    install("device");
    let builder = Ringest::builder(&kafka.tls_brokers())
        .kafka("security.protocol", "SSL")
        .kafka("ssl.endpoint.identification.algorithm", "none")
        .kafka("ssl.ca.location", &file("ca.pem"))
        .kafka("ssl.certificate.location", &path("client.pem"))
        .kafka("ssl.key.location", &path("client.key"));
    let ringest = models(builder, topics).start();
    let mut http = ringest.connect();
    let mut statuses = || {
        ["Allowed", "Refused"].map(|model| {
            let target = format!("/ingest/{model}/1");
            let answer = http.post(&target, RECORD);
            answer.expect("an answer").status
        })
    };
    await_that("it accepts nothing", || statuses() == [200, 200]);

    // A broken file is reported with its name, and does no harm.
    fs::write(path("client.pem"), "broken").expect("ours");
    let reported = format!(
        "ssl.certificate.location: {} has no PEM block",
        path("client.pem")
    );
    await_that("it is not reported", || {
        assert_eq!(statuses(), [200, 200]);
        ringest.log().contains(&reported)
    });
    // What is accepted is used, without a request that fails or waits for long.
    install("revoked");
    await_that("the certificate is not replaced", || {
        let [allowed, refused] = statuses();
        assert_eq!(allowed, 200, "{}", ringest.log());
        refused == 500
    });
    assert!(!ringest.log().contains("PRIVATE KEY"), "{}", ringest.log());
    install("device");
    await_that("the certificate is not replaced", || {
        let [allowed, refused] = statuses();
        assert_eq!(allowed, 200, "{}", ringest.log());
        refused == 200
    });
    assert_eq!(ringest.count("ringest_late_delivery_reports_total"), 0);
}

fn allow_writing(kafka: &Kafka, user: &str, topic: &str) {
    let admin = kafka.path("admin.properties");
    let properties = "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n\
        sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
        username=\"admin\" password=\"admin-secret\";\n";
    fs::write(&admin, properties).expect("the directory is ours");
    kafka.tool(
        "org.apache.kafka.tools.AclCommand",
        &[
            "--bootstrap-server",
            kafka.cluster().brokers(),
            "--command-config",
            &admin,
            "--add",
            "--allow-principal",
            &format!("User:{user}"),
            "--operation",
            "Write",
            "--topic",
            topic,
        ],
    );
}
