//! TOML and `ClickHouse`'s type language, written so that any name survives.

use std::fmt::Write as _;

use toml_writer::{ToTomlKey as _, ToTomlValue as _, TomlKeyBuilder, TomlStringBuilder};

/// A TOML key: bare where it can be (TOML 1.0, "Keys"), else quoted.
pub(crate) fn key(name: &str) -> String {
    let key = TomlKeyBuilder::new(name);
    let key = key.as_unquoted().unwrap_or_else(|| key.as_basic());
    key.to_toml_key()
}

/// A TOML basic string (TOML 1.0, "String"), on one line.
pub(crate) fn string(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

/// A comment of TOML, a line for each line of the text. Control characters, which TOML has not
/// even in comments, are shown by their escapes.
pub(crate) fn comment(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let line: String = line
            .chars()
            .flat_map(|it| {
                if it.is_control() {
                    it.escape_default().collect::<Vec<_>>()
                } else {
                    vec![it]
                }
            })
            .collect();
        let _ = writeln!(lines, "{}", format!("# {line}").trim_end());
    }
    lines
}

/// A name in a `ClickHouse` type, such as that of a tuple's element: in backticks unless it is an
/// identifier.
pub(crate) fn name(name: &str) -> String {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.bytes().next().is_some_and(is_start) && name.bytes().all(is_inside) {
        name.to_owned()
    } else {
        quoted(name, '`')
    }
}

/// A path in a `ClickHouse` `JSON` type: names between dots, in backticks where one of them is no
/// identifier or would be taken for `SKIP`.
pub(crate) fn path(path: &str) -> String {
    let is_plain = |part: &str| name(part) == part;
    if path.split('.').all(is_plain) && !path.eq_ignore_ascii_case("SKIP") {
        path.to_owned()
    } else {
        quoted(path, '`')
    }
}

/// A text in a `ClickHouse` type, such as the name of an enum's member.
pub(crate) fn literal(text: &str) -> String {
    quoted(text, '\'')
}

fn quoted(text: &str, quote: char) -> String {
    let mut quoted = String::from(quote);
    for character in text.chars() {
        if character == quote || character == '\\' {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push(quote);
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (text, written) in [
            ("user-id", "user-id"),
            ("1", "1"),
            ("", "\"\""),
            ("a.b", "\"a.b\""),
            ("naïve", "\"naïve\""),
            ("say \"hi\"\\", r#""say \"hi\"\\""#),
            ("\0\u{7f}\n", r#""\u0000\u007F\n""#),
        ] {
            assert_eq!(key(text), written);
        }
        assert_eq!(name("zip_1"), "zip_1");
        assert_eq!(name("1zip"), "`1zip`");
        assert_eq!(name("a`b\\"), "`a\\`b\\\\`");
        assert_eq!(path("a.b_2"), "a.b_2");
        assert_eq!(path("a-b.c"), "`a-b.c`");
        assert_eq!(path("Skip"), "`Skip`");
        assert_eq!(literal("it's"), "'it\\'s'");
    }

    proptest! {
        #[test]
        fn toml_reads_back_what_was_written(
            name in any::<String>(),
            text in any::<String>(),
            said in any::<String>(),
        ) {
            let file = format!("{}{} = {}\n", comment(&said), key(&name), string(&text));
            let read: toml::Table = file.parse().expect("it is TOML");
            prop_assert_eq!(read.get(&name).and_then(toml::Value::as_str), Some(&*text));
            prop_assert_eq!(read.len(), 1);
        }
    }
}
