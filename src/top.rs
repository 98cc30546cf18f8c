//! `ringest top`: what a running ringest does, in the terminal, as the page of its management listener shows it.
//!
//! One thread reads `/status` ([`source`]), one reads keys, and this one draws. What happened between two answers is in
//! [`figures`]; it becomes tables in [`rows`], which the [`screen`] and the plain [`text`] show.

mod details;
mod figures;
mod numbers;
mod rows;
mod screen;
mod source;
mod status;
mod summary;
mod table;
mod text;
mod view;

#[cfg(test)]
mod tests;

use std::{
    env, io,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event as TerminalEvent},
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use figures::Figures;
use screen::{Screen, Theme};
use source::{Kept, Source};
use status::Status;
use view::{Next, View};

pub(crate) use source::{Address, SourceError};

/// How often at least the screen is drawn: the age of the figures is on it.
const TICK: Duration = Duration::from_secs(1);

/// What the thread that draws waits for.
enum Event {
    Status(Result<Box<Status>, SourceError>),
    Samples(Result<Kept, SourceError>),
    Terminal(io::Result<TerminalEvent>),
    Signal,
}

/// The figures of one interval as text.
///
/// # Errors
/// There is no answer, or it is not one of a management listener.
pub(crate) fn once(address: &Address, interval: Duration) -> Result<String, SourceError> {
    let source = Source::new(address.clone());
    let mut figures = Figures::default();
    figures.push(source.status()?);
    thread::sleep(interval);
    figures.push(source.status()?);
    Ok(text::text(address, &figures))
}

/// Shows the figures until a key or a signal ends it. The terminal is then as it was, also after a panic.
///
/// # Errors
/// The terminal can't be read or written, or the system has no thread for this.
pub(crate) fn follow(address: &Address, interval: Duration) -> io::Result<()> {
    let (sender, events) = mpsc::channel();
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    let signalled = sender.clone();
    spawn("top-signals", move || {
        // The receiver is gone only when the process ends.
        for _ in signals.forever() {
            let _ = signalled.send(Event::Signal);
        }
    })?;
    let (wants_samples, wanted) = mpsc::channel();
    let (source, read) = (Source::new(address.clone()), sender.clone());
    let reader = spawn("top-reader", move || {
        read_figures(&source, interval, &wanted, &read);
    })?;

    let _restored = Restored;
    let mut terminal = ratatui::try_init()?;
    spawn("top-keys", move || read_keys(&sender))?;
    let has_colours = env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let screen = Screen {
        address: address.to_string(),
        figures: Figures::default(),
        failure: None,
        age: Duration::ZERO,
        samples: None,
        view: View::default(),
        theme: Theme { has_colours },
    };
    show(&mut terminal, screen, &events, &wants_samples, || {
        reader.is_finished()
    })
}

/// Gives the terminal back when dropped.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Reads the figures again and again, and the samples where they are wanted.
fn read_figures(
    source: &Source,
    interval: Duration,
    wanted: &Receiver<bool>,
    events: &Sender<Event>,
) {
    let mut wants_samples = false;
    loop {
        let began = Instant::now();
        let status = source.status().map(Box::new);
        if events.send(Event::Status(status)).is_err() {
            return;
        }
        if wants_samples {
            let _ = events.send(Event::Samples(source.samples()));
        }
        match wanted.recv_timeout(interval.saturating_sub(began.elapsed())) {
            Ok(are_wanted) => wants_samples = are_wanted,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn read_keys(events: &Sender<Event>) {
    loop {
        let event = event::read();
        let is_last = event.is_err();
        if events.send(Event::Terminal(event)).is_err() || is_last {
            return;
        }
    }
}

/// Draws until the end. `has_failed`: whether the thread that reads the figures has panicked.
fn show(
    terminal: &mut DefaultTerminal,
    mut screen: Screen,
    events: &Receiver<Event>,
    wants_samples: &Sender<bool>,
    has_failed: impl Fn() -> bool,
) -> io::Result<()> {
    let mut read_at = Instant::now();
    loop {
        screen.age = read_at.elapsed();
        terminal.draw(|frame| screen.draw(frame))?;
        let event = match events.recv_timeout(TICK) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let was_open = screen.view.is_open;
        for event in event.into_iter().chain(events.try_iter()) {
            match event {
                Event::Status(Ok(status)) => {
                    screen.figures.push(*status);
                    screen.failure = None;
                    read_at = Instant::now();
                }
                Event::Status(Err(error)) => screen.failure = Some(error.to_string()),
                Event::Samples(kept) => {
                    screen.samples = Some(kept.map_err(|error| error.to_string()));
                }
                Event::Signal => return Ok(()),
                Event::Terminal(event) => {
                    if let TerminalEvent::Key(key) = event?
                        && screen.press(key) == Next::Quit
                    {
                        return Ok(());
                    }
                }
            }
        }
        if screen.view.is_open != was_open {
            let _ = wants_samples.send(screen.view.is_open);
        }
        if has_failed() {
            return Err(io::Error::other(
                "the thread that reads the figures has ended",
            ));
        }
    }
}
