use std::{
    os::unix::fs::symlink,
    sync::mpsc::RecvTimeoutError::{Disconnected, Timeout},
};

use super::*;

/// Far longer than between two checks.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn each_way_to_replace_a_file_is_reported_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| fs::write(path(name), text).expect("ours");
    write("plain", "1");
    write("renamed", "1");
    // As Kubernetes mounts secrets: ..data is a symbolic link to a directory.
    for day in ["monday", "tuesday"] {
        fs::create_dir(path(day)).expect("ours");
        write(&format!("{day}/key"), "1");
    }
    symlink("monday", path("..data")).expect("ours");
    symlink("..data/key", path("linked")).expect("ours");

    let (sender, changes) = mpsc::channel();
    let key_files = KeyFiles::watch(move || sender.send(()).expect("it is awaited"));
    let key_files = key_files.expect("a thread");
    let files = ["plain", "renamed", "linked", "absent"].map(path);
    key_files.set(files.to_vec());
    assert_eq!(changes.recv_timeout(INTERVAL * 2), Err(Timeout));

    let replace: [(&str, &dyn Fn()); 5] = [
        ("written in place", &|| write("plain", "2")),
        ("renamed", &|| {
            write("new", "2");
            fs::rename(path("new"), path("renamed")).expect("ours");
        }),
        ("linked", &|| {
            symlink("tuesday", path("..new")).expect("ours");
            fs::rename(path("..new"), path("..data")).expect("ours");
        }),
        ("created", &|| write("absent", "1")),
        ("removed", &|| {
            fs::remove_file(path("absent")).expect("ours");
        }),
    ];
    for (how, replace) in replace {
        replace();
        assert_eq!(changes.recv_timeout(PATIENCE), Ok(()), "{how}");
        // The same list again, as after a reload, is not a change.
        key_files.set(files.to_vec());
        assert_eq!(changes.recv_timeout(INTERVAL * 2), Err(Timeout), "{how}");
    }
    key_files.set(files[1..].to_vec());
    write("plain", "3");
    assert_eq!(
        changes.recv_timeout(INTERVAL * 2),
        Err(Timeout),
        "no longer watched"
    );
    drop(key_files);
    assert_eq!(changes.recv_timeout(PATIENCE), Err(Disconnected));
}
