//! The beginning of a text from outside, fit for a message.

/// The first `chars_max` characters of `text`, and `…` where there are more; what is no UTF-8, can't be
/// seen or could steer a terminal is escaped as Rust escapes it.
pub(crate) fn excerpt(text: &[u8], chars_max: usize) -> String {
    // A character has at most 4 bytes: one that is cut here is beyond those shown.
    let head = &text[..text.len().min(4 * (chars_max + 1))];
    let head = String::from_utf8_lossy(head);
    let mut excerpt = String::new();
    for char in head.chars().take(chars_max) {
        match char {
            // As they were written: JSON is full of them.
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
    use super::excerpt;

    #[test]
    fn what_is_shown_is_short_and_harmless() {
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
}
