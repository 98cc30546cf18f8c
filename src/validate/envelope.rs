//! What a record carries beside its bytes: its partition key and its timestamp, taken from its
//! members. Of a member that comes twice the last counts, as it does for most readers of JSON.

use simd_json::{Node, StaticNode};

use super::{
    document::{Cursor, Value},
    fault::{Cause, Causes, FaultCode},
    flaw, path,
    text::{
        integer::{self, Judged},
        time,
    },
};
use crate::model::{Op, Rules};

/// A record's partition key, as its bytes; `None` where it is null or absent. An object or an array
/// is a fault, unless the model declares a type for it and so has told that already.
pub(super) fn key<'a>(
    record: &Value<'a>,
    names: &[String],
    rules: &Rules,
    causes: &mut Causes,
) -> Option<&'a [u8]> {
    let mut member = Member::find(record, names)?;
    match member.node() {
        Node::String(text) => Some(text.as_bytes()),
        Node::Static(StaticNode::Null) => None,
        Node::Static(_) => Some(member.json()),
        Node::Object { .. } | Node::Array { .. } => {
            let told = declared(rules, names).is_some_and(|op| !is_container(op));
            if !told {
                let expected = "a string, a number or a boolean as the partition key";
                member.fault(names, FaultCode::WrongType, expected, "", causes);
            }
            None
        }
    }
}

/// A record's time in milliseconds since 1970-01-01T00:00Z; `None` where it is null or absent. What
/// is no time is a fault, unless the model declares a type of times and so has told that already.
pub(super) fn timestamp_ms(
    record: &Value<'_>,
    names: &[String],
    rules: &Rules,
    causes: &mut Causes,
) -> Option<i64> {
    let mut member = Member::find(record, names)?;
    let ms = match member.node() {
        Node::Static(StaticNode::Null) => return None,
        Node::String(text) => of_text(text.as_bytes(), || declared(rules, names)),
        Node::Static(StaticNode::I64(ms)) => Ok(ms),
        Node::Static(StaticNode::U64(ms)) => i64::try_from(ms).map_err(|_| OUT_OF_RANGE),
        Node::Static(StaticNode::Bool(_)) | Node::Object { .. } | Node::Array { .. } => {
            Err((FaultCode::WrongType, ""))
        }
        Node::Static(_) => match integer::judge(member.json(), true, 64) {
            Judged::NoInteger => {
                Err((FaultCode::WrongType, ": not a whole number of milliseconds"))
            }
            Judged::Fits | Judged::OutOfRange => Err(OUT_OF_RANGE),
        },
    };
    let (code, why) = match ms {
        Ok(ms @ 0..) => return Some(ms),
        Ok(_) => OUT_OF_RANGE,
        Err(wrong) => wrong,
    };
    let told = code != FaultCode::OutOfRange
        && matches!(
            declared(rules, names),
            Some(Op::Date | Op::DateTime | Op::Integer { .. })
        );
    if !told {
        let expected = "a timestamp such as 2026-11-24T08:00:00Z or milliseconds since 1970";
        member.fault(names, code, expected, why, causes);
    }
    None
}

/// Kafka takes no negative timestamp (`ProducerRecord`).
const OUT_OF_RANGE: (FaultCode, &str) = (
    FaultCode::OutOfRange,
    ": out of range, must be 1970 or later and fit 64 bits",
);

/// RFC 3339; where the model declares as much, a date or an integer.
fn of_text(
    text: &[u8],
    declared: impl FnOnce() -> Option<Op>,
) -> Result<i64, (FaultCode, &'static str)> {
    let misspelt = match time::date_time(text) {
        Ok(time) => return Ok(time.unix_ms()),
        Err(misspelt) => misspelt,
    };
    match declared() {
        Some(Op::Date) => time::date(text)
            .map(time::Date::unix_ms)
            .map_err(|_| (FaultCode::BadFormat, "")),
        Some(Op::Integer { .. }) => match integer::judge(text, true, 64) {
            Judged::NoInteger => Err((FaultCode::BadFormat, "")),
            Judged::Fits | Judged::OutOfRange => {
                let ms = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                ms.ok_or(OUT_OF_RANGE)
            }
        },
        _ => Err((FaultCode::BadFormat, misspelt)),
    }
}

fn declared(rules: &Rules, names: &[String]) -> Option<Op> {
    rules.program()?.declared(names)
}

/// Whether a value of this type may be an object or an array.
fn is_container(op: Op) -> bool {
    matches!(
        op,
        Op::Any | Op::Array(_) | Op::Map { .. } | Op::Object(_) | Op::Tuple { .. } | Op::Json
    )
}

/// A member of a record, or of an object in it.
struct Member<'a> {
    nodes: &'a [Node<'a>],
    cursor: Cursor<'a>,
    at: usize,
    /// Containers around it.
    depth: usize,
}

impl<'a> Member<'a> {
    fn find(record: &Value<'a>, names: &[String]) -> Option<Self> {
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

    /// A scalar's own text.
    fn json(&mut self) -> &'a [u8] {
        self.cursor.number(self.at, self.depth)
    }

    #[cold]
    fn fault(
        mut self,
        names: &[String],
        code: FaultCode,
        expected: &str,
        why: &str,
        causes: &mut Causes,
    ) {
        if !causes.count() {
            return;
        }
        let json = match self.node() {
            Node::Static(_) => self.json(),
            Node::String(_) | Node::Object { .. } | Node::Array { .. } => &[],
        };
        let found = flaw::value(self.node(), json);
        causes.tell(Cause {
            offset: self.cursor.offset(self.at, self.depth),
            path: path::of_members(names),
            code,
            expected: None,
            message: format!("expected {expected}, found {found}{why}"),
        });
    }
}

/// The place of the last value of this name in the object at `at`.
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
