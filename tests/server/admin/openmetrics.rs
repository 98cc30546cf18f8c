//! A strict reader of the `OpenMetrics` 1.0.0 text format, as much of it as ringest may write:
//! families that are whole and in order, names and suffixes that fit their type, labels and values
//! that can be read, histograms that add up. It panics at the first thing that is not so.

use std::collections::{BTreeMap, BTreeSet};

/// The value of each series, by its name and its labels as written.
pub(crate) type Series = BTreeMap<String, f64>;

type Labels = BTreeMap<String, String>;

struct Family {
    name: String,
    kind: String,
    /// By the labels beside `le`.
    histograms: BTreeMap<Labels, Histogram>,
}

#[derive(Default)]
struct Histogram {
    buckets: Vec<(f64, f64)>,
    sum: Option<f64>,
    count: Option<f64>,
}

/// The names of the families, and what they are.
pub(crate) fn families(text: &str) -> BTreeMap<&str, &str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split_once(' ')).collect()
}

/// Reads a whole exposition.
pub(crate) fn read(text: &str) -> Series {
    let body = text.strip_suffix("# EOF\n").expect("ends in # EOF");
    assert!(body.ends_with('\n'), "lines end in a line feed");
    let mut series = Series::new();
    let mut names = BTreeSet::new();
    let mut family: Option<Family> = None;
    let mut lines = body.lines().peekable();
    while let Some(line) = lines.next() {
        assert!(!line.is_empty(), "an empty line");
        let Some(comment) = line.strip_prefix("# ") else {
            let family = family.as_mut().expect("a sample before any family");
            sample(line, family, &mut series);
            continue;
        };
        finish(family.take());
        let (name, help) = metadata(comment, "HELP");
        assert!(
            help.ends_with('.'),
            "{name} without a sentence of help: {help}"
        );
        let (of, kind) = metadata(next_comment(&mut lines), "TYPE");
        assert_eq!(of, name);
        if lines.peek().is_some_and(|line| line.starts_with("# UNIT")) {
            let (of, unit) = metadata(next_comment(&mut lines), "UNIT");
            assert_eq!(of, name);
            assert!(name.ends_with(&format!("_{unit}")), "{name} in {unit}");
        }
        assert!(names.insert(name.to_owned()), "{name} twice");
        let is_ours = name.starts_with("ringest_") || name.starts_with("process_");
        assert!(is_ours, "{name}");
        assert!(is_name(name), "{name}");
        family = Some(Family {
            name: name.to_owned(),
            kind: kind.to_owned(),
            histograms: BTreeMap::new(),
        });
    }
    finish(family);
    series
}

fn next_comment<'a>(lines: &mut impl Iterator<Item = &'a str>) -> &'a str {
    let line = lines.next().expect("metadata goes on");
    line.strip_prefix("# ").expect("metadata goes on")
}

fn metadata<'a>(comment: &'a str, keyword: &str) -> (&'a str, &'a str) {
    let rest = comment
        .strip_prefix(keyword)
        .unwrap_or_else(|| panic!("{keyword}: {comment}"));
    let rest = rest.strip_prefix(' ').expect("one space");
    rest.split_once(' ').expect("a name and more")
}

fn sample(line: &str, family: &mut Family, series: &mut Series) {
    let (key, value) = line.rsplit_once(' ').expect("a value");
    let value: f64 = value
        .parse()
        .unwrap_or_else(|_| panic!("no number: {line}"));
    assert!(value.is_finite() && value >= 0.0, "{line}");
    let (name, mut labels) = match key.split_once('{') {
        Some((name, labels)) => (name, read_labels(labels)),
        None => (key, BTreeMap::new()),
    };
    let suffix = name
        .strip_prefix(&family.name)
        .unwrap_or_else(|| panic!("not its family: {line}"));
    let bound = labels.remove("le");
    assert!(suffix == "_bucket" || bound.is_none(), "{line}");
    let histogram = || family.histograms.entry(labels).or_default();
    match (family.kind.as_str(), suffix) {
        ("counter", "_total") | ("gauge", "") => {}
        ("info", "_info") => assert!((value - 1.0).abs() < f64::EPSILON, "{line}"),
        ("histogram", "_sum") => histogram().sum = Some(value),
        ("histogram", "_count") => histogram().count = Some(value),
        ("histogram", "_bucket") => {
            let bound = match bound.expect("a bound").as_str() {
                "+Inf" => f64::INFINITY,
                number => number.parse().expect("a bound"),
            };
            histogram().buckets.push((bound, value));
        }
        (kind, suffix) => panic!("{suffix} in a {kind}: {line}"),
    }
    assert!(
        series.insert(key.to_owned(), value).is_none(),
        "twice: {key}"
    );
}

