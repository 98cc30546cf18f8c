//! A record's values against the types of its model: one walk over simd-json's nodes decides, and
//! tells what is wrong where something is.
//!
//! It recurses as deep as the type is, never as deep as the data: a value whose type asks nothing of
//! what is in it is stepped over by the count of its nodes.

use simd_json::{Node, StaticNode};

use super::{
    document::{Cursor, Value},
    fault::{Cause, Causes, FaultCode},
    flaw::{self, Flaw, Found},
    path::{Path, Step},
    text::{
        integer::{self, Judged},
        ip, number, time, uuid,
    },
};
use crate::model::{Op, Program, Shape, UnknownFields};

/// Judges `record`, which is an object. `seen` is scratch, empty before and after.
pub(super) fn judge(
    record: &Value<'_>,
    program: &Program,
    seen: &mut Vec<u64>,
    causes: &mut Causes,
) {
    let mut walk = Walk {
        program,
        nodes: record.nodes(),
        cursor: record.cursor(),
        seen,
        causes,
    };
    walk.object(0, program.root(), &Path::RECORD);
}

struct Walk<'w, 'a> {
    program: &'w Program,
    /// The record's.
    nodes: &'a [Node<'a>],
    cursor: Cursor<'a>,
    /// A bit for each field of each object around: set once the field is met.
    seen: &'w mut Vec<u64>,
    causes: &'w mut Causes,
}

