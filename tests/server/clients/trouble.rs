//! What a sender does where its settings are invalid, what it prints can't be written, or a signal ends it.

use super::sender::{Run, Sender};
use crate::support::{server::Server, wait::await_that};

const FIVE: &[u8] = b"{}\n{}\n{}\n{}\n{}\n";

/// Before a record is read, with the variable's name.
pub(super) fn invalid_settings_are_refused(sender: &Sender) {
    for (name, value) in [
        ("INGEST_BATCH", "0"),
        ("INGEST_BATCH", "-1"),
        ("INGEST_BATCH", "1.5"),
        ("INGEST_BATCH", "many"),
        ("INGEST_BATCH", "010"),
        ("INGEST_ATTEMPTS", "0"),
        ("INGEST_URL", "127.0.0.1:4000/ingest/Event/1.0"),
        ("INGEST_URL", "ftp://127.0.0.1/ingest/Event/1.0"),
        ("INGEST_URL", "http:///ingest/Event/1.0"),
        ("INGEST_TOKEN", "two words"),
        ("INGEST_TOKEN", "two\nlines"),
    ] {
        let run = sender.run(&Run {
            url: "http://127.0.0.1:9/ingest/Event/1.0",
            settings: &[(name, value)],
            records: FIVE,
            redirections: "",
        });
        assert_eq!(run.code, Some(2), "{name}={value}: {run:?}");
        assert!(run.log.starts_with(&format!("{name} must be ")), "{run:?}");
        assert!(
            run.stdout.is_empty() && run.log.lines().count() == 1,
            "{run:?}"
        );
    }
}

/// It ends with the first record that is lost, and says how far it came.
pub(super) fn what_cannot_be_printed_is_an_error(sender: &Sender) {
    let server = Server::start(|_| (401, "{}".to_owned()));
    let run = sender.run(&Run {
        url: &format!("{}/ingest/Event/1.0", server.url),
        settings: &[("INGEST_BATCH", "2")],
        records: FIVE,
        redirections: ">/dev/full",
    });
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.log.contains("stopped after "), "{run:?}");
    assert_eq!(server.requests().len(), 1);
}

/// Where stderr is closed, or full.
pub(super) fn nothing_is_logged_among_the_records(sender: &Sender) {
    for redirections in ["2>&-", "2>/dev/full"] {
        let server = Server::start(|_| (401, "{}".to_owned()));
        let run = sender.run(&Run {
            url: &format!("{}/ingest/Event/1.0", server.url),
            settings: &[],
            records: FIVE,
            redirections,
        });
        assert_eq!(run.code, Some(1), "{run:?}");
        assert_eq!(
            run.stdout,
            FIVE.escape_ascii().to_string(),
            "{redirections}"
        );
    }
}

/// It does not wait for the next attempt; what was not accepted is printed, and so is what was not read yet.
pub(super) fn a_signal_leaves_the_rest(sender: &Sender) {
    let server = Server::start(|_| (503, "{}".to_owned()));
    let running = sender.start(&Run {
        url: &format!("{}/ingest/Event/1.0", server.url),
        settings: &[("INGEST_BATCH", "2")],
        records: FIVE,
        redirections: "",
    });
    await_that("it sends", || !server.requests().is_empty());
    running.terminate();
    let run = running.end();
    assert!(server.requests().len() < 5, "it goes on: {run:?}");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.stdout, FIVE.escape_ascii().to_string(), "{run:?}");
    assert_eq!(
        run.log.lines().last(),
        Some("accepted 0, left 5"),
        "{run:?}"
    );
}
