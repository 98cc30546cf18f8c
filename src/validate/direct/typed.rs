//! Values of declared types.

use super::{Direct, order::Place};
use crate::{
    model::{Bounds, Instruction, Op, Shape, UnknownFields},
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
    /// An object of a shape.
    #[inline(never)]
    pub(super) fn object(&mut self, at: usize, shape: u32) -> Option<usize> {
        let has_fields = self.depth == self.depth_max && !self.fields.is_empty();
        self.depth = self.depth.checked_sub(1)?;
        let (mut place, mut others) = (Place::start_of(shape), 0);
        let shape = self.program?.shape(shape);
        let mut seen = SeenFields::new(self.seen);
        let mut at = self.space(at + 1);
        let mut is_complete = self.peek(at)? == b'}';
        while !is_complete {
            let likely = self.order.likely(place);
            let likely_len = shape.names.member_len(likely, self.text.get(at..)?);
            let (member, start) = if let Some(len) = likely_len {
                (Ok(likely), self.space(at + len))
            } else {
                let (member, start) = self.other_member(at, shape)?;
                self.order.learn(place, member.unwrap_or(NO_FIELD));
                (member, start)
            };
            at = if let Ok(field) = member {
                place = place.behind(field);
                seen.insert(field, self.seen);
                self.value(start, &shape.fields[field])?
            } else {
                place = place.behind(shape.fields.len() + others);
                others += 1;
                self.any(start)?
            };
            if has_fields {
                self.fields.see(member, start..at);
            }
            (is_complete, at) = self.follower(at, b'}')?;
        }
        let has_all = seen.has_all(shape, self.seen);
        seen.release(self.seen);
        self.depth += 1;
        has_all.then_some(at + 1)
    }

    /// The member that begins at `at`, which is a field or the name of none, and where its value begins.
    #[inline]
    fn other_member(
        &mut self,
        at: usize,
        shape: &Shape,
    ) -> Option<(Result<usize, &'d [u8]>, usize)> {
        let (key, start) = self.key(at)?;
        match shape.names.look_up(key) {
            Some(field) => Some((Ok(field), start)),
            None if shape.unknown_fields == UnknownFields::Reject => None,
            None => Some((Err(key), start)),
        }
    }

    #[inline(never)]
    fn map(&mut self, at: usize, key_type: u32, value_type: u32) -> Option<usize> {
        self.depth = self.depth.checked_sub(1)?;
        let program = self.program?;
        let key_type = program.instruction(key_type).op;
        let value_type = program.instruction(value_type);
        let mut at = self.space(at + 1);
        let mut is_complete = self.peek(at)? == b'}';
        while !is_complete {
            let (key, start) = self.key(at)?;
            typed::map_key(program, key_type, key).ok()?;
            at = self.value(start, value_type)?;
            (is_complete, at) = self.follower(at, b'}')?;
        }
        self.depth += 1;
        Some(at + 1)
    }

    #[inline(never)]
    fn array(&mut self, at: usize, element: u32) -> Option<usize> {
        let element = self.program?.instruction(element);
        self.elements(at, &mut std::iter::repeat(element))
    }

    #[inline(never)]
    fn tuple(&mut self, at: usize, first: u32, len: u32) -> Option<usize> {
        let mut types = self.program?.elements(first, len).iter();
        let end = self.elements(at, &mut types)?;
        types.next().is_none().then_some(end)
    }

    /// An array of as many elements as there are types, or fewer.
    fn elements<'t>(
        &mut self,
        at: usize,
        types: &mut impl Iterator<Item = &'t Instruction>,
    ) -> Option<usize> {
        self.depth = self.depth.checked_sub(1)?;
        let mut at = self.space(at + 1);
        let mut is_complete = self.peek(at)? == b']';
        while !is_complete {
            at = self.value(at, types.next()?)?;
            (is_complete, at) = self.follower(at, b']')?;
        }
        self.depth += 1;
        Some(at + 1)
    }

    fn value(&mut self, at: usize, type_: &Instruction) -> Option<usize> {
        let Instruction { op, nullable, .. } = *type_;
        let first = self.peek(at)?;
        match op {
            Op::Any => self.any(at),
            Op::String if first == b'"' => self.string(at + 1),
            Op::Bool if first == b't' => self.literal(at, b"true"),
            Op::Bool if first == b'f' => self.literal(at, b"false"),
            Op::Object(shape) if first == b'{' => self.object(at, shape),
            Op::Map { key, value } if first == b'{' => self.map(at, key, value),
            Op::Json if first == b'{' => self.container(at),
            Op::Array(element) if first == b'[' => self.array(at, element),
            Op::Tuple { first: from, len } if first == b'[' => self.tuple(at, from, len),
            _ => match first {
                b'"' => self.typed_string(at + 1, op),
                b'-' | b'0'..=b'9' => self.typed_number(at, op),
                b'n' if nullable => self.literal(at, b"null"),
                _ => None,
            },
        }
    }

    #[inline(never)]
    fn typed_string(&mut self, at: usize, op: Op) -> Option<usize> {
        let program = self.program?;
        let (text, end) = self.plain_string(at)?;
        typed::string(program, op, text).ok().map(|()| end)
    }

    #[inline(never)]
    fn typed_number(&mut self, at: usize, op: Op) -> Option<usize> {
        let program = self.program?;
        let (end, is_whole) = self.number(at)?;
        let text = || &self.text[at..end];
        let is_valid = match op {
            Op::Any | Op::Float | Op::Decimal | Op::Number => true,
            Op::Integer { signed, bits } => is_whole && is_integer(text(), signed, bits),
            Op::WholeNumber(bounds) => is_within(program.bounds(bounds), text()),
            Op::Enum(members) => {
                let number = str::from_utf8(text()).ok();
                let number = number.and_then(|number| number.parse().ok());
                let numbers = &program.members(members).numbers;
                number.is_some_and(|number| numbers.binary_search(&number).is_ok())
            }
            _ => false,
        };
        is_valid.then_some(end)
    }
}

/// No shape has so many fields.
const NO_FIELD: usize = usize::MAX;

fn is_integer(text: &[u8], signed: bool, bits: u16) -> bool {
    integer::is_short(text, signed, bits)
        || integer::check(text, signed, bits) == IntegerCheck::Fits
}

fn is_within(bounds: Bounds, number: &[u8]) -> bool {
    match number::integer_value(number) {
        IntegerValue::Exact(number) => {
            bounds.minimum.is_none_or(|minimum| minimum <= number)
                && bounds.maximum.is_none_or(|maximum| number <= maximum)
        }
        IntegerValue::NotAnInteger | IntegerValue::OutOfRange => false,
    }
}
