//! Strings against the type that is declared for them.

use super::{
    super::mismatch::TypeMismatch,
    integer::{self, IntegerCheck},
    ip, number, time, uuid,
};
use crate::model::{Op, Program};

/// Checks the unescaped text of a JSON string.
#[inline]
pub(in super::super) fn string(program: &Program, op: Op, text: &[u8]) -> Result<(), TypeMismatch> {
    match op {
        Op::Any | Op::String => Ok(()),
        Op::FixedString(len) if text.len() <= len as usize => Ok(()),
        Op::FixedString(_) => Err(TypeMismatch::TooLong),
        Op::Integer { signed, bits } => match integer::check(text, signed, bits) {
            IntegerCheck::Fits if text == b"-0" && !signed => {
                Err(TypeMismatch::BadFormat(&"not an integer"))
            }
            IntegerCheck::Fits => Ok(()),
            IntegerCheck::OutOfRange => Err(TypeMismatch::OutOfRange),
            IntegerCheck::NotAnInteger => Err(TypeMismatch::BadFormat(&"not an integer")),
        },
        Op::Float => number::float(text).map_err(TypeMismatch::BadFormat),
        Op::Decimal => number::decimal(text).map_err(TypeMismatch::BadFormat),
        Op::Date => time::date(text)
            .map(|_| ())
            .map_err(TypeMismatch::BadFormat),
        Op::DateTime => time::date_time(text)
            .map(|_| ())
            .map_err(TypeMismatch::BadFormat),
        Op::Uuid => uuid::check(text).map_err(TypeMismatch::BadFormat),
        Op::Ipv4 => ip::v4(text).map_err(TypeMismatch::BadFormat),
        Op::Ipv6 => ip::v6(text).map_err(TypeMismatch::BadFormat),
        Op::Enum(members) | Op::Literals(members) => {
            let found = program.members(members).names.look_up(text);
            found.map(|_| ()).ok_or(TypeMismatch::NotInEnum)
        }
        Op::Bool
        | Op::Array(_)
        | Op::Map { .. }
        | Op::Object(_)
        | Op::Tuple { .. }
        | Op::Json
        | Op::Number
        | Op::WholeNumber(_) => Err(TypeMismatch::WrongType),
    }
}

/// Checks the unescaped key of a map entry, which is a string in JSON whatever its declared type.
pub(in super::super) fn map_key(program: &Program, op: Op, key: &[u8]) -> Result<(), TypeMismatch> {
    match op {
        Op::Bool if matches!(key, b"true" | b"false") => Ok(()),
        Op::Bool => Err(TypeMismatch::BadFormat(&"not `true` or `false`")),
        _ => string(program, op, key),
    }
}
