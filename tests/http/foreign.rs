//! Another server's cases, from the file that `RINGEST_TEST_HTTP_CASES` names: one JSON object a
//! line with `id`, `expect` (`accept`, `reject`, `policy`), `requests`, `raw_b64` and `norm_b64`
//! (the same with a `Host` where it was missing, or null).

use serde::Deserialize;

/// Cases whose outcome differs on purpose, and why.
const DEVIATIONS: [(&str, &str); 6] = [
    (
        "gunicorn/invalid/008",
        "its limit of a single field is lower than ours of the whole head",
    ),
    (
        "gunicorn/invalid/017",
        "its limit of a single field is lower than ours of the whole head",
    ),
    (
        "gunicorn/valid/005",
        "a target has no fragment, RFC 9112 3.2.1",
    ),
    (
        "gunicorn/valid/018",
        "its second request has no Host, RFC 9112 3.2",
    ),
    (
        "gunicorn/valid/029",
        "Transfer-Encoding: identity is not exactly chunked, RFC 9112 6.1",
    ),
    (
        "gunicorn/valid/030",
        "Transfer-Encoding: identity is not exactly chunked, RFC 9112 6.1",
    ),
];

/// What must happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// So many answers, none of which faults the framing; what follows is answered unless the
    /// last of these requests ends the connection.
    Accept(usize),
    /// The first answer is a refusal, or there is none; what follows is not answered.
    Reject,
}

/// One spelling of one case.
#[derive(Debug)]
pub(crate) struct ForeignCase {
    /// Unique but for the spelling.
    pub(crate) id: String,
    /// What is sent.
    pub(crate) bytes: Vec<u8>,
    /// What must happen.
    pub(crate) expected: Expected,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    expect: String,
    requests: Option<usize>,
    raw_b64: String,
    norm_b64: Option<String>,
}

/// The cases with one right outcome; none if the variable is not set.
pub(crate) fn cases() -> Vec<ForeignCase> {
    let Some(path) = std::env::var_os("RINGEST_TEST_HTTP_CASES") else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(path).expect("the file of RINGEST_TEST_HTTP_CASES");
    let mut cases = Vec::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).expect("a case");
        if DEVIATIONS.iter().any(|(id, _)| *id == line.id) {
            continue;
        }
        let normal = line.norm_b64.as_ref().unwrap_or(&line.raw_b64);
        let (expected, spellings) = match line.expect.as_str() {
            // As they are some have no Host, which is reason enough to refuse them.
            "accept" => (
                Expected::Accept(line.requests.expect("requests")),
                vec![normal],
            ),
            "reject" => (Expected::Reject, vec![normal, &line.raw_b64]),
            "policy" => continue,
            other => panic!("{other} is no outcome"),
        };
        for spelling in spellings {
            let bytes = base64(spelling);
            cases.push(ForeignCase {
                id: line.id.clone(),
                bytes,
                expected,
            });
        }
    }
    assert!(
        !cases.is_empty(),
        "the file of RINGEST_TEST_HTTP_CASES has no case"
    );
    cases
}

/// RFC 4648 section 4.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for symbol in text.trim_end_matches('=').bytes() {
        let value = ALPHABET
            .iter()
            .position(|&other| other == symbol)
            .expect("base64");
        bits = bits << 6 | u32::try_from(value).expect("six bits");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}
