//! The units of systemd.

use std::{fs, io, path::Path, process::Command};

use super::{ROOT, file, found, load};

fn number(unit: &str, setting: &str) -> u64 {
    let values = found(unit, &format!("(?m)^{setting}=([0-9]+)$"));
    let [value] = values[..] else {
        panic!("{setting}: {values:?}");
    };
    value.parse().expect("a number")
}

#[test]
fn the_service_has_room_for_the_defaults() {
    let unit = file("systemd/ringest.service");
    let needed = [
        ("RINGEST_AUTH__MODE", "none"),
        ("RINGEST_LISTEN__ADDRESS", "127.0.0.1:0"),
    ];
    let config = load(
        "[kafka]\n\"bootstrap.servers\" = \"localhost:9092\"\n",
        &needed,
    );
    let config = config.expect("it is complete");
    let stop = config.timeouts.drain + config.timeouts.drain_delay;
    assert!(number(&unit, "TimeoutStopSec") > stop.as_secs());
    let files = config.limits.connections_max as u64 + 256 + 64 * 64;
    assert!(number(&unit, "LimitNOFILE") > files, "of 64 workers");
}

/// The output of `systemd-analyze` on copies of the units that start `/bin/true`; `None` if there is no such command.
fn analyzed(arguments: &[&str]) -> Option<(bool, String)> {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["ringest.service", "ringest.socket"] {
        let unit = file(&format!("systemd/{name}")).replace("/usr/bin/ringest", "/bin/true");
        fs::write(directory.path().join(name), unit).expect("written");
    }
    let mut command = Command::new("systemd-analyze");
    command
        .args(arguments)
        .arg("ringest.service")
        .current_dir(directory.path());
    match command.output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((
                output.status.success(),
                String::from_utf8_lossy(&text).into_owned(),
            ))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("systemd-analyze: {error}"),
    }
}

/// Where there is no systemd, neither does anything use the units.
#[test]
fn the_units_are_valid_and_hardened() {
    let Some((is_valid, said)) = analyzed(&["verify", "--man=no"]) else {
        return;
    };
    // Of units of the system too, which are not ours.
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("ringest"))
        .collect();
    assert!(is_valid && ours.is_empty(), "{said}");
    if let Some((is_hardened, said)) = analyzed(&["security", "--offline=yes", "--threshold=20"]) {
        assert!(is_hardened, "{said}");
    }
}

#[test]
fn the_manual_names_the_units() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/operation.md")).expect("the page");
    for name in ["ringest.service", "ringest.socket"] {
        assert!(
            page.contains(&format!("../config/deploy/systemd/{name}")),
            "{name}"
        );
        assert!(!page.contains("[Service]"), "the unit is in its file alone");
    }
}
