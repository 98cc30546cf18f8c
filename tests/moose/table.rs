//! The table as it is stored.

use std::{collections::BTreeMap, fmt, fs, io::Read, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde::Deserialize;

/// As many as Moose was asked and half of which are here; one less is a broken file.
pub(crate) const ROWS: usize = 9_923;

/// Rows that a failing test shows in full.
const SHOWN_MAX: usize = 20;

/// One request body that was put to Moose.
pub(crate) struct Row {
    /// The model's name and a hash of the body.
    pub(crate) id: String,
    pub(crate) model: String,
    /// `/ingest/<model>/<version>`.
    pub(crate) path: String,
    pub(crate) payload: Vec<u8>,
    /// What ringest is to say.
    pub(crate) expected: Expected,
    /// How many records Moose wrote; `None` where it refused.
    pub(crate) produced: Option<usize>,
    /// What the row tries.
    pub(crate) tags: Vec<String>,
}

/// What is said to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200.
    Accept,
    /// 400.
    Refuse,
}

/// What may be said to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Only(Outcome),
    Either,
}

impl Expected {
    pub(crate) fn allows(self, outcome: Outcome) -> bool {
        self == Self::Either || self == Self::Only(outcome)
    }
}

/// As a line of the file has it.
#[derive(Deserialize)]
struct Line {
    id: String,
    model: String,
    path: String,
    payload_b64: String,
    status: u16,
    produced: Option<Vec<String>>,
    tags: Vec<String>,
}

impl From<Line> for Row {
    fn from(line: Line) -> Self {
        Self {
            expected: expected(line.status, &line.tags),
            id: line.id,
            model: line.model,
            path: format!("/{}", line.path),
            payload: STANDARD.decode(line.payload_b64).expect("Base64"),
            produced: line.produced.map(|records| records.len()),
            tags: line.tags,
        }
    }
}

/// Moose's outcome, unless a tag says better.
fn expected(status: u16, tags: &[String]) -> Expected {
    let mut expected = Expected::Only(match status {
        200 => Outcome::Accept,
        400 => Outcome::Refuse,
        other => panic!("a status of {other}"),
    });
    for tag in tags {
        if tag.starts_with("either:") {
            return Expected::Either;
        }
        if tag.starts_with("not-moose:") {
            expected = Expected::Only(match tag.rsplit('-').next() {
                Some("accept") => Outcome::Accept,
                Some("refuse") => Outcome::Refuse,
                _ => panic!("a tag of {tag}"),
            });
        }
    }
    expected
}

/// The row in a few lines, its payload escaped where it is not plain ASCII.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PAYLOAD_BYTES_MAX: usize = 600;
        write!(f, "{} [{}]\n  payload ", self.id, self.tags.join(" "))?;
        for &byte in self.payload.iter().take(PAYLOAD_BYTES_MAX) {
            match byte {
                b' '..=b'~' => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        let rest = self.payload.len().saturating_sub(PAYLOAD_BYTES_MAX);
        if rest > 0 {
            write!(f, "… and {rest} bytes")?;
        }
        write!(f, "\n  expected {:?}", self.expected)
    }
}

/// All rows, in the order of the file.
pub(crate) fn rows() -> Vec<Row> {
    let file = fs::File::open(directory().join("outcomes.jsonl.gz")).expect("the table");
    let mut lines = String::new();
    GzDecoder::new(file)
        .read_to_string(&mut lines)
        .expect("the table");
    let lines = lines.lines();
    let rows = lines.map(|line| serde_json::from_str::<Line>(line).expect("a row").into());
    let rows: Vec<Row> = rows.collect();
    assert_eq!(rows.len(), ROWS);
    rows
}

/// Each model's text by its name, which is that of its file.
pub(crate) fn models() -> BTreeMap<String, String> {
    let files = fs::read_dir(directory().join("models")).expect("the models");
    let files = files.map(|file| file.expect("a model").path());
    let models = files.map(|path| {
        let name = path.file_stem().and_then(|name| name.to_str());
        let text = fs::read_to_string(&path).expect("a model");
        (name.expect("a name").to_owned(), text)
    });
    models.collect()
}

/// A row that got another outcome than it should.
pub(crate) struct Disagreement<'r> {
    pub(crate) row: &'r Row,
    /// What it got.
    pub(crate) got: String,
}

/// Panics if there is any disagreement: how many of which model and tag, and the first in full.
pub(crate) fn assert_none(disagreements: &[Disagreement<'_>]) {
    if disagreements.is_empty() {
        return;
    }
    let mut models = BTreeMap::<_, usize>::new();
    let mut tags = BTreeMap::<_, usize>::new();
    for Disagreement { row, .. } in disagreements {
        *models.entry(&row.model).or_default() += 1;
        for tag in &row.tags {
            *tags.entry(tag).or_default() += 1;
        }
    }
    let shown = disagreements.iter().take(SHOWN_MAX);
    let shown = shown.map(|it| format!("{}\n  got {}\n", it.row, it.got));
    panic!(
        "{} of {ROWS} rows\nby model {models:?}\nby tag {tags:?}\n{}",
        disagreements.len(),
        shown.collect::<String>(),
    );
}

fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "moose"]
        .iter()
        .collect()
}
