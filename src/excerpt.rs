//! External text in messages: names of files and fields, what clients and brokers have sent. A terminal shows it
//! and does not act on it.

use std::borrow::Cow;

/// Which line feeds of a text stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineFeeds {
    /// None: the text is part of a line.
    None,
    /// Those before a blank: the lines below the first one of a message are indented, so none looks like another
    /// message.
    Indented,
    /// All: each line was made printable before.
    All,
}

/// The text with what a terminal would act on escaped as in Rust literals: control characters, and those that
/// change the order of others (Unicode's `Bidi_Control`) or end a line.
pub(crate) fn printable(text: &str, kept: LineFeeds) -> Cow<'_, str> {
    let is_kept = |at: usize| match kept {
        LineFeeds::None => false,
        LineFeeds::Indented => text[at + 1..].starts_with(' '),
        LineFeeds::All => true,
    };
    let is_escaped = |(at, char): (usize, char)| match char {
        '\n' => !is_kept(at),
        _ => acts(char),
    };
    let Some((first, _)) = text.char_indices().find(|it| is_escaped(*it)) else {
        return Cow::Borrowed(text);
    };
    let mut escaped = text[..first].to_owned();
    for (at, char) in text[first..].char_indices() {
        if is_escaped((first + at, char)) {
            escaped.extend(char.escape_default());
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}

/// Whether a terminal acts on the character instead of showing it.
pub(crate) fn acts(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The first `chars_max` characters of `text`, with `…` if truncated. Invisible and control characters
/// are escaped as in Rust literals; bytes that are not UTF-8 are replaced with U+FFFD.
pub(crate) fn excerpt(text: &[u8], chars_max: usize) -> String {
    // A character has at most 4 bytes: one that is cut here would not be shown.
    let head = &text[..text.len().min(4 * (chars_max + 1))];
    let head = String::from_utf8_lossy(head);
    let mut excerpt = String::new();
    for char in head.chars().take(chars_max) {
        match char {
            // Not escaped, because they are frequent in JSON.
            '"' | '\'' | '\\' => excerpt.push(char),
            _ => excerpt.extend(char.escape_debug()),
        }
    }
    if head.chars().nth(chars_max).is_some() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_escaped() {
        for (text, chars_max, shown) in [
            ("", 3, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "abc…"),
            ("ééé", 3, "ééé"),
            ("🦀🦀🦀🦀", 3, "🦀🦀🦀…"),
            ("\"'\\", 3, "\"'\\"),
            ("a\n\u{1b}", 9, "a\\n\\u{1b}"),
        ] {
            assert_eq!(excerpt(text.as_bytes(), chars_max), shown, "{text}");
        }
        assert_eq!(excerpt(b"a\xff", 3), "a\u{fffd}");
    }

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        for (text, shown) in [
            ("", ""),
            ("é日本 \"a\\b\"", "é日本 \"a\\b\""),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("\0\t\r\u{7f}", "\\u{0}\\t\\r\\u{7f}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b\u{2028}", "a\\u{202e}b\\u{2028}"),
        ] {
            for kept in [LineFeeds::None, LineFeeds::Indented, LineFeeds::All] {
                assert_eq!(printable(text, kept), shown, "{text:?}");
            }
        }
        let text = "a\nb\n  c\n";
        for (kept, shown) in [
            (LineFeeds::None, "a\\nb\\n  c\\n"),
            (LineFeeds::Indented, "a\\nb\n  c\\n"),
            (LineFeeds::All, text),
        ] {
            assert_eq!(printable(text, kept), shown, "{kept:?}");
        }
    }
}
