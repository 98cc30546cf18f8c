//! Splits a long array into parts, so that each is parsed by itself: with other requests served in between,
//! and with scratch memory for a part instead of for the body.
//!
//! Looking at each byte for the end of an element would cost as much as parsing. So a part's end is
//! guessed: at the next element that begins as the first one does. Parsing the part proves the guess. The
//! text before it ended with a comma or with the array's opening bracket; if what follows parses as a list
//! of elements, the comma behind it is the array's own, too. Only if it does not is each byte looked at.

use std::ops::Range;

use memchr::{memchr, memchr2, memmem};

use super::lines;

/// The bytes of a part, and so of an array that is not split. Then come those of the last element.
pub(super) const PART_BYTES: usize = 128 << 10;

/// The bytes of the longest part.
pub(super) const fn part_bytes_max(record_bytes_max: usize) -> usize {
    (2 * PART_BYTES).saturating_add(record_bytes_max)
}

/// The longest start of an element that is looked for.
const START_BYTES_MAX: usize = 64;

/// After so many wrong guesses in a body there are no more.
const WRONG_GUESSES_MAX: u8 = 3;

/// Where a part ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// At this offset is the comma or the array's closing bracket.
    At(usize),
    /// So it seems.
    Perhaps(usize),
    /// The first element is longer than any valid record.
    LongElement,
    /// Nowhere: the text is not JSON.
    Nowhere,
}

/// Splits one array.
#[derive(Debug)]
pub(super) struct Splitter {
    /// The bytes of a part without its last element.
    part_bytes: usize,
    wrong_guesses: u8,
    /// Where the first element begins, up to the end of its first key.
    start: Option<Range<usize>>,
}

impl Splitter {
    /// For parts of `part_bytes`, and then the rest of an element.
    pub(super) fn new(part_bytes: usize) -> Self {
        Self {
            part_bytes,
            wrong_guesses: 0,
            start: None,
        }
    }

    /// Where the part ends that begins at `at` in `json`, which is without whitespace at its end. Its
    /// elements are shorter than `element_bytes_max`.
    pub(super) fn next(&mut self, json: &[u8], at: usize, element_bytes_max: usize) -> Split {
        if json.len() - at <= self.part_bytes {
            return match json.last() {
                Some(b']') if json.len() > at => Split::At(json.len() - 1),
                _ => Split::Nowhere,
            };
        }
        if self.wrong_guesses < WRONG_GUESSES_MAX {
            let start = self.start.get_or_insert_with(|| element_start(json, at));
            let start = &json[start.clone()];
            if let Some(end) = guess(json, at + self.part_bytes, self.part_bytes, start) {
                return Split::Perhaps(end);
            }
        }
        self.scan(json, at, element_bytes_max)
    }

    /// The same after [`Split::Perhaps`] proved to be wrong.
    pub(super) fn correct(&mut self, json: &[u8], at: usize, element_bytes_max: usize) -> Split {
        self.wrong_guesses += 1;
        self.scan(json, at, element_bytes_max)
    }

    /// The first comma of the array from `part_bytes` behind `at` on, or the array's end. Looks at each byte.
    fn scan(&self, json: &[u8], at: usize, element_bytes_max: usize) -> Split {
        let from = at + self.part_bytes;
        let until = from.saturating_add(element_bytes_max);
        let (mut depth, mut comma, mut next) = (1_usize, None, at);
        while let Some(byte) = json.get(next) {
            if next > until {
                // The one that is being looked at is at least so long.
                return comma.map_or(Split::LongElement, Split::At);
            }
            match byte {
                b'"' => next = string_end(json, next + 1, until),
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => {
                    let is_end = *byte == b']' && next + 1 == json.len();
                    return if is_end {
                        Split::At(next)
                    } else {
                        Split::Nowhere
                    };
                }
                b'}' | b']' => depth -= 1,
                b',' if depth == 1 && next >= from => return Split::At(next),
                b',' if depth == 1 => comma = Some(next),
                _ => {}
            }
            next += 1;
        }
        Split::Nowhere
    }
}

/// The object behind `at` up to the end of its first key; empty where there is none.
fn element_start(json: &[u8], at: usize) -> Range<usize> {
    let at = at + lines::leading_whitespace(&json[at..]);
    let head = &json[at..json.len().min(at + START_BYTES_MAX)];
    let key = memchr(b'"', head).filter(|_| head.starts_with(b"{"));
    let end = key.and_then(|key| Some(key + 1 + memchr(b'"', &head[key + 1..])?));
    end.map_or(at..at, |end| at..at + end + 1)
}

/// The comma before the next object that begins like this, if it is within so many bytes.
fn guess(json: &[u8], from: usize, within: usize, start: &[u8]) -> Option<usize> {
    let to = json.len().min(from + within);
    if start.is_empty() || from >= to {
        return None;
    }
    let found = from + memmem::find(&json[from..to], start)?;
    let before = lines::trim(json, from, found);
    let comma = (before.offset + before.len).checked_sub(1)? as usize;
    (comma >= from && json[comma] == b',').then_some(comma)
}

/// The offset of the quotation mark that ends a string, or one behind `until`.
fn string_end(json: &[u8], mut at: usize, until: usize) -> usize {
    while at <= until {
        match memchr2(b'"', b'\\', json.get(at..).unwrap_or_default()) {
            None => return json.len(),
            Some(found) if json[at + found] == b'"' => return at + found,
            Some(found) => at += found + 2,
        }
    }
    at
}