/// `name="value",…}` with `\\`, `\"` and `\n` as the only escapes.
fn read_labels(text: &str) -> Labels {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once("=\"").expect("a label");
        assert!(is_name(name) && !name.contains(':'), "label name {name}");
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect("the value ends") {
                (at, '"') => break at,
                (_, '\\') => match chars.next() {
                    Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                    Some((_, 'n')) => value.push('\n'),
                    other => panic!("escape {other:?}"),
                },
                (_, plain) => value.push(plain),
            }
        };
        assert!(
            labels.insert(name.to_owned(), value).is_none(),
            "{name} twice"
        );
        rest = &after[end + 1..];
        if rest == "}" {
            return labels;
        }
        rest = rest.strip_prefix(',').expect("a comma or the end");
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|other| other.is_ascii_alphanumeric() || other == '_')
}

fn finish(family: Option<Family>) {
    let Some(family) = family.filter(|family| family.kind == "histogram") else {
        return;
    };
    assert!(!family.histograms.is_empty(), "no histogram");
    for histogram in family.histograms.values() {
        for pair in histogram.buckets.windows(2) {
            assert!(pair[0].0 < pair[1].0, "bounds grow: {pair:?}");
            assert!(pair[0].1 <= pair[1].1, "counts are cumulative: {pair:?}");
        }
        let (bound, total) = histogram.buckets.last().expect("buckets");
        assert!(bound.is_infinite(), "the last bucket has no bound");
        assert_eq!(
            Some(*total),
            histogram.count,
            "all observations are in the last bucket"
        );
        assert!(histogram.sum.is_some(), "a sum");
    }
}

mod tests {
    use super::read;

    const GOOD: &str = "# HELP ringest_a A.\n# TYPE ringest_a histogram\n\
        ringest_a_sum 1.5\nringest_a_count 2\n\
        ringest_a_bucket{le=\"1.0\"} 1\nringest_a_bucket{le=\"+Inf\"} 2\n\
        # HELP ringest_b_bytes B.\n# TYPE ringest_b_bytes counter\n# UNIT ringest_b_bytes bytes\n\
        ringest_b_bytes_total{x=\"\\\"\\\\\"} 2\n# EOF\n";

    #[test]
    fn takes_what_is_right() {
        assert_eq!(read(GOOD).len(), 5);
    }

    #[test]
    fn refuses_what_is_wrong() {
        for (right, wrong) in [
            ("# EOF\n", ""),
            ("# EOF\n", "# EOF"),
            ("bucket{le=\"1.0\"} 1", "bucket{le=\"1.0\"} 3"),
            ("count 2", "count 3"),
            ("{le=\"+Inf\"}", "{le=\"2.0\"}"),
            ("bytes_total{", "bytes{"),
            ("UNIT ringest_b_bytes bytes", "UNIT ringest_b_bytes seconds"),
            ("\\\"\\\\", "\\\"\\"),
            ("\\\"\\\\\"", "\\q\""),
            ("ringest_a_sum 1.5\n", ""),
            ("TYPE ringest_a histogram", "TYPE ringest_a gauge"),
            (
                "ringest_b_bytes_total{x=\"\\\"\\\\\"} 2",
                "ringest_b_bytes_total{x=\"y\"} -2",
            ),
            ("ringest_b_bytes_total{x=\"\\\"\\\\\"} 2", "other_total 2"),
            ("ringest_a_sum 1.5", "ringest_a_sum 1.5\n\n"),
        ] {
            let text = GOOD.replace(right, wrong);
            assert_ne!(text, GOOD, "{right}");
            let outcome = std::panic::catch_unwind(|| read(&text));
            assert!(outcome.is_err(), "taken: {wrong}");
        }
    }
}
