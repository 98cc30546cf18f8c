//! What `--check --connect` says of a real cluster.

use std::{fs, process::Command};

use crate::support::cluster::Cluster;

/// Asking for a topic must not make one, so the same question twice has the same answer.
pub(crate) fn missing_topics_are_named(cluster: &Cluster) {
    let there = cluster.create_topic("there", 1, &[]);
    let missing = format!("{there}-not");
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("ringest.toml");
    let text = format!(
        "models = \"models\"\n[listen]\naddress = \"127.0.0.1:0\"\n[management]\naddress = \"\"\n\
         [auth]\nmode = \"none\"\n[kafka]\n\"bootstrap.servers\" = \"{}\"\n",
        cluster.brokers()
    );
    let models = directory.path().join("models");
    fs::create_dir(&models).expect("a directory");
    fs::write(&config, text).expect("a file");
    let check = |topic: &str| {
        let model = format!("name = \"Event\"\nversion = \"1\"\ntopic = \"{topic}\"\n");
        fs::write(models.join("Event.toml"), model).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_ringest"))
            .args(["--check", "--connect", "--config"])
            .arg(&config)
            .output()
            .expect("ringest runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    for _ in 0..2 {
        let (code, said) = check(&missing);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(&format!("topic {missing}: missing")),
            "{said}"
        );
    }
    let (code, said) = check(&there);
    assert_eq!((code, said.as_str()), (Some(0), ""));
}
