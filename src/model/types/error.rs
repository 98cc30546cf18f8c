//! Errors in the text of a type, with their position.

use std::fmt;

/// A text that is not a valid type: an error of the model's author.
///
/// Displayed on three lines: the message, the part of the text around the error, and a caret
/// below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    /// Bytes of the text before the error; at most its length.
    pub offset: usize,
    /// What is wrong and what is expected.
    pub message: String,
    text: String,
}

impl TypeError {
    pub(super) fn new(text: &str, offset: usize, message: &str) -> Self {
        Self {
            offset,
            // It may quote a part of the text, which may be on several lines.
            message: message.replace(char::is_control, " "),
            text: text.to_owned(),
        }
    }

    /// The line of the error in printable form, and its characters before the error.
    fn excerpt(&self) -> (String, usize) {
        /// Characters shown on either side.
        const AROUND: usize = 36;
        let (before, after) = self.text.split_at(self.offset);
        let before = before.rsplit('\n').next().unwrap_or_default();
        let after = after.split('\n').next().unwrap_or_default();
        let before_chars = before.chars().count();
        let mut shown = String::new();
        if before_chars > AROUND {
            shown.push('…');
        }
        shown.extend(before.chars().skip(before_chars.saturating_sub(AROUND)));
        let caret = shown.chars().count();
        shown.extend(after.chars().take(AROUND));
        if after.chars().count() > AROUND {
            shown.push('…');
        }
        (shown.replace(char::is_control, " "), caret)
    }
}

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, caret) = self.excerpt();
        write!(f, "{}\n    {line}\n    {:caret$}^", self.message, "")
    }
}

impl std::error::Error for TypeError {}
