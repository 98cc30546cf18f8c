//! Values of declared types.

use super::Direct;
use crate::{
    model::{Instruction, Op, Program, Shape, UnknownFields},
    validate::{
        seen::SeenFields,
        text::{
            integer::{self, IntegerCheck},
            number::{self, IntegerValue},
            typed,
        },
    },
};

impl<'d> Direct<'d> {
    /// An object of a shape, with containers nested to at most `depth`.
    pub(super) fn object(
        &mut self,
        at: usize,
        program: &'d Program,
        shape: u32,
        depth: usize,
    ) -> Option<usize> {
        let has_fields = depth == self.depth_max && !self.fields.is_empty();
        let depth = depth.checked_sub(1)?;
        let shape = program.shape(shape);
        let mut seen = SeenFields::new(self.seen);
        // As in the walk.
        let mut predicted = [0, 0];
        let mut at = self.space(at + 1);
        let mut is_complete = self.peek(at)? == b'}';
        while !is_complete {
            let (field, start) = self.field(at, shape, predicted)?;
            at = match field {
                Ok(field) => {
                    if field != predicted[0] {
                        predicted[1] = predicted[0];
                    }
                    predicted[0] = field + 1;
                    seen.insert(field, self.seen);
                    self.value(start, program, &shape.fields[field], depth)?
                }
                Err(_) if shape.unknown_fields == UnknownFields::Reject => return None,
                Err(_) => self.any(start, depth)?,
            };
            if has_fields {
                self.fields.see(field, start..at);
            }
            (is_complete, at) = self.follower(at, b'}')?;
        }
        let has_all = seen.has_all(shape, self.seen);
        seen.release(self.seen);
        has_all.then_some(at + 1)
    }

    /// The field that begins at `at`, or the name of one that is not declared; and where its value begins.
    #[inline]
    fn field(
        &mut self,
        at: usize,
        shape: &Shape,
        predicted: [usize; 2],
    ) -> Option<(Result<usize, &'d [u8]>, usize)> {
        for field in predicted {
            if let Some(len) = shape.names.member_len(field, &self.text[at..]) {
                return Some((Ok(field), self.space(at + len)));
            }
        }
        let (key, start) = self.key(at)?;
        Some((shape.names.look_up(key).ok_or(key), start))
    }

    fn map(
        &mut self,
        at: usize,
        program: &'d Program,
        (key_type, value_type): (u32, u32),
        depth: usize,
    ) -> Option<usize> {
        let depth = depth.checked_sub(1)?;
        let key_type = program.instruction(key_type).op;
        let value_type = program.instruction(value_type);
        let mut at = self.space(at + 1);
        let mut is_complete = self.peek(at)? == b'}';
        while !is_complete {
            let (key, start) = self.key(at)?;
            typed::map_key(program, key_type, key).ok()?;
            at = self.value(start, program, value_type, depth)?;
            (is_complete, at) = self.follower(at, b'}')?;
        }
        Some(at + 1)
    }

    /// An array of as many elements as there are types, or fewer.
    fn array<'t>(
        &mut self,
        at: usize,
        program: &'d Program,
        types: &mut impl Iterator<Item = &'t Instruction>,
        depth: usize,
    ) -> Option<usize> {
        let depth = depth.checked_sub(1)?;
        let mut at = self.space(at + 1);
        let mut is_complete = self.peek(at)? == b']';
        while !is_complete {
            at = self.value(at, program, types.next()?, depth)?;
            (is_complete, at) = self.follower(at, b']')?;
        }
        Some(at + 1)
    }

    fn value(
        &mut self,
        at: usize,
        program: &'d Program,
        type_: &Instruction,
        depth: usize,
    ) -> Option<usize> {
        let Instruction { op, nullable, .. } = *type_;
        match (self.peek(at)?, op) {
            (b'"', Op::String | Op::Any) => self.string(at + 1),
            (b'"', _) => {
                let (text, end) = self.plain_string(at + 1)?;
                typed::string(program, op, text).ok().map(|()| end)
            }
            (b'{', Op::Object(shape)) => self.object(at, program, shape, depth),
            (b'{', Op::Map { key, value }) => self.map(at, program, (key, value), depth),
            (b'{', Op::Json) | (b'{' | b'[', Op::Any) => self.container(at, depth),
            (b'[', Op::Array(element)) => {
                let element = program.instruction(element);
                self.array(at, program, &mut std::iter::repeat(element), depth)
            }
            (b'[', Op::Tuple { first, len }) => {
                let mut elements = program.elements(first, len).iter();
                let end = self.array(at, program, &mut elements, depth)?;
                elements.next().is_none().then_some(end)
            }
            (b'n', _) if nullable => self.literal(at, b"null"),
            (b't', Op::Bool | Op::Any) => self.literal(at, b"true"),
            (b'f', Op::Bool | Op::Any) => self.literal(at, b"false"),
            (b'-' | b'0'..=b'9', _) => self.number_of(at, program, op),
            _ => None,
        }
    }

    fn number_of(&self, at: usize, program: &Program, op: Op) -> Option<usize> {
        let (end, is_whole) = self.number(at)?;
        let text = &self.text[at..end];
        let is_valid = match op {
            Op::Any | Op::Float | Op::Decimal | Op::Number => true,
            Op::Integer { signed, bits } => {
                is_whole && integer::check(text, signed, bits) == IntegerCheck::Fits
            }
            Op::WholeNumber(bounds) => {
                let bounds = program.bounds(bounds);
                match number::integer_value(text) {
                    IntegerValue::Exact(number) => {
                        bounds.minimum.is_none_or(|minimum| minimum <= number)
                            && bounds.maximum.is_none_or(|maximum| number <= maximum)
                    }
                    IntegerValue::NotAnInteger | IntegerValue::OutOfRange => false,
                }
            }
            Op::Enum(members) => {
                let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                let numbers = &program.members(members).numbers;
                number.is_some_and(|number| numbers.binary_search(&number).is_ok())
            }
            _ => false,
        };
        is_valid.then_some(end)
    }
}
