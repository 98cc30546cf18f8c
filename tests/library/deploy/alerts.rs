//! Alerts and the dashboard ask for metrics that there are, and each alert is documented and tested. The table of
//! metrics in `docs/operation.md` is held to the server's by another test.

use std::collections::BTreeMap;

use regex::Regex;

use super::{
    super::{documentation::tables::page, examples::pages},
    file, found,
};

/// The name and the labels of each metric, as `docs/operation.md` lists them.
fn metrics() -> BTreeMap<String, Vec<String>> {
    let pages = pages();
    let rows = page(&pages, "docs/operation.md").text.lines();
    let rows = rows.filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split('|');
        let names = found(cells.next()?, "`((?:ringest|process)_[a-z_]+)`");
        let labels = cells.next()?.split(',').map(|it| it.trim().to_owned());
        let labels: Vec<_> = labels.filter(|it| !it.is_empty()).collect();
        Some(
            names
                .into_iter()
                .map(move |name| (name.to_owned(), labels.clone())),
        )
    });
    rows.flatten().collect()
}

/// What is wrong with the metrics and labels of queries.
fn unknown(text: &str) -> Vec<String> {
    let metrics = metrics();
    let suffixes = ["", "_total", "_bucket", "_sum", "_count", "_info"];
    let mut errors = Vec::new();
    let uses = Regex::new(r"\b((?:ringest|process)_\w+)(?:\{([^}]*)\})?").expect("a pattern");
    for used in uses.captures_iter(text) {
        let name = &used[1];
        let labels = suffixes
            .iter()
            .find_map(|suffix| metrics.get(name.strip_suffix(suffix)?));
        let Some(labels) = labels else {
            errors.push(format!("no metric {name}"));
            continue;
        };
        let matchers = used.get(2).map_or("", |it| it.as_str());
        for label in found(matchers, r"(\w+) ?(?:=~|!~|!=|=)") {
            let is_of_all = ["job", "instance", "le"].contains(&label);
            if !is_of_all && !labels.iter().any(|it| it == label) {
                errors.push(format!("{name} has no label {label}"));
            }
        }
    }
    errors
}

#[test]
fn alerts_ask_for_metrics_that_there_are() {
    let alerts = file("prometheus/alerts.yaml");
    assert_eq!(unknown(&alerts), [""; 0]);
    assert_eq!(unknown(&file("prometheus/alerts.test.yaml")), [""; 0]);
    assert_eq!(
        unknown("ringest_redy == 0 or ringest_shed_total{route=\"a\"} > 0"),
        [
            "no metric ringest_redy",
            "ringest_shed_total has no label route"
        ]
    );
}

#[test]
fn alerts_are_documented_and_tested() {
    let alerts = file("prometheus/alerts.yaml");
    let tests = file("prometheus/alerts.test.yaml");
    let pages = pages();
    let documented = found(
        &page(&pages, "docs/alerts.md").text,
        r"(?m)^### (Ringest\w+)$",
    );
    let names = found(&alerts, r"- alert: (\w+)");
    assert!(names.len() > 10, "{names:?}");
    assert_eq!(names, documented, "in one order");
    for name in names {
        for state in ["fires", "is silent"] {
            assert!(
                tests.contains(&format!("- name: {name} {state}\n")),
                "{name} {state}"
            );
        }
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let text = file("grafana/ringest.json");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let queries: Vec<&str> = targets
        .filter_map(|target| target["expr"].as_str())
        .collect();
    assert!(queries.len() > 30, "are they found?");
    assert_eq!(unknown(&queries.join("\n")), [""; 0]);
}
