//! Where in a record a value is, as a `JSONPath` (RFC 9535).

use std::fmt::{self, Write as _};

/// A place in a record: the way to it, on the stack of whoever walks there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    pub(super) step: Step<'p>,
    /// The containers around it, the record included.
    pub(super) depth: usize,
}

/// One step from a container to what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'p> {
    /// To the record itself.
    Record,
    /// To a member that the model declares.
    Field(&'p str),
    /// To a member that the client named: shown up to [`KEY_CHARS_MAX`] characters.
    Key(&'p str),
    /// To an element, 0 for the first.
    Element(usize),
}

/// Characters that are shown of a name that the client chose; a longer one ends with `…`.
pub(super) const KEY_CHARS_MAX: usize = 64;

impl Path<'_> {
    /// The record.
    pub(super) const RECORD: Self = Self {
        parent: None,
        step: Step::Record,
        depth: 0,
    };

    /// One step further.
    #[inline]
    pub(super) fn to<'c>(&'c self, step: Step<'c>) -> Path<'c> {
        Path {
            parent: Some(self),
            step,
            depth: self.depth + 1,
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Record => f.write_char('$'),
            Step::Field(name) => member(f, name),
            Step::Element(index) => write!(f, "[{index}]"),
            Step::Key(name) => match name.char_indices().nth(KEY_CHARS_MAX) {
                None => member(f, name),
                Some((end, _)) => member(f, &format!("{}…", &name[..end])),
            },
        }
    }
}

/// The path of a member of the record, name by name.
pub(super) fn of_members(names: &[String]) -> String {
    let mut path = Path::RECORD.to_string();
    for name in names {
        path += &Path::RECORD.to(Step::Field(name)).to_string()[1..];
    }
    path
}

/// `.name` where that is a `member-name-shorthand` of RFC 9535 section 2.5.1 in ASCII, else the
/// normalised form of section 2.7.
fn member(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let is_plain = name
        .bytes()
        .all(|it| it.is_ascii_alphanumeric() || it == b'_')
        && name.starts_with(|first: char| !first.is_ascii_digit());
    if is_plain {
        return write!(f, ".{name}");
    }
    f.write_str("['")?;
    for char in name.chars() {
        match char {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\0'..='\u{1f}' => write!(f, "\\u{:04x}", u32::from(char))?,
            _ => f.write_char(char)?,
        }
    }
    f.write_str("']")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        let items = Path::RECORD.to(Step::Field("items"));
        let third = items.to(Step::Element(3));
        let price = third.to(Step::Field("price"));
        assert_eq!(Path::RECORD.to_string(), "$");
        assert_eq!(price.to_string(), "$.items[3].price");
        assert_eq!(price.depth, 3);
        let names = ["a".to_owned(), "b c".to_owned(), "d".to_owned()];
        assert_eq!(of_members(&names), "$.a['b c'].d");
    }

    #[test]
    fn names() {
        let longest = "é".repeat(KEY_CHARS_MAX);
        let cases = [
            ("_a9", "$._a9".to_owned()),
            ("", "$['']".to_owned()),
            ("9a", "$['9a']".to_owned()),
            ("a.b", "$['a.b']".to_owned()),
            ("user-id", "$['user-id']".to_owned()),
            ("naïve", "$['naïve']".to_owned()),
            ("it's \\ \"", r#"$['it\'s \\ "']"#.to_owned()),
            (
                "\u{8}\t\n\u{c}\r\0\u{1f}",
                r"$['\b\t\n\f\r\u0000\u001f']".to_owned(),
            ),
            (&longest, format!("$['{longest}']")),
        ];
        for (name, expected) in cases {
            assert_eq!(Path::RECORD.to(Step::Key(name)).to_string(), expected);
            assert_eq!(Path::RECORD.to(Step::Field(name)).to_string(), expected);
        }
        let longer = format!("{longest}x");
        let cut = format!("$['{longest}…']");
        assert_eq!(Path::RECORD.to(Step::Key(&longer)).to_string(), cut);
        let whole = format!("$['{longer}']");
        assert_eq!(Path::RECORD.to(Step::Field(&longer)).to_string(), whole);
    }
}
