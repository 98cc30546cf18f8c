//! The partition key and the timestamp of a record, read from its fields. If a key is duplicated, the
//! last value counts, as in most JSON parsers.

use simd_json::{Node, StaticNode};

use super::{
    document::{JsonValue, NodeCursor},
    error::{ErrorCode, RecordError, RecordErrors},
    mismatch, path,
    text::{
        integer::{self, IntegerCheck},
        time,
    },
};
use crate::model::{Op, Rules};

/// The partition key of a record, as bytes; `None` if it is null or absent. An object or an array is an
/// error; it is not reported again if the declared type of the field already rejects it.
pub(super) fn key<'a>(
    record: &JsonValue<'a>,
    names: &[String],
    rules: &Rules,
    errors: &mut RecordErrors,
) -> Option<&'a [u8]> {
    let mut member = Member::find(record, names)?;
    match member.node() {
        Node::String(text) => Some(text.as_bytes()),
        Node::Static(StaticNode::Null) => None,
        Node::Static(_) => Some(member.json()),
        Node::Object { .. } | Node::Array { .. } => {
            let is_reported = declared(rules, names).is_some_and(|op| !is_container(op));
            if !is_reported {
                let expected = "a string, a number or a boolean as the partition key";
                member.report(names, ErrorCode::WrongType, expected, "", errors);
            }
            None
        }
    }
}

/// The timestamp of a record as Unix time in milliseconds; `None` if it is null or absent. An invalid
/// timestamp is an error; it is not reported again if the declared type of the field already rejects it.
pub(super) fn timestamp_ms(
    record: &JsonValue<'_>,
    names: &[String],
    rules: &Rules,
    errors: &mut RecordErrors,
) -> Option<i64> {
    let mut member = Member::find(record, names)?;
    let ms = match member.node() {
        Node::Static(StaticNode::Null) => return None,
        Node::String(text) => parse_timestamp(text.as_bytes(), || declared(rules, names)),
        Node::Static(StaticNode::I64(ms)) => Ok(ms),
        Node::Static(StaticNode::U64(ms)) => i64::try_from(ms).map_err(|_| OUT_OF_RANGE),
        Node::Static(StaticNode::Bool(_)) | Node::Object { .. } | Node::Array { .. } => {
            Err((ErrorCode::WrongType, ""))
        }
        Node::Static(_) => match integer::check(member.json(), true, 64) {
            IntegerCheck::NotAnInteger => {
                Err((ErrorCode::WrongType, ": not a whole number of milliseconds"))
            }
            IntegerCheck::Fits | IntegerCheck::OutOfRange => Err(OUT_OF_RANGE),
        },
    };
    let (code, why) = match ms {
        Ok(ms @ 0..) => return Some(ms),
        Ok(_) => OUT_OF_RANGE,
        Err(invalid) => invalid,
    };
    let is_reported = code != ErrorCode::OutOfRange
        && matches!(
            declared(rules, names),
            Some(Op::Date | Op::DateTime | Op::Integer { .. })
        );
    if !is_reported {
        let expected = "a timestamp such as 2026-11-24T08:00:00Z or milliseconds since 1970";
        member.report(names, code, expected, why, errors);
    }
    None
}

/// Kafka does not accept negative timestamps (`ProducerRecord`).
const OUT_OF_RANGE: (ErrorCode, &str) = (
    ErrorCode::OutOfRange,
    ": out of range, must be 1970 or later and fit 64 bits",
);

/// Parses RFC 3339; also a date or an integer if the field is declared as such.
pub(super) fn parse_timestamp(
    text: &[u8],
    declared: impl FnOnce() -> Option<Op>,
) -> Result<i64, (ErrorCode, &'static str)> {
    let error = match time::date_time(text) {
        Ok(time) => return Ok(time.unix_ms()),
        Err(error) => error,
    };
    match declared() {
        Some(Op::Date) => time::date(text)
            .map(time::Date::unix_ms)
            .map_err(|_| (ErrorCode::BadFormat, "")),
        Some(Op::Integer { .. }) => match integer::check(text, true, 64) {
            IntegerCheck::NotAnInteger => Err((ErrorCode::BadFormat, "")),
            IntegerCheck::Fits | IntegerCheck::OutOfRange => {
                let ms = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                ms.ok_or(OUT_OF_RANGE)
            }
        },
        _ => Err((ErrorCode::BadFormat, error)),
    }
}

pub(super) fn declared(rules: &Rules, names: &[String]) -> Option<Op> {
    rules.program()?.declared(names)
}

/// Whether a value of this type may be an object or an array.
fn is_container(op: Op) -> bool {
    matches!(
        op,
        Op::Any | Op::Array(_) | Op::Map { .. } | Op::Object(_) | Op::Tuple { .. } | Op::Json
    )
}

/// A field of a record, possibly nested.
struct Member<'a> {
    nodes: &'a [Node<'a>],
    cursor: NodeCursor<'a>,
    at: usize,
    /// The number of enclosing containers.
    depth: usize,
}

impl<'a> Member<'a> {
    fn find(record: &JsonValue<'a>, names: &[String]) -> Option<Self> {
        let nodes = record.nodes();
        let mut at = 0;
        for name in names {
            at = last(nodes, at, name)?;
        }
        Some(Self {
            nodes,
            cursor: record.cursor(),
            at,
            depth: names.len(),
        })
    }

    fn node(&self) -> Node<'a> {
        self.nodes[self.at]
    }

    /// The text of a scalar as received.
    fn json(&mut self) -> &'a [u8] {
        self.cursor.number(self.at, self.depth)
    }

    #[cold]
    fn report(
        mut self,
        names: &[String],
        code: ErrorCode,
        expected: &str,
        why: &str,
        errors: &mut RecordErrors,
    ) {
        if !errors.count() {
            return;
        }
        let json = match self.node() {
            Node::Static(_) => self.json(),
            Node::String(_) | Node::Object { .. } | Node::Array { .. } => &[],
        };
        let found = mismatch::describe(self.node(), json);
        errors.report(RecordError {
            offset: self.cursor.offset(self.at, self.depth),
            path: path::of_members(names),
            code,
            expected: None,
            message: format!("expected {expected}, found {found}{why}"),
        });
    }
}

/// The index of the last value with this key in the object at `at`.
fn last(nodes: &[Node<'_>], at: usize, name: &str) -> Option<usize> {
    let Node::Object { count, .. } = nodes[at] else {
        return None;
    };
    let end = at + 1 + count;
    let (mut next, mut found) = (at + 1, None);
    while next < end {
        if matches!(nodes[next], Node::String(key) if key == name) {
            found = Some(next + 1);
        }
        next += 2 + match nodes[next + 1] {
            Node::Object { count, .. } | Node::Array { count, .. } => count,
            Node::String(_) | Node::Static(_) => 0,
        };
    }
    found
}
