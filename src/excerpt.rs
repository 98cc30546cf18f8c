//! Safe excerpts of external text for messages.

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
    use super::excerpt;

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
}
