//! Which values of a body are invalid, by path.

use std::mem;

use super::{
    texts,
    tree::{Tree, Unreadable},
    types::{Model, Type},
};

/// From a record to a value in it.
pub(crate) type Path = Vec<Step>;

/// One level down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The invalid values of each record, in order; all empty if the body is valid.
///
/// # Errors
/// The body is not JSON, or neither an object nor an array.
pub(crate) fn validate(model: &Model, body: &[u8]) -> Result<Vec<Vec<Path>>, Unreadable> {
    let records = match Tree::parse(body)? {
        Tree::Array(records) => records,
        record => vec![record],
    };
    let records = records.iter();
    Ok(records
        .map(|record| invalid_values(model, record))
        .collect())
}

/// The paths of the invalid and the missing values of a record.
pub(crate) fn invalid_values(model: &Model, record: &Tree) -> Vec<Path> {
    let mut walk = Walk {
        rejects_unknown: model.rejects_unknown,
        path: Vec::new(),
        invalid: Vec::new(),
    };
    let fields = model.fields.iter();
    let fields = fields.map(|it| (it.name.as_str(), &it.type_, it.has_default));
    walk.members(&fields.collect::<Vec<_>>(), record);
    walk.invalid
}

struct Walk {
    rejects_unknown: bool,
    /// Of the value at hand.
    path: Path,
    invalid: Vec<Path>,
}

impl Walk {
    fn check(&mut self, is_good: bool) {
        if !is_good {
            self.invalid.push(self.path.clone());
        }
    }

    fn at(&mut self, step: Step, check: impl FnOnce(&mut Self)) {
        self.path.push(step);
        check(self);
        self.path.pop();
    }

    fn value(&mut self, type_: &Type, value: &Tree) {
        match (type_, value) {
            (Type::Nullable(_), Tree::Null)
            | (Type::Bool, Tree::Bool)
            | (Type::Float | Type::Decimal, Tree::Number(_)) => {}
            (Type::Nullable(inner), _) => self.value(inner, value),
            (Type::Array(inner), Tree::Array(elements)) => {
                for (index, element) in elements.iter().enumerate() {
                    self.at(Step::Index(index), |it| it.value(inner, element));
                }
            }
            (Type::Tuple(parts), Tree::Array(elements)) => {
                self.check(parts.len() == elements.len());
                for (index, (part, element)) in parts.iter().zip(elements).enumerate() {
                    self.at(Step::Index(index), |it| it.value(part, element));
                }
            }
            (Type::Map(key_type, value_type), Tree::Object(members)) => {
                for (key, value) in members {
                    self.at(Step::Key(key.clone()), |it| {
                        it.check(is_written_as(key_type, key));
                        it.value(value_type, value);
                    });
                }
            }
            (Type::Object(fields), _) => {
                let fields = fields
                    .iter()
                    .map(|(name, type_)| (name.as_str(), type_, false));
                self.members(&fields.collect::<Vec<_>>(), value);
            }
            (Type::Json(paths), Tree::Object(_)) => {
                // There may be anything in it, and so in what its typed paths lead to.
                let rejects_unknown = mem::replace(&mut self.rejects_unknown, false);
                for (path, type_) in paths {
                    self.typed_path(path, type_, value);
                }
                self.rejects_unknown = rejects_unknown;
            }
            (Type::Integer { signed, bits }, Tree::Number(number)) => {
                let number = texts::integer(number);
                let range = texts::range(*signed, *bits);
                self.check(number.is_some_and(|number| range.contains(&number)));
            }
            (Type::Enum(members), Tree::Number(number)) => {
                let number = texts::integer(number);
                let mut numbers = members.iter().map(|(_, number)| (*number).into());
                self.check(number.is_some_and(|number| numbers.any(|it| number == it)));
            }
            (_, Tree::String(text)) => self.check(is_written_as(type_, text)),
            _ => self.check(false),
        }
    }

    /// `fields`: name, type, and whether it may be left out although not nullable.
    fn members(&mut self, fields: &[(&str, &Type, bool)], value: &Tree) {
        let Tree::Object(members) = value else {
            return self.check(false);
        };
        for (name, type_, has_default) in fields {
            let is_optional = *has_default || matches!(type_, Type::Nullable(_));
            self.at(Step::Key((*name).to_owned()), |it| {
                let mut values = members.iter().filter(|(key, _)| key == name).peekable();
                it.check(is_optional || values.peek().is_some());
                values.for_each(|(_, value)| it.value(type_, value));
            });
        }
        let is_declared = |key: &str| fields.iter().any(|(name, ..)| *name == key);
        for (key, _) in members.iter().filter(|(key, _)| !is_declared(key)) {
            let is_good = !self.rejects_unknown;
            self.at(Step::Key(key.clone()), |it| it.check(is_good));
        }
    }

    /// What a `JSON` column says of one path must hold wherever the path leads, for keys may come
    /// twice. It leads through objects, or to null where the type allows to leave it out.
    fn typed_path(&mut self, path: &[String], type_: &Type, value: &Tree) {
        let Some((key, rest)) = path.split_first() else {
            return self.value(type_, value);
        };
        let is_optional = matches!(type_, Type::Nullable(_));
        let Tree::Object(members) = value else {
            return self.check(is_optional && *value == Tree::Null);
        };
        self.at(Step::Key(key.clone()), |it| {
            let mut values = members.iter().filter(|(name, _)| name == key).peekable();
            it.check(is_optional || values.peek().is_some());
            values.for_each(|(_, value)| it.typed_path(rest, type_, value));
        });
    }
}

/// Whether a string, or a map's key, is such a scalar.
fn is_written_as(type_: &Type, text: &str) -> bool {
    match type_ {
        Type::String => true,
        Type::FixedString(length) => text.len() <= *length,
        Type::Integer { signed, bits } => {
            let is_negative_zero = text == "-0";
            let number = texts::integer(text).filter(|_| *signed || !is_negative_zero);
            number.is_some_and(|number| texts::range(*signed, *bits).contains(&number))
        }
        Type::Float => texts::is_float(text),
        Type::Decimal => texts::is_decimal(text),
        Type::Date => texts::is_date(text),
        Type::DateTime => texts::is_date_time(text),
        Type::Uuid => texts::is_uuid(text),
        Type::Ipv4 => texts::is_ipv4(text),
        Type::Ipv6 => texts::is_ipv6(text),
        Type::Enum(members) => members.iter().any(|(name, _)| name == text),
        Type::Bool
        | Type::Nullable(_)
        | Type::Array(_)
        | Type::Map(..)
        | Type::Object(_)
        | Type::Tuple(_)
        | Type::Json(_) => false,
    }
}
