//! The validation of one body, in steps.

use self::{
    accept::Progress,
    stage::{Aim, Stage},
};
use super::{
    Format, Rejection, RejectionKind, Span, ValidBody, ValidateLimits,
    direct::Order,
    document::{JsonParser, JsonValue, ParseFailed},
    envelope,
    error::{BodyErrors, RecordError, RecordErrors},
    hint, lines,
    record::Records,
    split::{PART_BYTES, Split, Splitter},
    syntax::{self, SyntaxCheck},
    walk,
    whole::{empty_body, kind, not_an_object, record_too_large, too_many_records},
};
use crate::model::{OnInvalid, Rules};

/// Bytes of lines in one step, and of a text whose syntax is checked slowly.
const STEP_BYTES: usize = 64 << 10;

/// A validation in progress. It holds what was found so far; [`Validator::advance`] does the work.
///
/// [`Validator::advance`]: super::Validator::advance
#[derive(Debug)]
pub struct Validation {
    stage: Stage,
    /// Of a part of an array.
    part_bytes: usize,
    /// Records validated so far, valid or not.
    count: usize,
    /// The valid ones.
    records: Records,
    errors: BodyErrors,
    /// Why the body is rejected as a whole.
    rejection: Option<Rejection>,
}

/// What a step needs beside the state of the validation.
pub(super) struct Step<'s> {
    pub(super) parser: &'s mut JsonParser,
    pub(super) input: Input<'s>,
}

/// The same while the parser is in use.
pub(super) struct Input<'s> {
    pub(super) limits: ValidateLimits,
    /// Whether records are not accepted directly.
    pub(super) by_tape: bool,
    pub(super) body: &'s [u8],
    pub(super) rules: &'s Rules,
    /// Scratch of the walk: which fields have been seen.
    pub(super) seen: &'s mut Vec<u64>,
    /// The order of members, as it was in the records before.
    pub(super) order: &'s mut Order,
}

impl Validation {
    /// Of a body of which nothing has been looked at.
    pub fn new(format: Format) -> Self {
        Self {
            stage: Stage::of(format),
            part_bytes: PART_BYTES,
            count: 0,
            records: Records::default(),
            errors: BodyErrors::new(),
            rejection: None,
        }
    }

    /// The memory of its lists, in bytes: the positions and keys of records.
    pub fn lists_bytes(&self) -> usize {
        self.records.capacity_bytes() + self.errors.capacity_bytes()
    }

    /// Of another body, with the same memory.
    pub(super) fn restart(&mut self, format: Format) {
        self.stage = Stage::of(format);
        self.count = 0;
        self.records.clear();
        self.errors = BodyErrors::new();
        self.rejection = None;
    }

