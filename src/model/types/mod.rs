//! Types of fields, as expressed in `ClickHouse`'s type language and in JSON Schema.

mod cursor;
mod error;
mod names;
mod parse;
#[cfg(test)]
mod tests;

pub use error::TypeError;

use super::{Field, UnknownFields};

/// The type of one field, element or map value.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// What a value must be.
    pub kind: Kind,
    /// As written in the model: reported to clients as the expected type.
    pub text: String,
}

impl Type {
    /// The most nested types, including the innermost: an `Array(Nullable(String))` has
    /// three. A `Point` counts as the two that it is made of, and each member of a typed path of
    /// `JSON(…)` but the last as one. So a type may be walked recursively.
    pub const DEPTH_MAX: usize = 32;

    /// Reads a type as `ClickHouse` writes it. Case counts, white space between tokens does not.
    ///
    /// `Nullable(T)` may stand around any type but another `Nullable`, also where `ClickHouse`
    /// would not have it: around an array for instance.
    ///
    /// # Errors
    /// The first error in the text. Types whose values cannot be validated (`Variant` for
    /// instance) are rejected, with an alternative.
    pub fn parse(text: &str) -> Result<Self, TypeError> {
        parse::whole(text)
    }
}

/// What a value must be.
///
/// Types that only change how a column is stored have no kind of their own: `LowCardinality(T)` and
/// `SimpleAggregateFunction(f, T)` have the kind of `T` and their own text.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Any JSON value. `ClickHouse` has no name for it; a JSON Schema `true` or `{}` means it.
    Any,
    /// A JSON string.
    String,
    /// A JSON string of at most this many bytes of UTF-8.
    FixedString(usize),
    /// `true` or `false`.
    Bool,
    /// `Int8` to `UInt256`: a JSON integer in range, or a string that holds one.
    Integer {
        /// Whether negative ones are in range.
        signed: bool,
        /// 8, 16, 32, 64, 128 or 256.
        bits: u16,
    },
    /// `Float32`, `Float64`: a JSON number, or a string that holds one.
    Float,
    /// `Decimal(P, S)`: a JSON number, or a string that holds one. Neither is checked.
    Decimal,
    /// `Date`, `Date32`.
    Date,
    /// `DateTime`, `DateTime64`, with or without precision and zone.
    DateTime,
    /// `UUID`.
    Uuid,
    /// `IPv4`.
    Ipv4,
    /// `IPv6`.
    Ipv6,
    /// The members' names and numbers, each once.
    Enum(Vec<(String, i16)>),
    /// `Nullable(T)`: as `T`, or null, or absent.
    Nullable(Box<Type>),
    /// `Array(T)`; `Ring` and the other geometries but `Point` are arrays of arrays of points.
    Array(Box<Type>),
    /// `Map(K, V)`: an object whose keys are validated as `K`.
    Map(Box<Type>, Box<Type>),
    /// `Tuple(name T, …)`, `Nested(name T, …)`: an object.
    Object(Object),
    /// `Tuple(T, …)`: an array, element by element; a `Point` is one of two `Float64`.
    Tuple(Vec<Type>),
    /// `JSON(…)`: an object whose typed paths must be present, not null, and fit. No path is the
    /// beginning of another.
    Json(Vec<(Vec<String>, Type)>),
    /// A JSON Schema's `number`: a JSON number only.
    Number,
    /// A JSON Schema's `integer`: a JSON number without a fractional part, within bounds.
    WholeNumber {
        /// The least, if any.
        minimum: Option<i128>,
        /// The greatest, if any.
        maximum: Option<i128>,
    },
    /// A JSON Schema's `enum` or `const` of strings.
    Literals(Vec<String>),
}

impl Kind {
    /// Whether its values have no parts: text, number, boolean, or null beside one of these.
    pub(super) fn is_scalar(&self) -> bool {
        match self {
            Self::Nullable(inner) => inner.kind.is_scalar(),
            Self::Any
            | Self::Array(_)
            | Self::Map(..)
            | Self::Object(_)
            | Self::Tuple(_)
            | Self::Json(_) => false,
            Self::String
            | Self::FixedString(_)
            | Self::Bool
            | Self::Integer { .. }
            | Self::Float
            | Self::Decimal
            | Self::Date
            | Self::DateTime
            | Self::Uuid
            | Self::Ipv4
            | Self::Ipv6
            | Self::Enum(_)
            | Self::Number
            | Self::WholeNumber { .. }
            | Self::Literals(_) => true,
        }
    }
}

/// A value with named members.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The members, in the order of their declaration.
    pub fields: Vec<Field>,
    /// The policy for others; `None`: that of the model.
    pub unknown_fields: Option<UnknownFields>,
}
