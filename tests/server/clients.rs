//! The senders of `examples/`, each where its language is installed: all of them handle the same answers in the same
//! way, and send to a `ringest --dev`.

mod dialogue;
mod sender;
mod trouble;

use std::{collections::BTreeSet, net::SocketAddr};

use crate::{
    cli::start::{Dev, announced},
    support::http::Http,
};

use dialogue::{Dialogue, dialogues};
use sender::{Finding, Run, Sender};

/// What each sender authenticates with, and its SHA-256.
const TOKEN: &str = "a-token-of-the-examples";
const HASH: &str = "sha256:2e7e3f7525861825687d9ac8666ee0d552400ed5381acdfd0dfc8ff6cd714eb8";

#[test]
fn curl_sends() {
    check(Sender::curl());
}

#[test]
fn python_sends() {
    check(Sender::python());
}

#[test]
fn node_sends() {
    check(Sender::node());
}

#[test]
fn go_sends() {
    check(Sender::go());
}

#[test]
fn java_sends() {
    check(Sender::java());
}

fn check(found: Finding) {
    let Some(sender) = sender::unless_missing(found) else {
        return;
    };
    std::thread::scope(|scope| {
        for dialogue in dialogues() {
            let sender = &sender;
            scope.spawn(move || holds(sender, &dialogue));
        }
        scope.spawn(|| arrive(&sender));
        scope.spawn(|| trouble::invalid_settings_are_refused(&sender));
        scope.spawn(|| trouble::what_cannot_be_printed_is_an_error(&sender));
        scope.spawn(|| trouble::nothing_is_logged_among_the_records(&sender));
        scope.spawn(|| trouble::a_signal_leaves_the_rest(&sender));
    });
}

/// The requests of a dialogue are those that are expected, and so is what the sender reports.
fn holds(sender: &Sender, dialogue: &Dialogue) {
    let server = dialogue.serve(TOKEN);
    let url = format!("{}/ingest/Event/1.0", server.url);
    let run = sender.run(&Run {
        url: &url,
        settings: &[
            ("INGEST_BATCH", &dialogue.batch.to_string()),
            ("INGEST_ATTEMPTS", &dialogue.attempts.to_string()),
        ],
        records: dialogue.records().as_bytes(),
        redirections: "",
    });
    let name = dialogue.name;
    let sent = server.requests();
    let lines = |body: &str| body.lines().map(str::to_owned).collect::<Vec<_>>();
    let sent: Vec<_> = sent.iter().map(|request| lines(&request.body)).collect();
    assert_eq!(sent, dialogue.expected_requests(), "{name}: {run:?}");
    assert_eq!(run.stdout, dialogue.expected_left(), "{name}: {run:?}");
    let total = dialogue.expected_total();
    assert_eq!(run.log.lines().last(), Some(&*total), "{name}: {run:?}");
    let code = i32::from(!dialogue.left.is_empty());
    assert_eq!(run.code, Some(code), "{name}: {run:?}");
    let waits = server.requests();
    let waits = waits.windows(2).map(|pair| pair[1].at - pair[0].at);
    for (wait, least) in waits.zip(dialogue.least_waits()) {
        assert!(wait >= least, "{name}: {wait:?} instead of {least:?}");
    }
}

/// Records arrive as they are, and the one that is invalid comes back.
fn arrive(sender: &Sender) {
    let keys = format!("[{{ name = \"examples\", hash = \"{HASH}\" }}]");
    let dev = Dev::start(&[
        ("RINGEST_AUTH__MODE", "required"),
        ("RINGEST_AUTH__KEYS", &keys),
    ]);
    let (mut public, mut management) = (None, None);
    while public.is_none() || management.is_none() {
        let line = dev.stderr_line();
        public = public.or_else(|| announced(&line, false));
        management = management.or_else(|| announced(&line, true));
    }
    let (public, management) = (public.expect("announced"), management.expect("announced"));
    let record = |n: u32| {
        let customer = if n == 4 { "none" } else { "7" };
        format!(
            "{{\"orderId\":\"caf\\u00e9 \u{fc} {n}\", \"customerId\": \"{customer}\",\"placedAt\":\
             \"2026-11-23T08:00:00Z\",\"currency\":\"EUR\",\"total\":\"19.90\",\"items\":[],\"big\":1{n:040}}}"
        )
    };
    let records: Vec<String> = (0..8).map(record).collect();
    // Lines end with LF or CRLF, or with the file; blank lines are no records.
    let mut lines = records.join("\r\n \n").into_bytes();
    let mut left = format!("{}\r\n", records[4]).into_bytes();
    for odd in odd_lines(&records[0]) {
        lines.push(b'\n');
        lines.extend(&odd);
        left.extend(odd);
        left.push(b'\n');
    }
    let run = sender.run(&Run {
        url: &format!("http://{public}/ingest/Order/1.0"),
        settings: &[("INGEST_BATCH", "3"), ("INGEST_ATTEMPTS", "3")],
        records: &lines,
        redirections: "",
    });
    assert_eq!(run.stdout, left.escape_ascii().to_string());
    assert_eq!(
        run.log.lines().last(),
        Some("accepted 7, left 9"),
        "{run:?}"
    );
    assert_eq!(run.code, Some(1), "{run:?}");
    let mut expected: BTreeSet<&str> = records.iter().map(String::as_str).collect();
    expected.remove(&*records[4]);
    let mut taken = BTreeSet::new();
    while taken.len() < expected.len() {
        let line = dev.stdout_line();
        if let Some((_, record)) = line
            .strip_prefix("orders ")
            .and_then(|it| it.split_once(" value "))
        {
            assert!(expected.contains(record), "{line}");
            assert!(taken.insert(record.to_owned()), "{line}: a duplicate");
        }
    }
    // Of ten requests and more; Node begins the second one before the first one's connection is free again.
    assert_eq!(connections(management) <= 2, sender.keeps_connections);
    assert_eq!(dev.terminate().0.code(), Some(0));
}

/// Not one is a record that is accepted, and each is left as it is.
fn odd_lines(record: &str) -> Vec<Vec<u8>> {
    let with = |from: &str, to: &[u8]| {
        let (before, after) = record.split_once(from).expect("part of the record");
        [before.as_bytes(), to, after.as_bytes()].concat()
    };
    vec![
        with("caf", b"\xff\xfe caf\xe9"),
        with("caf", b"\0"),
        [record.as_bytes(), b"\0"].concat(),
        [b"\xef\xbb\xbf", record.as_bytes()].concat(),
        [record.as_bytes(), "\u{a0}".as_bytes()].concat(),
        b" \x0b \x85".to_vec(),
        b"\\".to_vec(),
        // Above `limits.record_bytes_max`.
        with("caf", &b"x".repeat(1_000_001)),
    ]
}

/// How many connections it has accepted.
fn connections(management: SocketAddr) -> u64 {
    let mut http = Http::connect(management).expect("it accepts");
    http.send(b"GET /metrics HTTP/1.1\r\nHost: ringest\r\n\r\n")
        .expect("it reads");
    let answer = http.answer().expect("it answers");
    let text = String::from_utf8(answer.body).expect("text");
    let mut lines = text.lines();
    let count = lines.find_map(|line| line.strip_prefix("ringest_connections_total "));
    count.and_then(|it| it.parse().ok()).expect("a counter")
}
