//! What a worker's own batches say of whether the brokers are there.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// An answer is evidence for so long, and a batch that is out without any answer is evidence to the contrary
/// from that age on.
const EVIDENCE_AGE_MAX: Duration = Duration::from_secs(1);

/// While batches are out and nothing is answered, not even the request for metadata, one request in this
/// time is let through to try.
const TRIAL_INTERVAL: Duration = Duration::from_secs(1);

/// The same where every connection is lost as well.
const DISCONNECTED_TRIAL_INTERVAL: Duration = Duration::from_secs(10);

/// What is known from a worker's own batches.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    last_answer: Cell<Option<Instant>>,
    /// When the first batch was sent after the last answer.
    unanswered_since: Cell<Option<Instant>>,
    last_trial: Cell<Option<Instant>>,
    /// Whether librdkafka has failed to connect since the last answer.
    connection_failed: Cell<bool>,
    /// Whether it has lost every connection since.
    is_disconnected: Cell<bool>,
    /// Whether a broker has refused the credentials since.
    is_refused: Cell<bool>,
}

impl Evidence {
    /// A batch is handed over.
    pub(super) fn sent(&self, now: Instant) {
        if self.unanswered_since.get().is_none() {
            self.unanswered_since.set(Some(now));
        }
    }

    /// A broker has acknowledged a record, or rejected it for what it is.
    pub(super) fn answered(&self, now: Instant) {
        self.last_answer.set(Some(now));
        self.unanswered_since.set(None);
        self.connection_failed.set(false);
        self.is_disconnected.set(false);
        self.is_refused.set(false);
    }

    /// A broker has refused the credentials.
    pub(super) fn refused(&self) {
        self.is_refused.set(true);
    }

    /// Whether the last that is known is that a broker has refused the credentials.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused.get()
    }

    /// A connection could not be made.
    pub(super) fn connection_failed(&self) {
        self.connection_failed.set(true);
        self.is_refused.set(false);
    }

    /// Every connection is lost.
    pub(super) fn disconnected(&self, now: Instant) {
        self.is_disconnected.set(true);
        self.last_trial.set(Some(now));
    }

    /// Whether a broker has answered a moment ago.
    pub(super) fn has_answer(&self, now: Instant) -> bool {
        let last = self.last_answer.get();
        last.is_some_and(|last| now.saturating_duration_since(last) < EVIDENCE_AGE_MAX)
    }

    /// Whether records may be taken in while no broker answers the request for metadata: brokers may be
    /// slow with that alone. `can_connect`: whether the request was sent at all.
    pub(super) fn admits(&self, can_connect: bool, now: Instant) -> bool {
        if self.has_answer(now) {
            return true;
        }
        let last = self.last_answer.get();
        // Brokers that hang from the start accept connections and then say nothing: no attempt fails.
        let is_without_connection = self.connection_failed.get() || last.is_none();
        if !can_connect && is_without_connection && !self.is_disconnected.get() {
            self.disconnected(now);
        }
        let since = self.unanswered_since.get();
        let is_unanswered =
            since.is_some_and(|since| now.saturating_duration_since(since) >= EVIDENCE_AGE_MAX);
        let interval = match (self.is_disconnected.get(), is_unanswered) {
            (true, _) => DISCONNECTED_TRIAL_INTERVAL,
            (false, true) => TRIAL_INTERVAL,
            (false, false) => return true,
        };
        let trial = self.last_trial.get();
        if trial.is_some_and(|trial| now.saturating_duration_since(trial) < interval) {
            return false;
        }
        self.last_trial.set(Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn slow_metadata_alone_changes_nothing() {
        let (evidence, start) = (Evidence::default(), Instant::now());
        assert!(evidence.admits(true, start) && evidence.admits(true, start));
        evidence.sent(start);
        evidence.answered(start + 5 * MS);
        let later = start + Duration::from_mins(1);
        assert!(evidence.admits(true, later) && evidence.admits(true, later));
    }

    #[test]
    fn without_an_answer_one_request_a_second_is_let_through() {
        let (evidence, start) = (Evidence::default(), Instant::now());
        evidence.answered(start);
        let begin = start + Duration::from_secs(5);
        evidence.sent(begin);
        assert!(evidence.admits(true, begin + 999 * MS));
        let since = begin + EVIDENCE_AGE_MAX;
        evidence.sent(since);
        assert!(evidence.admits(true, since), "the first try");
        assert!(!evidence.admits(true, since + 999 * MS));
        assert!(evidence.admits(true, since + TRIAL_INTERVAL));
        evidence.answered(since + 2 * TRIAL_INTERVAL);
        let later = since + 10 * TRIAL_INTERVAL;
        assert!(evidence.admits(true, later) && evidence.admits(true, later));
    }

    #[test]
    fn without_a_connection_requests_are_refused_at_once() {
        let (evidence, begin) = (Evidence::default(), Instant::now());
        let start = begin + EVIDENCE_AGE_MAX;
        evidence.answered(begin);
        assert!(evidence.admits(false, start), "no attempt has failed");
        evidence.connection_failed();
        assert!(evidence.admits(true, start));
        assert!(!evidence.admits(false, start));
        assert!(!evidence.admits(false, start + 9_999 * MS));
        assert!(evidence.admits(false, start + DISCONNECTED_TRIAL_INTERVAL));
        assert!(!evidence.admits(false, start + DISCONNECTED_TRIAL_INTERVAL));
        let hanging = Evidence::default();
        assert!(!hanging.admits(false, start), "nothing was ever answered");
        let last = Evidence::default();
        last.answered(start);
        last.disconnected(start);
        assert!(last.admits(true, start + 999 * MS), "a last answer");
        assert!(!last.admits(true, start + 1_000 * MS));
    }
}
