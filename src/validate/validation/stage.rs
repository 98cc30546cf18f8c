//! How far a validation is.

use super::{Format, Span, Splitter, SyntaxCheck, syntax};

#[derive(Debug)]
pub(super) enum Stage {
    Json,
    /// In the array `json`; the next element is at `at`.
    Elements {
        json: Span,
        at: usize,
        splitter: Splitter,
    },
    /// The next line is at this offset.
    Lines(usize),
    /// Checks the syntax of `json`, of which `utf8_len` bytes are UTF-8.
    Syntax {
        json: Span,
        utf8_len: usize,
        check: SyntaxCheck,
        aim: Aim,
    },
    Done,
}

/// Why the syntax is checked.
#[derive(Debug)]
pub(super) enum Aim {
    /// There is an error.
    Error,
    /// The text is too long for a record, and not an object.
    Text,
    /// The element at `at` is too long for a record; an element of the array follows.
    Element { at: usize, splitter: Splitter },
}

impl Stage {
    pub(super) fn of(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Ndjson => Self::Lines(0),
        }
    }

    /// Behind the separator at `separator`.
    pub(super) fn elements(json: Span, separator: usize, splitter: Splitter) -> Self {
        Self::Elements {
            json,
            at: separator + 1,
            splitter,
        }
    }

    pub(super) fn syntax(json: &[u8], text: Span, check: SyntaxCheck, aim: Aim) -> Self {
        Self::Syntax {
            json: text,
            utf8_len: syntax::utf8_len(json),
            check,
            aim,
        }
    }
}
