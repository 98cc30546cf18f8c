//! A file as text, and which of its characters are code.

/// A file that is checked.
pub(crate) struct Source {
    /// Relative to the root of the repository, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// The same lines with comments and the contents of literals left out; empty if this is not Rust.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: String) -> Self {
        let code = if has_extension(path, "rs") {
            code(&text)
        } else {
            String::new()
        };
        Self {
            path: path.to_owned(),
            text,
            code,
        }
    }

    /// Whether it is one of the crate's own sources.
    pub(crate) fn is_in_crate(&self) -> bool {
        self.path.starts_with("src/")
    }

    /// Whether it has nothing but unit tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The code before the module of unit tests, which is the last thing in a file.
    pub(crate) fn code_but_tests(&self) -> &str {
        let tests = self.code.find("#[cfg(test)]\nmod tests {");
        &self.code[..tests.unwrap_or(self.code.len())]
    }

    /// Whether it is documentation of its own.
    pub(crate) fn is_markdown(&self) -> bool {
        has_extension(&self.path, "md")
    }
}

fn has_extension(path: &str, extension: &str) -> bool {
    std::path::Path::new(path)
        .extension()
        .is_some_and(|it| it == extension)
}

/// Leaves out comments and the contents of strings and characters, and keeps every line feed.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| literal(rest));
        if let Some(length) = skipped {
            code.extend(rest[..length].chars().filter(|it| *it == '\n'));
            rest = &rest[length..];
            continue;
        }
        code.push(first);
        rest = &rest[first.len_utf8()..];
        if first == '_' || first.is_alphanumeric() {
            // The rest of the word: the `r` of `for` begins no raw string.
            let word = |it: char| it == '_' || it.is_alphanumeric();
            if !raw_prefix(first, rest) {
                let end = rest.find(|it| !word(it)).unwrap_or(rest.len());
                code.push_str(&rest[..end]);
                rest = &rest[end..];
            }
        }
    }
    code
}

/// Whether a word that begins so is the prefix of a literal: `r"`, `r#"`, `b"`, `br#"`, `c"`.
fn raw_prefix(first: char, rest: &str) -> bool {
    matches!(first, 'r' | 'b' | 'c') && rest.starts_with(['"', '#', '\'', 'r'])
}

/// The length of the comment that begins here.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let inner = text.strip_prefix("/*")?;
    Some(inner.find("*/").map_or(text.len(), |end| end + 4))
}

/// The length of the string or character that begins here, without a prefix of letters.
fn literal(text: &str) -> Option<usize> {
    let hashes = text.len() - text.trim_start_matches('#').len();
    if text[hashes..].starts_with('"') && hashes > 0 {
        let end = format!("\"{}", "#".repeat(hashes));
        let inner = &text[hashes + 1..];
        return Some(
            inner
                .find(&end)
                .map_or(text.len(), |at| hashes + 1 + at + end.len()),
        );
    }
    if text.starts_with('"') {
        return Some(quoted(text, '"'));
    }
    // A lifetime has no second quote right behind its first character.
    let mut inner = text.strip_prefix('\'')?.chars();
    let first = inner.next()?;
    (first == '\\' || inner.next() == Some('\'')).then(|| quoted(text, '\''))
}

/// The length of a literal whose quotes a backslash escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if character == quote && !escaped {
            return at + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    text.len()
}

#[test]
fn comments_and_literals_are_left_out() {
    for (text, left) in [
        ("a // b\nc", "a \nc"),
        ("a /* b\n */ c", "a \n c"),
        (r#"f("a \" // b", x)"#, "f(, x)"),
        (r#"f('"', b'\'', y)"#, "f(, b, y)"),
        ("f(r#\"a \"b\" c\"#, z)", "f(r, z)"),
        (
            "f(br\"a\", for_ever::<'a>(\"b\"))",
            "f(br, for_ever::<'a>())",
        ),
        ("#[x(\"y\")]\n#![z]", "#[x()]\n#![z]"),
    ] {
        assert_eq!(code(text), left, "{text}");
    }
}
