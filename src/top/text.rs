//! All figures as plain text, for scripts.

use std::fmt::Write as _;

use super::{
    figures::Figures,
    numbers::{duration, or_none},
    rows::{self, Sort},
    source::Address,
    summary::TILES,
};

/// The figures of a server that has answered.
pub(super) fn text(address: &Address, figures: &Figures) -> String {
    let mut text = String::new();
    if let Some(latest) = figures.latest() {
        let up = or_none(figures.uptime(), duration);
        let (version, readiness) = (&latest.version, rows::readiness(latest));
        // Writing to a String never fails.
        let _ = writeln!(
            text,
            "ringest {version} at {address}, up {up}\n{readiness}\n"
        );
    }
    for tile in TILES {
        let (name, value) = (tile.name(), tile.value(figures));
        let limit = tile
            .limit(figures)
            .map_or_else(String::new, |it| format!(" {it}"));
        let _ = writeln!(text, "{name:<11}  {value}{limit}");
    }
    let routes = rows::routes(figures, "", Sort::Name, false);
    for table in [
        rows::route_table(&routes, false),
        rows::codes(figures),
        rows::workers(figures, false),
        rows::brokers(figures, false),
    ] {
        let _ = write!(text, "\n{}", table.text());
    }
    text
}
