//! Lines that clients or brokers can cause again and again: one a second of each kind.

use std::{
    borrow::Cow,
    mem,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use tracing::Level;

use super::clients::Clients;
use crate::{networks::ClientAddress, sync::locked};

/// Between two lines of a kind.
const INTERVAL_MS: u64 = 1_000;

/// The target of librdkafka's lines.
pub(crate) const KAFKA: &str = "kafka";

/// Kinds with events that no line stands for yet.
static REPEATED: Mutex<Vec<&'static Kind>> = Mutex::new(Vec::new());

/// A kind of event. The whole process logs a line a second of it at the most; further events are counted,
/// and the next line says for how many it stands.
///
/// Kinds share no cache line (processors fetch them in pairs), as every worker may count a flood of them.
#[repr(align(128))]
pub(crate) struct Kind {
    name: Cow<'static, str>,
    level: Level,
    labels: Labels,
    /// Whether its lines have librdkafka's target, [`KAFKA`].
    is_of_kafka: bool,
    /// When the last line was logged, in milliseconds of [`now`].
    last: AtomicU64,
    /// Lines since then, that one not included.
    lines: AtomicU64,
    repeated: AtomicU64,
    /// The text of the last event without a line, where texts differ from event to event.
    text: Mutex<Option<String>>,
    /// Of the events since the last line, where they are of clients.
    clients: Mutex<Clients>,
}

/// What all events of a kind have in common, as fields of its lines.
#[derive(Clone, Copy)]
pub(crate) struct Labels {
    pub(crate) code: Option<&'static str>,
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<&'static str>,
}

impl Labels {
    /// Nothing.
    pub(crate) const NONE: Self = Self {
        code: None,
        status: None,
        reason: None,
    };
}

/// A line that is to be logged.
pub(crate) struct Line {
    /// The events that it stands for, where that is not one.
    pub(crate) count: Option<u64>,
}

/// A line about what clients do.
pub(crate) struct ClientLine {
    /// As of [`Line`].
    pub(crate) count: Option<u64>,
    /// Whose events these are, where they are several.
    pub(crate) clients: Option<String>,
}

impl Kind {
    /// What is logged of events after the last line, when no further one comes, has only this name.
    pub(crate) const fn new(name: &'static str, level: Level) -> Self {
        Self::named(Cow::Borrowed(name), level, Labels::NONE)
    }

    /// The same, with a name made at run time, and labels.
    pub(crate) const fn named(name: Cow<'static, str>, level: Level, labels: Labels) -> Self {
        Self {
            name,
            level,
            labels,
            is_of_kafka: false,
            last: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            text: Mutex::new(None),
            clients: Mutex::new(Clients::new()),
        }
    }

    /// Counts an event; a line, at the kind's level, is logged for it only if one is returned.
    pub(crate) fn admit(&'static self) -> Option<Line> {
        self.admit_of(1)
    }

    /// As [`Kind::admit`], with so many lines a second.
    pub(crate) fn admit_of(&'static self, lines_max: u64) -> Option<Line> {
        if let Some(repeated) = self.is_due(lines_max) {
            return Some(Line::of(repeated + 1));
        }
        if self.repeated.fetch_add(1, Relaxed) == 0 {
            locked(&REPEATED).push(self);
        }
        None
    }

    /// As [`Kind::admit_of`], of an event that this client causes; `None` where that is not of interest.
    pub(crate) fn admit_from(
        &'static self,
        lines_max: u64,
        client: Option<ClientAddress>,
    ) -> Option<ClientLine> {
        // A worker waits for no other: a client that is not counted changes little.
        if let Some(client) = client
            && let Ok(mut clients) = self.clients.try_lock()
        {
            clients.count(client);
        }
        let Line { count } = self.admit_of(lines_max)?;
        let clients = locked(&self.clients).take();
        Some(ClientLine {
            count,
            clients: clients.filter(|_| count.is_some()),
        })
    }

    /// The events to report with a line now, if there were fewer lines in this second.
    fn is_due(&self, lines_max: u64) -> Option<u64> {
        let (now, last) = (now(), self.last.load(Relaxed));
        let is_due = now.saturating_sub(last) >= INTERVAL_MS;
        // Of several threads one logs.
        let is_ours = is_due
            && self
                .last
                .compare_exchange(last, now, Relaxed, Relaxed)
                .is_ok();
        if is_ours {
            self.lines.store(0, Relaxed);
        }
        let has_room = || lines_max > 1 && self.lines.fetch_add(1, Relaxed) + 1 < lines_max;
        (is_ours || has_room()).then(|| self.repeated.swap(0, Relaxed))
    }

    /// Logs the events that no line stands for yet, if the last line was long enough ago.
    fn report(&'static self) {
        if self.repeated.load(Relaxed) == 0 {
            return;
        }
        match self.is_due(1) {
            None => locked(&REPEATED).push(self),
            Some(0) => {}
            Some(events) => {
                let text = locked(&self.text).take();
                let clients = locked(&self.clients).take();
                self.write(&Line::of(events), text.as_deref(), clients.as_deref());
            }
        }
    }

    fn write(&self, &Line { count }: &Line, text: Option<&str>, clients: Option<&str>) {
        let name = &self.name;
        let (separator, text) = text.map_or(("", ""), |text| (": ", text));
        let Labels {
            code,
            status,
            reason,
        } = self.labels;
        /// A line at this level.
        macro_rules! line {
            ($level:ident) => {
                if self.is_of_kafka {
                    tracing::$level!(target: KAFKA, count, "{name}{separator}{text}");
                } else {
                    tracing::$level!(
                        count,
                        clients,
                        code,
                        status,
                        reason,
                        "{name}{separator}{text}"
                    );
                }
            };
        }
        match self.level {
            Level::ERROR => line!(error),
            Level::WARN => line!(warn),
            _ => line!(info),
        }
    }
}

impl ClientLine {
    /// Of one event.
    pub(crate) const ONE: Self = Self {
        count: None,
        clients: None,
    };
}

impl Line {
    fn of(events: u64) -> Self {
        Self {
            count: (events > 1).then_some(events),
        }
    }
}

/// Kinds whose names are not known in advance, but few: librdkafka's facilities and codes.
pub(crate) struct Kinds(Mutex<Vec<&'static Kind>>);

impl Kinds {
    /// None so far.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Logs `name: text`, if a line of that name and level is due. The next line has the text of its last event.
    pub(crate) fn log(&self, name: &str, level: Level, text: &str) {
        let kind = self.of(name, level);
        match kind.admit() {
            Some(line) => kind.write(&line, Some(text), None),
            None => *locked(&kind.text) = Some(text.to_owned()),
        }
    }

    /// The kind of this name and level, which lives as long as the process.
    fn of(&self, name: &str, level: Level) -> &'static Kind {
        let mut kinds = locked(&self.0);
        let known = kinds.iter().find(|it| it.name == name && it.level == level);
        known.copied().unwrap_or_else(|| {
            let kind = Box::leak(Box::new(Kind {
                is_of_kafka: true,
                ..Kind::named(Cow::Owned(name.to_owned()), level, Labels::NONE)
            }));
            kinds.push(kind);
            kind
        })
    }
}

/// Logs what was counted and not logged, of every kind whose last line was a second ago.
pub(super) fn report_repeated() {
    let kinds = mem::take(&mut *locked(&REPEATED));
    kinds.into_iter().for_each(Kind::report);
}

/// Milliseconds of a clock that begins at the interval: 0 is long ago.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since = u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX);
    since.saturating_add(INTERVAL_MS)
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, thread, time::Duration};

    use super::*;

    #[test]
    fn one_line_stands_for_all_events_of_its_second_in_all_threads() {
        static KIND: Kind = Kind::new("one kind", Level::WARN);
        let lines = |_| {
            let thread = thread::spawn(|| {
                let lines = (0..1_000).filter_map(|_| KIND.admit());
                lines.map(|it| it.count.unwrap_or(1)).collect::<Vec<_>>()
            });
            thread.join().expect("no panic")
        };
        let began = Instant::now();
        let mut logged: Vec<u64> = (0..4).flat_map(lines).collect();
        let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
        assert!((1..=2 + seconds).contains(&logged.len()), "{logged:?}");
        let rest = KIND.repeated.load(Relaxed);
        logged.push(rest);
        assert_eq!(logged.iter().sum::<u64>(), 4_000);
        if rest > 0 {
            assert!(
                locked(&REPEATED)
                    .iter()
                    .any(|it| std::ptr::eq(*it, &raw const KIND))
            );
        }
    }

    #[test]
    fn what_comes_after_the_last_line_is_reported_a_second_later() {
        static KIND: Kind = Kind::new("another kind", Level::WARN);
        assert!(KIND.admit().is_some_and(|it| it.count.is_none()));
        for _ in 0..3 {
            let _ = KIND.admit();
        }
        let repeated = KIND.repeated.load(Relaxed);
        let until = Instant::now() + Duration::from_mins(1);
        while KIND.repeated.load(Relaxed) > 0 && Instant::now() < until {
            report_repeated();
            thread::sleep(Duration::from_millis(20));
        }
        assert!(repeated > 0 || until > Instant::now());
        assert_eq!(KIND.repeated.load(Relaxed), 0);
    }

    #[test]
    fn a_line_for_several_events_names_their_clients() {
        static KIND: Kind = Kind::new("a kind of clients", Level::INFO);
        let client = |text: &str| Some(text.parse::<IpAddr>().expect("an address").into());
        let first = KIND.admit_from(1, client("10.0.0.1")).expect("the first");
        assert_eq!((first.count, first.clients), (None, None));
        let next = |text| KIND.admit_from(1, client(text));
        let until = Instant::now() + Duration::from_mins(1);
        let line = loop {
            let line = ["10.0.0.2", "10.0.0.2", "10.0.0.3"]
                .into_iter()
                .find_map(next);
            if line.is_some() || Instant::now() >= until {
                break line.expect("one a second");
            }
            thread::sleep(Duration::from_millis(100));
        };
        assert!(line.count.is_some());
        let clients = line.clients.expect("several");
        assert!(
            clients.starts_with("10.0.0.2 (") && clients.ends_with(", 1 other"),
            "{clients}"
        );
        assert_eq!(locked(&KIND.clients).take(), None, "none is counted twice");
    }

    #[test]
    fn a_kind_may_have_several_lines_a_second() {
        static KIND: Kind = Kind::new("a third kind", Level::INFO);
        let began = Instant::now();
        let lines = (0..1_000).filter_map(|_| KIND.admit_of(10));
        let logged: Vec<u64> = lines.map(|it| it.count.unwrap_or(1)).collect();
        let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
        assert!(
            (10..=10 * (2 + seconds)).contains(&logged.len()),
            "{logged:?}"
        );
        let rest = KIND.repeated.load(Relaxed);
        assert_eq!(logged.iter().sum::<u64>() + rest, 1_000);
    }

    #[test]
    fn a_kind_is_found_by_its_name_and_level() {
        static KINDS: Kinds = Kinds::new();
        let kind = KINDS.of("REQTMOUT", Level::WARN);
        assert!(std::ptr::eq(kind, KINDS.of("REQTMOUT", Level::WARN)));
        assert!(kind.is_of_kafka, "a filter finds its lines");
        assert!(!std::ptr::eq(kind, KINDS.of("REQTMOUT", Level::ERROR)));
        assert!(!std::ptr::eq(kind, KINDS.of("GETPID", Level::WARN)));
    }
}
