//! Why a value does not match its type, and the message for it.

use simd_json::{Node, StaticNode};

use super::{
    error::{ErrorCode, quote},
    path::{SHOWN_CHARS_MAX, shown},
    text::{FormatError, integer},
};
use crate::{
    document::nearest,
    model::{Op, Program},
};

/// Why a value does not match its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypeMismatch {
    /// Another JSON type, or null.
    WrongType,
    /// A JSON number with a fraction or an exponent, where an integer should be.
    NotAnInteger,
    /// A number outside the range of the type.
    OutOfRange,
    /// A string that is not in the format of the type.
    BadFormat(FormatError),
    /// Not a member of the enum.
    NotInEnum,
    /// A string with too many bytes.
    TooLong,
    /// An array of another length.
    WrongLength,
}

/// What was found instead of the expected value.
pub(super) enum FoundValue<'a> {
    /// A value, with its bytes as received.
    Value(Node<'a>, &'a [u8]),
    /// The key of a map entry.
    Key(&'a str),
}

impl TypeMismatch {
    pub(super) fn code(self) -> ErrorCode {
        match self {
            Self::WrongType | Self::NotAnInteger => ErrorCode::WrongType,
            Self::OutOfRange => ErrorCode::OutOfRange,
            Self::BadFormat(_) => ErrorCode::BadFormat,
            Self::NotInEnum => ErrorCode::NotInEnum,
            Self::TooLong => ErrorCode::TooLong,
            Self::WrongLength => ErrorCode::WrongLength,
        }
    }

    /// The message: what was expected, what was found, and why it does not match.
    pub(super) fn message(
        self,
        program: &Program,
        op: Op,
        expected: &str,
        found: &FoundValue<'_>,
        may_suggest: bool,
    ) -> String {
        let role = match found {
            FoundValue::Key(_) => "a key of type ",
            FoundValue::Value(..) => "",
        };
        let example = match (self, example(op)) {
            (Self::BadFormat(_) | Self::WrongType, Some(example)) => format!(" such as {example}"),
            _ => String::new(),
        };
        let found_text = self.found(found);
        let reason = self.reason(program, op, found, may_suggest);
        let expected = shown(expected);
        format!("expected {role}{expected}{example}, found {found_text}{reason}")
    }

    /// Describes what was found. For a string where a string is allowed, only its text.
    fn found(self, found: &FoundValue<'_>) -> String {
        match *found {
            FoundValue::Key(key) => quote(key.as_bytes()),
            FoundValue::Value(Node::String(text), _) if self != Self::WrongType => {
                quote(text.as_bytes())
            }
            FoundValue::Value(node, json) => describe(node, json),
        }
    }

    fn reason(
        self,
        program: &Program,
        op: Op,
        found: &FoundValue<'_>,
        may_suggest: bool,
    ) -> String {
        match self {
            Self::WrongType => String::new(),
            Self::NotAnInteger => ": an integer has no fraction or exponent".to_owned(),
            Self::OutOfRange => format!(": out of range{}", range(program, op)),
            Self::BadFormat(reason) => format!(": {reason}"),
            Self::NotInEnum => {
                let text = match *found {
                    FoundValue::Key(text) | FoundValue::Value(Node::String(text), _)
                        if may_suggest =>
                    {
                        text
                    }
                    FoundValue::Key(_) | FoundValue::Value(..) => "",
                };
                let similar = match op {
                    Op::Enum(index) | Op::Literals(index) => {
                        similar_name(text, program.members(index).names.iter())
                    }
                    _ => None,
                };
                format!(": not a member of the enum{}", suggestion(similar))
            }
            Self::TooLong => {
                let len = match *found {
                    FoundValue::Key(text) | FoundValue::Value(Node::String(text), _) => text.len(),
                    FoundValue::Value(..) => 0,
                };
                format!(": too long, {len} bytes")
            }
            Self::WrongLength => match op {
                Op::Tuple { len, .. } => format!(": the tuple has {len}"),
                _ => String::new(),
            },
        }
    }
}

/// A short description of a value.
pub(super) fn describe(node: Node<'_>, json: &[u8]) -> String {
    match node {
        Node::Object { .. } => "an object".to_owned(),
        Node::Array { len, .. } => match len {
            0 => "an empty array".to_owned(),
            1 => "an array of 1 element".to_owned(),
            _ => format!("an array of {len} elements"),
        },
        Node::String(text) => format!("the string {}", quote(text.as_bytes())),
        Node::Static(StaticNode::Null) => "null".to_owned(),
        Node::Static(StaticNode::Bool(bool)) => bool.to_string(),
        Node::Static(_) => format!("the number {}", number(json)),
    }
}

/// A number as received, truncated if long.
fn number(json: &[u8]) -> String {
    let quoted = quote(json);
    quoted.trim_matches('`').to_owned()
}

/// A valid example, for types whose name does not imply the format.
fn example(op: Op) -> Option<&'static str> {
    Some(match op {
        Op::Date => "2026-11-24",
        Op::DateTime => "2026-11-24T08:00:00Z",
        Op::Uuid => "0198c7a2-4b1e-7d3a-9f00-5e2c8a41b7d6",
        Op::Ipv4 => "192.0.2.1",
        Op::Ipv6 => "2001:db8::1",
        _ => return None,
    })
}

/// The range of the type, after a comma.
fn range(program: &Program, op: Op) -> String {
    match op {
        Op::Integer { signed, bits } => {
            let (min, max) = integer::limits(signed, bits);
            let sign = if signed { "-" } else { "" };
            format!(", {sign}{min} to {max}")
        }
        Op::WholeNumber(index) => {
            let bounds = program.bounds(index);
            match (bounds.minimum, bounds.maximum) {
                (Some(min), Some(max)) => format!(", {min} to {max}"),
                (Some(min), None) => format!(", {min} or more"),
                (None, Some(max)) => format!(", {max} or less"),
                (None, None) => String::new(),
            }
        }
        _ => String::new(),
    }
}

/// The name most similar to a text, if any is similar enough. Only the first [`COMPARED_MAX`] names are
/// compared, and none if the text is too long to be shown in full: this bounds the cost of an error.
pub(super) fn similar_name<'a>(
    text: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        return None;
    }
    let mut names = names.take(COMPARED_MAX);
    let same = names.clone().find(|name| name.eq_ignore_ascii_case(text));
    // Names of less than half or more than twice the length are never similar enough.
    let similar = |name: &&str| 2 * name.len() >= text.len() && name.len() <= 2 * text.len();
    same.or_else(|| nearest(text, names.by_ref().filter(similar)))
}

/// Maximum number of names that a text is compared with.
const COMPARED_MAX: usize = 64;

/// The suggestion at the end of a message.
pub(super) fn suggestion(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| {
        format!("; did you mean {}?", quote(name.as_bytes()))
    })
}
