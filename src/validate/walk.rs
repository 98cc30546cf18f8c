//! Validates the values of a record against the types of its model: one walk over simd-json's nodes
//! both checks them and reports errors.
//!
//! It recurses as deep as the type, never as deep as the data: a value whose type does not restrict its
//! contents is skipped by its node count.

mod report;
mod scalar;

use simd_json::{Node, StaticNode};

use super::{
    document::{JsonValue, NodeCursor},
    error::RecordErrors,
    mismatch::TypeMismatch,
    path::{Container, Path},
    seen::SeenFields,
    text::typed,
};
use crate::model::{Instruction, Op, Program, UnknownFields};

/// Validates `record`, which must be an object. `seen` is scratch, empty before and after.
pub(super) fn validate(
    record: &JsonValue<'_>,
    program: &Program,
    seen: &mut Vec<u64>,
    errors: &mut RecordErrors,
) {
    let mut walk = Walk {
        program,
        nodes: record.nodes(),
        cursor: record.cursor(),
        seen,
        errors,
    };
    let end = walk.nodes.len();
    walk.object(0, end, program.root(), &Path::RECORD);
}

struct Walk<'w, 'a> {
    program: &'w Program,
    /// The nodes of the record.
    nodes: &'a [Node<'a>],
    cursor: NodeCursor<'a>,
    /// Overflow storage of [`SeenFields`], for all enclosing objects.
    seen: &'w mut Vec<u64>,
    errors: &'w mut RecordErrors,
}

impl<'a> Walk<'_, 'a> {
    /// Validates the value at `at`; returns the index of the node after it.
    #[inline]
    fn value(&mut self, at: usize, instruction: &Instruction, path: &Path<'_>) -> usize {
        match (self.nodes[at], instruction.op) {
            // Frequent and always valid: no call.
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
        let result = match node {
            Node::String(text) => typed::string(self.program, op, text.as_bytes()),
            Node::Static(StaticNode::Null) if nullable => Ok(()),
            Node::Static(scalar) => self.scalar(op, scalar, at, path),
            Node::Object { count, .. } => {
                let end = at + 1 + count;
                match op {
                    Op::Object(shape) => self.object(at, end, shape, path),
                    Op::Map { key, value } => self.map(at, end, key, value, path),
                    Op::Json | Op::Any => {}
                    _ => self.report_mismatch(at, instruction, path, TypeMismatch::WrongType),
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
                            self.report_mismatch(at, instruction, path, TypeMismatch::WrongLength);
                        }
                        self.tuple(at, end, first, expected, path);
                    }
                    Op::Any => {}
                    _ => self.report_mismatch(at, instruction, path, TypeMismatch::WrongType),
                }
                return end;
            }
        };
        if let Err(mismatch) = result {
            self.report_mismatch(at, instruction, path, mismatch);
        }
        at + 1
    }

    /// The index of the node after the value at `at`.
    #[inline]
    fn after(&self, at: usize) -> usize {
        match self.nodes[at] {
            Node::Object { count, .. } | Node::Array { count, .. } => at + 1 + count,
            Node::String(_) | Node::Static(_) => at + 1,
        }
    }

    /// Validates the members of the object at `at`, whose nodes end before `end`.
    fn object(&mut self, at: usize, end: usize, shape: u32, path: &Path<'_>) {
        let program = self.program;
        let shape = program.shape(shape);
        let mut seen = SeenFields::new(self.seen);
        let mut member = path.within(Container::Object);
        let mut next = at + 1;
        // Predicted next fields: the one declared after the last, and the previous prediction that was
        // missed. Two suffice if only a few fields are out of order or absent.
        let mut predicted = [0, 0];
        while next < end {
            let key = self.key(next);
            if let Some(field) = shape.names.find(key.as_bytes(), predicted) {
                if field != predicted[0] {
                    predicted[1] = predicted[0];
                }
                predicted[0] = field + 1;
                seen.insert(field, self.seen);
                member.step = next;
                next = self.value(next + 1, &shape.fields[field], &member);
            } else {
                if shape.unknown_fields == UnknownFields::Reject {
                    self.report_unknown_field(next, key, shape, path);
                }
                next = self.after(next + 1);
            }
        }
        if !seen.has_all(shape, self.seen) {
            self.report_missing_fields(at, &seen, shape, path);
        }
        seen.release(self.seen);
    }

    /// Validates the entries of the map at `at`.
    fn map(&mut self, at: usize, end: usize, key_type: u32, value_type: u32, path: &Path<'_>) {
        let key_type = self.program.instruction(key_type);
        let value_type = self.program.instruction(value_type);
        let mut entry = path.within(Container::Map);
        let mut next = at + 1;
        while next < end {
            entry.step = next;
            let key = self.key(next).as_bytes();
            if let Err(mismatch) = typed::map_key(self.program, key_type.op, key) {
                self.report_key_mismatch(next, key_type, &entry, mismatch);
            }
            next = self.value(next + 1, value_type, &entry);
        }
    }

    /// Validates the elements of the array at `at`.
    fn array(&mut self, at: usize, end: usize, type_: u32, path: &Path<'_>) {
        let type_ = self.program.instruction(type_);
        let mut element = path.within(Container::Array);
        let mut next = at + 1;
        while next < end {
            next = self.value(next, type_, &element);
            element.step += 1;
        }
    }

    /// Validates the elements of the tuple at `at`, up to the shorter of actual and declared length.
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

    /// The text of a number as received.
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
