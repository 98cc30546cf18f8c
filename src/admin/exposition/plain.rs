//! Prometheus's text format 0.0.4, for scrapers that don't know `OpenMetrics`.
//!
//! Source: "Exposition formats", Prometheus documentation; `OpenMetrics` 1.0 for what it is made from.

/// The same metrics as an `OpenMetrics` text: counters are named as their samples are (`…_total`), units and the
/// end are not marked.
pub(super) fn from_openmetrics(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // A family's help comes before its type, which decides on its name.
    let mut help = None;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(text)) => help = Some((name, text)),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    _ => ("", kind),
                };
                if let Some((_, text)) = help.take().filter(|(of, _)| *of == name) {
                    plain.extend(["# HELP ", name, suffix, " ", text, "\n"]);
                }
                plain.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
            }
            (Some("#"), _, _, _) => {}
            _ => {
                plain += line;
                plain.push('\n');
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::from_openmetrics;

    #[test]
    fn counters_are_named_as_their_samples() {
        let text = "# HELP a_seconds Time.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
            a_seconds_bucket{le=\"+Inf\"} 1\na_seconds_sum 0.5\na_seconds_count 1\n\
            # HELP b Some: more # words.\n# TYPE b counter\nb_total{code=\"x y\"} 3\n\
            # HELP c What it is.\n# TYPE c info\nc_info{version=\"1\"} 1\n# EOF\n";
        let plain = "# HELP a_seconds Time.\n# TYPE a_seconds histogram\n\
            a_seconds_bucket{le=\"+Inf\"} 1\na_seconds_sum 0.5\na_seconds_count 1\n\
            # HELP b_total Some: more # words.\n# TYPE b_total counter\nb_total{code=\"x y\"} 3\n\
            # HELP c_info What it is.\n# TYPE c_info gauge\nc_info{version=\"1\"} 1\n";
        assert_eq!(from_openmetrics(text), plain);
    }
}
