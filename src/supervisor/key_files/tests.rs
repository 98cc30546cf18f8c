use std::{
    io::Write,
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
    // Both in one step: a check between two would find two changes.
    let move_in = |name: &str, text: &str| {
        write("new", text);
        fs::rename(path("new"), path(name)).expect("ours");
    };
    let overwrite = |name: &str, text: &str| {
        let file = fs::File::options().write(true).open(path(name));
        let written = file.and_then(|mut file| file.write(text.as_bytes()));
        assert_eq!(written.expect("ours"), text.len());
    };
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
    let key_files = KeyFiles::watch(move |files| {
        let files = files.iter().map(|file| file.to_path_buf());
        sender.send(files.collect()).expect("it is awaited");
    });
    let key_files = key_files.expect("a thread");
    fs::create_dir(path("models")).expect("ours");
    write("models/a.toml", "1");
    let files = ["plain", "renamed", "linked", "absent", "models"].map(path);
    key_files.set(files.to_vec());
    assert_eq!(changes.recv_timeout(INTERVAL * 2), Err(Timeout));

    let replace: [(&str, &str, &dyn Fn()); 7] = [
        ("written in place", "plain", &|| overwrite("plain", "2")),
        ("renamed", "renamed", &|| move_in("renamed", "2")),
        ("linked", "linked", &|| {
            symlink("tuesday", path("..new")).expect("ours");
            fs::rename(path("..new"), path("..data")).expect("ours");
        }),
        ("created", "absent", &|| move_in("absent", "1")),
        ("removed", "absent", &|| {
            fs::remove_file(path("absent")).expect("ours");
        }),
        ("written in a directory", "models", &|| {
            overwrite("models/a.toml", "2");
        }),
        ("added to a directory", "models", &|| {
            move_in("models/b.toml", "1");
        }),
    ];
    for (how, file, replace) in replace {
        replace();
        let found: Vec<PathBuf> = changes.recv_timeout(PATIENCE).expect(how);
        assert_eq!(found, [path(file)], "{how}");
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
