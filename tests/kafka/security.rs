//! A broker that asks for a password and says who may write where.

use std::fs;

use crate::{
    check::a_wrong_password_is_named,
    support::{jars::Jars, kafka::Kafka, ringest::Ringest},
};

const BROKER: &[(&str, &str)] = &[
    (
        "listener.security.protocol.map",
        "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    ),
    ("sasl.enabled.mechanisms", "PLAIN"),
    ("sasl.mechanism.inter.broker.protocol", "PLAIN"),
    (
        "listener.name.client.plain.sasl.jaas.config",
        "org.apache.kafka.common.security.plain.PlainLoginModule required \
         username=\"admin\" password=\"admin-secret\" \
         user_admin=\"admin-secret\" user_ringest=\"ringest-secret\";",
    ),
    (
        "authorizer.class.name",
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    ),
    // The controller's own listener has no passwords, so clients there are anonymous.
    ("super.users", "User:admin;User:ANONYMOUS"),
];

const ADMIN: &[(&str, &str)] = &[
    ("security.protocol", "SASL_PLAINTEXT"),
    ("sasl.mechanism", "PLAIN"),
    ("sasl.username", "admin"),
    ("sasl.password", "admin-secret"),
];

pub(crate) fn sasl_and_access_control(jars: &Jars) {
    let kafka = Kafka::start_with(jars, BROKER, ADMIN);
    let allowed = kafka.cluster().create_topic("allowed", 1, &[]);
    let refused = kafka.cluster().create_topic("refused", 1, &[]);
    allow_writing(&kafka, "ringest", &allowed);
    let wrong = [&ADMIN[..3], &[("sasl.password", "wrong")]].concat();
    a_wrong_password_is_named(kafka.cluster(), &wrong);

    let ringest = Ringest::builder(kafka.cluster().brokers())
        .kafka("security.protocol", "SASL_PLAINTEXT")
        .kafka("sasl.mechanism", "PLAIN")
        .kafka("sasl.username", "ringest")
        .kafka("sasl.password", "ringest-secret")
        .model("Allowed", "1", &allowed)
        .model("Refused", "1", &refused)
        .start();
    let record = br#"{"n":1}"#;
    let mut http = ringest.connect();
    let answer = http.post("/ingest/Allowed/1", record).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = http.post("/ingest/Refused/1", record).expect("an answer");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(answer.text("code"), "not_authorized_by_broker");
    assert_eq!(answer.text("persisted"), "no");

    // The refusal of one topic ends nothing for the other.
    let answer = ringest.connect().post("/ingest/Allowed/1", record);
    assert_eq!(answer.expect("an answer").status, 200);
    assert_eq!(kafka.cluster().read(&allowed), [record, record]);
    assert!(kafka.cluster().read(&refused).is_empty());
    assert!(
        !ringest.log().contains("ringest-secret"),
        "a password in the log"
    );
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
