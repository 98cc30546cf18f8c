//! Conditions that last: logged when they begin or change, and repeated for readers who come later.

use std::time::{Duration, Instant};

/// Between two lines about the same condition.
const INTERVAL: Duration = Duration::from_mins(1);

/// When a lasting condition is to be logged.
#[derive(Debug)]
pub(crate) struct Reminder<T> {
    /// What was logged, and when.
    last: Option<(T, Instant)>,
}

impl<T: PartialEq> Reminder<T> {
    /// Nothing has been logged.
    pub(crate) const fn new() -> Self {
        Self { last: None }
    }

    /// Whether the condition is to be logged now: it is another one than before, or has lasted for a minute
    /// since the last line.
    pub(crate) fn is_due(&mut self, condition: T, now: Instant) -> bool {
        let is_logged = |(before, at): &(T, Instant)| {
            *before == condition && now.saturating_duration_since(*at) < INTERVAL
        };
        if self.last.as_ref().is_some_and(is_logged) {
            return false;
        }
        self.last = Some((condition, now));
        true
    }

    /// The condition has ended.
    pub(crate) fn clear(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_lasts_is_repeated_once_a_minute() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut reminder = Reminder::new();
        for (seconds, condition, is_due) in [
            (0, "a", true),
            (1, "a", false),
            (59, "a", false),
            (60, "a", true),
            (61, "a", false),
            (62, "b", true),
            (63, "a", true),
            (122, "a", false),
            (500, "a", true),
        ] {
            assert_eq!(reminder.is_due(condition, at(seconds)), is_due, "{seconds}");
        }
        reminder.clear();
        assert!(reminder.is_due("a", at(501)), "it has ended meanwhile");
    }
}
