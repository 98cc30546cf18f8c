//! Why a value does not fit its type, in words.

use simd_json::{Node, StaticNode};

use super::{
    fault::{FaultCode, quote},
    path::{SHOWN_CHARS_MAX, shown},
    text::{Misspelt, integer},
};
use crate::{
    document::nearest,
    model::{Op, Program},
};

/// Why a value does not fit its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Another JSON type, or null.
    WrongType,
    /// A JSON number with a fraction or an exponent, where an integer should be.
    NoInteger,
    /// A number that the type can't hold.
    OutOfRange,
    /// A text that is not written as the type is.
    Misspelt(Misspelt),
    /// No member of the enum.
    NotInEnum,
    /// A string of too many bytes.
    TooLong,
    /// An array of another length.
    WrongLength,
}

/// What stands in the value's place.
pub(super) enum Found<'a> {
    /// A value, with the bytes of it that the client sent.
    Value(Node<'a>, &'a [u8]),
    /// A map's key.
    Key(&'a str),
}

impl Flaw {
    pub(super) fn code(self) -> FaultCode {
        match self {
            Self::WrongType | Self::NoInteger => FaultCode::WrongType,
            Self::OutOfRange => FaultCode::OutOfRange,
            Self::Misspelt(_) => FaultCode::BadFormat,
            Self::NotInEnum => FaultCode::NotInEnum,
            Self::TooLong => FaultCode::TooLong,
            Self::WrongLength => FaultCode::WrongLength,
        }
    }

    /// What was expected, what was found, and what is wrong with that.
    pub(super) fn message(
        self,
        program: &Program,
        op: Op,
        expected: &str,
        found: &Found<'_>,
        may_guess: bool,
    ) -> String {
        let role = match found {
            Found::Key(_) => "a key of type ",
            Found::Value(..) => "",
        };
        let example = match (self, example(op)) {
            (Self::Misspelt(_) | Self::WrongType, Some(example)) => format!(" such as {example}"),
            _ => String::new(),
        };
        let what = self.found(found);
        let why = self.why(program, op, found, may_guess);
        let expected = shown(expected);
        format!("expected {role}{expected}{example}, found {what}{why}")
    }

    /// What was found. A text that is of the right JSON type is not told to be one.
    fn found(self, found: &Found<'_>) -> String {
        match *found {
            Found::Key(key) => quote(key.as_bytes()),
            Found::Value(Node::String(text), _) if self != Self::WrongType => {
                quote(text.as_bytes())
            }
            Found::Value(node, json) => value(node, json),
        }
    }

    fn why(self, program: &Program, op: Op, found: &Found<'_>, may_guess: bool) -> String {
        match self {
            Self::WrongType => String::new(),
            Self::NoInteger => ": an integer has no fraction or exponent".to_owned(),
            Self::OutOfRange => format!(": out of range{}", range(program, op)),
            Self::Misspelt(why) => format!(": {why}"),
            Self::NotInEnum => {
                let text = match *found {
                    Found::Key(text) | Found::Value(Node::String(text), _) if may_guess => text,
                    Found::Key(_) | Found::Value(..) => "",
                };
                let meant = match op {
                    Op::Enum(index) | Op::Literals(index) => {
                        likely(text, program.members(index).names.iter())
                    }
                    _ => None,
                };
                format!(": not a member of the enum{}", guess(meant))
            }
            Self::TooLong => {
                let len = match *found {
                    Found::Key(text) | Found::Value(Node::String(text), _) => text.len(),
                    Found::Value(..) => 0,
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

/// A value in few words.
pub(super) fn value(node: Node<'_>, json: &[u8]) -> String {
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

/// A number as the client wrote it, which may be long.
fn number(json: &[u8]) -> String {
    let quoted = quote(json);
    quoted.trim_matches('`').to_owned()
}

/// Something that fits, where a type's name does not say how it is written.
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

/// What is in range, after a comma.
fn range(program: &Program, op: Op) -> String {
    match op {
        Op::Integer { signed, bits } => {
            let (least, greatest) = integer::limits(signed, bits);
            let sign = if signed { "-" } else { "" };
            format!(", {sign}{least} to {greatest}")
        }
        Op::WholeNumber(index) => {
            let bounds = program.bounds(index);
            match (bounds.minimum, bounds.maximum) {
                (Some(least), Some(greatest)) => format!(", {least} to {greatest}"),
                (Some(least), None) => format!(", {least} or more"),
                (None, Some(greatest)) => format!(", {greatest} or less"),
                (None, None) => String::new(),
            }
        }
        _ => String::new(),
    }
}

/// Which of some names was meant by a text, if it resembles one. Names beyond the first
/// [`COMPARED_MAX`] are not looked at, and a text that is too long to be shown resembles none, so
/// that a fault does not cost more than it says.
pub(super) fn likely<'a>(
    text: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        return None;
    }
    let mut names = names.take(COMPARED_MAX);
    let same = names.clone().find(|name| name.eq_ignore_ascii_case(text));
    // One of less than half or more than twice the length is not alike anyway.
    let similar = |name: &&str| 2 * name.len() >= text.len() && name.len() <= 2 * text.len();
    same.or_else(|| nearest(text, names.by_ref().filter(similar)))
}

/// Names that a text is compared with.
const COMPARED_MAX: usize = 64;

/// A guess, as the end of a message.
pub(super) fn guess(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |name| {
        format!("; did you mean {}?", quote(name.as_bytes()))
    })
}
