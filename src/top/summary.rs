//! What is above the tables: whether the server is ready, and its figures with their last minutes.

use std::collections::VecDeque;

use ratatui::{
    Frame,
    layout::Rect,
    style::Modifier,
    text::{Line, Span},
    widgets::{Sparkline, SparklineBar},
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    figures::{Figures, Series},
    numbers::{NONE, bytes, count, duration, float, or_none, per_second, percent, time},
    rows,
    screen::{Screen, line},
    status::Status,
    table::{left_aligned, right_aligned},
};

/// Between two figures.
const GAP: u16 = 2;
/// The largest value of a chart.
const CHART_MAX: u64 = 1_000;

/// A figure.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tile {
    /// With its history.
    Series(Series, &'static str, fn(f64) -> String),
    /// Against its limit.
    Level(&'static str, fn(&Status) -> (u64, u64), fn(f64) -> String),
}

pub(super) const TILES: [Tile; 8] = [
    Tile::Series(Series::Requests, "Requests/s", per_second),
    Tile::Series(Series::Records, "Records/s", per_second),
    Tile::Series(Series::Bytes, "Received/s", bytes),
    Tile::Series(Series::Refused, "Refused/s", per_second),
    Tile::Series(Series::P50, "Time p50", time),
    Tile::Series(Series::P99, "Time p99", time),
    Tile::Level(
        "In flight",
        |it| (it.in_flight.bytes, it.in_flight.bytes_max),
        bytes,
    ),
    Tile::Level(
        "Connections",
        |it| (it.connections.open, it.connections.max),
        count,
    ),
];

impl Tile {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Series(_, name, _) | Self::Level(name, ..) => name,
        }
    }

    /// Its value now.
    pub(super) fn value(self, figures: &Figures) -> String {
        match self {
            Self::Series(series, _, shown) => or_none(figures.now(series), shown),
            Self::Level(_, of, shown) => {
                or_none(figures.latest().map(of), |(level, _)| shown(float(level)))
            }
        }
    }

    /// Its limit, and how much of it is used.
    pub(super) fn limit(self, figures: &Figures) -> Option<String> {
        match self {
            Self::Series(..) => None,
            Self::Level(_, of, shown) => {
                let (level, max) = of(figures.latest()?);
                let share = percent(float(level) / float(max.max(1)));
                Some(format!("of {}, {share}", shown(float(max))))
            }
        }
    }
}

/// Which server it is.
pub(super) fn title(screen: &Screen, width: u16) -> Line<'static> {
    let latest = screen.figures.latest();
    let version = latest.map_or("", |it| &it.version);
    let left = format!("ringest {version}  {}", screen.address);
    let up = or_none(screen.figures.uptime(), |it| format!("up {}", duration(it)));
    let resident = latest.and_then(|it| it.process.resident_bytes);
    let resident = or_none(resident, |it| bytes(float(it)));
    let right = format!("{resident}  {up}");
    let width = usize::from(width);
    let text = if latest.is_some() && left.width() + right.width() + 2 <= width {
        format!("{left}{}", right_aligned(&right, width - left.width()))
    } else {
        left_aligned(&left, width)
    };
    Line::styled(text, Modifier::BOLD)
}

/// Whether it is ready, and how old that is.
pub(super) fn state(screen: &Screen) -> Line<'static> {
    let theme = screen.theme;
    let latest = screen.figures.latest();
    if let Some(failure) = &screen.failure {
        let age = duration(screen.age);
        let text = match latest {
            Some(_) => format!("no answer, figures are {age} old: {failure}"),
            None => format!("no answer for {age}: {failure}"),
        };
        return Line::styled(text, theme.bad());
    }
    let Some(latest) = latest else {
        return Line::default();
    };
    let style = if latest.ready {
        theme.good()
    } else {
        theme.bad()
    };
    let workers = latest.workers.len();
    let ready = latest
        .workers
        .iter()
        .filter(|it| &*it.state == "ready")
        .count();
    let brokers = latest.brokers.len();
    let in_time = latest
        .brokers
        .iter()
        .filter(|it| it.up == Some(true))
        .count();
    let counts =
        format!("  workers {ready} of {workers} ready  brokers {in_time} of {brokers} in time");
    Line::from(vec![
        Span::styled(rows::readiness(latest), style),
        Span::raw(counts),
    ])
}

/// Draws the figures; the place that is left.
pub(super) fn draw(screen: &Screen, frame: &mut Frame<'_>, area: Rect) -> Rect {
    let columns: u16 = match area.width {
        ..72 => 2,
        72..150 => 4,
        _ => 8,
    };
    let chart = match area.height {
        ..18 => 0,
        18..34 => u16::from(columns > 2),
        _ => 3,
    };
    let (width, height) = (area.width / columns, 1 + chart);
    for (index, tile) in (0..).zip(TILES) {
        let place = Rect {
            x: area.x + width * (index % columns),
            y: area.y + height * (index / columns),
            width: width.saturating_sub(GAP),
            height,
        };
        draw_tile(screen, tile, frame, place.intersection(area));
    }
    // A blank line, where there is room.
    let used = height * 8 / columns + u16::from(area.height >= 16);
    let used = used.min(area.height);
    Rect {
        y: area.y + used,
        height: area.height - used,
        ..area
    }
}

fn draw_tile(screen: &Screen, tile: Tile, frame: &mut Frame<'_>, area: Rect) {
    let (name, value) = (tile.name(), tile.value(&screen.figures));
    let width = usize::from(area.width).saturating_sub(name.len());
    let text = Line::from(vec![
        Span::styled(name, Modifier::DIM),
        Span::styled(right_aligned(&value, width), Modifier::BOLD),
    ]);
    line(frame, area, text);
    if area.height < 2 {
        return;
    }
    let rest = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    match tile {
        Tile::Series(series, ..) => {
            let chart = chart(screen.figures.history(series), area.width.into());
            let chart = Sparkline::default().data(chart).max(CHART_MAX);
            frame.render_widget(chart.style(screen.theme.chart()), rest);
        }
        Tile::Level(..) => {
            let limit = tile
                .limit(&screen.figures)
                .unwrap_or_else(|| NONE.to_owned());
            let limit = right_aligned(&limit, area.width.into());
            line(frame, rest, Line::styled(limit, Modifier::DIM));
        }
    }
}

/// The last points, as shares of the largest of them; what is not known is blank.
fn chart(history: &VecDeque<Option<f64>>, width: usize) -> Vec<SparklineBar> {
    let mut points: Vec<_> = history.iter().rev().take(width).copied().collect();
    points.resize(width, None);
    points.reverse();
    let max = points
        .iter()
        .flatten()
        .fold(0.0, |max: f64, it| max.max(*it));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and CHART_MAX"
    )]
    let share = |it: f64| (it / max.max(f64::MIN_POSITIVE) * float(CHART_MAX)) as u64;
    points.into_iter().map(|it| it.map(share).into()).collect()
}
