//! The screen: all that is drawn, from what is known and what is chosen.

use std::time::Duration;

use ratatui::{
    Frame,
    crossterm::event::KeyEvent,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};
use strum::VariantArray as _;

use super::{
    details,
    figures::Figures,
    numbers::duration,
    rows::{self, RouteRow},
    source::Kept,
    summary,
    table::Table,
    view::{Next, Pane, View},
};

/// From this width, and this height below the summary, all tables are shown at once: the routes have no column less
/// than alone in a narrower terminal.
const WIDE: u16 = 138;
const TALL: u16 = 18;
/// The width of the tables beside the routes.
const ASIDE: u16 = 48;
/// Before a route: whether it is marked.
const MARKS: [&str; 2] = ["  ", "> "];

const KEYS_OF_ROUTE: &str = "Esc all routes  q quit  ? help  arrows scroll";

const KEYS: &str = "q quit  ? help  Tab table  Enter route  / filter  s sort  r reverse";

const HELP: [&str; 15] = [
    "Keys",
    "  q, Ctrl-C, Esc    quit; Esc first closes a route, then clears the filter",
    "  Tab, 1 to 4       another table",
    "  arrows, j, k      another route, or scroll; also Page Up and Down",
    "  Enter             one route, with its last refused records",
    "  /                 only routes with a text in their path or topic",
    "  s, r              sort routes by another column, in reverse",
    "",
    "Figures",
    "  REQ/S REC/S REF/S requests, records, refused requests a second",
    "  INVALID           records that were rejected since the start",
    "  P50 P99           time to the answer; of a route, if accepted",
    "",
    "Above the tables, figures are of the last 3 seconds, in the tables of",
    "the last 10. REQ/S of a route includes its refused requests.",
];

/// Colours, or none: no colour says what no word says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) has_colours: bool,
}

impl Theme {
    pub(super) fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    pub(super) fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn chart(self) -> Style {
        self.coloured(Color::Cyan)
    }

    fn coloured(self, colour: Color) -> Style {
        if self.has_colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }
}

/// All that can be drawn.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) address: String,
    pub(super) figures: Figures,
    /// Why the figures could not be read again.
    pub(super) failure: Option<String>,
    /// How old they are.
    pub(super) age: Duration,
    /// Or why they can't be read.
    pub(super) samples: Option<Result<Kept, String>>,
    pub(super) view: View,
    pub(super) theme: Theme,
}

