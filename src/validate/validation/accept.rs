//! Accepting records without a tape.

use super::{Input, Span, Validation};
use crate::{
    model::Rules,
    validate::direct::{Accepted, Direct},
};

/// How far the elements of an array were accepted.
pub(super) enum Progress {
    /// All of them.
    Complete,
    /// Up to the one at this offset, where the step ends.
    Paused(usize),
    /// Up to the one at this offset, which may be valid or not.
    Unknown(usize),
}

impl Validation {
    /// Accepts the next record, which is all of `text`, if it is valid for sure.
    pub(super) fn accept(&mut self, input: &mut Input<'_>, text: Span) -> bool {
        if input.by_tape {
            return false;
        }
        let (start, end) = (text.offset as usize, (text.offset + text.len) as usize);
        let (body, rules, depth_max) = (input.body, input.rules, input.limits.json_depth_max);
        let mut direct = Direct::new(&body[..end], rules, depth_max, input.seen, input.order);
        match direct.record(start) {
            Some(accepted) if accepted.end == end => {
                self.push_accepted(rules, start, accepted, body.len());
                true
            }
            _ => false,
        }
    }

    /// Accepts the elements of the array `text` from `at` on, for one step.
    pub(super) fn accept_elements(
        &mut self,
        input: &mut Input<'_>,
        text: Span,
        at: usize,
    ) -> Progress {
        if input.by_tape {
            return Progress::Unknown(at);
        }
        let (body, rules, limits) = (input.body, input.rules, input.limits);
        let base = text.offset as usize;
        let end = base + text.len as usize;
        let until = (base + at).saturating_add(self.part_bytes).min(end);
        let until_last = until.saturating_add(limits.record_bytes_max).min(end);
        let depth_max = limits.json_depth_max.saturating_sub(1);
        let mut direct = Direct::new(
            &body[..until_last],
            rules,
            depth_max,
            input.seen,
            input.order,
        );
        let mut at = base + at;
        while at < until && self.count < limits.records_max {
            let start = direct.space(at);
            let Some(accepted) = direct.record(start) else {
                break;
            };
            let follower = direct.space(accepted.end);
            let is_last = match direct.peek(follower) {
                Some(b',') => false,
                Some(b']') if follower + 1 == end => true,
                _ => break,
            };
            if accepted.end - start > limits.record_bytes_max {
                break;
            }
            self.push_accepted(rules, start, accepted, body.len());
            if is_last {
                return Progress::Complete;
            }
            at = follower + 1;
        }
        if at >= until && until < end {
            Progress::Paused(at - base)
        } else {
            Progress::Unknown(at - base)
        }
    }

    fn push_accepted(
        &mut self,
        rules: &Rules,
        start: usize,
        record: Accepted<'_>,
        body_len: usize,
    ) {
        self.records.push(self.count, Span::new(start, record.end));
        if rules.partition_key.is_some() {
            self.records.push_key(record.key, body_len);
        }
        if rules.timestamp_field.is_some() {
            self.records.push_timestamp(record.timestamp_ms);
        }
        self.records.direct += 1;
        self.count += 1;
    }
}
