//! What is chosen to be shown, and what keys change of it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use strum::VariantArray;

use super::rows::Sort;

/// Rows that Page Up and Page Down move by.
const PAGE: isize = 10;
/// Characters of a filter.
const FILTER_CHARS_MAX: usize = 60;

/// A table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, VariantArray)]
pub(super) enum Pane {
    #[default]
    Routes,
    Refused,
    Workers,
    Brokers,
}

impl Pane {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Routes => "Routes",
            Self::Refused => "Refused",
            Self::Workers => "Workers",
            Self::Brokers => "Brokers",
        }
    }
}

/// What is shown.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(super) struct View {
    pub(super) pane: Pane,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    /// Routes without it in their path or topic are left out.
    pub(super) filter: String,
    pub(super) is_typing: bool,
    /// The path of the marked route, which may be no more; `None`: the first one.
    pub(super) marked: Option<String>,
    /// Whether the marked route is shown alone.
    pub(super) is_open: bool,
    pub(super) has_help: bool,
    /// The first line that is shown of what is longer than its place, other than routes.
    pub(super) scroll: usize,
}

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Quit,
}

impl View {
    /// Which of the routes is marked; of none 0.
    pub(super) fn marked_row<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> usize {
        let marked = self.marked.as_deref();
        let found = paths.into_iter().position(|it| Some(it) == marked);
        found.unwrap_or(0)
    }

    /// Acts on a key. `paths`: the routes that are shown, in their order.
    pub(super) fn press(&mut self, key: KeyEvent, paths: &[String]) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Go;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                // Some terminals send 4 for Ctrl-\, by which people quit what does not react.
                KeyCode::Char('c' | '\\' | '4') => Next::Quit,
                _ => Next::Go,
            };
        }
        if self.is_typing {
            self.type_filter(key.code);
            return Next::Go;
        }
        if self.has_help {
            // Any key closes it.
            self.has_help = false;
            return if key.code == KeyCode::Char('q') {
                Next::Quit
            } else {
                Next::Go
            };
        }
        match key.code {
            KeyCode::Esc | KeyCode::Backspace if self.is_open => self.open(false),
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Esc | KeyCode::Char('q') => return Next::Quit,
            KeyCode::Char('?' | 'h') => self.has_help = true,
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.change_pane(1),
            KeyCode::BackTab | KeyCode::Left => self.change_pane(Pane::VARIANTS.len() - 1),
            KeyCode::Char(digit @ '1'..='4') => {
                let pane = Pane::VARIANTS[digit as usize - '1' as usize];
                self.show(pane);
            }
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('/') => {
                self.show(Pane::Routes);
                self.is_typing = true;
            }
            KeyCode::Enter if self.pane == Pane::Routes && !paths.is_empty() => {
                let row = self.marked_row(paths.iter().map(String::as_str));
                self.marked = Some(paths[row].clone());
                self.open(!self.is_open);
            }
            code => self.move_by(code, paths),
        }
        Next::Go
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(char) if !char.is_control() && self.filter.len() < FILTER_CHARS_MAX => {
                self.filter.push(char);
            }
            _ => {}
        }
    }

    fn show(&mut self, pane: Pane) {
        self.pane = pane;
        self.open(false);
    }

    fn open(&mut self, is_open: bool) {
        self.is_open = is_open;
        self.scroll = 0;
    }

    fn change_pane(&mut self, by: usize) {
        self.show(Pane::VARIANTS[(self.pane as usize + by) % Pane::VARIANTS.len()]);
    }

    /// Marks another route, or scrolls.
    fn move_by(&mut self, code: KeyCode, paths: &[String]) {
        let by = match code {
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::PageDown | KeyCode::Char(' ') => PAGE,
            KeyCode::PageUp => -PAGE,
            KeyCode::End | KeyCode::Char('G') => isize::MAX,
            KeyCode::Home | KeyCode::Char('g') => isize::MIN,
            _ => return,
        };
        if self.pane == Pane::Routes && !self.is_open {
            let row = self
                .marked_row(paths.iter().map(String::as_str))
                .saturating_add_signed(by);
            self.marked = paths.get(row).or(paths.last()).cloned();
        } else {
            // Drawing limits it to what there is.
            self.scroll = self.scroll.saturating_add_signed(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 3] = ["/a", "/b", "/c"];

    fn press(view: &mut View, codes: &[KeyCode]) -> Next {
        let mut next = Next::Go;
        for code in codes {
            next = view.press(KeyEvent::from(*code), &PATHS.map(str::to_owned));
        }
        next
    }

    #[test]
    fn keys_mark_a_route_and_open_it() {
        let mut view = View::default();
        for (codes, marked) in [
            (&[KeyCode::Down][..], "/b"),
            (&[KeyCode::Char('j'), KeyCode::Down], "/c"),
            (&[KeyCode::Up], "/b"),
            (&[KeyCode::PageUp], "/a"),
            (&[KeyCode::End], "/c"),
            (&[KeyCode::Home], "/a"),
        ] {
            assert_eq!(press(&mut view, codes), Next::Go);
            assert_eq!(view.marked.as_deref(), Some(marked), "{codes:?}");
        }
        press(&mut view, &[KeyCode::Enter, KeyCode::Down]);
        assert_eq!((view.is_open, view.scroll), (true, 1));
        press(&mut view, &[KeyCode::Esc]);
        assert_eq!((view.is_open, view.scroll), (false, 0));
        view.marked = Some("/gone".to_owned());
        assert_eq!(view.marked_row(PATHS), 0);
        let none = view.press(KeyEvent::from(KeyCode::Enter), &[]);
        assert_eq!((none, view.is_open), (Next::Go, false));
    }

    #[test]
    fn keys_filter_sort_and_change_the_table() {
        let mut view = View::default();
        press(
            &mut view,
            &[KeyCode::Tab, KeyCode::BackTab, KeyCode::BackTab],
        );
        assert_eq!(view.pane, Pane::Brokers);
        press(
            &mut view,
            &[
                KeyCode::Char('3'),
                KeyCode::Char('/'),
                KeyCode::Char('q'),
                KeyCode::Char('x'),
            ],
        );
        assert_eq!(
            (view.pane, &*view.filter),
            (Pane::Routes, "qx"),
            "no key of the others"
        );
        press(&mut view, &[KeyCode::Backspace, KeyCode::Enter]);
        assert_eq!((&*view.filter, view.is_typing), ("q", false));
        assert_eq!(press(&mut view, &[KeyCode::Esc]), Next::Go);
        assert_eq!(view.filter, "");
        press(&mut view, &[KeyCode::Char('s'), KeyCode::Char('r')]);
        assert_eq!((view.sort, view.is_reversed), (Sort::Refused, true));
        press(&mut view, &[KeyCode::Char('s'); 4]);
        assert_eq!(view.sort, Sort::Requests);
    }

    #[test]
    fn it_ends_by_keys_that_people_try() {
        for code in [KeyCode::Esc, KeyCode::Char('q')] {
            assert_eq!(press(&mut View::default(), &[code]), Next::Quit);
        }
        let mut typing = View::default();
        press(&mut typing, &[KeyCode::Char('/')]);
        for key in ['c', '\\', '4'] {
            let interrupt = KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL);
            assert_eq!(typing.press(interrupt, &[]), Next::Quit, "{key}");
        }
        let mut helped = View::default();
        press(&mut helped, &[KeyCode::Char('?')]);
        assert!(helped.has_help);
        assert_eq!(press(&mut helped, &[KeyCode::Esc]), Next::Go);
        assert!(!helped.has_help);
    }
}
