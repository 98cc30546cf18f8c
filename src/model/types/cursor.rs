//! The tokens of `ClickHouse`'s type language, one after another.

use super::TypeError;

/// A position in a text: always right after a token, or at the beginning.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The text from a position up to here.
    pub(super) fn since(&self, start: usize) -> &'t str {
        &self.text[start..self.at]
    }

    /// Where the next token starts.
    pub(super) fn next_at(&self) -> usize {
        self.text.len() - self.rest().len()
    }

    /// The first character of the next token.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'t str {
        self.text[self.at..].trim_ascii_start()
    }

    /// Goes past this character if it is next.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        if is_next {
            self.at = self.next_at() + wanted.len_utf8();
        }
        is_next
    }

    /// Goes past this character; `form` shows where it belongs.
    pub(super) fn expect(&mut self, wanted: char, form: &str) -> Result<(), TypeError> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(self.expected(&format!("\"{wanted}\" is expected, as in {form}")))
    }

    /// A letter or `_`, then also digits and `$`.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let is_start = |first: char| first.is_ascii_alphabetic() || first == '_';
        let is_inside = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '$');
        let end = rest.find(|it| !is_inside(it)).unwrap_or(rest.len());
        rest.starts_with(is_start).then(|| {
            self.at = self.next_at() + end;
            &rest[..end]
        })
    }

    /// A whole number; those beyond an `i64` are kept at its ends.
    pub(super) fn number(&mut self) -> Option<i64> {
        let rest = self.rest();
        let digits = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return None;
        }
        let number = &rest[..rest.len() - digits.len() + count];
        self.at = self.next_at() + number.len();
        let end = if number.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        };
        Some(number.parse().unwrap_or(end))
    }

    /// A text between two of `quote`; `None` if the next token is none.
    ///
    /// The quote itself is doubled or follows a `\`. Other escapes are those of `ClickHouse`
    /// but `\x`; what is none stays as it is, as there.
    pub(super) fn quoted(&mut self, quote: char) -> Result<Option<String>, TypeError> {
        let start = self.next_at();
        if !self.take(quote) {
            return Ok(None);
        }
        let mut text = String::new();
        while let Some(character) = self.text[self.at..].chars().next() {
            let escape_at = self.at;
            self.at += character.len_utf8();
            if character == quote {
                if !self.text[self.at..].starts_with(quote) {
                    return Ok(Some(text));
                }
                self.at += quote.len_utf8();
                text.push(quote);
            } else if character == '\\' {
                let Some(escaped) = self.text[self.at..].chars().next() else {
                    break;
                };
                self.at += escaped.len_utf8();
                match escaped {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    '0' => text.push('\0'),
                    'b' => text.push('\x08'),
                    'f' => text.push('\x0c'),
                    'a' => text.push('\x07'),
                    'v' => text.push('\x0b'),
                    'e' => text.push('\x1b'),
                    'x' => {
                        let message = "\"\\x\" is not supported: write the character itself";
                        return Err(self.error(escape_at, message));
                    }
                    '\\' | '\'' | '"' | '`' | '/' => text.push(escaped),
                    other => text.extend(['\\', other]),
                }
            } else {
                text.push(character);
            }
        }
        Err(self.error(start, &format!("the text has no closing {quote}")))
    }

    /// An error that points to the next token, and says what it is.
    pub(super) fn expected(&self, message: &str) -> TypeError {
        let at = self.next_at();
        let found = match self.clone().word() {
            Some(word) => format!(" (not \"{word}\")"),
            None => self.peek().map_or_else(
                || " (the type ends here)".to_owned(),
                |it| format!(" (not {it:?})"),
            ),
        };
        self.error(at, &format!("{message}{found}"))
    }

    /// An error that points to a position.
    pub(super) fn error(&self, at: usize, message: &str) -> TypeError {
        TypeError::new(self.text, at, message)
    }
}
