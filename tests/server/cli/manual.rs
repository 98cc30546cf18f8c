//! `ringest man` and `ringest completions`: the files of packages.

use super::{ringest, stderr, stdout};

#[test]
fn manual_pages_are_of_ringest_and_of_each_command() {
    let page = ringest(&["man"]);
    assert_eq!(page.status.code(), Some(0), "{}", stderr(&page));
    let page = stdout(&page);
    assert!(page.contains(".TH ringest 1"), "{page}");
    for part in [
        "ringest\\-token(1)",
        "ringest\\-health(1)",
        "\\-\\-list\\-routes",
        "Exit codes",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let page = ringest(&["man", "import-moose"]);
    assert_eq!(page.status.code(), Some(0), "{}", stderr(&page));
    assert!(
        stdout(&page).contains(".TH ringest-import-moose 1"),
        "{}",
        stdout(&page)
    );

    let unknown = ringest(&["man", "serve"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        stderr(&unknown).contains("no such command"),
        "{}",
        stderr(&unknown)
    );
}

#[test]
fn completions_are_for_each_shell() {
    for (shell, part) in [
        ("bash", "complete -F _ringest"),
        ("zsh", "#compdef ringest"),
        ("fish", "complete -c ringest"),
    ] {
        let script = ringest(&["completions", shell]);
        assert_eq!(script.status.code(), Some(0), "{}", stderr(&script));
        let script = stdout(&script);
        assert!(script.contains(part), "{script}");
        for name in ["list-routes", "import-moose", "partitions"] {
            assert!(script.contains(name), "{shell} has no {name}");
        }
    }
}
