//! A record's values against the types of its model: one walk over simd-json's nodes decides, and
//! tells what is wrong where something is.
//!
//! It recurses as deep as the type is, never as deep as the data: a value whose type asks nothing of
//! what is in it is stepped over by the count of its nodes.

mod scalar;
mod seen;
mod tell;

use simd_json::{Node, StaticNode};

use self::seen::Seen;
use super::{
    document::{Cursor, Value},
    fault::Causes,
    flaw::Flaw,
    path::{Container, Path},
};
use crate::model::{Instruction, Op, Program, UnknownFields};

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
    let end = walk.nodes.len();
    walk.object(0, end, program.root(), &Path::RECORD);
}

struct Walk<'w, 'a> {
    program: &'w Program,
    /// The record's.
    nodes: &'a [Node<'a>],
    cursor: Cursor<'a>,
    /// What [`Seen`] has no place for, of each object around.
    seen: &'w mut Vec<u64>,
    causes: &'w mut Causes,
}

impl<'a> Walk<'_, 'a> {
    /// Judges the value at `at`, and returns the place of the node behind it.
    #[inline]
    fn value(&mut self, at: usize, instruction: &Instruction, path: &Path<'_>) -> usize {
        match (self.nodes[at], instruction.op) {
            // What is frequent and always right costs no call.
            (Node::String(_), Op::String)
            | (
                Node::Static(StaticNode::F64(_) | StaticNode::I64(_) | StaticNode::U64(_)),
                Op::Float,
            ) => at + 1,
            (Node::Object { count, .. }, Op::Json) => at + 1 + count,
            (node, _) => self.any_value(at, node, instruction, path),
        }
    }

    #[inline(never)]
    fn any_value(
        &mut self,
        at: usize,
        node: Node<'a>,
        instruction: &Instruction,
        path: &Path<'_>,
    ) -> usize {
        let Instruction { op, nullable, .. } = *instruction;
        let verdict = match node {
            Node::String(text) => self.text(op, text),
            Node::Static(StaticNode::Null) if nullable => Ok(()),
            Node::Static(scalar) => self.scalar(op, scalar, at, path),
            Node::Object { count, .. } => {
                let end = at + 1 + count;
                match op {
                    Op::Object(shape) => self.object(at, end, shape, path),
                    Op::Map { key, value } => self.map(at, end, key, value, path),
                    Op::Json | Op::Any => {}
                    _ => self.fault(at, instruction, path, Flaw::WrongType),
                }
                return end;
            }
            Node::Array { len, count } => {
                let end = at + 1 + count;
                match op {
                    Op::Array(element) => self.array(at, end, element, path),
                    Op::Tuple {
                        first,
                        len: expected,
                    } => {
                        if len != expected as usize {
                            self.fault(at, instruction, path, Flaw::WrongLength);
                        }
                        self.tuple(at, end, first, expected, path);
                    }
                    Op::Any => {}
                    _ => self.fault(at, instruction, path, Flaw::WrongType),
                }
                return end;
            }
        };
        if let Err(flaw) = verdict {
            self.fault(at, instruction, path, flaw);
        }
        at + 1
    }

    /// The place of the node behind the value at `at`.
    #[inline]
    fn after(&self, at: usize) -> usize {
        match self.nodes[at] {
            Node::Object { count, .. } | Node::Array { count, .. } => at + 1 + count,
            Node::String(_) | Node::Static(_) => at + 1,
        }
    }

    /// Judges the members of the object at `at`, whose nodes go up to `end`.
    fn object(&mut self, at: usize, end: usize, shape: u32, path: &Path<'_>) {
        let program = self.program;
        let shape = program.shape(shape);
        let mut seen = Seen::new(shape, self.seen);
        let mut member = path.within(Container::Object);
        let mut next = at + 1;
        // The field after the last one, and the one that was expected when that came instead: what
        // only a few fields out of their order, or left out, make necessary.
        let mut likely = [0, 0];
        while next < end {
            let key = self.key(next);
            if let Some(field) = shape.names.find(key, likely) {
                if field != likely[0] {
                    likely[1] = likely[0];
                }
                likely[0] = field + 1;
                seen.insert(field, self.seen);
                member.step = next;
                next = self.value(next + 1, &shape.fields[field], &member);
            } else {
                if shape.unknown_fields == UnknownFields::Reject {
                    self.unknown(next, key, shape, path);
                }
                next = self.after(next + 1);
            }
        }
        if !seen.has_all(shape, self.seen) {
            self.missing(at, &seen, shape, path);
        }
        seen.release(self.seen);
    }

    /// Judges the entries of the object at `at`.
    fn map(&mut self, at: usize, end: usize, key_type: u32, value_type: u32, path: &Path<'_>) {
        let key_type = self.program.instruction(key_type);
        let value_type = self.program.instruction(value_type);
        let mut entry = path.within(Container::Map);
        let mut next = at + 1;
        while next < end {
            entry.step = next;
            if let Err(flaw) = self.map_key(key_type.op, self.key(next)) {
                self.fault_of_key(next, key_type, &entry, flaw);
            }
            next = self.value(next + 1, value_type, &entry);
        }
    }

    /// Judges the elements of the array at `at`.
    fn array(&mut self, at: usize, end: usize, type_: u32, path: &Path<'_>) {
        let type_ = self.program.instruction(type_);
        let mut element = path.within(Container::Array);
        let mut next = at + 1;
        while next < end {
            next = self.value(next, type_, &element);
            element.step += 1;
        }
    }

    /// Judges as many elements as there are and should be.
    fn tuple(&mut self, at: usize, end: usize, first: u32, len: u32, path: &Path<'_>) {
        let program = self.program;
        let mut element = path.within(Container::Array);
        let mut next = at + 1;
        for type_ in program.elements(first, len) {
            if next == end {
                break;
            }
            next = self.value(next, type_, &element);
            element.step += 1;
        }
    }

    /// A number's own text.
    fn number(&mut self, at: usize, path: &Path<'_>) -> &'a [u8] {
        self.cursor.number(at, path.depth())
    }

    fn offset(&mut self, at: usize, path: &Path<'_>) -> usize {
        self.cursor.offset(at, path.depth())
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
}
