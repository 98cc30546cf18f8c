//! `ringest infer` and `ringest new-model`.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
};

use super::{command, output, stderr, stdout};
use crate::support::process::without_forks;

fn infer(arguments: &[&str], records: &str) -> Output {
    let mut command = command(&["infer"]);
    let command = command.args(arguments).stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = without_forks(|| command.spawn()).expect("the binary starts");
    let mut stdin = process.stdin.take().expect("piped");
    // One that refuses its arguments does not read.
    let _ = stdin.write_all(records.as_bytes());
    drop(stdin);
    process.wait_with_output().expect("it ends")
}

#[test]
fn a_model_is_proposed_from_records() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("click events.v1.ndjson");
    fs::write(&file, "{\"n\":1}\n{\"n\":2}\n").expect("ours");
    let proposed = output(command(&["infer"]).arg(&file));
    assert_eq!(proposed.status.code(), Some(0), "{}", stderr(&proposed));
    let text = stdout(&proposed);
    assert!(text.contains("name = \"clickevents\"\n"), "{text}");
    assert!(text.ends_with("[fields]\nn = \"Int64\"\n"), "{text}");

    let proposed = infer(&["--name", "Click", "-"], "{\"n\":1}");
    assert!(stdout(&proposed).contains("name = \"Click\"\n"));
    for (arguments, records, message) in [
        (&["-"][..], "", "-: there is no record in it"),
        (&["--name", "1", "-"], "{}", "\"1\" is not a model's name"),
        (&["/nowhere"], "", "can't read /nowhere: "),
    ] {
        let refused = infer(arguments, records);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&refused).contains(message), "{}", stderr(&refused));
    }
}

#[test]
fn a_new_model_does_not_replace_one() {
    let place = tempfile::tempdir().expect("a directory");
    let models = place.path().join("models");
    let new = || output(command(&["new-model", "Click", "--dir"]).arg(&models));
    let written = new();
    let path = models.join("Click.toml");
    assert_eq!(stdout(&written), format!("{}\n", path.display()));
    let text = fs::read_to_string(&path).expect("a file");
    assert!(text.contains("name = \"Click\"\n"), "{text}");
    let again = new();
    assert_eq!(again.status.code(), Some(2));
    let expected = format!("{} has this model already ", path.display());
    assert!(stderr(&again).starts_with(&expected), "{}", stderr(&again));
    // File systems and routes do not all distinguish these.
    fs::rename(&path, models.join("click.toml")).expect("ours");
    let same_file = new();
    assert!(stderr(&same_file).contains("models/click.toml has this model already"));
    fs::write(models.join("click.toml"), "name = \"Other\"\n").expect("ours");
    fs::write(models.join("events.toml"), text.replace("Click", "CLICK")).expect("ours");
    fs::remove_file(models.join("click.toml")).expect("ours");
    let same_name = new();
    assert_eq!(same_name.status.code(), Some(2));
    assert!(stderr(&same_name).contains("models/events.toml has this model already"));
    let files = fs::read_dir(&models).expect("ours");
    assert_eq!(files.count(), 1, "nothing was written");
}
