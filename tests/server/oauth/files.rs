//! Tokens in files, as Kubernetes mounts them, or a sidecar writes them.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use ringest::{
    metrics::TokenFetchResult as Result,
    oauth::{TokenSettings, TokenSource},
};

use super::rig::{Rig, jwt};

const HOUR: Duration = Duration::from_hours(1);

fn settings(path: &Path) -> TokenSettings {
    TokenSettings {
        source: TokenSource::File(path.to_owned()),
        extensions: Vec::new(),
    }
}

#[test]
fn what_a_file_may_have() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("token");
    let fetch = || settings(&path).fetch().map(|token| token.ends().is_some());
    let missing = fetch().expect_err("it is not there").to_string();
    assert!(missing.starts_with("can't be read: "), "{missing}");
    for (content, expected) in [
        ("opaque\n", Ok(false)),
        (&*format!("{}\n", jwt(HOUR)), Ok(true)),
        ("", Err("the file is empty")),
        (" \n", Err("the file is empty")),
        (
            "two tokens",
            Err("the file has something else than a token"),
        ),
        (
            r#"{"token":"a"}"#,
            Err("the file has something else than a token"),
        ),
        (&"a".repeat(70_000), Err("the file is too long for a token")),
        (&jwt(Duration::ZERO), Err("the token has already expired")),
    ] {
        fs::write(&path, content).expect("written");
        let found = fetch().map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{content:.40}");
    }
}

#[test]
fn a_file_is_read_again_when_it_changes_and_a_bad_one_does_no_harm() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    // As Kubernetes mounts it: a link to a link.
    for (day, token) in [("monday", "one"), ("tuesday", "two")] {
        fs::create_dir(path(day)).expect("ours");
        fs::write(path(&format!("{day}/token")), token).expect("ours");
    }
    symlink("monday", path("..data")).expect("ours");
    symlink("..data/token", path("token")).expect("ours");
    let rig = Rig::start(&settings(&path("token")));
    rig.await_count(Result::Ok, 1);
    symlink("tuesday", path("..new")).expect("ours");
    fs::rename(path("..new"), path("..data")).expect("ours");
    rig.await_count(Result::Ok, 2);
    for (bad, result) in [("", Result::BadToken), ("no token", Result::BadToken)] {
        let before = rig.count(result);
        fs::write(path("token"), bad).expect("ours");
        rig.await_count(result, before + 1);
        assert!(!rig.access.lacks_token());
    }
    fs::remove_file(path("token")).expect("it is there");
    rig.await_count(Result::Unreachable, 1);
    assert!(!rig.access.lacks_token());
    // The same as before is not another one.
    fs::write(path("token"), "two").expect("ours");
    let before = rig.count(Result::Unreachable);
    rig.await_count(Result::Unreachable, before);
    fs::write(path("token"), jwt(HOUR)).expect("ours");
    rig.await_count(Result::Ok, 3);
    assert_eq!(rig.count(Result::Ok), 3);
}
