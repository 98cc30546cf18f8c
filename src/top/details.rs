//! One route: its figures, and its last refused records with their faults.

use ratatui::{style::Modifier, text::Line};

use super::{
    numbers::{count, float, or_none, per_second, time},
    rows::RouteRow,
    screen::Screen,
    source::Kept,
    table::broken,
};

/// The marked route as lines of this width.
pub(super) fn lines(screen: &Screen, width: usize) -> Vec<Line<'static>> {
    let marked = screen.view.marked.as_deref().unwrap_or_default();
    let routes = screen.routes();
    let Some(row) = routes.iter().find(|it| &*it.route.path == marked) else {
        return vec![Line::from(format!("{marked} is no more (Esc goes back)."))];
    };
    let mut lines = Vec::new();
    let mut add = |text: &str, style: Modifier| {
        let parts = broken(text, width).into_iter();
        lines.extend(parts.map(|it| Line::styled(it, style)));
    };
    add(&row.route.path, Modifier::BOLD);
    for line in facts(row) {
        add(&line, Modifier::empty());
    }
    add("", Modifier::empty());
    add("Last refused records", Modifier::BOLD);
    let samples = match &screen.samples {
        None => {
            add("reading them", Modifier::DIM);
            return lines;
        }
        Some(Err(failure)) => {
            add(&format!("no answer: {failure}"), Modifier::BOLD);
            return lines;
        }
        Some(Ok(Kept::Off)) => {
            add(
                "not kept; management.samples = true keeps some",
                Modifier::DIM,
            );
            return lines;
        }
        Some(Ok(Kept::Some(samples))) => samples,
    };
    let its = samples.refused.iter().rev();
    let mut its = its.filter(|it| *it.route == *row.route.path).peekable();
    if its.peek().is_none() {
        add("none", Modifier::DIM);
    }
    for record in its {
        let heading = format!("{}, record {} of its request", record.at, record.index);
        add(&heading, Modifier::DIM);
        add(&record.value, Modifier::empty());
        for fault in &record.faults {
            add(
                &format!("{}: {}", fault.path, fault.message),
                Modifier::BOLD,
            );
        }
    }
    lines
}

fn facts(row: &RouteRow<'_>) -> [String; 4] {
    let route = row.route;
    [
        format!(
            "model {} {}, topic {}",
            route.model, route.version, route.topic
        ),
        format!(
            "requests/s {}, records/s {}, refused requests/s {}",
            or_none(row.requests, per_second),
            or_none(row.records, per_second),
            or_none(row.refused, per_second),
        ),
        format!(
            "latency of accepted requests p50 {}, p99 {}",
            or_none(row.p50, time),
            or_none(row.p99, time),
        ),
        format!(
            "records {}, delivered {}, invalid {}",
            count(float(route.records)),
            count(float(route.records_delivered)),
            count(float(route.records_rejected)),
        ),
    ]
}
