//! The grammar of `ClickHouse`'s type language, as its `DataTypeFactory` reads it.

mod json;
mod scalars;

use std::{collections::HashSet, ops::RangeInclusive};

use super::{
    Field, Kind, Object, Type, TypeError,
    cursor::Cursor,
    names::{form, plain, unknown},
};

/// A text that is one type and nothing else.
pub(super) fn whole(text: &str) -> Result<Type, TypeError> {
    let mut parser = Parser {
        cursor: Cursor::new(text),
        depth: 0,
    };
    let found = parser.type_()?;
    match parser.cursor.peek() {
        None => Ok(found),
        Some(_) => Err(parser.cursor.expected("the type should end here")),
    }
}

struct Parser<'t> {
    cursor: Cursor<'t>,
    /// Types around the one that is being read, itself counted.
    depth: usize,
}

impl Parser<'_> {
    fn type_(&mut self) -> Result<Type, TypeError> {
        let start = self.cursor.next_at();
        let Some(name) = self.cursor.word() else {
            let message = "a type is expected, such as String";
            return Err(self.cursor.expected(message));
        };
        self.enter(1, start)?;
        let kind = self.kind(name, start)?;
        self.depth -= 1;
        Ok(Type {
            kind,
            text: self.cursor.since(start).to_owned(),
        })
    }

    /// Goes deeper, within the bound.
    fn enter(&mut self, levels: usize, at: usize) -> Result<(), TypeError> {
        self.depth += levels;
        if self.depth > Type::DEPTH_MAX {
            let message = format!("more than {} nested types", Type::DEPTH_MAX);
            return Err(self.cursor.error(at, &message));
        }
        Ok(())
    }

    /// What follows the name of a type that starts at `start`.
    fn kind(&mut self, name: &str, start: usize) -> Result<Kind, TypeError> {
        Ok(match name {
            "FixedString" => self.fixed_string()?,
            "Decimal" => self.decimal()?,
            "Decimal32" => self.sized_decimal(name, 9)?,
            "Decimal64" => self.sized_decimal(name, 18)?,
            "Decimal128" => self.sized_decimal(name, 38)?,
            "Decimal256" => self.sized_decimal(name, 76)?,
            "DateTime" => self.date_time()?,
            "DateTime64" => self.date_time_64()?,
            "Enum" | "Enum16" => self.members(name, i16::MIN..=i16::MAX)?,
            "Enum8" => self.members(name, i8::MIN.into()..=i8::MAX.into())?,
            "Nullable" => self.nullable()?,
            "LowCardinality" => self.low_cardinality()?,
            "SimpleAggregateFunction" => self.simple_aggregate_function()?,
            "Array" => Kind::Array(Box::new(self.only_parameter(name)?.1)),
            "Map" => self.map()?,
            "Tuple" | "Nested" => self.elements(name)?,
            "JSON" => Kind::Json(self.json()?),
            _ => {
                let geometry = self.geometry(name, start)?;
                let Some(kind) = geometry.or_else(|| plain(name)) else {
                    return Err(self.cursor.error(start, &unknown(name)));
                };
                if self.cursor.peek() == Some('(') {
                    let at = self.cursor.next_at();
                    let message = format!("{name} takes no parameters");
                    return Err(self.cursor.error(at, &message));
                }
                kind
            }
        })
    }

    /// A number within bounds, `what` it is for.
    fn number(&mut self, what: &str, allowed: &RangeInclusive<i64>) -> Result<i64, TypeError> {
        let at = self.cursor.next_at();
        let message = format!(
            "{what} is a whole number from {} to {}",
            allowed.start(),
            allowed.end()
        );
        match self.cursor.number() {
            Some(number) if allowed.contains(&number) => Ok(number),
            Some(_) => {
                let given = self.cursor.since(at);
                Err(self.cursor.error(at, &format!("{message}, not {given}")))
            }
            None => Err(self.cursor.expected(&message)),
        }
    }

    fn open(&mut self, name: &str) -> Result<(), TypeError> {
        self.cursor.expect('(', form(name))
    }

    fn close(&mut self, name: &str) -> Result<(), TypeError> {
        self.cursor.expect(')', form(name))
    }

    fn comma(&mut self, name: &str) -> Result<(), TypeError> {
        self.cursor.expect(',', form(name))
    }

    /// The one type in parentheses, and where it is.
    fn only_parameter(&mut self, name: &str) -> Result<(usize, Type), TypeError> {
        self.open(name)?;
        let at = self.cursor.next_at();
        let inner = self.type_()?;
        self.close(name)?;
        Ok((at, inner))
    }

    fn nullable(&mut self) -> Result<Kind, TypeError> {
        let (at, inner) = self.only_parameter("Nullable")?;
        if matches!(inner.kind, Kind::Nullable(_)) {
            let message = format!("{} is nullable already", inner.text);
            return Err(self.cursor.error(at, &message));
        }
        Ok(Kind::Nullable(Box::new(inner)))
    }

    /// `LowCardinality(T)`: as `T`.
    fn low_cardinality(&mut self) -> Result<Kind, TypeError> {
        let (at, inner) = self.only_parameter("LowCardinality")?;
        if inner.kind.is_scalar() {
            return Ok(inner.kind);
        }
        let message = format!(
            "LowCardinality is for strings, numbers and dates, not for {}",
            inner.text
        );
        Err(self.cursor.error(at, &message))
    }

    /// `SimpleAggregateFunction(f, T)`, `f` with or without parameters: as `T`.
    fn simple_aggregate_function(&mut self) -> Result<Kind, TypeError> {
        const NAME: &str = "SimpleAggregateFunction";
        self.open(NAME)?;
        if self.cursor.word().is_none() {
            let message = format!("a function is expected, as in {NAME}(sum, UInt64)");
            return Err(self.cursor.expected(&message));
        }
        if self.cursor.take('(') {
            while self.cursor.number().is_some() || self.cursor.quoted('\'')?.is_some() {
                if !self.cursor.take(',') {
                    break;
                }
            }
            self.close(NAME)?;
        }
        self.comma(NAME)?;
        let inner = self.type_()?;
        self.close(NAME)?;
        Ok(inner.kind)
    }

    /// A map's keys are members of an object: texts.
    fn map(&mut self) -> Result<Kind, TypeError> {
        self.open("Map")?;
        let at = self.cursor.next_at();
        let key = self.type_()?;
        if !key.kind.is_scalar()
            || matches!(key.kind, Kind::Nullable(_) | Kind::Bool | Kind::Decimal)
        {
            let message = format!(
                "the keys of a Map can't be {}: use String, FixedString, an integer, a float, \
                 UUID, IPv4, IPv6, an enum, a date or a time",
                key.text
            );
            return Err(self.cursor.error(at, &message));
        }
        self.comma("Map")?;
        let value = self.type_()?;
        self.close("Map")?;
        Ok(Kind::Map(Box::new(key), Box::new(value)))
    }

    /// The elements of a `Tuple` or `Nested`: all with names, or, of a `Tuple`, all without.
    fn elements(&mut self, name: &str) -> Result<Kind, TypeError> {
        let mut fields: Vec<Field> = Vec::new();
        let mut unnamed = Vec::new();
        let mut names = HashSet::new();
        self.open(name)?;
        loop {
            let at = self.cursor.next_at();
            let element = self.element_name()?;
            match &element {
                None if name == "Nested" => {
                    let message = format!("a name and a type are expected, as in {}", form(name));
                    return Err(self.cursor.expected(&message));
                }
                Some(_) if !unnamed.is_empty() => {
                    let message = "the elements before this one have no names";
                    return Err(self.cursor.error(at, message));
                }
                None if !fields.is_empty() && self.cursor.clone().word().is_some() => {
                    let message = "the elements before this one have names, this has none";
                    return Err(self.cursor.error(at, message));
                }
                Some(element) if element.is_empty() => {
                    return Err(self.cursor.error(at, "an empty name"));
                }
                Some(element) if !names.insert(element.clone()) => {
                    let message = format!("{element:?} is already declared");
                    return Err(self.cursor.error(at, &message));
                }
                _ => {}
            }
            let type_ = self.type_()?;
            match element {
                None => unnamed.push(type_),
                Some(name) => fields.push(Field::declared(name, type_, false)),
            }
            if !self.cursor.take(',') {
                break;
            }
        }
        self.close(name)?;
        if fields.is_empty() {
            return Ok(Kind::Tuple(unnamed));
        }
        Ok(Kind::Object(Object {
            fields,
            unknown_fields: None,
        }))
    }

    /// A name in quotes, or a word before a type; `None` where a type stands alone.
    fn element_name(&mut self) -> Result<Option<String>, TypeError> {
        if let Some(name) = self.quoted_name()? {
            return Ok(Some(name));
        }
        let mut ahead = self.cursor.clone();
        let word = ahead.word();
        let is_name = ahead.clone().word().is_some();
        Ok(word.filter(|_| is_name).map(|word| {
            self.cursor = ahead;
            word.to_owned()
        }))
    }

    fn quoted_name(&mut self) -> Result<Option<String>, TypeError> {
        match self.cursor.quoted('`')? {
            None => self.cursor.quoted('"'),
            name => Ok(name),
        }
    }

    /// A `Point`, or what is made of them, by levels of arrays around it.
    fn geometry(&mut self, name: &str, start: usize) -> Result<Option<Kind>, TypeError> {
        let inside: &[&str] = match name {
            "Point" => &[],
            "Ring" | "LineString" => &["Point"],
            "Polygon" => &["Ring", "Point"],
            "MultiLineString" => &["LineString", "Point"],
            "MultiPolygon" => &["Polygon", "Ring", "Point"],
            _ => return Ok(None),
        };
        // A point is a type of its own, and so are its numbers.
        let levels = inside.len() + 1;
        self.enter(levels, start)?;
        self.depth -= levels;
        let number = Type {
            kind: Kind::Float,
            text: "Float64".to_owned(),
        };
        let point = Kind::Tuple(vec![number.clone(), number]);
        let kind = inside.iter().rev().fold(point, |kind, text| {
            let text = (*text).to_owned();
            Kind::Array(Box::new(Type { kind, text }))
        });
        Ok(Some(kind))
    }
}
