//! Header fields for the collector, from a file.

use std::path::Path;

use crate::{
    document::{FileError, read_text},
    http::is_token,
};

/// The longest file, in bytes.
const BYTES_MAX: u64 = 64 << 10;

/// Why there are none. The operator's fault; it never shows a value, which may be a credential.
#[derive(Debug, thiserror::Error)]
pub enum HeadersError {
    /// It has no content.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line, from 1.
    #[error("line {0} is not a header field such as \"Authorization: Bearer …\"")]
    Line(usize),
}

/// The header fields in a file: one a line, without empty lines and those that begin with `#`.
pub(super) fn read(path: &Path) -> Result<Vec<(String, String)>, HeadersError> {
    parse(&read_text(path, BYTES_MAX)?)
}

fn parse(text: &str) -> Result<Vec<(String, String)>, HeadersError> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let fields = lines.map(|(index, line)| field(line).ok_or(HeadersError::Line(index + 1)));
    fields.collect()
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim();
    let is_visible = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
    let is_good = is_token(name.as_bytes()) && !value.is_empty() && value.bytes().all(is_visible);
    is_good.then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_field() {
        let fields = parse("# for the collector\n\n Authorization: Bearer a:b \nx-team:edge\r\n");
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            fields.expect("good"),
            [
                field("Authorization", "Bearer a:b"),
                field("x-team", "edge")
            ]
        );
        for (text, line) in [
            ("secret", 1),
            ("\nAuthorization:", 2),
            ("a b: c", 1),
            ("a: \u{e9}", 1),
        ] {
            let error = parse(text).expect_err("bad");
            assert!(
                matches!(error, HeadersError::Line(at) if at == line),
                "{text}"
            );
            assert!(!error.to_string().contains("secret"));
        }
    }
}
