//! Where in a record a value is, as a `JSONPath` (RFC 9535).

use std::borrow::Cow;

use simd_json::Node;

/// The path to a value, as a linked list on the stack of the walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'p> {
    /// The path of the enclosing container; `None` for the record itself.
    pub(super) parent: Option<&'p Path<'p>>,
    pub(super) container: Container,
    /// The position in the container: the node index of the key, or the index of the array element.
    pub(super) step: usize,
}

/// How a container addresses its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// By names that the model declares.
    Object,
    /// By names that the client chose.
    Map,
    /// By index.
    Array,
}

/// Maximum characters shown of client-chosen text; longer text is truncated and ends with `…`.
pub(super) const SHOWN_CHARS_MAX: usize = 64;

impl<'p> Path<'p> {
    /// The path of the record itself.
    pub(super) const RECORD: Self = Self {
        parent: None,
        container: Container::Object,
        step: 0,
    };

    /// A path into a container; `step` must be set for each value.
    #[inline]
    pub(super) fn within(&'p self, container: Container) -> Self {
        Self {
            parent: Some(self),
            container,
            step: 0,
        }
    }

    /// The number of enclosing containers.
    pub(super) fn depth(&self) -> usize {
        std::iter::successors(self.parent, |path| path.parent).count()
    }

    /// As text; `nodes` are the nodes of the record.
    pub(super) fn text(&self, nodes: &[Node<'_>]) -> String {
        let Some(parent) = self.parent else {
            return String::from("$");
        };
        let mut text = parent.text(nodes);
        let key = match nodes.get(self.step) {
            Some(Node::String(key)) => key,
            _ => "",
        };
        match self.container {
            Container::Object => push_member(&mut text, key),
            Container::Map => push_member(&mut text, &shown(key)),
            Container::Array => text.extend(["[", &self.step.to_string(), "]"]),
        }
        text
    }
}

/// Truncates client-chosen text to [`SHOWN_CHARS_MAX`].
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// The path of a (nested) member of the record.
pub(super) fn of_members(names: &[String]) -> String {
    let mut path = String::from("$");
    for name in names {
        push_member(&mut path, name);
    }
    path
}

/// Appends `.name` if that is an ASCII `member-name-shorthand` (RFC 9535 section 2.5.1), otherwise the
/// normalized form of section 2.7.
pub(super) fn push_member(path: &mut String, name: &str) {
    let is_plain = name
        .bytes()
        .all(|it| it.is_ascii_alphanumeric() || it == b'_')
        && name.starts_with(|first: char| !first.is_ascii_digit());
    if is_plain {
        path.push('.');
        path.push_str(name);
        return;
    }
    path.push_str("['");
    for char in name.chars() {
        match char {
            '\'' => path.push_str("\\'"),
            '\\' => path.push_str("\\\\"),
            '\u{8}' => path.push_str("\\b"),
            '\u{c}' => path.push_str("\\f"),
            '\n' => path.push_str("\\n"),
            '\r' => path.push_str("\\r"),
            '\t' => path.push_str("\\t"),
            '\0'..='\u{1f}' => {
                path.push_str(if char < '\u{10}' { "\\u000" } else { "\\u001" });
                path.extend(char::from_digit(u32::from(char) % 16, 16));
            }
            _ => path.push(char),
        }
    }
    path.push_str("']");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        // {"items":[…,{"price":…}]}
        let nodes = ["", "items", "", "", "price", ""].map(Node::String);
        let step = |path, step| Path { step, ..path };
        let items = step(Path::RECORD.within(Container::Object), 1);
        let third = step(items.within(Container::Array), 3);
        let price = step(third.within(Container::Map), 4);
        assert_eq!(Path::RECORD.text(&nodes), "$");
        assert_eq!(price.text(&nodes), "$.items[3].price");
        assert_eq!((Path::RECORD.depth(), price.depth()), (0, 3));
        let names = ["a".to_owned(), "b c".to_owned(), "d".to_owned()];
        assert_eq!(of_members(&names), "$.a['b c'].d");
    }

    #[test]
    fn names() {
        let longest = "é".repeat(SHOWN_CHARS_MAX);
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
        let of = |container, name| Path::RECORD.within(container).text(&[Node::String(name)]);
        for (name, expected) in cases {
            assert_eq!(of(Container::Object, name), expected);
            assert_eq!(of(Container::Map, name), expected);
        }
        let longer = format!("{longest}x");
        assert_eq!(of(Container::Map, &longer), format!("$['{longest}…']"));
        assert_eq!(of(Container::Object, &longer), format!("$['{longer}']"));
    }
}