impl<'a> Walk<'_, 'a> {
    /// Judges the value at `at`, and returns the place of the node behind it.
    #[inline]
    fn value(&mut self, at: usize, index: u32, path: &Path<'_>) -> usize {
        let instruction = self.program.instruction(index);
        let node = self.nodes[at];
        let verdict = match node {
            Node::String(text) => self.text(instruction.op, text),
            Node::Static(StaticNode::Null) if instruction.nullable => Ok(()),
            Node::Static(scalar) => self.scalar(instruction.op, scalar, at, path),
            Node::Object { .. } => match instruction.op {
                Op::Object(shape) => return self.object(at, shape, path),
                Op::Map { key, value } => return self.map(at, key, value, path),
                Op::Json | Op::Any => Ok(()),
                _ => Err(Flaw::WrongType),
            },
            Node::Array { len, .. } => match instruction.op {
                Op::Array(element) => return self.array(at, element, path),
                Op::Tuple {
                    first,
                    len: expected,
                } => {
                    if len != expected {
                        self.fault(at, index, path, Flaw::WrongLength);
                    }
                    return self.tuple(at, first, expected, path);
                }
                Op::Any => Ok(()),
                _ => Err(Flaw::WrongType),
            },
        };
        if let Err(flaw) = verdict {
            self.fault(at, index, path, flaw);
        }
        self.after(at)
    }

    /// The place of the node behind the value at `at`.
    #[inline]
    fn after(&self, at: usize) -> usize {
        match self.nodes[at] {
            Node::Object { count, .. } | Node::Array { count, .. } => at + 1 + count,
            Node::String(_) | Node::Static(_) => at + 1,
        }
    }

    fn object(&mut self, at: usize, shape: u32, path: &Path<'_>) -> usize {
        let program = self.program;
        let shape = program.shape(shape);
        let end = self.after(at);
        let seen = self.seen.len();
        self.seen.resize(seen + shape.required.len(), 0);
        let (mut next, mut expected) = (at + 1, 0);
        while next < end {
            let key = self.key(next);
            if let Some(field) = shape.names.find(key, expected) {
                expected = field + 1;
                self.seen[seen + field / 64] |= 1 << (field % 64);
                let member = path.to(Step::Field(key));
                next = self.value(next + 1, shape.fields[field], &member);
            } else {
                if shape.unknown_fields == UnknownFields::Reject {
                    self.unknown(next, key, shape, path);
                }
                next = self.after(next + 1);
            }
        }
        let absent = |(required, seen): (&u64, &u64)| required & !seen != 0;
        if shape.required.iter().zip(&self.seen[seen..]).any(absent) {
            self.missing(at, seen, shape, path);
        }
        self.seen.truncate(seen);
        end
    }

    fn map(&mut self, at: usize, key_type: u32, value_type: u32, path: &Path<'_>) -> usize {
        let end = self.after(at);
        let mut next = at + 1;
        while next < end {
            let key = self.key(next);
            let entry = path.to(Step::Key(key));
            if let Err(flaw) = self.map_key(self.program.instruction(key_type).op, key) {
                self.fault_of_key(next, key_type, &entry, flaw);
            }
            next = self.value(next + 1, value_type, &entry);
        }
        end
    }

    fn array(&mut self, at: usize, element: u32, path: &Path<'_>) -> usize {
        let end = self.after(at);
        let (mut next, mut index) = (at + 1, 0);
        while next < end {
            next = self.value(next, element, &path.to(Step::Element(index)));
            index += 1;
        }
        end
    }

    /// Judges as many elements as there are and should be.
    fn tuple(&mut self, at: usize, first: u32, len: usize, path: &Path<'_>) -> usize {
        let end = self.after(at);
        let mut next = at + 1;
        let program = self.program;
        for (index, element) in program.elements(first, len).iter().enumerate() {
            if next == end {
                break;
            }
            next = self.value(next, *element, &path.to(Step::Element(index)));
        }
        end
    }

    #[inline]
    fn key(&self, at: usize) -> &'a str {
        match self.nodes[at] {
            Node::String(key) => key,
            Node::Object { .. } | Node::Array { .. } | Node::Static(_) => {
                unreachable!("simd-json's objects have strings for keys")
            }
        }
    }

    /// Judges a JSON string, its escapes decoded.
    #[inline]
    fn text(&self, op: Op, text: &str) -> Result<(), Flaw> {
        let bytes = text.as_bytes();
        match op {
            Op::Any | Op::String => Ok(()),
            Op::FixedString(len) if bytes.len() <= len => Ok(()),
            Op::FixedString(_) => Err(Flaw::TooLong),
            Op::Integer { signed, bits } => match integer::judge(bytes, signed, bits) {
                Judged::Fits if bytes == b"-0" && !signed => Err(Flaw::Misspelt("no integer")),
                Judged::Fits => Ok(()),
                Judged::OutOfRange => Err(Flaw::OutOfRange),
                Judged::NoInteger => Err(Flaw::Misspelt("no integer")),
            },
            Op::Float => number::float(bytes).map_err(Flaw::Misspelt),
            Op::Decimal => number::decimal(bytes).map_err(Flaw::Misspelt),
            Op::Date => time::date(bytes).map(|_| ()).map_err(Flaw::Misspelt),
            Op::DateTime => time::date_time(bytes).map(|_| ()).map_err(Flaw::Misspelt),
            Op::Uuid => uuid::judge(bytes).map_err(Flaw::Misspelt),
            Op::Ipv4 => ip::v4(bytes).map_err(Flaw::Misspelt),
            Op::Ipv6 => ip::v6(text).map_err(Flaw::Misspelt),
            Op::Enum(members) | Op::Literals(members) => {
                let found = self.program.members(members).names.find(text, 0);
                found.map(|_| ()).ok_or(Flaw::NotInEnum)
            }
            Op::Bool
            | Op::Array(_)
            | Op::Map { .. }
            | Op::Object(_)
            | Op::Tuple { .. }
            | Op::Json
            | Op::Number
            | Op::WholeNumber(_) => Err(Flaw::WrongType),
        }
    }

    /// Judges a map's key: a JSON key is text, whatever it stands for.
    fn map_key(&self, op: Op, key: &str) -> Result<(), Flaw> {
        match op {
            Op::Bool if matches!(key, "true" | "false") => Ok(()),
            Op::Bool => Err(Flaw::Misspelt("neither `true` nor `false`")),
            _ => self.text(op, key),
        }
    }

    /// Judges a number, a boolean, or a null that is not allowed.
    #[inline]
    fn scalar(
        &mut self,
        op: Op,
        scalar: StaticNode,
        at: usize,
        path: &Path<'_>,
    ) -> Result<(), Flaw> {
        match (op, scalar) {
            (_, StaticNode::Null) => Err(Flaw::WrongType),
            (Op::Any, _) | (Op::Bool, StaticNode::Bool(_)) => Ok(()),
            (_, StaticNode::Bool(_)) => Err(Flaw::WrongType),
            (Op::Float | Op::Decimal | Op::Number, _) => Ok(()),
            (Op::Integer { signed, bits }, _) => {
                let fits = match scalar {
                    // -0 is an I64.
                    StaticNode::I64(0) => true,
                    StaticNode::I64(number) => signed && (bits > 64 || number >> (bits - 1) == -1),
                    StaticNode::U64(number) => {
                        let bits = bits - u16::from(signed);
                        bits >= 64 || number >> bits == 0
                    }
                    _ => return self.long_integer(signed, bits, at, path),
                };
                if fits { Ok(()) } else { Err(Flaw::OutOfRange) }
            }
            (Op::WholeNumber(bounds), _) => self.whole_number(bounds, scalar, at, path),
            (Op::Enum(members), _) => self.enum_number(members, scalar, at, path),
            _ => Err(Flaw::WrongType),
        }
    }

    /// Judges a number that simd-json took for a float, as it does beyond 64 bits, by its text.
    #[cold]
    fn long_integer(
        &mut self,
        signed: bool,
        bits: u16,
        at: usize,
        path: &Path<'_>,
    ) -> Result<(), Flaw> {
        match integer::judge(self.cursor.number(at, path.depth), signed, bits) {
            Judged::Fits => Ok(()),
            Judged::OutOfRange => Err(Flaw::OutOfRange),
            Judged::NoInteger => Err(Flaw::NoInteger),
        }
    }

    fn whole_number(
        &mut self,
        bounds: u32,
        scalar: StaticNode,
        at: usize,
        path: &Path<'_>,
    ) -> Result<(), Flaw> {
        let bounds = self.program.bounds(bounds);
        let number = match scalar {
            StaticNode::I64(number) => i128::from(number),
            StaticNode::U64(number) => i128::from(number),
            _ => match number::whole(self.cursor.number(at, path.depth)) {
                number::Whole::Is(number) => number,
                number::Whole::No => return Err(Flaw::NoInteger),
                number::Whole::Beyond if bounds.minimum.or(bounds.maximum).is_some() => {
                    return Err(Flaw::OutOfRange);
                }
                number::Whole::Beyond => return Ok(()),
            },
        };
        let above = bounds.minimum.is_none_or(|minimum| minimum <= number);
        let below = bounds.maximum.is_none_or(|maximum| number <= maximum);
        if above && below {
            Ok(())
        } else {
            Err(Flaw::OutOfRange)
        }
    }

    fn enum_number(
        &mut self,
        members: u32,
        scalar: StaticNode,
        at: usize,
        path: &Path<'_>,
    ) -> Result<(), Flaw> {
        let number = match scalar {
            StaticNode::I64(number) => i16::try_from(number).ok(),
            StaticNode::U64(number) => i16::try_from(number).ok(),
            _ => {
                let text = self.cursor.number(at, path.depth);
                match integer::judge(text, true, 256) {
                    Judged::NoInteger => return Err(Flaw::NoInteger),
                    Judged::Fits | Judged::OutOfRange => None,
                }
            }
        };
        let numbers = &self.program.members(members).numbers;
        let is_member = number.is_some_and(|number| numbers.binary_search(&number).is_ok());
        if is_member {
            Ok(())
        } else {
            Err(Flaw::NotInEnum)
        }
    }
}

