//! The cases of `tests/http/*.toml`; `tests/http/README.md` describes them.

use std::path::Path;

use serde::Deserialize;

/// Bounds that the cases count on.
pub(crate) const HEAD_BYTES_MAX: usize = 10_000;
/// See [`HEAD_BYTES_MAX`].
pub(crate) const HEADERS_MAX: usize = 40;
/// See [`HEAD_BYTES_MAX`].
pub(crate) const BODY_BYTES_MAX: usize = 4_096;

/// The good request that is sent behind every case; it asks for the connection's end.
pub(crate) const PROBE: &[u8] =
    b"GET /health HTTP/1.1\r\nHost: probe.test\r\nConnection: close\r\n\r\n";

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// Unique.
    pub(crate) id: String,
    /// Number and section of the RFC that has the rule.
    rfc: String,
    /// What is not plain to see.
    #[serde(default)]
    why: String,
    /// Statuses in order.
    pub(crate) answers: Vec<u16>,
    /// Whether [`PROBE`] stays unanswered; `None`: either is fine.
    pub(crate) closes: Option<bool>,
    /// The bytes as the file spells them.
    raw: String,
}

impl Case {
    /// For a failure's message.
    pub(crate) fn title(&self) -> String {
        format!("{} (RFC {}) {}", self.id, self.rfc, self.why)
    }

    /// The bytes that are sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        unescape(self.raw.as_bytes(), &mut bytes);
        bytes
    }
}

/// All cases, sorted by file, of the checkout at `root`.
pub(crate) fn cases(root: &str) -> Vec<Case> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        case: Vec<Case>,
    }
    let directory = Path::new(root).join("tests/http");
    let entries = std::fs::read_dir(&directory).expect("tests/http is there");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry of tests/http").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    let read = |path: &Path| -> Vec<Case> {
        let text = std::fs::read_to_string(path).expect("a readable file");
        let file: File =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.case
    };
    paths.iter().flat_map(|path| read(path)).collect()
}

fn unescape(mut text: &[u8], out: &mut Vec<u8>) {
    loop {
        match text {
            [] => return,
            [b'\n', rest @ ..] => {
                out.extend_from_slice(b"\r\n");
                text = rest;
            }
            [b'\\', escape @ ..] => text = unescape_one(escape, out),
            [byte, rest @ ..] => {
                out.push(*byte);
                text = rest;
            }
        }
    }
}

/// Takes what follows a backslash; returns what follows the escape.
fn unescape_one<'a>(escape: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    match escape {
        [b'\n', rest @ ..] => rest,
        [b'x', high, low, rest @ ..] => {
            let digit = |digit: u8| char::from(digit).to_digit(16).expect("a hex digit");
            out.push(u8::try_from(digit(*high) << 4 | digit(*low)).expect("a byte"));
            rest
        }
        [b'*', rest @ ..] => {
            let open = rest
                .iter()
                .position(|&byte| byte == b'{')
                .expect("a brace behind *");
            let times = std::str::from_utf8(&rest[..open]).expect("a number behind *");
            let times: usize = times.parse().expect("a number behind *");
            let close = closing_brace(&rest[open..]) + open;
            let mut once = Vec::new();
            unescape(&rest[open + 1..close], &mut once);
            out.extend(once.repeat(times));
            &rest[close + 1..]
        }
        [byte, rest @ ..] => {
            out.push(match byte {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'\\' => b'\\',
                other => panic!("unknown escape \\{}", char::from(*other)),
            });
            rest
        }
        [] => panic!("a lone backslash at the end"),
    }
}

fn closing_brace(text: &[u8]) -> usize {
    let mut depth = 0;
    text.iter()
        .position(|byte| {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            depth == 0
        })
        .expect("a closing brace")
}
