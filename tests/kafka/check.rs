//! What `--check --connect` and `ringest topics` say of a real cluster.

use std::{
    fmt::Write as _,
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::support::cluster::Cluster;

/// A configuration for the cluster, with one model.
struct Place(TempDir);

impl Place {
    fn new(cluster: &Cluster) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "models = \"models\"\n[listen]\naddress = \"127.0.0.1:0\"\n[management]\naddress = \"\"\n\
             [auth]\nmode = \"none\"\n[kafka]\n\"bootstrap.servers\" = \"{}\"\n",
            cluster.brokers()
        );
        fs::create_dir(directory.path().join("models")).expect("a directory");
        let place = Self(directory);
        fs::write(place.config(), text).expect("a file");
        place
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("ringest.toml")
    }

    /// Has the model produce to that topic.
    fn set_topic(&self, topic: &str) {
        let model = format!("name = \"Event\"\nversion = \"1\"\ntopic = \"{topic}\"\n");
        fs::write(self.0.path().join("models/Event.toml"), model).expect("a file");
    }

    /// The exit code, and what is written to stdout and stderr.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringest"));
        command.args(arguments).arg("--config").arg(self.config());
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("ringest runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (status.code(), text(stdout), text(stderr))
    }
}

const CHECK: [&str; 2] = ["--check", "--connect"];

/// A password that the brokers do not accept: why they can't be used is what librdkafka says of it.
pub(crate) fn a_wrong_password_is_named(cluster: &Cluster, kafka: &[(&str, &str)]) {
    let place = Place::new(cluster);
    place.set_topic("any");
    let mut text = fs::read_to_string(place.config()).expect("the file");
    for (name, value) in kafka {
        writeln!(text, "\"{name}\" = \"{value}\"").expect("a String takes it");
    }
    fs::write(place.config(), text).expect("a file");
    let (code, _, said) = place.run(&CHECK);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("SASL authentication error"), "{said}");
}

/// Asking for a topic must not make one, so the same question twice has the same answer.
pub(crate) fn missing_topics_are_named(cluster: &Cluster) {
    let there = cluster.create_topic("there", 1, &[("min.insync.replicas", "2")]);
    let missing = format!("{there}-not");
    let place = Place::new(cluster);
    place.set_topic(&missing);
    for _ in 0..2 {
        let (code, _, said) = place.run(&CHECK);
        let expected = format!("topic {missing}: does not exist on the brokers\n");
        assert_eq!((code, said), (Some(1), expected));
        let (code, listed, said) = place.run(&["topics"]);
        assert_eq!((code, said.as_str()), (Some(1), ""));
        assert!(listed.contains(&format!("{missing}  no ")), "{listed}");
    }
    place.set_topic(&there);
    let (code, _, said) = place.run(&CHECK);
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

pub(crate) fn missing_topics_are_created(cluster: &Cluster) {
    let there = cluster.create_topic("there", 1, &[]);
    let new = format!("{there}-new");
    let place = Place::new(cluster);
    place.set_topic(&new);
    cluster.adopt(&new);
    let create = [
        &["topics", "--create", "--partitions", "3"][..],
        &["--replication-factor", "1"],
    ]
    .concat();
    let (code, said, errors) = place.run(&create);
    let expected = format!("created topic {new}\n");
    assert_eq!((code, said, errors), (Some(0), expected, String::new()));
    let (code, said, _) = place.run(&create);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "all topics exist on the brokers\n")
    );
    let (code, listed, _) = place.run(&["topics"]);
    assert_eq!(code, Some(0), "{listed}");
    let row = listed.lines().nth(1).expect("a row").split_whitespace();
    let row: Vec<_> = row.collect();
    assert_eq!(row[..4], [new.as_str(), "yes", "3", "1"], "{listed}");
    assert_eq!(row[5], "delete", "{listed}");

    // What the brokers refuse is reported.
    place.set_topic(&format!("{there}-too-many"));
    let (code, said, errors) = place.run(&["topics", "--create", "--replication-factor", "9999"]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(errors.contains("-too-many: not created: "), "{errors}");
}

/// A good configuration whose topic does not fit the model.
pub(crate) fn what_does_not_fit_is_warned_of(cluster: &Cluster) {
    let settings = [
        ("cleanup.policy", "compact"),
        ("max.message.bytes", "20000"),
    ];
    let topic = cluster.create_topic("unfit", 1, &settings);
    let place = Place::new(cluster);
    place.set_topic(&topic);
    let (code, _, said) = place.run(&CHECK);
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<_> = said.lines().collect();
    let [keys, size, replicas] = lines[..] else {
        panic!("three lines: {said}")
    };
    let expected = format!("warning: model Event/1: topic {topic} is compacted");
    assert!(keys.starts_with(&expected), "{said}");
    assert!(
        size.starts_with("warning: limits.record_bytes_max = 1_000_000"),
        "{said}"
    );
    assert!(
        size.ends_with(&format!("{topic} (20_000, model Event/1)")),
        "{said}"
    );
    assert!(
        replicas.starts_with("warning: min.insync.replicas is 1"),
        "{said}"
    );
}

/// Credentials of `[kafka.oauth]` that are of no use, and why.
pub(crate) fn a_refusal_is_named(
    cluster: &Cluster,
    kafka: &[(&str, &str)],
    oauth: &[(&str, &str)],
    reason: &str,
) {
    let place = Place::new(cluster);
    place.set_topic("any");
    let mut text = fs::read_to_string(place.config()).expect("the file");
    for (name, value) in kafka {
        writeln!(text, "\"{name}\" = \"{value}\"").expect("a String takes it");
    }
    text.push_str("[kafka.oauth]\n");
    for (name, value) in oauth {
        writeln!(text, "{name} = \"{value}\"").expect("a String takes it");
    }
    fs::write(place.config(), text).expect("a file");
    let (code, _, said) = place.run(&CHECK);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(reason), "{said}");
}