impl Screen {
    /// The routes that are shown, in their order.
    pub(super) fn routes(&self) -> Vec<RouteRow<'_>> {
        let View {
            filter,
            sort,
            is_reversed,
            ..
        } = &self.view;
        rows::routes(&self.figures, filter, *sort, *is_reversed)
    }

    /// Acts on a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        let routes = self.routes();
        let paths: Vec<String> = routes.iter().map(|it| it.route.path.to_string()).collect();
        self.view.press(key, &paths)
    }

    /// Draws all of it.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let [title, state, body, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        line(frame, title, summary::title(self, title.width));
        line(frame, state, summary::state(self));
        line(frame, foot, self.foot());
        if self.view.has_help {
            lines(frame, body, HELP.map(Line::from).into());
        } else if self.figures.latest().is_none() {
            let waiting = format!("waiting for {}/status", self.address);
            lines(frame, body, vec![Line::default(), Line::from(waiting)]);
        } else {
            let tables = summary::draw(self, frame, body);
            if tables.width >= WIDE && tables.height >= TALL {
                self.draw_all(frame, tables);
            } else {
                let [tabs, content] = below(tables);
                line(frame, tabs, self.tabs());
                self.draw_pane(frame, content, self.view.pane);
            }
        }
    }

    /// The keys, or the filter that is typed.
    fn foot(&self) -> Line<'static> {
        let View {
            filter, is_typing, ..
        } = &self.view;
        if *is_typing {
            let typed = format!("filter: {filter}_  (Enter keeps it, Esc clears it)");
            Line::styled(typed, Modifier::BOLD)
        } else if self.view.is_open {
            Line::styled(KEYS_OF_ROUTE, Modifier::DIM)
        } else if filter.is_empty() {
            Line::styled(KEYS, Modifier::DIM)
        } else {
            let filtered = format!("filter: {filter}  Esc clears it");
            Line::from(vec![
                Span::styled(filtered, Modifier::BOLD),
                Span::styled(format!("  {KEYS}"), Modifier::DIM),
            ])
        }
    }

    /// The names of the tables, that of the one that is shown in brackets.
    fn tabs(&self) -> Line<'static> {
        let tab = |(number, pane): (usize, &Pane)| {
            let name = pane.name();
            let number = number + 1;
            if *pane == self.view.pane {
                Span::styled(format!("[{number} {name}] "), Modifier::BOLD)
            } else {
                Span::styled(format!(" {number} {name}  "), Modifier::DIM)
            }
        };
        let mut tabs: Line<'static> = Pane::VARIANTS.iter().enumerate().map(tab).collect();
        if let Some(age) = self.stale() {
            tabs.push_span(Span::styled(age, self.theme.bad()));
        }
        tabs
    }

    /// That the figures are those of before, and how old.
    fn stale(&self) -> Option<String> {
        let is_stale = self.failure.is_some() && self.figures.latest().is_some();
        is_stale.then(|| format!("{} old", duration(self.age)))
    }

    /// All tables, each below its name.
    fn draw_all(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let [main, _, aside] = Layout::horizontal([
            Constraint::Fill(1),
            Constraint::Length(2),
            Constraint::Length(ASIDE),
        ])
        .areas(area);
        let heights = [Pane::Refused, Pane::Workers, Pane::Brokers].map(|pane| {
            let rows = u16::try_from(self.table(pane).rows.len()).unwrap_or(u16::MAX);
            // With two lines above the rows and a blank one below.
            Constraint::Max(rows.max(1).saturating_add(3))
        });
        let [refused, workers, brokers] = Layout::vertical(heights).areas(aside);
        for (area, pane) in [
            (main, Pane::Routes),
            (refused, Pane::Refused),
            (workers, Pane::Workers),
            (brokers, Pane::Brokers),
        ] {
            let [name, content] = below(area);
            let style = if pane == self.view.pane {
                Modifier::BOLD | Modifier::REVERSED
            } else {
                Modifier::BOLD
            };
            let number = pane as usize + 1;
            let heading = format!(" {number} {} ", pane.name());
            let mut heading = Line::from(Span::styled(heading, style));
            if let Some(age) = self.stale() {
                heading.push_span(Span::styled(format!(" {age}"), self.theme.bad()));
            }
            line(frame, name, heading);
            self.draw_pane(frame, content, pane);
        }
    }

    fn table(&self, pane: Pane) -> Table {
        match pane {
            Pane::Routes => rows::route_table(&self.routes(), true),
            Pane::Refused => rows::codes(&self.figures),
            Pane::Workers => rows::workers(&self.figures, self.failure.is_some()),
            Pane::Brokers => rows::brokers(&self.figures, self.failure.is_some()),
        }
    }

    fn draw_pane(&mut self, frame: &mut Frame<'_>, area: Rect, pane: Pane) {
        let is_routes = pane == Pane::Routes;
        if is_routes && self.view.is_open {
            let text = details::lines(self, area.width.into());
            let first = self.scrolled(pane, text.len(), area.height, None);
            lines(frame, area, text.into_iter().skip(first).collect());
            return;
        }
        let table = self.table(pane);
        if table.rows.is_empty() {
            line(frame, area, Line::from(self.nothing(pane)));
            return;
        }
        let marked = is_routes.then(|| {
            let routes = self.routes();
            self.view
                .marked_row(routes.iter().map(|it| &*it.route.path))
        });
        let marks = if is_routes { MARKS } else { ["", ""] };
        let width = usize::from(area.width).saturating_sub(marks[0].len());
        let (names, rows) = table.lines(width);
        let height = area.height.saturating_sub(2);
        let (count, first) = (rows.len(), self.scrolled(pane, rows.len(), height, marked));
        let mut text = vec![Line::styled(format!("{}{names}", marks[0]), Modifier::DIM)];
        let shown = rows.into_iter().enumerate().skip(first);
        text.extend(shown.take(height.into()).map(|(index, row)| {
            let is_marked = marked == Some(index);
            let row = format!("{}{row}", marks[usize::from(is_marked)]);
            if is_marked {
                Line::styled(row, Modifier::REVERSED)
            } else {
                Line::from(row)
            }
        }));
        let last = first + text.len() - 1;
        text.push(Line::styled(
            self.position(pane, first + 1, last, count),
            Modifier::DIM,
        ));
        lines(frame, area, text);
    }

    /// What part of a table is shown, below it.
    fn position(&self, pane: Pane, first: usize, last: usize, count: usize) -> String {
        let part = if last + 1 - first < count {
            format!("{first} to {last} of {count}")
        } else {
            String::new()
        };
        if pane != Pane::Routes {
            return part;
        }
        let order = if self.view.is_reversed {
            ", reversed"
        } else {
            ""
        };
        let sort: &str = self.view.sort.into();
        format!("  {count} routes by {sort}{order}  {part}")
            .trim_end()
            .to_owned()
    }

    fn nothing(&self, pane: Pane) -> String {
        match pane {
            Pane::Routes if !self.view.filter.is_empty() => {
                format!(
                    "No route has \"{}\" in its path or topic.",
                    self.view.filter
                )
            }
            Pane::Routes => "There is no route.".to_owned(),
            Pane::Refused => "No request was refused.".to_owned(),
            Pane::Workers => "There is no worker.".to_owned(),
            Pane::Brokers => "No broker is known.".to_owned(),
        }
    }

    /// The first line to show of so many, in a place of this height, with the marked one in it.
    fn scrolled(&mut self, pane: Pane, count: usize, height: u16, marked: Option<usize>) -> usize {
        if pane != self.view.pane {
            return 0;
        }
        let height = usize::from(height.max(1));
        let scroll = self.view.scroll.min(count.saturating_sub(height));
        self.view.scroll = match marked {
            Some(row) => scroll.clamp((row + 1).saturating_sub(height), row),
            None => scroll,
        };
        self.view.scroll
    }
}

/// The first line, and what is below it.
fn below(area: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area)
}

pub(super) fn line(frame: &mut Frame<'_>, area: Rect, line: Line<'_>) {
    frame.render_widget(line, area);
}

fn lines(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'_>>) {
    frame.render_widget(Paragraph::new(lines), area);
}