    /// The valid records, and the errors of the others, once the validation is complete. What it found is
    /// handed out once.
    ///
    /// # Errors
    /// As for [`Validator::validate`](super::Validator::validate).
    ///
    /// # Panics
    /// If the validation is not complete.
    pub fn result(&mut self, rules: &Rules) -> Result<ValidBody<'_>, Rejection> {
        assert!(matches!(self.stage, Stage::Done), "not complete");
        if let Some(rejection) = self.rejection.take() {
            return Err(rejection);
        }
        match (self.errors.rejection(self.count), rules.on_invalid) {
            (Some(rejection), OnInvalid::RejectAll) => Err(rejection),
            (Some(rejection), OnInvalid::AcceptValid) if self.records.accepted.is_empty() => {
                Err(rejection)
            }
            (rejection, _) => Ok(ValidBody {
                records: &self.records,
                rejection,
            }),
        }
    }

    /// The next step, which takes a millisecond or so, or as long as one record; returns whether it was
    /// the last one.
    pub(super) fn step(&mut self, step: &mut Step<'_>) -> bool {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Json => self.json(step),
            Stage::Elements { json, at, splitter } => self.elements(step, json, at, splitter),
            Stage::Lines(at) => self.lines(step, at),
            Stage::Syntax {
                json,
                utf8_len,
                check,
                aim,
            } => self.syntax(step, json, utf8_len, check, aim),
            Stage::Done => Stage::Done,
        };
        matches!(self.stage, Stage::Done)
    }

    /// Validates the bytes of a single record, in one step.
    pub(super) fn record(&mut self, step: &mut Step<'_>) -> Option<Rejection> {
        self.line(step, lines::trim(step.input.body, 0, step.input.body.len()));
        self.errors.rejection(self.count)
    }

    fn json(&mut self, step: &mut Step<'_>) -> Stage {
        let text = lines::trim(step.input.body, 0, step.input.body.len());
        let (json, base) = (text.of(step.input.body), text.offset as usize);
        let is_long = json.len() > step.input.limits.record_bytes_max;
        match json.first() {
            None => return self.reject(step, 0, empty_body()),
            Some(b'[') => {
                return Stage::Elements {
                    json: text,
                    at: 1,
                    splitter: Splitter::new(self.part_bytes),
                };
            }
            Some(b'{') if is_long => {
                self.too_large(step, text);
                return Stage::Done;
            }
            Some(_) if is_long => {
                let check = SyntaxCheck::of_text(step.input.limits.json_depth_max);
                return Stage::syntax(json, text, check, Aim::Text);
            }
            Some(_) => {}
        }
        if self.accept(&mut step.input, text) {
            return Stage::Done;
        }
        let parsed = step.parser.parse(json, |root| {
            self.value(&mut step.input, root, base);
        });
        if let Err(ParseFailed) = parsed {
            let check = SyntaxCheck::of_text(step.input.limits.json_depth_max);
            return Stage::syntax(json, text, check, Aim::Error);
        }
        Stage::Done
    }

    /// Validates a part of an array.
    fn elements(
        &mut self,
        step: &mut Step<'_>,
        text: Span,
        at: usize,
        mut splitter: Splitter,
    ) -> Stage {
        let at = match self.accept_elements(&mut step.input, text, at) {
            Progress::Complete => return Stage::Done,
            Progress::Paused(at) => {
                return Stage::Elements {
                    json: text,
                    at,
                    splitter,
                };
            }
            Progress::Unknown(at) => at,
        };
        let json = text.of(step.input.body);
        let record_bytes_max = step.input.limits.record_bytes_max;
        let mut split = splitter.next(json, at, record_bytes_max);
        if let Split::Perhaps(end) = split {
            if let Ok(stage) = self.part(step, text, at, end) {
                return stage.unwrap_or_else(|| Stage::elements(text, end, splitter));
            }
            split = splitter.correct(json, at, record_bytes_max);
        }
        let depth_max = step.input.limits.json_depth_max;
        if let Split::At(end) = split
            && let Ok(stage) = self.part(step, text, at, end)
        {
            return stage.unwrap_or_else(|| Stage::elements(text, end, splitter));
        }
        if split == Split::LongElement {
            let check = SyntaxCheck::of_element(at, self.count, depth_max);
            return Stage::syntax(json, text, check, Aim::Element { at, splitter });
        }
        let check = SyntaxCheck::of_elements(at, self.count, depth_max);
        Stage::syntax(json, text, check, Aim::Error)
    }

    /// Validates the elements of an array from `at` to the separator or bracket at `end`. `None` if there
    /// are more.
    fn part(
        &mut self,
        step: &mut Step<'_>,
        text: Span,
        at: usize,
        end: usize,
    ) -> Result<Option<Stage>, ParseFailed> {
        let (json, limits, rules) = (
            text.of(step.input.body),
            step.input.limits,
            step.input.rules,
        );
        let base = text.offset as usize + at - 1;
        let (is_first, is_last) = (at == 1, json[end..] == *b"]");
        let parsed = step.parser.parse_elements(&json[at - 1..=end], |array| {
            let mut elements = array.elements().ok_or(ParseFailed)?;
            if elements.len() == 0 && !(is_first && is_last) {
                return Err(ParseFailed);
            }
            if self.count + elements.len() > limits.records_max {
                return Ok(Some(true));
            }
            while let Some(element) = elements.next() {
                self.value(&mut step.input, &element, base);
                if (elements.len() > 0 || !is_last) && self.ends_early(rules) {
                    return Ok(Some(false));
                }
            }
            Ok(is_last.then_some(false))
        });
        Ok(match parsed?? {
            Some(true) => {
                let error = too_many_records(text.offset as usize, limits);
                Some(self.reject(step, limits.records_max, error))
            }
            Some(false) => Some(Stage::Done),
            None => None,
        })
    }

    fn lines(&mut self, step: &mut Step<'_>, mut at: usize) -> Stage {
        let limits = step.input.limits;
        let until = at.saturating_add(STEP_BYTES);
        while at < until.min(step.input.body.len()) {
            let budget = until - at;
            let Some(line) = lines::next_line(step.input.body, &mut at, budget) else {
                break;
            };
            if self.count == limits.records_max {
                let error = too_many_records(line.offset as usize, limits);
                return self.reject(step, self.count, error);
            }
            self.line(step, line);
            if at < step.input.body.len() && self.ends_early(step.input.rules) {
                return Stage::Done;
            }
        }
        if at < step.input.body.len() {
            return Stage::Lines(at);
        }
        if self.count == 0 {
            return self.reject(step, 0, empty_body());
        }
        Stage::Done
    }

    fn syntax(
        &mut self,
        step: &mut Step<'_>,
        text: Span,
        utf8_len: usize,
        mut check: SyntaxCheck,
        aim: Aim,
    ) -> Stage {
        let (json, base) = (text.of(step.input.body), text.offset as usize);
        let end = match check.advance(json, utf8_len, STEP_BYTES) {
            None => {
                return Stage::Syntax {
                    json: text,
                    utf8_len,
                    check,
                    aim,
                };
            }
            Some(Err(error)) => return self.reject(step, check.elements(), error.shifted_by(base)),
            Some(Ok(end)) => end,
        };
        match aim {
            Aim::Error => self.reject(step, check.elements(), syntax::no_error().shifted_by(base)),
            Aim::Text => {
                let error = || not_an_object(kind(json), json, base);
                self.push(step.input.body, text, RejectionKind::Invalid, error);
                Stage::Done
            }
            // An array of nothing but whitespace.
            Aim::Element { .. } if check.elements() == self.count => Stage::Done,
            Aim::Element { at, splitter } => {
                self.long_element(step, text, at..end, utf8_len, splitter)
            }
        }
    }

    /// Validates the element in the array `text` that was too long to be parsed together with others, with
    /// the whitespace before it.
    fn long_element(
        &mut self,
        step: &mut Step<'_>,
        text: Span,
        place: std::ops::Range<usize>,
        utf8_len: usize,
        splitter: Splitter,
    ) -> Stage {
        let (json, base) = (text.of(step.input.body), text.offset as usize);
        let span = lines::trim(step.input.body, base + place.start, base + place.end);
        let element = span.of(step.input.body);
        if element.len() <= step.input.limits.record_bytes_max {
            let parsed = step.parser.parse(element, |root| {
                self.value(&mut step.input, root, span.offset as usize);
            });
            debug_assert!(parsed.is_ok(), "the slow check accepted it");
        } else if element.starts_with(b"{") {
            self.too_large(step, span);
        } else {
            let error = || not_an_object(kind(element), element, span.offset as usize);
            self.push(step.input.body, span, RejectionKind::Invalid, error);
        }
        let next = place.end + lines::leading_whitespace(&json[place.end..]);
        if self.count > step.input.limits.records_max {
            let error = too_many_records(base, step.input.limits);
            return self.reject(step, step.input.limits.records_max, error);
        }
        match json.get(next) {
            Some(b',') => Stage::elements(text, next, splitter),
            Some(b']') if next + 1 == json.len() => Stage::Done,
            _ => {
                // The error follows.
                let depth_max = step.input.limits.json_depth_max;
                let check = SyntaxCheck::of_follower(place.end, self.count, depth_max);
                Stage::Syntax {
                    json: text,
                    utf8_len,
                    check,
                    aim: Aim::Error,
                }
            }
        }
    }

    /// Validates the next record: a line or a whole text, trimmed.
    fn line(&mut self, step: &mut Step<'_>, line: Span) {
        let (json, base) = (line.of(step.input.body), line.offset as usize);
        if json.len() > step.input.limits.record_bytes_max {
            return self.too_large(step, line);
        }
        if self.accept(&mut step.input, line) {
            return;
        }
        let parsed = step.parser.parse(json, |root| {
            self.value(&mut step.input, root, base);
        });
        parsed.unwrap_or_else(|ParseFailed| {
            let depth_max = step.input.limits.json_depth_max;
            let error = || syntax::first_error(json, depth_max).shifted_by(base);
            self.push(step.input.body, line, RejectionKind::Invalid, error);
        });
    }

    /// Validates the next record: `value` of a text that starts at offset `base` in the body.
    fn value(&mut self, input: &mut Input<'_>, value: &JsonValue<'_>, base: usize) {
        let span = value.span(base);
        if !value.is_object() {
            let error = || not_an_object(value.kind(), value.text(), span.offset as usize);
            self.push(input.body, span, RejectionKind::Invalid, error);
        } else if span.len as usize > input.limits.record_bytes_max {
            let error = || record_too_large(span, input.limits);
            self.push(input.body, span, RejectionKind::TooLarge, error);
        } else {
            self.object(input, value, span, base);
            self.count += 1;
        }
    }

    fn object(&mut self, input: &mut Input<'_>, record: &JsonValue<'_>, span: Span, base: usize) {
        let rules = input.rules;
        let mut errors = RecordErrors::new(self.errors.capacity());
        if let Some(program) = rules.program() {
            walk::validate(record, program, input.seen, &mut errors);
        }
        let key = rules.partition_key.as_deref();
        let key = key.map(|names| envelope::key(record, names, rules, &mut errors));
        let timestamp_ms = rules.timestamp_field.as_deref();
        let timestamp_ms =
            timestamp_ms.map(|names| envelope::timestamp_ms(record, names, rules, &mut errors));
        if errors.total > 0 {
            return self
                .errors
                .extend(input.body, self.count, span, base, errors);
        }
        self.records.push(self.count, span);
        if let Some(key) = key {
            self.records.push_key(key, input.body.len());
        }
        if let Some(timestamp_ms) = timestamp_ms {
            self.records.push_timestamp(timestamp_ms);
        }
    }

    /// Whether the rest is not looked at, because none of it would be accepted, and enough was found.
    fn ends_early(&mut self, rules: &Rules) -> bool {
        rules.on_invalid == OnInvalid::RejectAll && self.errors.end_early()
    }

    fn too_large(&mut self, step: &Step<'_>, record: Span) {
        let error = || {
            let error = record_too_large(record, step.input.limits);
            match hint::of_long(record.of(step.input.body)) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        };
        self.push(step.input.body, record, RejectionKind::TooLarge, error);
    }

    /// Counts the only error of the next record.
    fn push(
        &mut self,
        body: &[u8],
        record: Span,
        kind: RejectionKind,
        error: impl FnOnce() -> RecordError,
    ) {
        self.errors.push(body, self.count, record, kind, error);
        self.count += 1;
    }

    fn reject(&mut self, step: &Step<'_>, index: usize, error: RecordError) -> Stage {
        self.rejection = Some(BodyErrors::reject(step.input.body, index, error));
        Stage::Done
    }
}

mod accept;
mod stage;
#[cfg(test)]
mod tests;
