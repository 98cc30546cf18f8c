//! Checks after all cases: no unauthorized record in a topic, no credential in the log, and every
//! rejection counted.

use std::collections::HashSet;

use super::{
    Rig,
    case::{Case, Expected},
    issuers::{self, ApiKey},
    keys::{OTHER_SECRET, SECRET},
};
use crate::support::{http::Http, wait::await_that};

/// Length of the shortest part of a credential that would help to guess the rest.
const PIECE: usize = 16;

/// Every reason for rejecting a credential, as in the log and the metric.
const REASONS: [&str; 17] = [
    "missing",
    "repeated",
    "in_query",
    "scheme",
    "malformed",
    "unknown_key",
    "key_expired",
    "header",
    "algorithm",
    "key_id",
    "claims",
    "issuer",
    "audience",
    "expired",
    "not_yet_valid",
    "required_claim",
    "signature",
];

/// The topics contain exactly the accepted records, and only those of authorized cases.
pub(crate) fn nothing_but_allowed_records(rig: &Rig, cases: &[Case]) {
    let mut records: HashSet<Vec<u8>> = HashSet::new();
    for topic in ["events", "events-2", "orders", "audit"] {
        records.extend(rig.mock.cluster().read(topic));
    }
    let allowed: HashSet<Vec<u8>> = cases
        .iter()
        .filter(|case| case.expected.may_produce())
        .map(|case| super::case::record(&case.name))
        .collect();
    assert!(records.len() > 100, "{}", records.len());
    for case in cases {
        let record = super::case::record(&case.name);
        let sent = case.expected == Expected::Accepted && case.request.ends_with(&record);
        assert!(!sent || records.contains(&record), "lost: {}", case.name);
    }
    let unauthorized: Vec<_> = records
        .difference(&allowed)
        .map(|it| String::from_utf8_lossy(it))
        .collect();
    assert!(unauthorized.is_empty(), "{unauthorized:?}");
}

/// Neither the log nor the management pages contain any part of a credential, a hash or a secret.
pub(crate) fn nothing_secret_in_the_log(rig: &Rig, cases: &[Case]) {
    let mut log = rig.ringest.log();
    for path in ["/metrics", "/routes", "/openapi.json", "/health", "/ready"] {
        let mut http = Http::connect(rig.ringest.management()).expect("ringest accepts");
        let request = format!("GET {path} HTTP/1.1\r\nHost: ringest\r\n\r\n");
        http.send(request.as_bytes()).expect("ringest reads");
        log += &String::from_utf8_lossy(&http.answer().expect("an answer").body);
    }
    let mut secrets: Vec<Vec<u8>> = cases
        .iter()
        .flat_map(|case| credentials(&case.request))
        .collect();
    secrets.extend(
        issuers::good()
            .into_iter()
            .map(|(_, token)| token.into_bytes()),
    );
    for name in [issuers::SHA, issuers::SHA_ORDERS, issuers::SHA_EXPIRED] {
        secrets.push(
            ApiKey::sha256(name)
                .hash
                .trim_start_matches("sha256:")
                .into(),
        );
    }
    for name in [
        issuers::PB,
        issuers::PB_EVENTS,
        issuers::PB_EXPIRED,
        issuers::MOOSE,
    ] {
        secrets.push(ApiKey::pbkdf2(name).hash.into());
    }
    secrets.extend([SECRET.to_vec(), OTHER_SECRET.to_vec()]);
    let pieces: HashSet<&[u8]> = secrets.iter().flat_map(|it| it.windows(PIECE)).collect();
    assert!(pieces.len() > 10_000, "{}", pieces.len());
    for line in log.lines() {
        let found = line
            .as_bytes()
            .windows(PIECE)
            .find(|it| pieces.contains(it));
        if let Some(found) = found {
            panic!(
                "{:?} of a credential in the log: {line}",
                String::from_utf8_lossy(found)
            );
        }
        assert!(
            !line.starts_with("INJECTED"),
            "a line of a stranger's in the log: {line}"
        );
        assert!(
            !line.contains('\u{1b}'),
            "a stranger's escape in the log: {line}"
        );
    }
}

/// The tokens in a request: after the scheme, or elsewhere.
fn credentials(request: &[u8]) -> Vec<Vec<u8>> {
    let head = request.split(|byte| *byte == b'\n');
    let lines = head.filter(|line| {
        let line = line.to_ascii_lowercase();
        line.windows(6)
            .any(|it| it == b"bearer" || it == b"token=" || it == b"key: ey")
    });
    let words = lines.flat_map(|line| line.split(|byte| b" =;,\"'\r?&/@:".contains(byte)));
    let long = words.filter(|word| word.len() > PIECE);
    long.map(<[u8]>::to_vec).collect()
}

/// The log has each reason, and a fingerprint that identifies the token.
pub(crate) fn reasons_in_the_log(rig: &Rig) {
    let said = |reason: &str| format!("reason=\"{reason}\"");
    await_that("a reason is missing", || {
        let log = rig.ringest.log();
        REASONS.iter().all(|reason| log.contains(&said(reason)))
    });
    let log = rig.ringest.log();
    for reason in REASONS {
        let said = said(reason);
        let line = log.lines().find(|line| line.contains(&said));
        let line = line.unwrap_or_else(|| panic!("{said} is not in the log"));
        let has_token = !["missing", "repeated", "in_query", "scheme"].contains(&reason);
        let fingerprint = line.split("token=").nth(1).unwrap_or_default();
        let fingerprint = fingerprint.trim_matches('"').split([' ', '"']).next();
        let length = fingerprint.unwrap_or_default().len();
        assert_eq!((4..=16).contains(&length), has_token, "{line}");
    }
}

/// The metric counts every 401; each reason occurs.
pub(crate) fn rejections_are_counted(rig: &Rig, rejections: u64) {
    let count = |labels: &str| {
        rig.ringest
            .count(&format!("ringest_credentials_total{labels}"))
    };
    let good = count(r#"{result="cached"}"#) + count(r#"{result="verified"}"#);
    let busy = count(r#"{result="busy"}"#);
    assert_eq!(count("") - good - busy, rejections);
    assert!(good > 1_000, "{good}");
    for reason in REASONS {
        let rejected = count(&format!("{{result=\"{reason}\"}}"));
        assert!(rejected > 0, "{reason}");
    }
}
