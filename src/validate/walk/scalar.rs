//! Strings, numbers and booleans.

use simd_json::StaticNode;

use super::{
    super::{
        flaw::Flaw,
        path::Path,
        text::{
            integer::{self, Judged},
            ip, number, time, uuid,
        },
    },
    Walk,
};
use crate::model::Op;

impl Walk<'_, '_> {
    /// Judges a JSON string, its escapes decoded.
    #[inline]
    pub(super) fn text(&self, op: Op, text: &str) -> Result<(), Flaw> {
        let bytes = text.as_bytes();
        match op {
            Op::Any | Op::String => Ok(()),
            Op::FixedString(len) if bytes.len() <= len as usize => Ok(()),
            Op::FixedString(_) => Err(Flaw::TooLong),
            Op::Integer { signed, bits } => match integer::judge(bytes, signed, bits) {
                Judged::Fits if bytes == b"-0" && !signed => Err(Flaw::Misspelt(&"not an integer")),
                Judged::Fits => Ok(()),
                Judged::OutOfRange => Err(Flaw::OutOfRange),
                Judged::NoInteger => Err(Flaw::Misspelt(&"not an integer")),
            },
            Op::Float => number::float(bytes).map_err(Flaw::Misspelt),
            Op::Decimal => number::decimal(bytes).map_err(Flaw::Misspelt),
            Op::Date => time::date(bytes).map(|_| ()).map_err(Flaw::Misspelt),
            Op::DateTime => time::date_time(bytes).map(|_| ()).map_err(Flaw::Misspelt),
            Op::Uuid => uuid::judge(bytes).map_err(Flaw::Misspelt),
            Op::Ipv4 => ip::v4(bytes).map_err(Flaw::Misspelt),
            Op::Ipv6 => ip::v6(text).map_err(Flaw::Misspelt),
            Op::Enum(members) | Op::Literals(members) => {
                let found = self.program.members(members).names.look_up(text);
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
    pub(super) fn map_key(&self, op: Op, key: &str) -> Result<(), Flaw> {
        match op {
            Op::Bool if matches!(key, "true" | "false") => Ok(()),
            Op::Bool => Err(Flaw::Misspelt(&"not `true` or `false`")),
            _ => self.text(op, key),
        }
    }

    /// Judges a number, a boolean, or a null that is not allowed.
    #[inline]
    pub(super) fn scalar(
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
        match integer::judge(self.number(at, path), signed, bits) {
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
            _ => match number::whole(self.number(at, path)) {
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
                let text = self.number(at, path);
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
