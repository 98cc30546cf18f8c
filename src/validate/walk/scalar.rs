//! Numbers and booleans.

use simd_json::StaticNode;

use super::{
    super::{
        mismatch::TypeMismatch,
        path::Path,
        text::{
            integer::{self, IntegerCheck},
            number,
        },
    },
    Walk,
};
use crate::model::Op;

impl Walk<'_, '_> {
    /// Validates a number, a boolean, or a null that is not allowed.
    #[inline]
    pub(super) fn scalar(
        &mut self,
        op: Op,
        scalar: StaticNode,
        at: usize,
        path: &Path<'_>,
    ) -> Result<(), TypeMismatch> {
        match (op, scalar) {
            (_, StaticNode::Null) => Err(TypeMismatch::WrongType),
            (Op::Any, _) | (Op::Bool, StaticNode::Bool(_)) => Ok(()),
            (_, StaticNode::Bool(_)) => Err(TypeMismatch::WrongType),
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
                if fits {
                    Ok(())
                } else {
                    Err(TypeMismatch::OutOfRange)
                }
            }
            (Op::WholeNumber(bounds), _) => self.whole_number(bounds, scalar, at, path),
            (Op::Enum(members), _) => self.enum_number(members, scalar, at, path),
            _ => Err(TypeMismatch::WrongType),
        }
    }

    /// Validates, by its text, a number that simd-json parsed as a float, as it does beyond 64 bits.
    #[cold]
    fn long_integer(
        &mut self,
        signed: bool,
        bits: u16,
        at: usize,
        path: &Path<'_>,
    ) -> Result<(), TypeMismatch> {
        match integer::check(self.number(at, path), signed, bits) {
            IntegerCheck::Fits => Ok(()),
            IntegerCheck::OutOfRange => Err(TypeMismatch::OutOfRange),
            IntegerCheck::NotAnInteger => Err(TypeMismatch::NotAnInteger),
        }
    }

    fn whole_number(
        &mut self,
        bounds: u32,
        scalar: StaticNode,
        at: usize,
        path: &Path<'_>,
    ) -> Result<(), TypeMismatch> {
        let bounds = self.program.bounds(bounds);
        let number = match scalar {
            StaticNode::I64(number) => i128::from(number),
            StaticNode::U64(number) => i128::from(number),
            _ => match number::integer_value(self.number(at, path)) {
                number::IntegerValue::Exact(number) => number,
                number::IntegerValue::NotAnInteger => return Err(TypeMismatch::NotAnInteger),
                number::IntegerValue::OutOfRange if bounds.minimum.or(bounds.maximum).is_some() => {
                    return Err(TypeMismatch::OutOfRange);
                }
                number::IntegerValue::OutOfRange => return Ok(()),
            },
        };
        let above = bounds.minimum.is_none_or(|minimum| minimum <= number);
        let below = bounds.maximum.is_none_or(|maximum| number <= maximum);
        if above && below {
            Ok(())
        } else {
            Err(TypeMismatch::OutOfRange)
        }
    }

    fn enum_number(
        &mut self,
        members: u32,
        scalar: StaticNode,
        at: usize,
        path: &Path<'_>,
    ) -> Result<(), TypeMismatch> {
        let number = match scalar {
            StaticNode::I64(number) => i16::try_from(number).ok(),
            StaticNode::U64(number) => i16::try_from(number).ok(),
            _ => {
                let text = self.number(at, path);
                match integer::check(text, true, 256) {
                    IntegerCheck::NotAnInteger => return Err(TypeMismatch::NotAnInteger),
                    IntegerCheck::Fits | IntegerCheck::OutOfRange => None,
                }
            }
        };
        let numbers = &self.program.members(members).numbers;
        let is_member = number.is_some_and(|number| numbers.binary_search(&number).is_ok());
        if is_member {
            Ok(())
        } else {
            Err(TypeMismatch::NotInEnum)
        }
    }
}