/// What is told; none of it happens while all is well.
impl Walk<'_, '_> {
    /// The value at `at` does not fit.
    #[cold]
    #[inline(never)]
    fn fault(&mut self, at: usize, index: u32, path: &Path<'_>, flaw: Flaw) {
        if !self.causes.count() {
            return;
        }
        let offset = self.cursor.offset(at, path.depth);
        let json = match self.nodes[at] {
            Node::Static(_) => self.cursor.number(at, path.depth),
            Node::String(_) | Node::Object { .. } | Node::Array { .. } => &[],
        };
        let found = Found::Value(self.nodes[at], json);
        self.tell(offset, index, path, flaw, &found);
    }

    /// The key at `at` does not fit; its value may.
    #[cold]
    #[inline(never)]
    fn fault_of_key(&mut self, at: usize, index: u32, path: &Path<'_>, flaw: Flaw) {
        if !self.causes.count() {
            return;
        }
        let offset = self.cursor.offset(at, path.depth);
        let found = Found::Key(self.key(at));
        self.tell(offset, index, path, flaw, &found);
    }

    fn tell(&mut self, offset: usize, index: u32, path: &Path<'_>, flaw: Flaw, found: &Found<'_>) {
        let expected = self.program.text(index);
        let op = self.program.instruction(index).op;
        self.causes.tell(Cause {
            offset,
            path: path.to_string(),
            code: flaw.code(),
            message: flaw.message(self.program, op, expected, found),
            expected: Some(expected.to_owned()),
        });
    }

    /// The key at `at` is not declared.
    #[cold]
    #[inline(never)]
    fn unknown(&mut self, at: usize, key: &str, shape: &Shape, path: &Path<'_>) {
        if !self.causes.count() {
            return;
        }
        let path = path.to(Step::Key(key));
        let meant = flaw::likely(key, shape.names.iter());
        let guess = flaw::guess(meant);
        let found = super::fault::quote(key.as_bytes());
        self.causes.tell(Cause {
            offset: self.cursor.offset(at, path.depth),
            path: path.to_string(),
            code: FaultCode::UnknownField,
            message: format!("expected no fields but those declared, found {found}{guess}"),
            expected: None,
        });
    }

    /// The object at `at` lacks fields of those whose bits begin at `seen`.
    #[cold]
    #[inline(never)]
    fn missing(&mut self, at: usize, seen: usize, shape: &Shape, path: &Path<'_>) {
        for (field, index) in shape.fields.iter().enumerate() {
            let (word, bit) = (field / 64, 1 << (field % 64));
            let is_missing = shape.required[word] & !self.seen[seen + word] & bit != 0;
            if !is_missing || !self.causes.count() {
                continue;
            }
            let name = shape.names.text(field);
            let expected = self.program.text(*index);
            let quoted = super::fault::quote(name.as_bytes());
            self.causes.tell(Cause {
                offset: self.cursor.offset(at, path.depth),
                path: path.to(Step::Field(name)).to_string(),
                code: FaultCode::MissingField,
                message: format!("expected the field {quoted} of type {expected}, found none"),
                expected: Some(expected.to_owned()),
            });
        }
    }
}
